"""The torch backend's own: that torch computes what ONNX says, in batches, and on which device.

That it keeps the contract of all backends is shown in test_backends.py.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from small_networks import largest_difference, natural, network, node, noise, random_network

torch = pytest.importorskip("torch", reason="needs torch")

from vsr.backends import torch_cuda  # noqa: E402
from vsr.backends.base import Engine  # noqa: E402
from vsr.backends.select import build_engine  # noqa: E402
from vsr.backends.torch_graph import TorchGraph  # noqa: E402
from vsr.backends.torch_lanes import input_shapes, stored  # noqa: E402
from vsr.backends.torch_operators import OPERATORS  # noqa: E402
from vsr.errors import BackendError  # noqa: E402
from vsr.frame import FrameFormat  # noqa: E402
from vsr.graph import frame_graph  # noqa: E402
from vsr.networks.architectures import build  # noqa: E402
from vsr.networks.classical import classical  # noqa: E402
from vsr.networks.export import export  # noqa: E402
from vsr.networks.half import half  # noqa: E402
from vsr.settings import EngineSettings  # noqa: E402

Array = NDArray[Any]
CPU = torch.device("cpu")
FORM = FrameFormat(48, 36)
RNG = np.random.default_rng(0)


def i64(*values: int) -> Array:
    return np.array(values, np.int64)


def floats(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


X = floats(2, 8, 6, 9)
SIGNED = np.array(3, np.int8)
CHANNELS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], np.float32)

CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("Abs", [X], {}),
    ("Add", [X, floats(8, 1, 1)], {}),
    ("Add", [i64(5, -7), i64(2)], {}),
    ("Cast", [X], {"to": TensorProto.FLOAT16}),
    ("Cast", [(X * 10).clip(0, 255)], {"to": TensorProto.UINT8}),
    ("Clip", [X, np.float32(-0.5), np.float32(0.5)], {}),
    ("Clip", [X], {}),
    ("Concat", [X, X], {"axis": 1}),
    ("Constant", [], {"value": numpy_helper.from_array(X)}),
    ("ConstantOfShape", [i64(2, 3)], {"value": numpy_helper.from_array(i64(7))}),
    ("Conv", [X, floats(4, 8, 3, 3), floats(4)], {"pads": [1, 1, 1, 1]}),
    ("Conv", [X, floats(8, 4, 3, 2)], {"pads": [0, 1, 2, 0], "group": 2, "strides": [2, 1]}),
    ("Conv", [X, floats(4, 8, 2, 2)], {"dilations": [2, 3], "kernel_shape": [2, 2]}),
    ("ConvTranspose", [X, floats(8, 3, 9, 9), floats(3)], {"strides": [2, 2], "pads": [4] * 4}),
    ("ConvTranspose", [X, floats(8, 2, 3, 3)], {"strides": [2, 2], "output_padding": [1, 1]}),
    ("DepthToSpace", [X], {"blocksize": 2}),
    ("DepthToSpace", [X], {"blocksize": 2, "mode": "CRD"}),
    ("DequantizeLinear", [np.arange(8, dtype=np.int8), np.float32(0.1), SIGNED], {}),
    ("DequantizeLinear", [(X * 9).astype(np.int8), CHANNELS], {"axis": 1}),
    ("Div", [X, floats(8, 1, 1)], {}),
    ("Div", [i64(7, 8), i64(2)], {}),
    ("Elu", [X], {"alpha": 0.5}),
    ("Equal", [i64(1, 2), i64(1, 3)], {}),
    ("Exp", [X], {}),
    ("Expand", [floats(8, 1, 1), i64(2, 8, 6, 9)], {}),
    ("Expand", [X, i64(1, 1, 1, 1)], {}),
    ("Floor", [X * 5], {}),
    ("Gather", [X, i64(3, -1)], {"axis": 1}),
    ("Gather", [i64(4, 5, 6), np.array(1, np.int64)], {}),
    ("GlobalAveragePool", [X], {}),
    ("Identity", [X], {}),
    ("LeakyRelu", [X], {"alpha": 0.2}),
    ("LeakyRelu", [X], {}),
    ("MatMul", [X, floats(9, 4)], {}),
    ("Max", [X, floats(8, 1, 1), np.float32(0)], {}),
    ("Min", [X, floats(8, 1, 1)], {}),
    ("Mul", [X, X], {}),
    ("Neg", [X], {}),
    ("PRelu", [X, floats(8, 1, 1)], {}),
    ("PRelu", [X, floats(1)], {}),
    ("PRelu", [X, floats(1, 1, 9)], {}),
    ("Pad", [X, i64(0, 0, 2, 3, 0, 0, 1, 12)], {"mode": "edge"}),
    ("Pad", [X, i64(0, 0, 2, 3, 0, 0, 1, 4)], {"mode": "reflect"}),
    ("Pad", [X, i64(0, 1, 2, 3, 0, 0, 1, 4), np.float32(0.5)], {}),
    ("Pad", [X, i64(0, 0, 1, 0, 0, 0, 0, 0)], {"mode": "edge"}),
    ("Pow", [np.abs(X), np.float32(1.5)], {}),
    ("QuantizeLinear", [X, np.float32(0.1), SIGNED], {}),
    ("QuantizeLinear", [X, np.float32(0.1)], {}),
    ("QuantizeLinear", [X, CHANNELS, np.zeros(8, np.int8)], {"axis": 1}),
    ("ReduceMean", [X], {"axes": [2, 3]}),
    ("ReduceMean", [X], {"axes": [-1], "keepdims": 0}),
    ("ReduceMean", [X], {}),
    ("Relu", [X], {}),
    ("Reshape", [X, i64(0, -1, 18)], {}),
    ("Shape", [X], {}),
    ("Sigmoid", [X], {}),
    ("Slice", [X, i64(1, 0), i64(-1, 2**31), i64(3, 2)], {}),
    ("Slice", [X, i64(0), i64(9), i64(3), i64(2)], {}),
    ("Slice", [i64(1, 2, 3, 4), i64(-1), i64(-(2**63) + 1), i64(0), i64(-1)], {}),
    ("Slice", [i64(1, 2, 3, 4), i64(1), i64(3)], {}),
    ("Softmax", [X], {"axis": 1}),
    ("SpaceToDepth", [X[:, :, :, :8]], {"blocksize": 2}),
    ("Split", [X, i64(3, 5)], {"axis": 1}),
    ("Split", [X], {"axis": 1}),
    ("Sqrt", [np.abs(X)], {}),
    ("Squeeze", [floats(2, 1, 3), i64(1)], {}),
    ("Sub", [X, np.float32(1)], {}),
    ("Tanh", [X], {}),
    ("Transpose", [X], {"perm": [0, 2, 3, 1]}),
    ("Unsqueeze", [X, i64(0, -1)], {}),
    ("Where", [X > 0, X, np.float32(2)], {}),
]


def one_node(op: str, inputs: Sequence[Any], attributes: dict[str, Any]) -> ModelProto:
    """A graph of this node, its inputs called 0, 1 ..."""
    names = [str(number) for number in range(len(inputs))]
    results = ["a", "b"] if op == "Split" else ["a"]
    values = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.asarray(array).dtype), np.shape(array)
        )
        for name, array in zip(names, inputs, strict=True)
    ]
    unknown = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in results]
    graph = helper.make_graph(
        [helper.make_node(op, names, results, **attributes)], "one", values, unknown
    )
    opset = 19 if op.endswith("Linear") else 17
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


@pytest.mark.parametrize(("op", "inputs", "attributes"), CASES, ids=[case[0] for case in CASES])
def test_torch_computes_what_onnx_says(
    op: str, inputs: Sequence[Any], attributes: dict[str, Any]
) -> None:
    model = one_node(op, inputs, attributes)
    feed = {str(number): np.asarray(array) for number, array in enumerate(inputs)}
    expected: Any = ReferenceEvaluator(model).run(None, feed)
    found = TorchGraph(model, CPU)({name: torch.from_numpy(a) for name, a in feed.items()})
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.numpy().dtype == np.asarray(theirs).dtype
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5, atol=1e-5)


META = torch.device("meta")


def on_device(array: Any) -> Any:
    """As it would lie on a GPU; sizes and axes are on the processor."""
    found = torch.from_numpy(np.asarray(array))
    return found if found.dtype == torch.int64 else found.to(META)


@pytest.mark.parametrize(("op", "inputs", "attributes"), CASES, ids=[case[0] for case in CASES])
def test_nothing_is_read_back_from_the_device(
    op: str, inputs: Sequence[Any], attributes: dict[str, Any]
) -> None:
    """torch's device without memory refuses that, as a CUDA graph would."""
    model = one_node(op, inputs, attributes)
    later = [numpy_helper.from_array(np.asarray(x), str(n)) for n, x in enumerate(inputs) if n > 0]
    model.graph.initializer.extend(later)
    feed = {"0": on_device(inputs[0])} if inputs else {}
    for result in TorchGraph(model, META)(feed):
        about_sizes = op == "Shape" or feed["0"].device != META if feed else False
        assert about_sizes or result.device == META


@pytest.mark.parametrize("form", [FrameFormat(35, 21, 10), FORM, FrameFormat(20, 20, 8, "gray")])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_whole_frame_graphs_read_nothing_back_from_the_device(
    form: FrameFormat, precision: str, channels: int
) -> None:
    made = random_network(channels)
    graph = TorchGraph(frame_graph(half(made) if precision == "fp16" else made, form), META)
    small = {
        name: torch.empty(shape, dtype=stored(form), device=META)
        for name, shape in input_shapes(form, 2).items()
    }
    y, *_ = graph(small)
    assert (y.device, y.dtype, tuple(y.shape)) == (
        META,
        stored(form),
        (2, 1, 2 * form.height, 2 * form.width),
    )


def test_there_is_a_case_for_every_operator() -> None:
    assert {op for op, _, _ in CASES} | {"Resize"} == set(OPERATORS)


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
        {"mode": "nearest"},
        {"mode": "linear"},
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
        {"mode": "cubic"},
        {"mode": "cubic", "coordinate_transformation_mode": "pytorch_half_pixel"},
    ],
    ids=str,
)
@pytest.mark.parametrize("by", [2, 3])
def test_torch_enlarges_as_onnx_says(attributes: dict[str, Any], by: int) -> None:
    scales = np.array([1, 1, by, by], np.float32)
    nodes = [node("Resize", "x - scales", "y", **attributes)]
    model = network(nodes, {"scales": scales}).model
    x = X[:1, :1]
    expected: Any = ReferenceEvaluator(model).run(None, {"x": x})
    [found] = TorchGraph(model, CPU)({"x": torch.from_numpy(x)})
    np.testing.assert_allclose(found.numpy(), expected[0], atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("srcnn", {}),
        ("fsrcnn", {}),
        ("espcn", {}),
        ("edsr", {"blocks": 1, "channels": 4}),
        ("carn_m", {"channels": 8}),
        ("compact", {"convs": 1, "channels": 4}),
    ],
)
def test_published_architectures_run(kind: str, more: dict[str, Any]) -> None:
    torch.manual_seed(0)
    made = export(build(kind, 2, **more), kind, channels_of(kind))
    x = RNG.random((1, made.channels, 12, 10)).astype(np.float32)
    expected: Any = ReferenceEvaluator(made.model).run(None, {"x": x})
    [found] = TorchGraph(made.model, CPU)({"x": torch.from_numpy(x)})
    np.testing.assert_allclose(found.numpy(), expected[0], atol=1e-5)


def channels_of(kind: str) -> int:
    return 1 if kind in ("srcnn", "fsrcnn", "espcn") else 3


def test_what_torch_is_not_taught_is_refused_by_its_name() -> None:
    made = network([node("Softsign", "x", "s"), node("HardSwish", "s", "y")])
    with pytest.raises(BackendError, match=r"no operator HardSwish, Softsign; choose another"):
        build_engine(made, FORM, EngineSettings("torch", "cpu"))


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([node("Resize", "x - s", "y", mode="nearest")], "Resize 'network_y': nearest, half_pixel"),
        ([node("Conv", "x w", "y", auto_pad="SAME_UPPER")], "Conv 'network_y': .*auto_pad"),
    ],
)
def test_a_way_that_torch_has_not_is_refused_with_the_nodes_name(
    nodes: list[NodeProto], reason: str
) -> None:
    scales = np.array([1, 1, 1.5, 1.5], np.float32)
    made = network([node("Identity", "x", "y")])
    del made.model.graph.node[:]
    made.model.graph.node.extend(nodes)
    made.model.graph.initializer.extend(
        [numpy_helper.from_array(scales, "s"), numpy_helper.from_array(floats(1, 1, 3, 3), "w")]
    )
    with (
        pytest.raises(BackendError, match=f"torch cannot compute {reason}"),
        build_engine(made, FORM, EngineSettings("torch", "cpu")) as engine,
    ):
        engine.start(noise(FORM)).result()


def test_what_no_later_node_needs_is_let_go_of() -> None:
    graph = TorchGraph(random_network(convs=4).model, CPU)
    values = {**graph.constants, "x": torch.rand(1, 1, 4, 4)}
    for done, step in enumerate(graph.steps, 1):
        step.run(values)
        needed = {name for later in graph.steps[done:] for name in later.node.input}
        assert set(values) - {*graph.constants, "x"} <= needed | set(graph.outputs)


def test_what_depends_on_no_picture_is_computed_once() -> None:
    nodes = [
        node("Mul", "w two", "doubled"),
        node("Identity", "doubled", "weights"),
        node("Conv", "x weights", "y", pads=[1] * 4),
    ]
    weights = {"w": floats(1, 1, 3, 3), "two": np.array(2, np.float32)}
    graph = TorchGraph(network(nodes, weights).model, CPU)
    assert [step.node.op_type for step in graph.steps] == ["Conv"]


# Batches.


def engine_of(batch: int, form: FrameFormat = FORM, **more: Any) -> Engine:
    settings = EngineSettings("torch", "cpu", batch=batch, **more)
    return build_engine(classical("nearest", 2), form, settings)


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize(
    "form", [FORM, FrameFormat(33, 21, 10, "422"), FrameFormat(8, 9, 16, "gray")]
)
def test_batches_give_each_frame_its_own(batch: int, form: FrameFormat) -> None:
    frames = [noise(form, seed) for seed in range(7)]
    with engine_of(batch, form) as engine:
        assert engine.depth == batch
        pending = [engine.start(frame) for frame in frames]
        results = [work.result() for work in reversed(pending)][::-1]
        assert [work.result() for work in pending] == results
    for frame, result in zip(frames, results, strict=True):
        assert result.pts == frame.pts
        np.testing.assert_array_equal(result.y[::2, 1::2], frame.y)
        assert (result.uv is None) == form.is_gray
        assert result.y.flags.c_contiguous
        assert result.y.flags.writeable


def test_a_batch_that_does_not_get_full_is_computed_when_asked_for() -> None:
    with engine_of(4) as engine:
        first, second = (engine.start(noise(FORM, seed)) for seed in (1, 2))
        np.testing.assert_array_equal(second.result().y[::2, ::2], noise(FORM, 2).y)
        np.testing.assert_array_equal(first.result().y[::2, ::2], noise(FORM, 1).y)
        last = engine.start(noise(FORM, 3))
    np.testing.assert_array_equal(last.result().y[::2, ::2], noise(FORM, 3).y)


def test_fp16_is_really_computed_in_fp16() -> None:
    made, frame = random_network(1, 2, width=16), natural(FORM)
    results = []
    for precision in ("fp32", "fp16"):
        settings = EngineSettings("torch", "cpu", precision)
        with build_engine(made, FORM, settings) as engine:
            results.append(engine.start(frame).result())
            assert engine.description == f"torch CPU {precision}"
    assert 0 <= largest_difference(*results) <= 2
    assert np.any(results[0].y != results[1].y)


def test_threads_are_as_asked_for_and_left_as_they_were() -> None:
    before, seen = torch.get_num_threads(), []

    class Spy(TorchGraph):
        def __call__(self, *words: Any) -> Any:
            seen.append(torch.get_num_threads())
            return super().__call__(*words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vsr.backends.torch_runner.TorchGraph", Spy)
        with engine_of(1, threads=before + 1) as engine:
            engine.start(noise(FORM)).result()
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


# Devices. (None of these tests needs a GPU; where there is one, the contract's run on it.)

here = pytest.mark.skipif(bool(torch.cuda.is_available()), reason="a GPU is here")
Find = Callable[[], object]


@here
def test_by_itself_auto_does_not_choose_torch_on_the_processor() -> None:
    if torch.backends.mps.is_available():
        pytest.skip("an Apple GPU is here")
    with pytest.raises(BackendError, match=r"torch \S+( is built without CUDA|:| for CUDA)"):
        torch_cuda.find_device("auto", automatic=True)
    assert torch_cuda.find_device("auto", automatic=False) == CPU
    assert not torch_cuda.report().automatic


@here
@pytest.mark.parametrize("name", ["cuda", "cuda:1", "GPU-0123", "tpu"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(BackendError, match=f"torch has no device {name} here; it has .*cpu"):
        torch_cuda.find_device(name, automatic=False)


def test_precision_is_fp16_on_gpus_where_that_is_exact_enough() -> None:
    plain, exact = random_network(), classical("bicubic", 2)
    deep = FrameFormat(48, 36, 10)
    choose = torch_cuda.choose_precision
    assert choose("cuda:0", plain, FORM, "auto") == "fp16"
    assert choose("cuda:0", exact, FORM, "auto") == "fp32"
    assert choose("cuda:0", plain, deep, "auto") == "fp32"
    assert choose("CPU", plain, FORM, "auto") == "fp32"
    assert choose("cuda:0", plain, deep, "fp16") == "fp16"
    with pytest.raises(BackendError, match="cuda:0 computes in fp32, fp16, not int8"):
        choose("cuda:0", plain, FORM, "int8")
