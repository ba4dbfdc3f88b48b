"""The record, brought in step with an archive."""

from __future__ import annotations

from contextlib import suppress

from vsr.errors import VsrError
from vsr.pipeline.outcome import failed
from vsr.pipeline.store import DONE, FAILED, Store, spoken
from vsr.pipeline.work import WorkFolder, folder_of
from vsr.remaster.states import Standing, State
from vsr.remaster.stock import Stock


def put_on_record(store: Store, stock: Stock) -> None:
    """Bring the record in step with the archive: what is to be done, what is bad, what is gone."""
    known = {job.output: job for job in store.jobs()}
    kept: set[int] = set()
    with store.transaction():
        for standing in stock.standings:
            kept.add(in_step(store, standing))
        outcomes, frames = store.outcomes(), store.frames_done()
        for job in known.values():
            outcome = outcomes.get(job.id)
            unfinished = outcome is None or outcome.state == FAILED
            if job.id not in kept and unfinished and not frames.get(job.id):
                store.remove(job)


def in_step(store: Store, standing: Standing) -> int:
    """Record one film's standing; returns the number of its job, 0 where it has none."""
    film, job = standing.film, standing.job
    if film is None:
        return job.id if job else 0
    if job is None:
        job = store.job(film.name)
    if standing.state is State.TO_DO:
        job = job or store.add(film.name, film.source, {})
        outcome = store.outcome(job)
        if outcome is not None:
            if outcome.state == DONE and not folder_of(film.output).is_dir():
                store.forget_all(job)
            store.reopen(job)
        if standing.look is not None and job.frames != standing.look.frames:
            store.expect(job, standing.look.frames)
    elif standing.state is State.FAILED and (job is None or job.source == spoken(film.source)):
        job = job or store.add(film.name, film.source, {})
        outcome = store.outcome(job)
        if outcome is None or outcome.error != standing.reason:
            store.settle(job, failed(standing.reason, 0, lasting=False))
    elif standing.state is State.DONE and job is not None:
        if standing.amended is not None:
            plan, outcome = standing.amended
            store.amend(job, plan)
            store.settle(job, outcome)
        if folder_of(film.output).is_dir():  # of a run that was killed at its very end
            with suppress(VsrError), WorkFolder(film.output, store) as work:
                work.remove()
    return job.id if job else 0
