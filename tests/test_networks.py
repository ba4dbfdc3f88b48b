"""What counts as a super-resolution network, and networks after themselves."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper
from reference import run_onnx
from small_networks import (
    Weights,
    bilinear_rgb,
    halving_network,
    model,
    nearest_rgb,
    network,
    node,
    ones,
    quantized_network,
    random_network,
)

from vsr.errors import InputError, UsageError
from vsr.networks.cascade import cascade
from vsr.networks.network import OLDEST_OPSET, Network, check_network, read_network


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
        "any size, or any multiple of 8, must do, but it takes no picture of 17x24",
    ),
    "multiples of sixteen": (
        model(
            [
                node("SpaceToDepth", "x", "s", blocksize=16),
                node("DepthToSpace", "s", "y", blocksize=16),
            ]
        ),
        "17x24 becomes 16x16, which is not a whole factor",
    ),
    "unknown operator": (
        model([node("Magic", "x", "y", domain="com.example")]),
        "any size, or any multiple of 8, must do, but it takes no picture of 17x24 .*com.example",
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


@pytest.mark.parametrize("multiple", [1, 2, 4, 8])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_what_a_pictures_sides_must_be_multiples_of_is_found(scale: int, multiple: int) -> None:
    found = halving_network(1, multiple, scale)
    assert (found.scale, found.multiple) == (scale, multiple)
    twice = cascade(found, 2)
    assert (twice.scale, twice.multiple) == (scale**2, multiple)


def test_multiples_of_other_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="17x24 becomes 15x24, which is not a whole factor"):
        halving_network(1, 3, 1)


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


# A network after itself.


@pytest.mark.parametrize("once", [random_network(1), nearest_rgb(3), bilinear_rgb(2)])
def test_a_network_twice_is_the_network_applied_to_its_own_result(once: Network) -> None:
    twice = cascade(once, 2)
    assert (twice.scale, twice.channels) == (once.scale**2, once.channels)
    x = np.random.default_rng(1).random((1, once.channels, 7, 6), np.float32)
    [expected] = run_onnx(once.model, {"x": run_onnx(once.model, {"x": x})[0]})
    [found] = run_onnx(twice.model, {twice.model.graph.input[0].name: x})
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_quantized_network_twice_is_its_twin_applied_to_its_own_result() -> None:
    once = quantized_network(1)
    twice = cascade(once, 2)
    x = np.random.default_rng(1).random((1, 1, 7, 6), np.float32)
    model = once.quantized().model
    [expected] = run_onnx(model, {"x": run_onnx(model, {"x": x})[0]})
    repeated = twice.quantized().model
    [found] = run_onnx(repeated, {repeated.graph.input[0].name: x})
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_network_without_a_twin_says_so_when_asked_for_it() -> None:
    with pytest.raises(UsageError, match="small has no int8 twin; choose another precision"):
        random_network(1).quantized()
