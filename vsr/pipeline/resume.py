"""What an interrupted run has left of an output, and whether it can be gone on with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vsr.errors import InputError
from vsr.media.chunk import Chunk, sha256_of
from vsr.media.target import Target
from vsr.pipeline.identity import differences, identity_of, network_digest
from vsr.pipeline.plan import Plan
from vsr.pipeline.store import Job, Store
from vsr.pipeline.tiling import TiledEngine
from vsr.pipeline.work import WorkFolder
from vsr.settings import EngineSettings, UpscaleSettings


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
    work: WorkFolder, plan: Plan, source: str, engine: TiledEngine, settings: UpscaleSettings
) -> Begun:
    """The output's job as it was begun, or a new one where nothing is recorded.

    Raises InputError, naming every difference, where chunks are recorded that were begun otherwise;
    StoreError where the record is of no use.
    """
    if settings.restart:
        work.clear()
    work.sweep()
    store, job = work.store, work.job
    if settings.restart and job is not None:
        store.forget_all(job)
    chunks = store.chunks(job) if job is not None else []
    target = with_threads(plan.target, job if chunks else None, settings)
    identity = identity_of(source, target, plan.network, engine, settings)
    kept = sum(chunk.frames for chunk in chunks)
    job = begin_job(store, work.output, source, identity, kept)
    begun = Begun(store, job, target, {}, [])
    for chunk in chunks:
        check(work.chunk(chunk.start), chunk, begun)
    return begun


def begin_job(
    store: Store, output: str, source: str, identity: Mapping[str, str], kept: int
) -> Job:
    """The output's job as it was begun, or a new one where no frames are kept.

    Raises InputError, naming every difference, where they were made otherwise.
    """
    job = store.job(store.name(output))
    if job is None:
        return store.add(store.name(output), source, identity)
    if not kept:  # nothing is lost by beginning anew
        return store.replan(job, source, identity)
    if other := differences(job.plan, identity):
        raise InputError(
            f"{output}: {kept} frames are kept of a run that was begun otherwise: "
            f"{'; '.join(other)}; --restart throws them away"
        )
    return job


def as_begun(work: WorkFolder | None, plan: Plan, settings: UpscaleSettings) -> EngineSettings:
    """What computes, as when the output was begun: with what fp16 was found to need then.

    Raises StoreError where the record is of no use.
    """
    said = settings.engine
    if work is None or not plan.in_chunks or said.verdict or settings.restart:
        return said
    job = work.job
    if job is None or not work.store.chunks(job):
        return said
    same = job.plan.get("network's sha256") == network_digest(plan.network)
    return replace(said, verdict=job.plan.get("engine.verdict")) if same else said


def with_threads(target: Target, job: Job | None, settings: UpscaleSettings) -> Target:
    """The target with the threads that the user asks for, else with those of the job."""
    if job is None or settings.encoder.threads:
        return target
    threads = int(job.plan["encoder's threads"])
    return replace(target, encoder=replace(target.encoder, threads=threads))


def check(path: Path, chunk: Chunk, begun: Begun) -> None:
    """Take a recorded chunk for done if its file is still what it was; else forget it."""
    problem = chunk_problem(path, chunk)
    if not problem:
        begun.done[chunk.start] = chunk
        return
    begun.store.forget(begun.job, chunk)
    begun.notes.append(again_note(chunk, problem))


def chunk_problem(path: Path, chunk: Chunk) -> str:
    """What is wrong with a recorded chunk's file; "" is nothing."""
    if not path.is_file():
        return "is missing"
    same = path.stat().st_size == chunk.size and sha256_of(path) == chunk.sha256
    return "" if same else "is damaged"


def again_note(chunk: Chunk, problem: str) -> str:
    return f"the chunk of frames {chunk.start} to {chunk.end - 1} {problem}: computed again"
