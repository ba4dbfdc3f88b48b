"""fp16 twins of networks, computed by ONNX's own slow reference, which rounds after every node."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import reference
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from small_networks import (
    Weights,
    largest_difference,
    model,
    natural,
    network,
    node,
    quantized_network,
    random_network,
)

from vsr.errors import UsageError
from vsr.frame import Frame, FrameFormat
from vsr.graph import frame_graph
from vsr.networks.catalog import bundled
from vsr.networks.half import half
from vsr.networks.network import Network
from vsr.networks.rescale import rescaled

FORM = FrameFormat(20, 14)


def run(network: Network, x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return reference.run_onnx(network.model, {"x": x})[0]


def run_frame(network: Network, form: FrameFormat, frame: Frame) -> Frame:
    feeds = {"y": frame.y[None, None]} | ({} if frame.uv is None else {"uv": frame.uv[None]})
    results = reference.run_onnx(frame_graph(network, form), feeds)
    return replace(frame, y=results[0][0, 0], uv=results[1][0] if len(results) > 1 else None)


def picture(channels: int = 1, side: int = 12) -> np.ndarray:
    return np.random.default_rng(0).random((1, channels, side, side), np.float32)


def types_within(made: ModelProto) -> dict[str, int]:
    """The type of every node's first result, by name."""
    inferred = onnx.shape_inference.infer_shapes(made, strict_mode=True).graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info, *inferred.output)}
    return {n.output[0]: types[n.output[0]] for n in inferred.node}


def by_torch(kind: str, **settings: int) -> Network:
    torch = pytest.importorskip("torch", reason="needs torch")
    from vsr.networks.architectures import build
    from vsr.networks.export import export

    torch.manual_seed(0)
    return export(build(kind, 2, **settings), kind, 3)


NETWORKS = {
    "fast": lambda: bundled("fast", 2),
    "balanced": lambda: bundled("balanced", 2),
    "luma": lambda: random_network(1, 3),
    "rgb": lambda: random_network(3, 2),
    "compact": lambda: by_torch("compact", channels=12, convs=3),
    "edsr": lambda: by_torch("edsr", channels=12, blocks=2),
    "rrdb": lambda: by_torch("rrdb", channels=8, blocks=1, growth=4),
    "rcan": lambda: by_torch("rcan", channels=16, groups=1, blocks=1),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("depth", [8, 10])
def test_fp16_stays_within_two_codes_of_fp32(name: str, depth: int) -> None:
    net, form = NETWORKS[name](), replace(FORM, depth=depth)
    frame = natural(form)
    made = half(net)
    onnx.checker.check_model(made.model, full_check=True)
    assert largest_difference(run_frame(made, form, frame), run_frame(net, form, frame)) <= 2


def test_everything_between_the_two_ends_is_fp16() -> None:
    made = half(random_network(3, 2)).model
    first, *inner, last = types_within(made).values()
    assert {first, *inner} == {TensorProto.FLOAT16}
    assert last == TensorProto.FLOAT
    assert [
        value.type.tensor_type.elem_type for value in (*made.graph.input, *made.graph.output)
    ] == [TensorProto.FLOAT] * 2
    assert [n.op_type for n in made.graph.node].count("Cast") == 2


def test_nodes_to_keep_stay_fp32_and_are_not_cast_in_between() -> None:
    made = half(random_network(convs=3), keep={"c0", "r0", "c1"}).model
    types = types_within(made)
    assert {name for name, kind in types.items() if kind == TensorProto.FLOAT} == {
        "c0",
        "r0",
        "c1",
        "y",
    }
    assert [n.op_type for n in made.graph.node].count("Cast") == 3  # x and c1 down, y up


def test_a_network_that_is_kept_altogether_computes_what_it_did() -> None:
    net = random_network(3, 2)
    kept = half(net, keep={n.output[0] for n in net.model.graph.node})
    np.testing.assert_array_equal(run(kept, picture(3)), run(net, picture(3)))


def test_weights_beyond_fp16_stay_fp32() -> None:
    weights = {
        "w": np.full((4, 1, 1, 1), 1e5, np.float32),
        "v": np.full((4, 4, 1, 1), 1e-6, np.float32),
    }
    nodes = [
        node("Conv", "x w", "a"),
        node("Conv", "a v", "b"),
        node("DepthToSpace", "b", "y", blocksize=2),
    ]
    made = half(network(nodes, weights))
    arrays = [numpy_helper.to_array(t) for t in made.model.graph.initializer]
    assert all(np.isfinite(a).all() for a in arrays)
    assert types_within(made.model)["a"] == TensorProto.FLOAT


def test_factors_of_a_resize_stay_fp32() -> None:
    weights = {"scales": np.array([1, 1, 2, 2], np.float32)}
    made = half(network([node("Resize", "x - scales", "y", mode="linear")], weights))
    onnx.checker.check_model(made.model, full_check=True)
    assert run(made, picture()).shape == (1, 1, 24, 24)


def test_weights_that_two_nodes_share_are_kept_once() -> None:
    weights = {"w": np.full((1, 1, 1, 1), 0.5, np.float32), "up": np.ones((4, 1, 1, 1), np.float32)}
    nodes = [
        node("Identity", "w", "again"),
        node("Conv", "x w", "a"),
        node("Conv", "a again", "b"),
        node("Conv", "b up", "c"),
        node("DepthToSpace", "c", "y", blocksize=2),
    ]
    made = half(network(nodes, weights)).model
    kinds = [n.op_type for n in made.graph.node]
    assert "Identity" not in kinds
    assert kinds.count("Cast") == 2


def test_what_is_computed_from_sizes_stays_fp32() -> None:
    """2049 is no fp16 number."""
    weights: Weights = {
        "w": np.ones((4, 1, 1, 1), np.float32),
        "at": np.array([3], np.int64),
        "to": np.array([4], np.int64),
        "one": np.array([1], np.float32),
    }
    nodes = [
        node("Conv", "x w", "c"),
        node("DepthToSpace", "c", "large", blocksize=2),
        node("Shape", "x", "shape"),
        node("Slice", "shape at to", "width"),
        node("Cast", "width", "number", to=TensorProto.FLOAT),
        node("Div", "number number", "ratio"),
        node("Mul", "large ratio", "y"),
    ]
    types = types_within(half(network(nodes, weights)).model)
    assert types["number"] == types["ratio"] == TensorProto.FLOAT
    assert types["large"] == TensorProto.FLOAT16


def test_a_twin_in_8_bits_is_left_behind() -> None:
    assert half(quantized_network()).int8 is None


def test_branches_and_foreign_operators_are_refused_by_name() -> None:
    body = [helper.make_node("Magic", ["x"], ["y"], domain="com.example")]
    made = replace(random_network(), model=with_domain(model(body)))
    with pytest.raises(
        UsageError, match=r"no fp16 form \(Magic is not known\); choose --precision fp32"
    ):
        half(made)


def with_domain(made: ModelProto) -> ModelProto:
    made.opset_import.append(helper.make_opsetid("com.example", 1))
    return made


# Smaller features, same result.


def loud(gain: float = 3e4) -> Network:
    """A network whose features go far beyond 65504."""
    weights = {
        "w": np.full((4, 1, 1, 1), gain, np.float32),
        "bias": np.full(4, 0.1 * gain, np.float32),
        "v": (np.eye(4) * 10).reshape(4, 4, 1, 1).astype(np.float32),
        "u": (np.eye(4) / gain / 10).reshape(4, 4, 1, 1).astype(np.float32),
        "offset": np.full((1, 4, 1, 1), gain, np.float32),
    }
    nodes = [
        node("Conv", "x w bias", "a"),
        node("LeakyRelu", "a", "r"),
        node("Conv", "r v", "b"),
        node("Sub", "b offset", "c"),
        node("Conv", "c u", "d"),
        node("DepthToSpace", "d", "y", blocksize=2, mode="CRD"),
    ]
    return network(nodes, weights)


def test_a_rescaled_network_computes_the_same_to_the_bit() -> None:
    for net in (loud(), random_network(3, 2), bundled("fast", 2)):
        x = picture(net.channels)
        np.testing.assert_array_equal(run(rescaled(net, 256), x), run(net, x))


def test_fp16_overflows_and_rescaled_it_does_not() -> None:
    x = picture()
    expected = run(loud(), x)
    assert not np.allclose(run(half(loud()), x), expected, atol=0.01)
    np.testing.assert_allclose(run(half(rescaled(loud(), 64)), x), expected, atol=0.01)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Sigmoid", "x", "s"), node("Conv", "s w", "c")],
        [node("Mul", "x x", "s"), node("Conv", "s w", "c")],
    ],
    ids=["Sigmoid", "Mul"],
)
def test_what_is_not_homogeneous_is_not_rescaled(nodes: list[NodeProto]) -> None:
    net = network(
        [*nodes, node("DepthToSpace", "c", "y", blocksize=2)],
        {"w": np.ones((4, 1, 1, 1), np.float32)},
    )
    with pytest.raises(UsageError, match=f"{nodes[0].op_type} is not homogeneous"):
        rescaled(net, 2)
