"""An output in chunks: written one by one, each kept once it is checked, joined at the end.

Chunks begin at fixed frames, whatever run made them, and each has an encoder of its own. So an
output has the same bytes whether it was made in one run or in many.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from vsr.errors import VerificationError
from vsr.frame import Frame
from vsr.media.chunk import sha256_of
from vsr.media.encoder import encoder_rate
from vsr.media.join import join
from vsr.media.muxer import Muxer
from vsr.media.reader import Reader
from vsr.pipeline.chunk_writer import ChunkWriter
from vsr.pipeline.outcome import done, file_of
from vsr.pipeline.plan import Plan
from vsr.pipeline.progress import OnChunk, UpscaleReport
from vsr.pipeline.resume import take_up
from vsr.pipeline.tiling import TiledEngine
from vsr.pipeline.work import WorkFolder
from vsr.settings import UpscaleSettings


def chunk_length(rate: Fraction | None, seconds: float) -> int:
    """Frames of about so many seconds; a film whose rate nothing tells is taken for 25 a second."""
    return max(1, round(seconds * encoder_rate(rate)))


class ChunkedOutput:
    """A film that is written in chunks, from the first one that is missing.

    Frames are known by their numbers in the film: `skipping` lets only those through that have to
    be computed, or are looked at for that; `numbers` tells which they are; `write` takes them.

    Thread: `skipping` runs in one thread, all else in another.
    Raises: InputError where the output was begun otherwise, MediaError, StoreError and
    VerificationError as the work goes on; what is recorded by then is kept.
    """

    def __init__(
        self,
        work: WorkFolder,
        plan: Plan,
        reader: Reader,
        engine: TiledEngine,
        settings: UpscaleSettings,
        on_chunk: OnChunk | None = None,
    ) -> None:
        self.work, self.reader = work, reader
        self.on_chunk = on_chunk or (lambda: None)
        self.form, self.settings = plan.engine_format, settings
        begun = take_up(work, plan, reader.path, engine, settings)
        self.store, self.job, self.target = begun.store, begun.job, begun.target
        self.done, self.notes = begun.done, begun.notes
        self.length = chunk_length(plan.target.info.rate, settings.chunk_seconds)
        self.look = settings.look
        """Frames before and after a frame that its result depends on."""
        self.before = frozenset(self.done)
        """Where the chunks begin that were there before."""
        self.found = self.recorded
        """Frames that were there before."""
        reader.drop_others()
        self.seen = 0
        """Frames of the film that have been decoded."""
        self.writer: ChunkWriter | None = None
        self.muxer: Muxer | None = None
        self.again: Reader | None = None
        self.committed = False

    # Which frames.

    def skipping(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The frames that are needed. Raises VerificationError where the film is another now."""
        for number, frame in enumerate(frames):
            self.seen += 1
            if number in self.before and self.done[number].first_pts != frame.pts:
                raise VerificationError(
                    f"{self.reader.name}: frame {number} is at another time than when the film "
                    "was read before; --restart begins anew"
                )
            if self.needs(number):
                yield frame

    def needs(self, number: int) -> bool:
        """Whether this frame is to be computed, or to be looked at for one that is."""
        around = range(max(0, number - self.look), number + self.look + 1)
        return any(self.computes(each) for each in around)

    def computes(self, number: int) -> bool:
        return number - number % self.length not in self.before

    def numbers(self) -> Iterator[int]:
        """The numbers of the frames that `skipping` lets through, without an end."""
        number = 0
        while True:
            if self.needs(number):
                yield number
            number += 1

    @property
    def first(self) -> int:
        """The first frame that is to be computed."""
        start = 0
        while start in self.before:
            start += self.length
        return start

    # Writing.

    @property
    def recorded(self) -> int:
        """Frames that outlast whatever happens now."""
        return sum(chunk.frames for chunk in self.done.values())

    def write(self, number: int, frame: Frame) -> None:
        """Encode one frame; the last of a chunk completes it."""
        if not self.computes(number):
            return
        if self.writer is None:
            self.attempt = self.store.begin(self.job, number, f"process {os.getpid()}")
            self.writer = ChunkWriter(self.work.chunk(number), number, self.target, self.form)
        self.writer.write(frame)
        if (number + 1) % self.length == 0:
            self.complete(self.writer)

    def complete(self, writer: ChunkWriter) -> None:
        """Finish the chunk and record it."""
        chunk = writer.finish()
        self.store.record(self.job, chunk)
        self.store.end(self.attempt)
        self.done[chunk.start] = chunk
        self.writer = None
        self.on_chunk()

    def finish(self) -> Muxer:
        """Join the chunks and all other streams, which the source is read for once more."""
        if self.writer is not None:
            self.complete(self.writer)
        if self.recorded != self.seen:
            raise VerificationError(
                f"{self.work.output}: {self.seen} frames were read, and {self.recorded} are kept; "
                "--restart begins anew"
            )
        again = Reader(self.reader.path, self.settings.deinterlace, self.settings.clip)
        self.again, again.end = again, self.reader.end
        self.muxer = Muxer(self.target, again, str(self.work.whole))
        chunks = [self.done[start] for start in sorted(self.done)]
        join([self.work.chunk(chunk.start) for chunk in chunks], chunks, self.muxer)
        return self.muxer

    def commit(self, report: UpscaleReport) -> None:
        """Give the output its name; the work is done."""
        assert self.muxer is not None
        outcome = None
        if self.work.shared is not None:  # it is on record among others
            outcome = done(report, sha256_of(Path(self.reader.path)), file_of(self.work.whole))
        self.store.finish(self.job, outcome)
        self.muxer.commit()
        self.committed = True

    def abandon(self) -> None:
        """Remove what is of no use, whatever it is that ends the work."""
        if self.committed or not self.done:
            self.work.remove()
        else:
            self.work.sweep()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.abandon()
        if self.muxer is not None and not self.committed:
            self.muxer.discard()
        if self.writer is not None:
            self.writer.close()
        if error is not None and self.done:
            if self.writer is not None:
                self.store.end(self.attempt, str(error))
            error.add_note(
                f"{self.recorded} frames are kept; the same command goes on from there, "
                "--restart begins anew"
            )
        if self.again is not None:
            self.again.close()
