"""Tasks on machines that do not see the driver's disk: files come and go by way of a storage."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vsr.media.chunk import Chunk
from vsr.pipeline.work import chunk_name
from vsr.pipeline.worker import ChunkTask, Computed, Ended, Engines, compute
from vsr.remaster.ending import EndTask, Whole, end
from vsr.remaster.storage import Depot, fetch, get_checked, put, size_of
from vsr.remaster.survey import Survey, SurveyTask, survey


@dataclass(frozen=True)
class Away:
    """A task whose source and folders are in a storage."""

    work: SurveyTask | ChunkTask | EndTask
    depot: Depot


def survey_away(work: SurveyTask, depot: Depot, engines: Engines) -> Survey:
    """As `survey`; of the chunks only the sizes are looked at, until the end reads them."""
    with tempfile.TemporaryDirectory(prefix="vsr-") as folder:
        output = os.path.join(folder, os.path.basename(work.output))
        here = replace(work, source=fetch(depot), output=output, recorded=())
        found = survey(here, engines)
    return replace(
        found,
        start=replace(found.start, source=work.source, output=work.output),
        target=replace(found.target, path=work.output),
        bad={c.start: problem for c in work.recorded if (problem := wrong(depot, c))},
    )


def wrong(depot: Depot, chunk: Chunk) -> str:
    """What is wrong with a chunk in the storage, as far as its size tells; "" is nothing."""
    size = size_of(depot.file(chunk_name(chunk.start)))
    return "is missing" if size is None else "" if size == chunk.size else "is damaged"


def compute_away(
    work: ChunkTask, depot: Depot, engines: Engines
) -> Generator[Computed, None, Ended]:
    """As `compute`; every chunk is in the storage before it is told of."""
    with tempfile.TemporaryDirectory(prefix="vsr-") as folder:
        results = compute(replace(work, source=fetch(depot), folder=folder), engines)
        while True:
            try:
                made = next(results)
            except StopIteration as ended:
                result: Ended = ended.value
                return result
            name = chunk_name(made.chunk.start)
            put(os.path.join(folder, name), depot.file(name))
            Path(folder, name).unlink()
            yield made


def end_away(work: EndTask, depot: Depot) -> Whole:
    """As `end`; the whole is in the storage then."""
    with tempfile.TemporaryDirectory(prefix="vsr-") as folder:
        for chunk in work.chunks:
            name = chunk_name(chunk.start)
            get_checked(depot.file(name), os.path.join(folder, name), chunk.sha256)
        whole = os.path.join(folder, "whole")
        done = end(replace(work, source=fetch(depot), folder=folder, whole=whole))
        put(whole, depot.file(os.path.basename(work.whole)))
    return replace(done, path=work.whole)


def do_away(away: Away, engines: Engines) -> Any:
    """The result of a task, or a generator of its results."""
    match away.work:
        case SurveyTask():
            return survey_away(away.work, away.depot, engines)
        case ChunkTask():
            return compute_away(away.work, away.depot, engines)
        case EndTask():
            return end_away(away.work, away.depot)
