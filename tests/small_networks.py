"""Small ONNX networks for the tests, and pictures to feed them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from vsr.frame import Frame, FrameFormat
from vsr.kernels import polyphase
from vsr.networks.classical import plane_filters
from vsr.networks.network import Network, check_network

Weights = dict[str, NDArray[Any]]


def node(op: str, inputs: str, output: str, **attributes: Any) -> NodeProto:
    """A node; `inputs` are names with spaces between, `-` for one left out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(op, names, [output], **attributes)


def model(
    nodes: Sequence[NodeProto],
    weights: Weights | None = None,
    channels: int = 1,
    *,
    opset: int = 17,
    element: int = TensorProto.FLOAT,
    size: Sequence[int | str] = ("h", "w"),
    channels_out: int | None = None,
    inputs: Sequence[str] = ("x",),
) -> ModelProto:
    """x (n, channels, h, w) -> y"""
    shape: list[int | str | None] = ["n", channels, *size]
    large: list[int | str | None] = ["n", channels_out or channels, "large_h", "large_w"]
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info(name, element, shape) for name in inputs],
        [helper.make_tensor_value_info("y", element, large)],
        [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def ones(*shape: int) -> NDArray[np.float32]:
    return np.ones(shape, np.float32)


def network(nodes: Sequence[NodeProto], weights: Weights | None = None, **more: Any) -> Network:
    return check_network(model(nodes, weights, **more), "small", "small.onnx")


def nearest_rgb(scale: int = 2) -> Network:
    """Each of three channels repeated: a 1x1 convolution and a depth-to-space."""
    repeat = np.zeros((3 * scale**2, 3, 1, 1), np.float32)
    for channel in range(3):
        repeat[channel * scale**2 : (channel + 1) * scale**2, channel] = 1
    nodes = [node("Conv", "x w", "p"), node("DepthToSpace", "p", "y", blocksize=scale, mode="CRD")]
    return network(nodes, {"w": repeat}, channels=3)


def bilinear_rgb(scale: int) -> Network:
    """Linear interpolation of three channels."""
    filters, left = polyphase("bilinear", scale)
    right = filters.shape[1] - 1 - left
    weights: Weights = {
        "pads": np.array([0, 0, left, left, 0, 0, right, right], np.int64),
        "w": np.tile(plane_filters(filters, filters), (3, 1, 1, 1)),
    }
    nodes = [
        node("Pad", "x pads", "padded", mode="edge"),
        node("Conv", "padded w", "p", group=3),
        node("DepthToSpace", "p", "y", blocksize=scale, mode="CRD"),
    ]
    return network(nodes, weights, channels=3)


def random_network(
    channels: int = 1, scale: int = 2, width: int = 8, convs: int = 3, seed: int = 0
) -> Network:
    """A plain network of 3x3 convolutions with random weights beside a nearest-neighbour path."""
    rng = np.random.default_rng(seed)
    widths = [channels, *[width] * (convs - 1), channels * scale**2]
    nodes: list[NodeProto] = []
    weights: Weights = {}
    for i in range(convs):
        shape = widths[i + 1], widths[i], 3, 3
        weights[f"w{i}"] = rng.normal(0, 0.4 / np.sqrt(widths[i] * 9), shape).astype(np.float32)
        nodes.append(node("Conv", f"{'x' if i == 0 else f'r{i - 1}'} w{i}", f"c{i}", pads=[1] * 4))
        nodes.append(node("Relu", f"c{i}", f"r{i}"))
    repeat = np.zeros((channels * scale**2, channels, 1, 1), np.float32)
    for channel in range(channels):
        repeat[channel * scale**2 : (channel + 1) * scale**2, channel] = 1
    weights["repeat"] = repeat
    nodes[-1] = node("Conv", "x repeat", "near")
    nodes.append(node("Add", f"c{convs - 1} near", "sum"))
    nodes.append(node("DepthToSpace", "sum", "y", blocksize=scale, mode="CRD"))
    return network(nodes, weights, channels=channels)


def in_8_bits(plain: Network) -> ModelProto:
    """The network with the inputs (0 to 1) and weights of its convolutions rounded to 8 bits."""
    arrays = {t.name: numpy_helper.to_array(t) for t in plain.model.graph.initializer}
    weights: Weights = {"step": np.array(1 / 255, np.float32), "low": np.array(0, np.uint8)}
    nodes: list[NodeProto] = []
    for number, old in enumerate(plain.model.graph.node):
        new = NodeProto()
        new.CopyFrom(old)
        if old.op_type == "Conv":
            name = old.input[1]
            scales = np.abs(arrays[name]).max(axis=(1, 2, 3)) / 127
            codes = np.round(arrays.pop(name) / scales[:, None, None, None])
            weights |= {f"{name}_codes": codes.astype(np.int8), f"{name}_scales": scales}
            nodes += [
                node("QuantizeLinear", f"{old.input[0]} step low", f"codes{number}"),
                node("DequantizeLinear", f"codes{number} step low", f"rounded{number}"),
                node("DequantizeLinear", f"{name}_codes {name}_scales", name, axis=0),
            ]
            new.input[0] = f"rounded{number}"
        nodes.append(new)
    return model(nodes, arrays | weights, plain.channels, opset=19)


def quantized_network(channels: int = 1, scale: int = 2, width: int = 16) -> Network:
    """A random network with a twin in 8 bits."""
    plain = random_network(channels, scale, width)
    return replace(plain, int8=in_8_bits(plain))


def halving_network(channels: int = 1, multiple: int = 2, scale: int = 2, seed: int = 0) -> Network:
    """A network that makes the picture `multiple` times smaller and deeper before it convolves."""
    rng = np.random.default_rng(seed)
    wide = channels * (multiple * scale) ** 2
    weights: Weights = {
        "w0": rng.normal(0, 0.4, (8, channels, multiple, multiple)).astype(np.float32),
        "w1": rng.normal(0, 0.1, (wide, 8, 3, 3)).astype(np.float32),
        "b": np.full(wide, 0.4, np.float32),
    }
    nodes = [
        node("Conv", "x w0", "small", strides=[multiple, multiple]),
        node("Relu", "small", "r"),
        node("Conv", "r w1 b", "p", pads=[1] * 4),
        node("DepthToSpace", "p", "y", blocksize=multiple * scale),
    ]
    return network(nodes, weights, channels=channels)


def global_network() -> Network:
    """A network that looks at the whole picture: it adds 0.1 of the mean."""
    nodes = [
        node("GlobalAveragePool", "x", "mean"),
        node("Mul", "mean tenth", "some"),
        node("Add", "x some", "sum"),
        node("Conv", "sum repeat", "p"),
        node("DepthToSpace", "p", "y", blocksize=2),
    ]
    weights = {"tenth": np.full(1, 0.1, np.float32), "repeat": np.ones((4, 1, 1, 1), np.float32)}
    return network(nodes, weights)


def noise(form: FrameFormat, seed: int = 0) -> Frame:
    """Every code there is, at random."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2**form.depth, (form.height, form.width), form.dtype)
    uv = None
    if form.uv_shape is not None:
        uv = rng.integers(0, 2**form.depth, form.uv_shape, form.dtype)
    return Frame(y, uv, pts=seed)


def natural(form: FrameFormat, seed: int = 0) -> Frame:
    """What films are made of, as far as arithmetic cares: shading, hard edges, a little texture."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[0 : form.height, 0 : form.width] / max(form.height, form.width)
    picture = 0.45 + 0.3 * np.sin(2.1 * u + seed) * np.cos(1.7 * v)
    for _ in range(6):  # half planes and discs with hard edges
        a, b, c = rng.normal(size=3)
        picture = np.where(a * (u - 0.5) + b * (v - 0.4) > 0.2 * c, picture, picture + 0.12 * c)
        inside = (u - rng.random()) ** 2 + (v - rng.random()) ** 2 < 0.02 * rng.random()
        picture = np.where(inside, rng.random(), picture)
    picture = picture + 0.04 * np.sin(80 * u) * np.sin(60 * v) + rng.normal(0, 0.02, picture.shape)
    for axis in (0, 1):  # a lens and a sensor soften every edge
        before, after = np.roll(picture, 1, axis), np.roll(picture, -1, axis)
        picture = (before + 2 * picture + after) / 4
    unit = 2 ** (form.depth - 8)
    low, high = (0, 255) if form.full_range else (16, 235)
    y = (np.clip(picture, 0, 1) * (high - low) + low) * unit
    uv = None
    if form.uv_shape is not None:
        _, rows, columns = form.uv_shape
        v, u = np.mgrid[0:rows, 0:columns] / max(rows, columns)
        cb = 128 + 40 * np.sin(2 * u + seed) + np.where(u > v, 10, -10)
        cr = 128 + 40 * np.cos(2 * v) - np.where(u + v > 0.8, 15, -5)
        uv = (np.stack([cb, cr]) * unit).astype(form.dtype)
    return Frame(y.astype(form.dtype), uv, pts=seed)


def largest_difference(a: Frame, b: Frame) -> int:
    """The largest difference between two frames of one shape, codes."""
    worst = int(np.abs(a.y.astype(int) - b.y.astype(int)).max())
    if a.uv is not None and b.uv is not None:
        worst = max(worst, int(np.abs(a.uv.astype(int) - b.uv.astype(int)).max()))
    return worst
