"""One chunk from nothing but its description: what a worker on any machine does."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vsr.errors import InputError
from vsr.media.chunk import Chunk
from vsr.media.index import FilmIndex
from vsr.media.reader import Reader
from vsr.media.target import Target
from vsr.networks.catalog import find_network
from vsr.pipeline.chunk_writer import ChunkWriter
from vsr.pipeline.enlarge import EnlargeReport, enlarge
from vsr.pipeline.plan import large_format
from vsr.pipeline.prefetch import prefetch
from vsr.pipeline.sizes import factors
from vsr.pipeline.upscale import DECODED_AHEAD, ENLARGED_AHEAD, find_stage, open_engine
from vsr.settings import UpscaleSettings


@dataclass(frozen=True)
class ChunkTask:
    """A chunk to be computed: plain values, which can be sent anywhere."""

    source: str
    target: Target
    """As the job's plan has it, the number of encoder threads included."""
    settings: UpscaleSettings
    start: int
    """Frames [start, end); the film may end before."""
    end: int
    file: str
    index: FilmIndex | None = None
    """None: the source is decoded from its start."""


def compute(task: ChunkTask) -> Chunk:
    """Write the task's chunk; the same bytes as where the whole film is done in one go.

    Raises: InputError, MediaError, BackendError, VerificationError; an unfinished file may be left
    beside `task.file`, which the next try overwrites.
    """
    settings, look = task.settings, task.settings.look
    steady = find_stage(settings)
    first = max(0, task.start - look)
    with Reader(
        task.source, settings.deinterlace, settings.clip, hwaccel=settings.hwaccel
    ) as reader:
        reader.drop_others()
        frames = reader.frames()
        if task.index is not None:
            reader.start_at(first, task.index)
        else:
            frames = islice(frames, first, None)
        needed = islice(frames, task.end + look - first)
        form = reader.info.format
        network = find_network(settings.model, max(factors(reader.info, settings.size)))
        with (
            open_engine(network, form, settings.engine) as engine,
            prefetch(needed, DECODED_AHEAD, "decode") as decoded,
            prefetch(
                steady(enlarge(decoded, engine, EnlargeReport()), engine), ENLARGED_AHEAD, "enlarge"
            ) as enlarged,
        ):
            large = large_format(form, network)
            writer = ChunkWriter(Path(task.file), task.start, task.target, large)
            try:
                for frame in islice(enlarged, task.start - first, task.end - first):
                    writer.write(frame)
                if not writer.pts:
                    raise InputError(f"{task.source}: has no frame {task.start}")
                return writer.finish()
            finally:
                writer.close()
