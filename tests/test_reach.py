"""How far a network looks: the bound, and what one changed sample really changes."""

from collections.abc import Sequence

import numpy as np
import openvino as ov
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto
from small_networks import (
    Weights,
    global_network,
    halving_network,
    model,
    network,
    node,
    ones,
    quantized_network,
)

from vsr.networks.cascade import cascade
from vsr.networks.network import check_network
from vsr.networks.reach import reach


def measured_reach(tested: ModelProto, side: int = 48, multiple: int = 2) -> int:
    """How far from its place one changed sample changes the output, in samples of the input."""
    core, options = ov.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(tested.SerializeToString()), "CPU", options)
    x = np.random.default_rng(0).random((1, 1, side, side), np.float32)
    farthest = 0
    for place in range(side // 2, side // 2 + multiple):  # tiles begin at multiples
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


@pytest.mark.parametrize("multiple", [2, 4, 8])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_the_reach_of_networks_that_take_multiples_holds(multiple: int, scale: int) -> None:
    tested = halving_network(1, multiple, scale)
    measured = measured_reach(tested.model, multiple=multiple)
    assert tested.reach is not None
    assert measured <= tested.reach <= measured + multiple
    other = {2: 4, 4: 8, 8: 4}[multiple]
    holds = reach(tested.model, "x", other) is not None
    assert holds == (other % multiple == 0)  # tiles at other places would show


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


def test_parameters_may_be_computed_from_constants() -> None:
    nodes = [
        node("Concat", "none sides none sides", "pads", axis=0),
        node("Pad", "x pads", "padded", mode="edge"),
        node("Conv", "padded w", "y"),
    ]
    weights: Weights = {"none": np.zeros(2, int), "sides": np.ones(2, int), "w": ones(1, 1, 3, 3)}
    assert network(nodes, weights).reach == 1


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_a_network_in_8_bits_reaches_as_far_as_in_float(scale: int) -> None:
    found = quantized_network(1, scale)
    assert found.int8 is not None
    assert reach(found.int8, "x") == found.reach == 3


def test_weights_may_be_rounded_in_the_graph() -> None:
    nodes = [
        node("QuantizeLinear", "w step", "codes"),
        node("DequantizeLinear", "codes step", "rounded"),
        node("Conv", "x rounded", "y", pads=[1] * 4),
    ]
    weights: Weights = {"w": ones(1, 1, 3, 3), "step": np.array(1 / 127, np.float32)}
    assert network(nodes, weights, opset=19).reach == 1


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


def test_three_times_reach_as_far_as_they_look() -> None:
    once = check_network(chain(["3x3", "3x3", "3x3", "shuffled"]), "once", "once.onnx")
    thrice = cascade(once, 3)
    assert thrice.scale == 8
    assert thrice.reach == measured_reach(thrice.model) == 6  # 3 + 3 / 2 + 3 / 4, and phases
