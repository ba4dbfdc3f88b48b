"""Frames too large for memory: cut into overlapping tiles, computed one by one, joined.

A tile is larger than what is kept of it by the network's reach on every inner side, so that what
is kept does not depend on where the cuts lie: the joined result equals the untiled one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Self

import numpy as np

from vsr.backends.base import Engine, OutOfMemoryError, Pending
from vsr.backends.cut import CHROMA_REACH, Cut, places_of, round_up
from vsr.backends.verdict import Verdict, parse_verdict
from vsr.errors import InputError
from vsr.frame import Frame, FrameFormat, Plane
from vsr.networks.network import Network

SHORT = "memory ran out"

Build = Callable[[FrameFormat, int, str | None], Engine]
"""Format of the tiles, how many are computed together, and the verdict, if there is one, as in
`EngineSettings` -> engine."""


def cuts(length: int, tile: int, overlap: int, places: int = 2) -> list[Cut]:
    """The tiles along one axis. All start at multiples of `places`, of which `tile` and `overlap`
    are multiples too, and all but the last are alike long.

    The last ends with the picture, and is shorter than the others where the picture's length is no
    multiple of `places`.
    """
    if length <= tile:
        return [Cut(0, length, 0, length)]
    step = tile - 2 * overlap
    starts = list(range(0, length - tile, step))
    starts.append(round_up(length - tile, places))
    stops = [min(start + tile, length) for start in starts]
    edges = [0, *(start + overlap for start in starts[1:]), length]
    return [Cut(*c) for c in zip(starts, stops, edges, edges[1:], strict=False)]


def tile_overlap(network: Network) -> int:
    """No less than the network's reach and chroma's filters together, and a whole number of places.

    Raises InputError for a network whose result at a pixel depends on the whole picture.
    """
    if network.reach is None:
        raise InputError(
            f"{network.name} looks at the whole picture at once; tiles would show their seams. "
            "Use a machine with more memory, or another network"
        )
    return round_up(network.reach + CHROMA_REACH, places_of(network))


def smallest_tile(network: Network) -> int:
    """The smallest side of a tile of which at least half is kept."""
    return 4 * tile_overlap(network)


class TiledEngine:
    """An engine that works in tiles, and in smaller batches and tiles when memory runs out.

    Keeps the contract of `vsr.backends.base`; `build` makes the engine for a tile's format.
    A tile of 0 is the whole frame; one too small for the network's reach is made larger.
    A batch of 0 is as the backend likes best.
    """

    def __init__(
        self,
        build: Build,
        network: Network,
        form: FrameFormat,
        tile: int,
        batch: int = 0,
        verdict: str | None = None,
    ) -> None:
        self.build, self.network, self.format = build, network, form
        self.scale = network.scale
        self.tile, self.batch, self.verdict = tile, batch, verdict
        self.engines: dict[tuple[int, int], Engine] = {}
        self.notes: list[str] = []
        self.lay_out()

    def cut(self, tile: int) -> None:
        """Work in tiles of this side from now on; 0: as before."""
        if tile:
            self.close()
            self.tile = tile
            self.lay_out()

    def lay_out(self) -> None:
        """Cut the frame by the tile of now, and build the engines, smaller ones if need be."""
        while True:
            width, height = self.format.width, self.format.height
            if self.tile:
                overlap, places = tile_overlap(self.network), places_of(self.network)
                self.tile = max(self.tile // places * places, smallest_tile(self.network))
                across, down = (cuts(side, self.tile, overlap, places) for side in (width, height))
            else:
                across, down = cuts(width, width, 0), cuts(height, height, 0)
            self.cuts = list(itertools.product(down, across))
            sizes = {(y.stop - y.start, x.stop - x.start) for y, x in self.cuts}
            try:
                for height, width in sorted(sizes, reverse=True):
                    form = replace(self.format, width=width, height=height)
                    engine = self.build(form, self.batch, self.verdict)
                    self.engines[height, width] = engine
                    self.notes += [note for note in engine.notes if note not in self.notes]
                    engine.notes = self.notes  # what it still has to say goes there, too
            except MemoryError as error:
                self.shrink(error)
            else:
                break
        self.describe()

    def describe(self) -> None:
        """Take over what there is to know of the engines of now."""
        one = next(iter(self.engines.values()))
        tiles = len(self.cuts)
        self.device, self.kind, self.verdict = one.device, one.description, one.verdict
        self.runtime = one.runtime
        self.depth = one.depth if tiles == 1 else 1
        self.description = self.kind if tiles == 1 else f"{self.kind}, {tiles} tiles of {self.tile}"

    def settle(self, frame: Frame) -> None:
        """Let the engines find out by this frame what fp16 needs; all keep to it from now on."""
        self.start(frame).result()
        found = {parse_verdict(e.verdict or str(Verdict())) for e in self.engines.values()}
        self.verdict = str(max(found, key=lambda verdict: verdict.severity))
        if len(found) > 1:
            self.close()
            self.lay_out()
        for engine in self.engines.values():
            engine.verdict = self.verdict
        self.describe()

    def shrink(self, error: MemoryError) -> None:
        """Halve the batch or, where that is one frame, the tile; raise OutOfMemoryError where it
        is as small as it can be."""
        self.close()
        if self.batch > 1:
            self.batch //= 2
        else:
            whole = max(self.format.width, self.format.height)
            smaller = min(self.tile or whole, whole) // 2
            if smaller < smallest_tile(self.network):
                raise error if isinstance(error, OutOfMemoryError) else OutOfMemoryError(str(error))
            self.tile = smaller
        kinds = {"batches": self.batch, "tiles": self.tile}
        parts = ", ".join(f"{kind} of {size}" for kind, size in kinds.items() if size)
        self.notes[:] = [note for note in self.notes if not note.startswith(SHORT)]
        self.notes.append(f"{SHORT}: went on in {parts}")

    def start(self, frame: Frame) -> Pending:
        return TiledPending(self, frame)

    def close(self) -> None:
        for engine in self.engines.values():
            with suppress(OutOfMemoryError):  # what was in work is begun again with smaller tiles
                engine.close()
        self.engines.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class TiledPending:
    """A frame in work, tile by tile. Keeps the frame until its result is there, so that it can
    be begun again with smaller tiles."""

    def __init__(self, engine: TiledEngine, frame: Frame) -> None:
        self.engine, self.frame = engine, frame
        self.large: Frame | None = None
        self.begin()

    def begin(self) -> None:
        """Start every tile, of a smaller size where memory runs out on the way."""
        while not self.started():
            self.engine.lay_out()

    def started(self) -> bool:
        """Start every tile; where memory runs out, shrink the tile instead."""
        self.cuts, self.parts = self.engine.cuts, []
        try:
            for y, x in self.cuts:
                tile = cut_out(self.frame, self.engine.format, y, x)
                self.parts.append(self.engine.engines[tile.y.shape].start(tile))
        except MemoryError as error:
            self.parts.clear()
            self.engine.shrink(error)
            return False
        return True

    def result(self) -> Frame:
        while self.large is None:
            if not self.finished():
                if self.engine.cuts is self.cuts:
                    self.engine.lay_out()
                self.begin()
        self.parts = []
        return self.large

    def finished(self) -> bool:
        try:
            self.large = self.join([part.result() for part in self.parts])
        except MemoryError as error:
            self.parts.clear()
            if self.engine.cuts is self.cuts:  # no other frame has shrunk the tile meanwhile
                self.engine.shrink(error)
            return False
        return True

    def join(self, results: list[Frame]) -> Frame:
        if len(results) == 1:
            return results[0]
        form, scale = self.engine.format, self.engine.scale
        large = replace(form, width=form.width * scale, height=form.height * scale)
        y = np.empty((large.height, large.width), large.dtype)
        uv = None if large.uv_shape is None else np.empty(large.uv_shape, large.dtype)
        across, down = (1, 1) if form.is_gray else form.subsampling
        for result, (cut_y, cut_x) in zip(results, self.cuts, strict=True):
            paste(y, result.y, cut_y, cut_x, scale, 1, 1)
            if uv is not None and result.uv is not None:
                paste(uv, result.uv, cut_y, cut_x, scale, down, across)
        return replace(self.frame, y=y, uv=uv)


def cut_out(frame: Frame, form: FrameFormat, y: Cut, x: Cut) -> Frame:
    """One tile of a frame, contiguous."""
    luma = frame.y[y.start : y.stop, x.start : x.stop]
    if frame.uv is None:
        return replace(frame, y=np.ascontiguousarray(luma))
    across, down = form.subsampling
    rows = slice(y.start // down, -(-y.stop // down))
    columns = slice(x.start // across, -(-x.stop // across))
    chroma = np.ascontiguousarray(frame.uv[:, rows, columns])
    return replace(frame, y=np.ascontiguousarray(luma), uv=chroma)


def paste(whole: Plane, tile: Plane, y: Cut, x: Cut, scale: int, down: int, across: int) -> None:
    """Copy what is kept of an enlarged tile to its place, both subsampled by (down, across)."""
    rows, from_rows = places(y, scale, down)
    columns, from_columns = places(x, scale, across)
    whole[..., rows, columns] = tile[..., from_rows, from_columns]


def places(cut: Cut, scale: int, subsampling: int) -> tuple[slice, slice]:
    """Where the kept part of a cut lies in the whole and in the tile, after enlarging."""
    first = cut.keep * scale // subsampling
    last = -(-cut.end * scale // subsampling)
    offset = cut.start * scale // subsampling
    return slice(first, last), slice(first - offset, last - offset)
