"""The work on an archive: every film is finished, or the reason is on record why it is not."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from vsr.backends.base import Building
from vsr.errors import InputError, MediaError, MissingPackageError
from vsr.pipeline.outcome import failed
from vsr.pipeline.progress import Progress, Start, UpscaleReport
from vsr.pipeline.store import Job, Store
from vsr.remaster.find import Trouble
from vsr.remaster.manifest import Manifest
from vsr.remaster.plan import Film, reason_of
from vsr.remaster.runner import CancelledError, Runner, Watch
from vsr.remaster.space import check_space
from vsr.remaster.stock import Result, Stock


class Audience(Watch, Protocol):
    """Who is told of everything; says whether it is to end."""

    def finished(self, film: Film, report: UpscaleReport) -> None: ...

    def failed(self, film: Film, reason: str, again: bool) -> None:
        """`again`: it is tried once more, after the others."""
        ...


class Work:
    """The work on what is to be done of an archive. Thread: one.

    Raises StoreError where nothing can be recorded any more; whatever else a film raises is put on
    record, and the next has its turn.
    """

    def __init__(
        self,
        stock: Stock,
        store: Store,
        manifest: Manifest,
        audience: Audience,
        retries: int = 1,
        expected: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.store, self.manifest, self.audience = store, manifest, audience
        self.retries, self.expected = retries, expected
        """Of `expected`: a film's name -> bytes of its output, an estimate."""
        self.standings = {s.film.name: s for s in stock.to_do if s.film is not None}
        self.begun: set[str] = set()
        """Names of the films whose work has begun in this run."""
        self.tries: dict[str, int] = {}
        self.settled: set[str] = set()
        self.result = Result()

    # What the runner tells.

    def built(self, film: Film, building: Building) -> None:
        self.audience.built(film, building)

    def started(self, film: Film, start: Start) -> None:
        self.begun.add(film.name)
        self.store.expect(self.job(film), start.total)
        self.audience.started(film, start)

    def progressed(self, film: Film, progress: Progress) -> None:
        self.audience.progressed(film, progress)

    @property
    def stopping(self) -> bool:
        return self.audience.stopping

    # The work.

    def run(self, runner: Runner) -> Result:
        """Finish the films."""
        films = [s.film for s in self.standings.values() if s.film is not None]
        for last in [False] * self.retries + [True]:
            failed_once = []
            for film, what in runner.finish(self.ready(films), self):
                if isinstance(what, UpscaleReport):
                    self.finished(film, what)
                elif self.failed(film, what, last):
                    failed_once.append(film)
            films = failed_once
            if self.stopping or not films:
                break
        self.result.left = len(self.standings) - len(self.settled)
        return self.result

    def ready(self, films: Sequence[Film]) -> Iterator[Film]:
        """The films, each when its place is made; those for which there is none fail."""
        for film in films:
            if self.stopping:
                return
            try:
                os.makedirs(os.path.dirname(film.output), exist_ok=True)
                check_space(film, self.expected.get(film.name))
            except OSError as error:
                if not isinstance(error, MediaError):
                    error = MediaError(film.output, f"cannot be written: {error.strerror}")
                self.failed(film, error, last=True)
                continue
            yield film

    def finished(self, film: Film, report: UpscaleReport) -> None:
        self.result.done += 1
        self.settled.add(film.name)
        job, tries = self.job(film), self.tries.get(film.name, 0)
        outcome = self.store.outcome(job)
        if tries and outcome is not None:
            self.store.settle(job, replace(outcome, tries=tries + 1))
        self.audience.finished(film, report)
        self.manifest.write_at_times()

    def failed(self, film: Film, error: Exception, last: bool) -> bool:
        """Take note of a failure; returns whether the film is to be tried again."""
        remove_empty(Path(film.output).parent, Path(film.output[: -len(film.name)]))
        if isinstance(error, CancelledError):
            self.result.cancelled += 1
            self.settled.add(film.name)
            self.audience.failed(film, "cancelled", again=False)
            return False
        self.tries[film.name] = tries = self.tries.get(film.name, 0) + 1
        reason = reason_of(error, film)
        again = not last and may_pass(error)
        lasting = film.name in self.begun and not may_pass(error)
        self.audience.failed(film, reason, again)
        if not again:
            self.result.bad.append(Trouble(self.standings[film.name].path, reason))
            self.settled.add(film.name)
            self.store.settle(self.job(film), failed(reason, tries, lasting))
            self.manifest.write_at_times()
        return again

    def job(self, film: Film) -> Job:
        job = self.store.job(film.name)
        return job if job is not None else self.store.add(film.name, film.source, {})


def may_pass(error: Exception) -> bool:
    """Whether another try makes sense: a disk may have space again, a device may be back."""
    return not isinstance(error, InputError | MissingPackageError)


def remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder, and those above it, that hold nothing."""
    with suppress(OSError):
        while folder != top and folder.is_relative_to(top):
            folder.rmdir()
            folder = folder.parent
