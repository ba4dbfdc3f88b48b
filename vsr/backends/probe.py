"""A tile of a frame, and what fp32 on the processor makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from vsr.backends.cut import CHROMA_REACH, Cut, places_of, round_up
from vsr.backends.ov import OpenVinoEngine
from vsr.frame import Frame, FrameFormat, Plane
from vsr.networks.network import Network
from vsr.settings import EngineSettings

LARGEST, SMALLEST = 128, 16
"""Sides of a tile, small pixels."""

BUDGET = 2e10
"""Multiplications that the reference may take: about half a second on two processor cores."""


@dataclass(frozen=True)
class Tile:
    """The part of a frame with the most detail."""

    rows: Cut
    columns: Cut
    detail: float
    """Standard deviation of its luma, codes of 8 bits."""
    whole: bool
    """Whether the part that is computed holds all that the part that is compared depends on."""


def find_tile(network: Network, form: FrameFormat, frame: Frame) -> Tile:
    """As large as the network's cost allows, where the frame has the most detail."""
    places = places_of(network)
    weights = sum(math.prod(t.dims) for t in network.model.graph.initializer)
    affordable = int(math.sqrt(BUDGET / max(1, weights)))
    wanted = math.inf if network.reach is None else network.reach + CHROMA_REACH
    margin = round_up(int(min(wanted, max(SMALLEST, (affordable - SMALLEST) // 2))), places)
    side = round_up(min(LARGEST, max(SMALLEST, affordable - 2 * margin)), places)
    high, wide = min(side, form.height), min(side, form.width)
    luma = frame.y[: form.height // high * high, : form.width // wide * wide]
    blocks = luma.reshape(form.height // high, high, form.width // wide, wide)
    deviation = blocks.std(axis=(1, 3), dtype=np.float32)
    row, column = np.unravel_index(int(deviation.argmax()), deviation.shape)
    rows = span(int(row) * high, high, margin, form.height)
    columns = span(int(column) * wide, wide, margin, form.width)
    detail = float(deviation.max()) / 2 ** (form.depth - 8)
    return Tile(rows, columns, detail, whole=margin >= wanted)


def span(keep: int, side: int, margin: int, length: int) -> Cut:
    return Cut(max(0, keep - margin), min(length, keep + side + margin), keep, keep + side)


class Probe:
    """What an engine's result for a frame is judged by."""

    def __init__(self, network: Network, form: FrameFormat, frame: Frame, tile: Tile) -> None:
        self.tile, self.scale = tile, network.scale
        self.steps = (1, 1) if form.is_gray else form.subsampling
        rows, columns = tile.rows, tile.columns
        self.form = replace(form, width=columns.stop - columns.start, height=rows.stop - rows.start)
        """Of the tile."""
        self.tolerance = 2.0 * 2 ** max(0, form.depth - 10)
        """Codes; fp16 has 11 bits."""
        y, *uv = self.cut(frame, 1, (rows.start, rows.stop), (columns.start, columns.stop))
        self.frame = replace(frame, y=y, uv=uv[0] if uv else None)
        exact = EngineSettings(backend="openvino", device="CPU", precision="fp32")
        with OpenVinoEngine(network, self.form, exact) as engine:
            self.expected = engine.start(self.frame).result()

    def difference(self, result: Frame) -> float:
        """How far the whole frame's result is from what it should be, in codes: the most of any
        sample, or, where the tile does not hold all that it depends on, on average."""
        rows, columns = self.tile.rows, self.tile.columns
        found = self.cut(result, self.scale, (rows.keep, rows.end), (columns.keep, columns.end))
        expected = self.cut(
            self.expected,
            self.scale,
            (rows.keep - rows.start, rows.end - rows.start),
            (columns.keep - columns.start, columns.end - columns.start),
        )
        gaps = [abs(a.astype(int) - b.astype(int)) for a, b in zip(found, expected, strict=True)]
        return float(max(gap.max() if self.tile.whole else gap.mean() for gap in gaps))

    def cut(
        self, frame: Frame, scale: int, rows: tuple[int, int], columns: tuple[int, int]
    ) -> list[Plane]:
        """The planes between rows and columns of the small frame; `frame` is `scale` times it."""
        planes = []
        across, down = self.steps
        for plane, high, wide in ((frame.y, 1, 1), (frame.uv, down, across)):
            if plane is not None:
                top, bottom = rows[0] * scale // high, -(-rows[1] * scale // high)
                left, right = columns[0] * scale // wide, -(-columns[1] * scale // wide)
                planes.append(plane[..., top:bottom, left:right])
        return planes
