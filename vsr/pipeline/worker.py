"""Chunks from nothing but their description: what a worker on any machine does."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from vsr.errors import BackendError, InputError, VerificationError
from vsr.frame import Frame, FrameFormat
from vsr.media.chunk import Chunk
from vsr.media.index import FilmIndex
from vsr.media.muxer import sync
from vsr.media.reader import Reader
from vsr.media.target import Target
from vsr.networks.catalog import find_network
from vsr.networks.network import Network
from vsr.pipeline.chunk_writer import ChunkWriter
from vsr.pipeline.enlarge import EnlargeReport, enlarge
from vsr.pipeline.identity import differences, identity_of, network_digest
from vsr.pipeline.plan import large_format
from vsr.pipeline.prefetch import prefetch
from vsr.pipeline.progress import read_notes
from vsr.pipeline.sizes import factors
from vsr.pipeline.tiling import TiledEngine
from vsr.pipeline.upscale import DECODED_AHEAD, ENLARGED_AHEAD, find_stage, open_engine
from vsr.pipeline.work import CHUNK, chunk_name
from vsr.settings import EngineSettings, UpscaleSettings


@dataclass(frozen=True)
class ChunkTask:
    """Chunks to be computed, one after the other: plain values, which can be sent anywhere."""

    source: str
    target: Target
    """As the job's plan has it, the number of encoder threads included."""
    settings: UpscaleSettings
    folder: str
    """Where the chunks' files go, under the names that a `WorkFolder` gives them."""
    start: int
    """The first frame, where a chunk begins."""
    length: int
    """Frames of a chunk."""
    count: int | None = 1
    """Chunks; None: all up to the film's end, which may come before in any case."""
    index: FilmIndex | None = None
    """None: the source is decoded from its start."""
    identity: Mapping[str, str] | None = None
    """All that the bytes depend on: a machine where anything of it is another refuses the task."""


@dataclass(frozen=True)
class Computed:
    """A chunk, and how it came about."""

    chunk: Chunk
    engine: str
    repeated: int
    """Frames equal to the one before, computed once."""
    notes: tuple[str, ...] = ()
    """What there is to say of the engine."""


@dataclass(frozen=True)
class Ended:
    """What reading came to, at the end of the task."""

    notes: tuple[str, ...] = ()


class Engines:
    """The engine that was used last, kept for the next task of the same kind. Thread: one."""

    def __init__(self, threads: int = 0) -> None:
        self.threads = threads
        """Processor threads of an engine, where the settings leave that open."""
        self.key: object = None
        self.held = ExitStack()

    def get(
        self,
        network: Network,
        form: FrameFormat,
        settings: EngineSettings,
        telling: Callable[[], Frame | None] | None = None,
    ) -> TiledEngine:
        """An engine as `open_engine` gives it."""
        settings = replace(settings, threads=settings.threads or self.threads)
        digest = network_digest(network)
        if self.key != (digest, form, settings):
            self.close()
            self.engine = self.held.enter_context(open_engine(network, form, settings, telling))
            settings = replace(settings, verdict=self.engine.verdict)
            self.key = digest, form, settings
        return self.engine

    def close(self) -> None:
        """Let go of it."""
        self.key = None
        self.held.close()


def compute(task: ChunkTask, engines: Engines | None = None) -> Generator[Computed, None, Ended]:
    """Write the task's chunks; the same bytes as where the whole film is done in one go.

    An engine out of `engines` is left there, but not after an error. Two may write the same chunk
    at once: each has a file of its own until that is complete.
    Raises: InputError, MediaError, BackendError; VerificationError, too, where the index is not
    what is decoded, or the film is damaged there: it has to be read from its start.
    """
    engines = engines or Engines()
    try:
        return (yield from computed(task, engines))
    except BaseException:
        engines.close()
        raise


def computed(task: ChunkTask, engines: Engines) -> Generator[Computed, None, Ended]:
    settings, look = task.settings, task.settings.look
    steady = find_stage(settings, engines.threads)
    first = max(0, task.start - look)
    stop = None if task.count is None else task.start + task.count * task.length
    with Reader(
        task.source, settings.deinterlace, settings.clip, hwaccel=settings.hwaccel
    ) as reader:
        reader.drop_others()
        frames = reader.frames()
        if task.index is not None:
            reader.start_at(first, task.index)
        else:
            frames = islice(frames, first, None)
        needed = islice(frames, None if stop is None else stop + look - first)
        form = reader.info.format
        network = find_network(settings.model, max(factors(reader.info, settings.size)))
        engine, done = engines.get(network, form, settings.engine), EnlargeReport()
        check_identity(task, network, engine)
        with (
            prefetch(needed, DECODED_AHEAD, "decode") as decoded,
            prefetch(
                steady(enlarge(decoded, engine, done), engine), ENLARGED_AHEAD, "enlarge"
            ) as enlarged,
        ):
            wanted = islice(enlarged, task.start - first, None if stop is None else stop - first)
            repeated = 0
            for chunk in written(wanted, task, large_format(form, network)):
                if task.index is not None:
                    check_whole(reader)
                yield Computed(
                    chunk, engine.description, done.repeated - repeated, tuple(engine.notes)
                )
                repeated = done.repeated
        return Ended(tuple(read_notes(reader.report)))


def written(frames: Iterator[Frame], task: ChunkTask, form: FrameFormat) -> Iterator[Chunk]:
    """The frames as chunks, each of which is complete before the next one begins."""
    start = task.start
    for frame in frames:
        path = Path(task.folder) / chunk_name(start)
        own = path.with_suffix(f".{secrets.token_hex(4)}{CHUNK}")
        writer = ChunkWriter(own, start, task.target, form)
        try:
            writer.write(frame)
            for more in islice(frames, task.length - 1):
                writer.write(more)
            chunk = writer.finish()
        except BaseException:
            writer.close()
            writer.file.partial.unlink(missing_ok=True)
            raise
        os.replace(own, path)
        sync(path.parent)
        yield chunk
        start += task.length
    if start == task.start and (task.count is not None or start == 0):
        raise InputError(f"{task.source}: has no frame {start}")


def check_whole(reader: Reader) -> None:
    """Raise VerificationError where something was mended: what is made of damage may depend on all
    that was decoded before."""
    report = reader.report
    if report.damaged_packets or report.damaged_frames or report.mended_times:
        raise VerificationError(f"{reader.name}: is damaged there; read it from its start")


def check_identity(task: ChunkTask, network: Network, engine: TiledEngine) -> None:
    """Raise BackendError where the chunk would have other bytes than the film's others.

    Only the device may be another, where backend and precision are the same: so different GPUs
    can share a film, whose roundings then differ as theirs do.
    """
    if task.identity is None:
        return
    now = identity_of(task.source, task.target, network, engine, task.settings)
    planned = dict(task.identity)
    if alike(planned["engine"], now["engine"]):
        now["engine"] = planned["engine"]
    if other := differences(planned, now):
        raise BackendError(f"this machine would give other bytes: {'; '.join(other)}")


def alike(one: str, other: str) -> bool:
    """Whether two engines are of the same backend and precision, on whatever device."""
    a, b = one.split(), other.split()
    return (a[0], a[-1]) == (b[0], b[-1])
