"""The frame graph's arithmetic once more: slow, obvious, in float64, sample by sample.

Nothing here is shared with `vsr/graph.py`, `vsr/kernels.py` or `vsr/color.py`, so that the two
can judge each other. A position is in luma samples of the small picture, measured from its upper
left corner: luma sample i has its centre at i + 0.5.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

from vsr.frame import Frame, FrameFormat
from vsr.networks.network import Network

Plane = NDArray[np.float64]

Net = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(n, channels, h, w) -> (n, channels, h * scale, w * scale)"""

RED_BLUE = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
"""KR and KB. Source: ITU-T H.273, table 4."""

RADIUS = {"nearest": 0.5, "bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}


def weight(kernel: str, x: float) -> float:
    """The kernel at a distance of x samples."""
    x = abs(x)
    if x >= RADIUS[kernel]:
        return 0.0
    if kernel == "nearest":
        return 1.0
    if kernel == "bilinear":
        return 1 - x
    if kernel == "bicubic" and x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    if kernel == "bicubic":
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    if x == 0:
        return 1.0
    return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2


def line_matrix(length: int, centres: list[float], kernel: str) -> Plane:
    """Row r interpolates a line of `length` samples at sample index centres[r].

    Beyond its ends the line goes on with its first and last sample.
    """
    matrix = np.zeros((len(centres), length))
    for row, centre in enumerate(centres):
        for tap in range(math.floor(centre) - 3, math.floor(centre) + 5):
            matrix[row, min(max(tap, 0), length - 1)] += weight(kernel, tap - centre)
    normal: Plane = matrix / matrix.sum(axis=1, keepdims=True)
    return normal


def interpolate(plane: Plane, rows: list[float], columns: list[float], kernel: str) -> Plane:
    """The plane at every pair of a row and a column, both sample indices."""
    down = line_matrix(plane.shape[0], rows, kernel)
    across = line_matrix(plane.shape[1], columns, kernel)
    result: Plane = down @ plane @ across.T
    return result


def classical(kernel: str, scale: int) -> Net:
    """Interpolation at the centres of the large picture's samples."""

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        rows, columns = (
            [(i + 0.5) / scale - 0.5 for i in range(side * scale)] for side in x.shape[2:]
        )
        planes = [interpolate(plane.astype(np.float64), rows, columns, kernel) for plane in x[0]]
        return np.stack(planes)[None].astype(np.float32)

    return run


def run_onnx(model: ModelProto, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """The model's outputs, computed by ONNX's own slow reference implementation."""
    results: Any = ReferenceEvaluator(model).run(None, feeds)
    return [np.asarray(result) for result in results]


def by_onnx(network: Network) -> Net:
    name = network.model.graph.input[0].name
    return lambda x: run_onnx(network.model, {name: x})[0]


def for_any_size(net: Net, network: Network) -> Net:
    """`net`, for pictures of any size: their last row and column are repeated up to the multiple
    that the network wants, and what comes of the copies is left out."""

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = x.shape[2:]
        while x.shape[2] % network.multiple:
            x = np.concatenate([x, x[:, :, -1:]], axis=2)
        while x.shape[3] % network.multiple:
            x = np.concatenate([x, x[:, :, :, -1:]], axis=3)
        return net(x)[:, :, : height * network.scale, : width * network.scale]

    return run


def chroma_offset(form: FrameFormat, vertical: bool) -> float:
    """The position of the first chroma sample along an axis.

    Source: ITU-T H.273, figure 1: with `left`, chroma lies on a luma column and between two rows.
    """
    step = form.subsampling[1 if vertical else 0]
    on_luma = {"center": False, "left": not vertical, "topleft": True}[form.chroma_location]
    return 0.5 if on_luma else step / 2


def chroma_indices(form: FrameFormat, positions: list[float], vertical: bool) -> list[float]:
    """The chroma sample index at each of the positions."""
    step, offset = form.subsampling[1 if vertical else 0], chroma_offset(form, vertical)
    return [(position - offset) / step for position in positions]


def enlarged_chroma_indices(form: FrameFormat, scale: int, vertical: bool) -> list[float]:
    """Where the samples of the enlarged chroma plane lie in the small one."""
    step, offset = form.subsampling[1 if vertical else 0], chroma_offset(form, vertical)
    side = form.height if vertical else form.width
    count = math.ceil(side * scale / step)
    positions = [(step * i + offset) / scale for i in range(count)]
    return chroma_indices(form, positions, vertical)


def to_codes(values: Plane, form: FrameFormat) -> NDArray[Any]:
    """Clamped, rounded half up."""
    return np.floor(np.clip(values, 0, 2**form.depth - 1) + 0.5).astype(form.dtype)


def enlarge(frame: Frame, form: FrameFormat, network: Network, net: Net | None = None) -> Frame:
    """What the frame graph of `network` and `form` has to make of `frame`.

    `net` runs the network; by default, classical interpolation is done here and ONNX does the rest.
    """
    if net is None:
        exact = network.exact
        net = classical(network.name, network.scale) if exact else by_onnx(network)
    net = for_any_size(net, network)
    if network.channels == 1:
        return enlarge_luma(frame, form, network, net)
    return enlarge_rgb(frame, form, network, net)


def enlarge_luma(frame: Frame, form: FrameFormat, network: Network, net: Net) -> Frame:
    top = 2**form.depth - 1
    luma = net((frame.y / top).astype(np.float32)[None, None])[0, 0].astype(np.float64) * top
    y = to_codes(luma, form)
    if frame.uv is None:
        return replace(frame, y=y)
    rows, columns = (
        enlarged_chroma_indices(form, network.scale, vertical) for vertical in (True, False)
    )
    if network.kernel == "nearest":  # keeps whole samples, wherever chroma lies
        rows = [float(i // network.scale) for i in range(len(rows))]
        columns = [float(i // network.scale) for i in range(len(columns))]
    chroma = [interpolate(p.astype(np.float64), rows, columns, network.kernel) for p in frame.uv]
    return replace(frame, y=y, uv=to_codes(np.stack(chroma), form))


def enlarge_rgb(frame: Frame, form: FrameFormat, network: Network, net: Net) -> Frame:
    small = np.clip(to_rgb(frame, form, network.kernel), 0, 1).astype(np.float32)
    large = net(small[None])[0].astype(np.float64)
    size = {"width": large.shape[2], "height": large.shape[1]}
    return from_rgb(large, frame, replace(form, **size))


def to_rgb(frame: Frame, form: FrameFormat, kernel: str = "bicubic") -> Plane:
    """R'G'B', nominally 0 to 1, (3, h, w). Source: ITU-T H.273, section 8.3."""
    unit = 2 ** (form.depth - 8)
    top = 2**form.depth - 1
    y = frame.y.astype(np.float64)
    luma = y / top if form.full_range else (y - 16 * unit) / (219 * unit)
    if frame.uv is None:
        return np.stack([luma, luma, luma])
    rows = chroma_indices(form, [i + 0.5 for i in range(form.height)], vertical=True)
    columns = chroma_indices(form, [i + 0.5 for i in range(form.width)], vertical=False)
    codes = frame.uv.astype(np.float64) - 128 * unit
    chroma = codes / (top if form.full_range else 224 * unit)
    pb, pr = (interpolate(plane, rows, columns, kernel) for plane in chroma)
    kr, kb = RED_BLUE[form.color_matrix]
    r = luma + 2 * (1 - kr) * pr
    b = luma + 2 * (1 - kb) * pb
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return np.stack([r, g, b])


def from_rgb(rgb: Plane, frame: Frame, form: FrameFormat) -> Frame:
    """`frame` with the planes of an R'G'B' picture of the format's size, (3, h, w)."""
    r, g, b = rgb
    kr, kb = RED_BLUE[form.color_matrix]
    luma = kr * r + (1 - kr - kb) * g + kb * b
    unit = 2 ** (form.depth - 8)
    top = 2**form.depth - 1
    y = to_codes(luma * top if form.full_range else luma * 219 * unit + 16 * unit, form)
    if form.is_gray:
        return replace(frame, y=y, uv=None)
    pb, pr = (b - luma) / (2 * (1 - kb)), (r - luma) / (2 * (1 - kr))
    chroma = np.stack([shrink(plane, form) for plane in (pb, pr)])
    chroma *= top if form.full_range else 224 * unit
    return replace(frame, y=y, uv=to_codes(chroma + 128 * unit, form))


def shrink(plane: Plane, form: FrameFormat) -> Plane:
    """A plane of luma's size at chroma's places: the mean of two samples where chroma lies
    between them, and (1, 2, 1) / 4 around the one that it lies on."""
    for axis, vertical in ((0, True), (1, False)):
        step = form.subsampling[1 if vertical else 0]
        if step == 1:
            continue
        lines = np.moveaxis(plane, axis, 0)
        last = len(lines) - 1
        shrunk = []
        for i in range(math.ceil(len(lines) / 2)):
            before, here, after = (lines[min(max(2 * i + d, 0), last)] for d in (-1, 0, 1))
            on_luma = chroma_offset(form, vertical) == 0.5
            shrunk.append((before + 2 * here + after) / 4 if on_luma else (here + after) / 2)
        plane = np.moveaxis(np.stack(shrunk), 0, axis)
    return plane
