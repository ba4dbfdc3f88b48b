"""The first look at a film, by a worker: what the job comes to, and what of it is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vsr.errors import InputError
from vsr.media.chunk import Chunk
from vsr.media.index import FilmIndex, index_of
from vsr.media.reader import Reader
from vsr.media.target import Target
from vsr.pipeline.chunks import chunk_length
from vsr.pipeline.identity import identity_of
from vsr.pipeline.plan import make_plan
from vsr.pipeline.progress import Start
from vsr.pipeline.resume import chunk_problem
from vsr.pipeline.telling import telling_frame
from vsr.pipeline.upscale import make_start
from vsr.pipeline.work import chunk_name
from vsr.pipeline.worker import Engines
from vsr.settings import UpscaleSettings


@dataclass(frozen=True)
class SurveyTask:
    """A film to be looked at."""

    source: str
    output: str
    settings: UpscaleSettings
    """With the encoder's threads decided, and what fp16 was found to need before."""
    folder: str
    recorded: tuple[Chunk, ...]
    """Chunks that are said to lie there."""


@dataclass(frozen=True)
class Survey:
    """What the job comes to."""

    start: Start
    target: Target
    settings: UpscaleSettings
    """With what fp16 was found to need."""
    identity: dict[str, str]
    length: int
    """Frames of a chunk."""
    index: FilmIndex | None
    """None: the film has to be read from its start."""
    bad: dict[int, str]
    """First frame of a chunk whose file is not what was recorded -> what is wrong with it."""


def survey(task: SurveyTask, engines: Engines) -> Survey:
    """Decide all there is to decide about a film. Raises InputError where it makes no sense."""
    settings, folder = task.settings, Path(task.folder)
    if settings.clip:
        raise InputError(f"{task.source}: a part of a film is nothing for a cluster")
    with Reader(task.source, settings.deinterlace, hwaccel=settings.hwaccel) as reader:
        reader.drop_others()
        plan = make_plan(reader, task.output, settings)
        if not plan.in_chunks:
            raise InputError(f"{task.output}: {plan.target.container} cannot be made in chunks")
        telling = partial(telling_frame, reader.path, plan.network, settings)
        engine = engines.get(plan.network, reader.info.format, settings.engine, telling)
        settled = replace(settings, engine=replace(settings.engine, verdict=engine.verdict))
        start, target = make_start(reader, plan, engine, settings), plan.target
        seekable = not reader.has_to_be_read_from_its_start
    problems = {c.start: chunk_problem(folder / chunk_name(c.start), c) for c in task.recorded}
    return Survey(
        start=start,
        target=target,
        settings=settled,
        identity=identity_of(task.source, target, plan.network, engine, settled),
        length=chunk_length(target.info.rate, settings.chunk_seconds),
        index=index_of(task.source) if seekable else None,
        bad={first: problem for first, problem in problems.items() if problem},
    )
