"""The record of all that is done for a folder of results: OUT/.vsr."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vsr.errors import InputError, MediaError
from vsr.pipeline.store import Job, Outcome, Store
from vsr.pipeline.work import RECORD, locked

FOLDER = ".vsr"


def record_of(out: str) -> Path:
    """Where the record of a folder of results lies."""
    return Path(out) / FOLDER / RECORD


@contextmanager
def open_record(out: str) -> Iterator[Store]:
    """The record, made where there is none, to be written by nobody else meanwhile.

    Raises: InputError where another process works on the folder, MediaError where nothing can be
    written, StoreError where the record is of no use.
    """
    path = record_of(out)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.with_name("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    except OSError as error:
        raise MediaError(out, f"cannot be written: {error.strerror}") from error
    try:
        if not locked(descriptor):
            process = os.read(descriptor, 20).decode(errors="replace")
            raise InputError(f"{out}: another vsr (process {process}) is at work on it now")
        words = str(os.getpid()).encode()
        os.pwrite(descriptor, words, 0)
        os.truncate(descriptor, len(words))
        with Store(path) as store:
            yield store
    finally:
        os.close(descriptor)


@contextmanager
def read_record(out: str) -> Iterator[Store | None]:
    """The record, to be read only, be it that somebody is writing it; None where there is none."""
    if not record_of(out).is_file():
        yield None
        return
    with Store(record_of(out), read_only=True) as store:
        yield store


def all_jobs(store: Store) -> list[tuple[Job, Outcome | None, int]]:
    """By their outputs' names: how each ended, and how many frames of its chunks are done."""
    outcomes, frames = store.outcomes(), store.frames_done()
    jobs = sorted(store.jobs(), key=lambda job: job.output)
    return [(job, outcomes.get(job.id), frames.get(job.id, 0)) for job in jobs]


def so_far(outcome: Outcome | None, frames: int) -> Outcome:
    """How a job ended; of one that has not, that it is begun, or waiting where no frame is done."""
    return outcome or Outcome("begun" if frames else "waiting", ended=0, tries=0)


def frames_on_record(store: Store | None) -> dict[str, int]:
    """Output -> frames that are done."""
    if store is None:
        return {}
    frames = store.frames_done()
    return {job.output: frames.get(job.id, 0) for job in store.jobs()}


def on_record(store: Store | None) -> dict[str, tuple[Job, Outcome | None]]:
    """Output -> its job, and how that ended, of all there are."""
    if store is None:
        return {}
    outcomes = store.outcomes()
    return {job.output: (job, outcomes.get(job.id)) for job in store.jobs()}
