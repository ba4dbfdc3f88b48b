"""An output in one go: encoder -> container, while its source is being read."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Self

from vsr.frame import Frame
from vsr.media.frame_encoder import FrameEncoder
from vsr.media.muxer import Muxer
from vsr.media.reader import Reader
from vsr.pipeline.plan import Plan
from vsr.pipeline.progress import UpscaleReport
from vsr.pipeline.work import WorkFolder


class StraightOutput:
    """A pipe, or a file from a source that cannot be read twice: what is not completed is lost.

    Used as a `ChunkedOutput` is, of which it has all that `upscale` needs.
    Raises: MediaError where writing fails.
    """

    found = first = recorded = 0

    def __init__(self, work: WorkFolder | None, plan: Plan, reader: Reader) -> None:
        self.work = work
        self.notes: list[str] = []
        if work is not None:
            work.clear()
        path = "-" if work is None else str(work.whole)
        self.muxer = Muxer(plan.target, reader, path)
        context = self.muxer.stream.codec_context
        self.encoder = FrameEncoder(plan.target, plan.engine_format, context)
        self.committed = False

    def skipping(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        yield from frames

    def numbers(self) -> Iterator[int]:
        return itertools.count()

    def computes(self, number: int) -> bool:
        return True

    def write(self, number: int, frame: Frame) -> None:
        """Encode one frame and mux what is ready, the other streams up to the same time."""
        self.muxer.pts.append(frame.pts)
        for packet in self.encoder.encode(frame):
            self.muxer.put(packet)
        self.muxer.carry(until=frame.pts * self.muxer.target.info.time_base)

    def finish(self) -> Muxer:
        """Complete the file; returns what knows it."""
        for packet in self.encoder.flush():
            self.muxer.put(packet)
        self.muxer.finish()
        return self.muxer

    def commit(self, report: UpscaleReport) -> None:
        """Give the output its name."""
        self.muxer.commit()
        self.committed = True

    def abandon(self) -> None:
        """Remove what is of no use, whatever it is that ends the work."""
        if not self.committed:
            self.muxer.abandon()
        if self.work is not None:
            self.work.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.abandon()
        if not self.committed:
            self.muxer.discard()
