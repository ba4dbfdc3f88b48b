"""What is on record, to be looked at and to be changed by people, be it while a run goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vsr.errors import InputError
from vsr.pipeline.store import CANCELLED, DONE, FAILED, Job, Outcome, Store, spoken
from vsr.pipeline.work import RECORD, WorkFolder, folder_of
from vsr.remaster.record import all_jobs, record_of, so_far


def find_record(out: str) -> Path:
    """The record of a folder of results, or of a single film's output that is being worked on.

    Raises InputError where there is none.
    """
    for path in (record_of(out), folder_of(out) / RECORD):
        if path.is_file():
            return path
    raise InputError(
        f"{out}: nothing is on record; it has to be the folder that vsr remaster writes to, "
        "or the output of a vsr upscale that was interrupted"
    )


@contextmanager
def opened(out: str, read_only: bool = False) -> Iterator[Store]:
    """The record. Raises InputError where there is none, StoreError where it is of no use."""
    with Store(find_record(out), read_only) as store:
        yield store


@dataclass(frozen=True)
class Summary:
    """A film in a line."""

    output: str
    source: str
    state: str
    """waiting, begun, done, failed or cancelled."""
    done: int
    """Frames."""
    frames: int | None
    """Expected; None: nothing tells."""
    tries: int
    error: str | None


def summaries(store: Store) -> list[Summary]:
    """All films, by their outputs' names."""
    return [summary(*each) for each in all_jobs(store)]


def summary(job: Job, outcome: Outcome | None, done: int) -> Summary:
    end = so_far(outcome, done)
    done = end.frames or done
    frames = done if end.state == DONE else job.frames
    return Summary(job.output, job.source, end.state, done, frames, end.tries, end.error)


def details(store: Store, word: str) -> dict[str, Any]:
    """All that is on record of a film. Without a word, of the only one there is."""
    jobs = store.jobs()
    if not word and len(jobs) != 1:
        raise InputError(f"{store.path}: {len(jobs)} films are on record; say which")
    job = find_job(store, word) if word else jobs[0]
    outcome = store.outcome(job)
    done = sum(chunk.frames for chunk in store.chunks(job))
    return {
        **asdict(summary(job, outcome, done)),
        "plan": job.plan,
        "outcome": asdict(outcome) if outcome is not None else {},
        "chunks": [asdict(chunk) for chunk in store.chunks(job)],
        "attempts": [asdict(attempt) for attempt in store.attempts(job)],
    }


def find_job(store: Store, word: str) -> Job:
    """A film by its output's name, or by the path of its output or of its source.

    Raises InputError for one that is not on record.
    """
    whole = os.path.abspath(word)
    names = {spoken(word), spoken(store.name(whole))}
    for job in store.jobs():
        if job.output in names or job.source == spoken(whole):
            return job
    raise InputError(f"{word}: not on record; vsr jobs list shows what is")


def retry(store: Store, words: Sequence[str]) -> list[Job]:
    """Let the next run try films again, those named, else all that failed; they count as untried.

    Raises InputError for one that has neither failed nor been cancelled.
    """
    outcomes = store.outcomes()
    if not words:
        jobs = [j for j in store.jobs() if j.id in outcomes and outcomes[j.id].state == FAILED]
    else:
        jobs = [find_job(store, word) for word in words]
        for job in jobs:
            if job.id not in outcomes or outcomes[job.id].state == DONE:
                raise InputError(f"{job.output}: has neither failed nor been cancelled")
    with store.transaction():
        for job in jobs:
            store.reopen(job)
    return jobs


def cancel(store: Store, words: Sequence[str]) -> list[Job]:
    """Let films not be done any more; a run that is at one leaves it after the running chunk.

    Raises InputError for one that is done.
    """
    jobs = [find_job(store, word) for word in words]
    with store.transaction():
        for job in jobs:
            outcome = store.outcome(job)
            if outcome is not None and outcome.state == DONE:
                raise InputError(f"{job.output}: is done")
            tries = outcome.tries if outcome is not None else 0
            store.settle(job, Outcome(CANCELLED, time.time(), tries))
    return jobs


def clean(store: Store) -> list[str]:
    """Remove the work folders of films that are done or cancelled, and what is recorded of their
    chunks; of the cancelled all. That a film is done stays on record. Returns the outputs' names.

    Raises InputError where somebody works on one.
    """
    outcomes = store.outcomes()
    cleaned = []
    for job in store.jobs():
        outcome = outcomes.get(job.id)
        if outcome is None or outcome.state == FAILED:
            continue
        output = str(store.folder / job.output)
        had_folder = folder_of(output).is_dir()
        if had_folder:
            with WorkFolder(output, store) as work:
                work.remove()
        with store.transaction():
            if had_folder or outcome.state == CANCELLED or store.chunks(job):
                cleaned.append(job.output)
            store.forget_all(job)
            if outcome.state == CANCELLED:
                store.remove(job)
    return cleaned
