"""What counts as a super-resolution network, how far it looks, and networks after themselves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper
from reference import run_onnx
from small_networks import (
    Weights,
    bilinear_rgb,
    global_network,
    model,
    nearest_rgb,
    network,
    node,
    random_network,
)

from vsr.errors import InputError
from vsr.networks.cascade import cascade
from vsr.networks.network import OLDEST_OPSET, Network, check_network, read_network
from vsr.networks.reach import reach


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def resize(up: float, across: float | None = None, **more: object) -> ModelProto:
    factors = np.array([1, 1, up, up if across is None else across], np.float32)
    return model([node("Resize", "x - s", "y", **more)], {"s": factors})


def shuffle(channels: int = 1, scale: int = 2, opset: int = 17) -> ModelProto:
    nodes = [
        node("Conv", "x w", "c", pads=[1] * 4),
        node("PRelu", "c slope", "r"),
        node("DepthToSpace", "r", "y", blocksize=scale),
    ]
    wide = channels * scale**2
    weights: Weights = {"w": ones(wide, channels, 3, 3), "slope": ones(wide, 1, 1)}
    return model(nodes, weights, channels, opset=opset)


# What is refused, and why.

REFUSED: dict[str, tuple[ModelProto, str]] = {
    "two inputs": (model([node("Add", "x z", "y")], inputs=("x", "z")), "2 inputs and 1 outputs"),
    "two channels": (shuffle(channels=2), r"\[0, 2, 0, 0\], not \(n, 1 or 3"),
    "float16": (
        model([node("Identity", "x", "y")], element=TensorProto.FLOAT16),
        "'x' holds float16, not float32",
    ),
    "one and a half": (resize(1.5), "17x24 becomes 25x36, which is not a whole factor"),
    "wider only": (resize(1, 2), "17x24 becomes 34x24, which is not a whole factor"),
    "smaller": (resize(0.5), "which is not a whole factor"),
    "other channels": (
        model([node("Conv", "x w", "y")], {"w": ones(3, 1, 1, 1)}, channels_out=3),
        "1 channels go in and 3 come out",
    ),
    "fixed size": (
        model(
            [node("Add", "x place", "y")],
            {"place": ones(1, 1, 32, 32)},
            size=(32, 32),
        ),
        "any size must do, but it takes no picture of 17x24",
    ),
    "multiples of eight": (
        model([node("SpaceToDepth", "x", "s", blocksize=8), node("DepthToSpace", "s", "y")]),
        "any size must do, but it takes no picture of 17x24",
    ),
    "unknown operator": (
        model([node("Magic", "x", "y", domain="com.example")]),
        "any size must do, but it takes no picture of 17x24 .*com.example",
    ),
    "no operator set": (
        helper.make_model(shuffle().graph, opset_imports=[helper.make_opsetid("com.example", 1)]),
        "which version of ONNX's operators",
    ),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_what_is_no_super_resolution_network_is_refused_with_the_reason(what: str) -> None:
    refused, reason = REFUSED[what]
    with pytest.raises(InputError, match=f"^some.onnx: not a super-resolution network: .*{reason}"):
        check_network(refused, "some", "some.onnx")


def test_files_that_are_not_onnx_are_refused_by_name(tmp_path: Path) -> None:
    text, empty = tmp_path / "text.onnx", tmp_path / "empty.onnx"
    text.write_text("<html>404: not found</html>")
    empty.touch()
    for path, reason in [
        (text, "cannot be read as an ONNX model"),
        (empty, "0 inputs and 0 outputs"),
        (tmp_path, "cannot be read as an ONNX model"),
        (tmp_path / "missing.onnx", "no such file"),
    ]:
        with pytest.raises(InputError, match=reason) as refusal:
            read_network(path)
        assert str(path) in str(refusal.value)


def test_a_file_whose_weights_lie_in_another_that_is_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    onnx.save(shuffle(), path, save_as_external_data=True, location="weights", size_threshold=0)
    assert read_network(path).scale == 2
    (tmp_path / "weights").unlink()
    with pytest.raises(InputError, match="cannot be read as an ONNX model"):
        read_network(path)


# What is accepted.


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_any_whole_factor_of_luma_or_rgb_is_accepted(channels: int, scale: int) -> None:
    found = check_network(shuffle(channels, scale), "some", "some.onnx")
    assert (found.channels, found.scale, found.reach) == (channels, scale, 1)


@pytest.mark.parametrize("opset", [*range(9, 22), onnx.defs.onnx_opset_version()])
def test_models_old_and_new_are_brought_to_usable_operators(opset: int) -> None:
    found = check_network(shuffle(opset=opset), "some", "some.onnx")
    assert found.model.opset_import[0].version == max(opset, OLDEST_OPSET)
    x = np.random.default_rng(0).random((1, 1, 5, 4), np.float32)
    [expected] = run_onnx(shuffle(), {"x": x})
    np.testing.assert_allclose(run_onnx(found.model, {"x": x})[0], expected, atol=1e-5)


def test_models_that_list_their_weights_as_inputs_are_accepted() -> None:
    old = shuffle(opset=9)
    old.ir_version = 3
    for tensor in old.graph.initializer:
        listed = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        old.graph.input.insert(0, listed)
    found = check_network(old, "old", "old.onnx")
    assert (found.channels, found.scale, found.reach) == (1, 2, 1)


def test_a_convolutional_network_declared_for_one_size_is_used_for_any() -> None:
    nodes = [node("Conv", "x w", "c", pads=[1] * 4), node("DepthToSpace", "c", "y", blocksize=2)]
    assert network(nodes, {"w": ones(4, 1, 3, 3)}, size=(64, 64)).scale == 2


def test_sizes_that_show_only_at_run_time_are_found() -> None:
    nodes = [
        node("Shape", "x", "shape", start=2),
        node("Mul", "shape two", "large"),
        node("Concat", "one large", "sizes", axis=0),
        node("Resize", "x - - sizes", "y", mode="nearest"),
    ]
    weights: Weights = {"two": np.array([2]), "one": np.array([1, 1])}
    found = network(nodes, weights)
    assert (found.scale, found.reach) == (2, None)


# How far a network looks.


def measured_reach(tested: ModelProto, side: int = 48) -> int:
    """How far from its place one changed sample changes the output, in samples of the input."""
    core, options = ov.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(tested.SerializeToString()), "CPU", options)
    x = np.random.default_rng(0).random((1, 1, side, side), np.float32)
    farthest = 0
    for place in (side // 2, side // 2 + 1):  # tiles begin at even places
        changed = x.copy()
        changed[0, 0, place, place] += 1000
        before, after = (compiled([picture])[0] for picture in (x, changed))
        places = np.argwhere(np.abs(after - before)[0, 0] > 1e-3)
        assert len(places)
        scale = before.shape[2] // side
        farthest = max(farthest, int(np.abs(places // scale - place).max()))
    return farthest


BLOCKS: dict[str, tuple[list[NodeProto], bool]] = {
    "3x3": ([node("Conv", "in w3", "out", pads=[1] * 4)], True),
    "5x5": ([node("Conv", "in w5", "out", pads=[2] * 4)], True),
    "1x3": ([node("Conv", "in w13", "out", pads=[0, 1, 0, 1])], True),
    "dilated": ([node("Conv", "in w3", "out", pads=[3] * 4, dilations=[3, 3])], True),
    "lopsided": ([node("Conv", "in w3", "out", pads=[2, 0, 0, 2])], True),
    "leaning": ([node("Conv", "in w5", "out", pads=[3, 3, 1, 1])], True),
    "same": ([node("Conv", "in w3", "out", auto_pad="SAME_UPPER")], False),
    "padded": ([node("Pad", "in p1", "pad", mode="edge"), node("Conv", "pad w3", "out")], True),
    "max": ([node("MaxPool", "in", "out", kernel_shape=[3, 3], pads=[1] * 4)], True),
    "mean": ([node("AveragePool", "in", "out", kernel_shape=[3, 3], pads=[1] * 4)], True),
    "moved": ([node("Slice", "in one end rows", "cut"), node("Pad", "cut p2", "out")], True),
    "skip": ([node("Conv", "in w3", "c", pads=[1] * 4), node("Add", "c in", "out")], True),
    "shuffled": (
        [node("Conv", "in w4", "wide"), node("DepthToSpace", "wide", "out", blocksize=2)],
        True,
    ),
    "halved": (
        [
            node("SpaceToDepth", "in", "small", blocksize=2),
            node("Conv", "small w44", "wide", pads=[1] * 4),
            node("DepthToSpace", "wide", "out", blocksize=2),
        ],
        False,
    ),
    "strided": (
        [
            node("Conv", "in w3", "small", pads=[1] * 4, strides=[2, 2]),
            node("ConvTranspose", "small t4", "out", pads=[1] * 4, strides=[2, 2]),
        ],
        False,
    ),
    "transposed": ([node("ConvTranspose", "in t4", "out", pads=[1] * 4, strides=[2, 2])], True),
    "odd transposed": (
        [
            node(
                "ConvTranspose", "in t9", "out", pads=[4] * 4, strides=[2, 2],
                output_padding=[1, 1],
            )
        ],
        True,
    ),
    "nearest": ([node("Resize", "in - s2", "out", mode="nearest")], False),
    "floor": (
        [
            node(
                "Resize", "in - s2", "out", mode="nearest", nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            )
        ],
        False,
    ),
    "linear": ([node("Resize", "in - s2", "out", mode="linear")], False),
    "cubic": ([node("Resize", "in - s2", "out", mode="cubic")], False),
    "down and up": (
        [
            node("Resize", "in - half", "small", mode="linear"),
            node("Resize", "small - s2", "out", mode="linear"),
        ],
        False,
    ),
}  # fmt: skip
"""Name -> operators from `in` to `out`, and whether their reach is found exactly."""

WEIGHTS: Weights = {
    **{"w3": ones(1, 1, 3, 3), "w5": ones(1, 1, 5, 5), "w13": ones(1, 1, 1, 3)},
    **{"w4": ones(4, 1, 1, 1), "w44": ones(4, 4, 3, 3), "t4": ones(1, 1, 4, 4)},
    **{"t9": ones(1, 1, 9, 9), "s2": np.array([1, 1, 2, 2], np.float32)},
    **{"half": np.array([1, 1, 0.5, 0.5], np.float32), "p1": np.array([0, 0, 1, 1] * 2)},
    **{"p2": np.array([0, 0, 0, 0, 0, 0, 2, 0]), "one": np.array([2])},
    **{"end": np.array([2**60]), "rows": np.array([2])},
}


def chain(names: Sequence[str]) -> ModelProto:
    """The blocks one after the other, from x to y."""
    nodes = []
    for i, name in enumerate(names):
        ends = {"in": f"x{i}" if i else "x", "out": f"x{i + 1}" if i + 1 < len(names) else "y"}
        for part in BLOCKS[name][0]:
            renamed = NodeProto()
            renamed.CopyFrom(part)
            for tensors in (renamed.input, renamed.output):
                for n, tensor in enumerate(tensors):
                    own = tensor if tensor in WEIGHTS or not tensor else f"{tensor}{i}"
                    tensors[n] = ends.get(tensor, own)
            nodes.append(renamed)
    return model(nodes, WEIGHTS)


@pytest.mark.parametrize("convs", range(1, 9))
def test_the_reach_of_plain_stacks_is_exact(convs: int) -> None:
    tested = chain(["3x3"] * convs + ["shuffled"])
    assert reach(tested, "x") == convs == measured_reach(tested)


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_the_reach_of_every_operator_holds(name: str) -> None:
    bound, measured = reach(chain([name]), "x"), measured_reach(chain([name]))
    assert bound is not None
    assert measured == bound if BLOCKS[name][1] else measured <= bound <= measured + 2


def test_the_reach_of_operators_at_the_large_size_is_exact() -> None:
    tested = chain(["shuffled", "leaning"])
    assert reach(tested, "x") == measured_reach(tested) == 2


@given(st.lists(st.sampled_from(sorted(BLOCKS)), min_size=2, max_size=3))
def test_the_reach_of_operators_in_a_row_holds(names: list[str]) -> None:
    tested = chain(names)
    bound, measured = reach(tested, "x"), measured_reach(tested)
    assert bound is not None
    assert measured <= bound
    if all(BLOCKS[name][1] for name in names):
        assert bound <= measured + len(names)


def test_parameters_may_be_constant_nodes() -> None:
    scales = node("Constant", "", "s", value_floats=[1.0, 1.0, 2.0, 2.0])
    assert network([scales, node("Resize", "x - s", "y", mode="cubic")]).reach == 2


UNBOUNDED: dict[str, tuple[list[NodeProto], Weights]] = {
    "mean over the picture": (
        [node("ReduceMean", "x", "m", axes=[2, 3]), node("Add", "x m", "y")],
        {},
    ),
    "normalised by the picture": ([node("InstanceNormalization", "x a a", "y")], {"a": ones(1)}),
    "attention": (
        [node("MatMul", "x x", "a"), node("Softmax", "a", "b"), node("MatMul", "b x", "y")],
        {},
    ),
    "a rolled picture": (
        [
            node("Slice", "x one end rows", "a"),
            node("Slice", "x zero one rows", "b"),
            node("Concat", "a b", "y", axis=2),
        ],
        {**WEIGHTS, "zero": np.array([0])},
    ),
    "aligned corners": (
        [
            node(
                "Resize", "x - s2", "y", mode="linear",
                coordinate_transformation_mode="align_corners",
            )
        ],
        WEIGHTS,
    ),
    "places by four": (
        [
            node("SpaceToDepth", "x", "s", blocksize=4),
            node("DepthToSpace", "s", "y", blocksize=4),
        ],
        {},
    ),
    "the picture's size": (
        [
            node("Shape", "x", "shape"),
            node("ReduceSum", "shape", "sum", keepdims=0),
            node("Cast", "sum", "number", to=TensorProto.FLOAT),
            node("Mul", "x number", "y"),
        ],
        {},
    ),
    "from the other end": (
        [node("Slice", "x minus end rows", "a"), node("Add", "x a", "y")],
        {**WEIGHTS, "minus": np.array([-1])},
    ),
    "another's operator": ([node("Relu", "x", "y", domain="com.example")], {}),
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(UNBOUNDED))
def test_what_sees_the_whole_picture_has_no_bound(what: str) -> None:
    assert reach(model(*UNBOUNDED[what]), "x") is None


def test_a_network_with_global_pooling_is_accepted_without_a_bound() -> None:
    assert global_network().reach is None


# A network after itself.


@pytest.mark.parametrize("once", [random_network(1), nearest_rgb(3), bilinear_rgb(2)])
def test_a_network_twice_is_the_network_applied_to_its_own_result(once: Network) -> None:
    twice = cascade(once, 2)
    assert (twice.scale, twice.channels) == (once.scale**2, once.channels)
    x = np.random.default_rng(1).random((1, once.channels, 7, 6), np.float32)
    [expected] = run_onnx(once.model, {"x": run_onnx(once.model, {"x": x})[0]})
    [found] = run_onnx(twice.model, {twice.model.graph.input[0].name: x})
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_three_times_reach_as_far_as_they_look() -> None:
    once = check_network(chain(["3x3", "3x3", "3x3", "shuffled"]), "once", "once.onnx")
    thrice = cascade(once, 3)
    assert thrice.scale == 8
    assert thrice.reach == measured_reach(thrice.model) == 6  # 3 + 3 / 2 + 3 / 4, and phases
