"""Frame graphs for a runtime without uint16, and that knows uint8 at a graph's two ends only."""

from dataclasses import replace

import numpy as np
import onnx
import openvino as ov
import pytest
import reference
from small_networks import halving_network, largest_difference, noise, random_network

from vsr.frame import Frame, FrameFormat
from vsr.graph import frame_graph
from vsr.networks.classical import classical
from vsr.networks.half import half
from vsr.networks.network import Network

NETWORKS = {
    "luma": random_network(1, 2),
    "rgb": random_network(3, 2),
    "by 4": halving_network(3, 4),
    "lanczos": classical("lanczos", 3),
}

FORMATS = [
    FrameFormat(22, 13, depth, chroma)
    for depth in (8, 10, 16)
    for chroma in ("420", "422", "444", "gray")
]


def as_bytes(plane: np.ndarray) -> np.ndarray:
    """The same memory: (1, c, h, w, 2) uint8."""
    pairs = plane[..., None].view(np.uint8)
    assert np.shares_memory(pairs, plane)
    return pairs[None] if pairs.ndim == 4 else pairs[None, None]


def by_openvino(network: Network, form: FrameFormat, frame: Frame) -> Frame:
    core, exact = ov.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
    content = frame_graph(network, form, words="bytes").SerializeToString()
    compiled = core.compile_model(core.read_model(content), "CPU", exact)
    planes = {"y": frame.y} if frame.uv is None else {"y": frame.y, "uv": frame.uv}
    results = compiled({name: as_bytes(plane) for name, plane in planes.items()})
    y, *uv = (results[i].view(np.uint16)[0, ..., 0] for i in range(len(planes)))
    return replace(frame, y=y[0], uv=uv[0] if uv else None)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("form", [form for form in FORMATS if form.depth > 8], ids=str)
def test_words_may_enter_and_leave_as_pairs_of_bytes(name: str, form: FrameFormat) -> None:
    frame = noise(form)
    result = by_openvino(NETWORKS[name], form, frame)
    expected = reference.enlarge(frame, form, NETWORKS[name])
    assert result.y.shape == expected.y.shape
    assert largest_difference(result, expected) <= 1


def test_every_word_survives() -> None:
    """All 65536 of them, through a network that changes nothing."""
    every = np.arange(2**16, dtype=np.uint16).reshape(256, 256)
    form = FrameFormat(256, 256, 16, "gray")
    result = by_openvino(classical("nearest", 1), form, Frame(every, None, 0))
    np.testing.assert_array_equal(result.y, every)


def test_8_bits_are_bytes_already() -> None:
    for form in (form for form in FORMATS if form.depth == 8):
        assert frame_graph(NETWORKS["rgb"], form, "bytes") == frame_graph(NETWORKS["rgb"], form)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_integers_are_cast_by_the_first_node_and_the_last(name: str, form: FrameFormat) -> None:
    """Source of the rule: onnx-tensorrt's table of operators, Cast; NvInfer.h, DataType::kUINT8."""
    model = frame_graph(half(NETWORKS[name]), form, words="bytes")
    onnx.checker.check_model(model, full_check=True)
    inputs, outputs = ({v.name for v in ends} for ends in (model.graph.input, model.graph.output))
    for node in model.graph.node:
        if inputs.intersection(node.input) or outputs.intersection(node.output):
            assert node.op_type == "Cast"
        assert not outputs.intersection(node.input), f"{node.op_type} looks at a result"


def test_our_nodes_are_known_by_their_names() -> None:
    """TensorRT 8.6 is told by them what has to stay fp32."""
    for form in FORMATS:
        for network in NETWORKS.values():
            nodes = frame_graph(network, form, "bytes").graph.node
            ours = [node for node in nodes if not node.output[0].startswith("network_")]
            assert all(node.name == node.output[0] for node in ours)
            assert not any(node.name.startswith("network_") for node in ours)
