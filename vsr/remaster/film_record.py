"""What is on record of one film, as the driver keeps it while workers are at its chunks."""

from __future__ import annotations

from collections.abc import Mapping

from vsr.media.chunk import Chunk
from vsr.pipeline.resume import begin_job
from vsr.pipeline.store import Job, Outcome, Store
from vsr.remaster.plan import Film
from vsr.remaster.runner import CancelledError
from vsr.remaster.tasks import Task, Worker


class FilmRecord:
    """One film's part of the store. Raises StoreError where that cannot be written."""

    def __init__(self, film: Film, store: Store) -> None:
        self.film, self.store = film, store
        self.name = store.name(film.output)
        self.job: Job | None = store.job(self.name)
        if film.settings.restart and self.job is not None:
            store.forget_all(self.job)
        chunks = store.chunks(self.job) if self.job is not None else []
        self.done = {chunk.start: chunk for chunk in chunks}
        """First frame -> the chunk."""
        self.frames = sum(chunk.frames for chunk in chunks)
        """Of the chunks that are done."""
        self.attempts: dict[tuple[Task, Worker], int] = {}
        """Those that are going on."""

    @property
    def begun_as(self) -> Mapping[str, str]:
        """The plan that the chunks on record were made by; empty where there are none."""
        return self.job.plan if self.job is not None and self.done else {}

    def go_on(self) -> None:
        """Raise CancelledError where somebody has cancelled the film."""
        if self.store.cancelled(self.name):
            raise CancelledError(f"{self.film.source}: cancelled")

    def plan(self, identity: Mapping[str, str], frames: int | None) -> None:
        """Take up the work as it was begun, or begin it; `frames` are expected.

        Raises InputError, naming every difference, where chunks were made otherwise.
        """
        film = self.film
        self.job = begin_job(self.store, film.output, film.source, identity, self.frames)
        self.store.expect(self.job, frames)

    def forget(self, start: int) -> Chunk:
        """A chunk has to be done again."""
        assert self.job is not None
        chunk = self.done.pop(start)
        self.frames -= chunk.frames
        self.store.forget(self.job, chunk)
        return chunk

    def first_missing(self) -> int:
        """The first frame of which no chunk is done."""
        start = 0
        while start in self.done:
            start = self.done[start].end
        return start

    def begin(self, task: Task, worker: Worker, start: int) -> None:
        """A worker is about to begin the chunk from this frame on."""
        assert self.job is not None
        self.attempts[task, worker] = self.store.begin(self.job, start, worker.name)

    def take(self, task: Task, worker: Worker, chunk: Chunk, goes_on: bool) -> None:
        """The chunk is done; the worker goes on with the next one, or not."""
        assert self.job is not None
        with self.store.transaction():
            self.store.record(self.job, chunk)
            self.end(task, worker)
            if goes_on:
                self.begin(task, worker, chunk.end)
        self.frames += chunk.frames if chunk.start not in self.done else 0
        self.done[chunk.start] = chunk

    def end(self, task: Task, worker: Worker, error: str | None = None) -> None:
        """An attempt is over."""
        number = self.attempts.pop((task, worker), None)
        if number is not None:
            self.store.end(number, error)

    def finish(self, outcome: Outcome) -> None:
        """The output is complete, and only waits for its name."""
        assert self.job is not None
        self.store.finish(self.job, outcome)

    def close(self) -> None:
        """Nothing more will be done."""
        for task, worker in list(self.attempts):
            self.end(task, worker, "broken off")
