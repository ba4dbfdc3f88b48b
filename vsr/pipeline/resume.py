"""What an interrupted run has left of an output, and whether it can be gone on with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vsr.errors import InputError
from vsr.media.chunk import Chunk, sha256_of
from vsr.media.target import Target
from vsr.pipeline.identity import differences, identity_of
from vsr.pipeline.plan import Plan
from vsr.pipeline.store import Job, Store
from vsr.pipeline.work import WorkFolder
from vsr.settings import UpscaleSettings


@dataclass(frozen=True)
class Begun:
    """A job that is on record, with what is done of it."""

    store: Store
    job: Job
    target: Target
    """With as many encoder threads as the job was begun with."""
    done: dict[int, Chunk]
    """First frame -> the chunk, its file still what it was."""
    notes: list[str]
    """What has to be done again, one sentence each."""


def take_up(
    work: WorkFolder, plan: Plan, source: str, engine: str, settings: UpscaleSettings
) -> Begun:
    """The output's job as it was begun, or a new one where nothing is recorded.

    `engine` says what computes, and in which precision. Raises InputError, naming every difference,
    where chunks are recorded that were begun otherwise; StoreError where the record is of no use.
    """
    if settings.restart:
        work.clear()
    work.sweep()
    store = Store(work.record)
    try:
        name = Path(work.output).name
        job = store.job(name)
        chunks = store.chunks(job) if job is not None else []
        if job is not None and not chunks:
            store.remove(job)  # nothing is lost by beginning anew
            job = None
        target = with_threads(plan.target, job, settings)
        identity = identity_of(source, target, plan.network, engine, settings)
        if job is None:
            job = store.add(name, source, identity)
        elif other := differences(job.plan, identity):
            frames = sum(chunk.frames for chunk in chunks)
            raise InputError(
                f"{work.output}: {frames} frames are kept of a run that was begun otherwise: "
                f"{'; '.join(other)}; --restart throws them away"
            )
        begun = Begun(store, job, target, {}, [])
        for chunk in chunks:
            check(work.chunk(chunk.start), chunk, begun)
    except BaseException:
        store.close()
        raise
    return begun


def with_threads(target: Target, job: Job | None, settings: UpscaleSettings) -> Target:
    """The target with the threads that the user asks for, else with those of the job."""
    if job is None or settings.encoder.threads:
        return target
    threads = int(job.plan["encoder's threads"])
    return replace(target, encoder=replace(target.encoder, threads=threads))


def check(path: Path, chunk: Chunk, begun: Begun) -> None:
    """Take a recorded chunk for done if its file is still what it was; else forget it."""
    if not path.is_file():
        problem = "is missing"
    elif path.stat().st_size != chunk.size or sha256_of(path) != chunk.sha256:
        problem = "is damaged"
    else:
        begun.done[chunk.start] = chunk
        return
    begun.store.forget(begun.job, chunk)
    begun.notes.append(
        f"the chunk of frames {chunk.start} to {chunk.end - 1} {problem}: computed again"
    )
