"""The last steps at a film, by a worker: chunks and all other streams -> the output, verified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vsr.errors import VerificationError
from vsr.media.chunk import Chunk, sha256_of
from vsr.media.index import FilmIndex
from vsr.media.join import join
from vsr.media.muxer import Muxer
from vsr.media.reader import Reader
from vsr.media.target import Target
from vsr.pipeline.outcome import File, file_of
from vsr.pipeline.progress import write_notes
from vsr.pipeline.verify import CHECKED_SAMPLES, Samples, verify
from vsr.pipeline.work import chunk_name
from vsr.settings import UpscaleSettings


@dataclass(frozen=True)
class EndTask:
    """A film all of whose chunks are done."""

    source: str
    target: Target
    settings: UpscaleSettings
    folder: str
    chunks: tuple[Chunk, ...]
    whole: str
    """The file to write, which gets its name later."""
    looks: tuple[tuple[int, FilmIndex], ...] | None
    """Frames to compare, and how to get at them; None: the source is decoded from its start."""


@dataclass(frozen=True)
class Whole:
    """A file that is complete and verified."""

    path: str
    frames: int
    psnr: float | None
    """The worst sampled frame's, dB; None: nothing was compared."""
    notes: tuple[str, ...]
    file: File
    source_sha256: str


def looks(index: FilmIndex) -> tuple[tuple[int, FilmIndex], ...]:
    """Some frames, evenly spread over the film."""
    total = len(index.pts)
    numbers = range(0, total, max(1, total // CHECKED_SAMPLES))[:CHECKED_SAMPLES]
    return tuple((number, index.part(number, number + 1)) for number in numbers)


def end(task: EndTask) -> Whole:
    """Join, add all other streams, verify; nothing is left where that fails.

    Raises: MediaError, VerificationError.
    """
    samples = take_samples(task) if task.settings.verify else Samples()
    frames = sum(chunk.frames for chunk in task.chunks)
    if task.looks is None and task.settings.verify and samples.seen != frames:
        raise VerificationError(
            f"{task.target.path}: {samples.seen} frames were read, and {frames} are kept; "
            "--restart begins anew"
        )
    with Reader(task.source, task.settings.deinterlace) as reader:
        muxer = Muxer(task.target, reader, task.whole)
        try:
            files = [Path(task.folder) / chunk_name(chunk.start) for chunk in task.chunks]
            join(files, task.chunks, muxer)
            form = reader.info.format
            scores = verify(muxer, samples, form) if task.settings.verify else {}
        except BaseException:
            muxer.discard()
            raise
    return Whole(
        path=task.whole,
        frames=len(muxer.pts),
        psnr=min(scores.values(), default=None),
        notes=tuple(write_notes(muxer)),
        file=file_of(Path(task.whole)),
        source_sha256=sha256_of(Path(task.source)),
    )


def take_samples(task: EndTask) -> Samples:
    """Frames of the source to hold the output against."""
    samples = Samples()
    settings = task.settings
    with Reader(task.source, settings.deinterlace, hwaccel=settings.hwaccel) as reader:
        reader.drop_others()
        if task.looks is None:
            for _ in samples.passing(reader.frames()):
                pass
            return samples
        for number, index in task.looks:
            reader.start_at(number, index)
            frame = next(reader.frames())
            samples.kept[number] = frame.pts, frame.y
    return samples
