"""What is planned and what is done, on disk: jobs, their finished chunks, every attempt at one.

One process writes; any number may read meanwhile. What was recorded outlasts a power cut.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Self

from vsr.errors import StoreError
from vsr.media.chunk import Chunk
from vsr.pipeline.schema import MIGRATIONS

NO_SPACE = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
"""SQLite's names of what a full disk comes out as."""


@dataclass(frozen=True)
class Job:
    """A film to finish."""

    id: int
    output: str
    source: str
    plan: dict[str, str]
    """Everything that the output's bytes depend on, in words."""
    begun: float
    """Unix time."""
    finished: float | None
    """None: not yet; else the output is complete and verified."""
    frames: int | None = None
    """Expected; None: nothing tells."""


DONE, FAILED, CANCELLED = "done", "failed", "cancelled"


@dataclass(frozen=True)
class Outcome:
    """How the work on a film ended; what is not known of it is None."""

    state: str
    """DONE, FAILED or CANCELLED."""
    ended: float
    """Unix time."""
    tries: int = 1
    error: str | None = None
    lasting: bool = False
    """Whether another try makes no sense while the film and the settings are the same."""
    source_sha256: str | None = None
    sha256: str | None = None
    """Of the output."""
    size: int | None = None
    """Bytes of the output."""
    mtime_ns: int | None = None
    """When the output was last changed, Unix time in ns."""
    frames: int | None = None
    film_seconds: float | None = None
    seconds: float | None = None
    """That the run which finished it worked on it."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """One try at a chunk."""

    start: int
    worker: str
    begun: float
    ended: float | None
    """None: at work, or killed."""
    error: str | None


class Store:
    """An open store. Thread: one. Raises StoreError where the file cannot be used.

    One that is opened to read only writes nothing, not even into the folder, if it can be helped.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        place = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        if read_only and not path.with_name(f"{path.name}-wal").exists():
            place += "&immutable=1"  # nobody writes; else SQLite would leave files of its own
        with self.translated():
            self.database = sqlite3.connect(place, timeout=10, isolation_level=None, uri=True)
            try:
                if read_only:
                    self.check_version()
                else:
                    self.prepare()
            except BaseException:
                self.database.close()
                raise

    def check_version(self) -> None:
        """Raise StoreError for a file of another version's form."""
        (version,) = self.database.execute("PRAGMA user_version").fetchone()
        if version != len(MIGRATIONS):
            age = "a newer" if version > len(MIGRATIONS) else "an older"
            raise StoreError(f"{self.path}: written by {age} vsr; use that one")

    def prepare(self) -> None:
        """Bring the file to this version's form."""
        self.database.execute("PRAGMA foreign_keys = ON")
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = FULL")
        (version,) = self.database.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise StoreError(f"{self.path}: written by a newer vsr; use that one")
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            self.database.executescript(
                f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;"
            )

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # Plans.

    def add(self, output: str, source: str, plan: Mapping[str, str]) -> Job:
        """Record what is to be done."""
        words = json.dumps(dict(plan), ensure_ascii=True)
        values = spoken(output), spoken(source), words, time.time()
        sql = "INSERT INTO jobs (output, source, plan, begun) VALUES (?, ?, ?, ?) RETURNING *"
        return self.job_of(self.execute(sql, *values)[0])

    def replan(self, job: Job, source: str, plan: Mapping[str, str]) -> Job:
        """Record what is to be done in a job's place; its attempts and its outcome stay."""
        words = json.dumps(dict(plan), ensure_ascii=True)
        values = spoken(source), words, time.time(), job.id
        sql = "UPDATE jobs SET source = ?, plan = ?, begun = ?, finished = NULL WHERE id = ?"
        return self.job_of(self.execute(f"{sql} RETURNING *", *values)[0])

    def amend(self, job: Job, plan: Mapping[str, str]) -> None:
        """Correct what is said of a job, which stays as it is."""
        words = json.dumps(dict(plan), ensure_ascii=True)
        self.execute("UPDATE jobs SET plan = ? WHERE id = ?", words, job.id)

    def expect(self, job: Job, frames: int | None) -> None:
        """Record how many frames there will most likely be."""
        self.execute("UPDATE jobs SET frames = ? WHERE id = ?", frames, job.id)

    def remove(self, job: Job) -> None:
        """Forget a job and all that was done of it."""
        self.execute("DELETE FROM jobs WHERE id = ?", job.id)

    def job(self, output: str) -> Job | None:
        """What was planned for this output."""
        rows = self.execute("SELECT * FROM jobs WHERE output = ?", spoken(output))
        return self.job_of(rows[0]) if rows else None

    def jobs(self) -> list[Job]:
        """All of them, in the order in which they were begun."""
        return [self.job_of(row) for row in self.execute("SELECT * FROM jobs ORDER BY id")]

    def job_of(self, row: tuple[Any, ...]) -> Job:
        number, output, source, plan, *times = row
        return Job(number, output, source, json.loads(plan), *times)

    # Outcomes.

    def record(self, job: Job, chunk: Chunk) -> None:
        """A chunk is done: its file is checked and on the disk."""
        values = (job.id, *astuple(chunk), time.time())
        self.execute("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *values)

    def finish(self, job: Job, outcome: Outcome | None = None) -> None:
        """The output is complete, and only waits for its name."""
        with self.transaction():
            self.execute("UPDATE jobs SET finished = ? WHERE id = ?", time.time(), job.id)
            if outcome is not None:
                self.settle(job, outcome)

    def settle(self, job: Job, outcome: Outcome) -> None:
        """Record how the work on a film ended; of an earlier end nothing stays."""
        *values, warnings = (getattr(outcome, each.name) for each in fields(outcome))
        marks = ", ".join("?" * (len(values) + 2))
        words = json.dumps(warnings, ensure_ascii=True)
        self.execute(f"INSERT OR REPLACE INTO outcomes VALUES ({marks})", job.id, *values, words)

    def reopen(self, job: Job) -> None:
        """The film is to be worked on again."""
        self.execute("DELETE FROM outcomes WHERE job = ?", job.id)
        self.execute("UPDATE jobs SET finished = NULL WHERE id = ?", job.id)

    def outcomes(self) -> dict[int, Outcome]:
        """Number of the job -> its outcome, of those that have one."""
        rows = self.execute("SELECT * FROM outcomes")
        return {number: outcome_of(row) for number, *row in rows}

    def outcome(self, job: Job) -> Outcome | None:
        rows = self.execute("SELECT * FROM outcomes WHERE job = ?", job.id)
        return outcome_of(rows[0][1:]) if rows else None

    def cancelled(self, output: str) -> bool:
        """Whether somebody has cancelled this output, as another process may at any time."""
        sql = "SELECT 1 FROM jobs JOIN outcomes ON job = id WHERE output = ? AND state = ?"
        return bool(self.execute(sql, spoken(output), CANCELLED))

    def forget(self, job: Job, chunk: Chunk) -> None:
        """A chunk has to be done again."""
        self.execute("DELETE FROM chunks WHERE job = ? AND start = ?", job.id, chunk.start)

    def forget_all(self, job: Job) -> None:
        """All chunks have to be done again; nothing is known any more of how they came about."""
        self.execute("DELETE FROM chunks WHERE job = ?", job.id)
        self.execute("DELETE FROM attempts WHERE job = ?", job.id)

    def frames_done(self) -> dict[int, int]:
        """Number of the job -> frames of its chunks that are done."""
        sql = "SELECT job, sum(end - start) FROM chunks GROUP BY job"
        return dict(self.execute(sql))

    def chunks(self, job: Job) -> list[Chunk]:
        """Those that are done, in the film's order."""
        columns = "start, end, first_pts, delay, size, sha256"
        sql = f"SELECT {columns} FROM chunks WHERE job = ? ORDER BY start"
        return [Chunk(*row) for row in self.execute(sql, job.id)]

    def begin(self, job: Job, start: int, worker: str) -> int:
        """An attempt at the chunk from this frame on; returns its number."""
        sql = "INSERT INTO attempts (job, start, worker, begun) VALUES (?, ?, ?, ?) RETURNING id"
        return int(self.execute(sql, job.id, start, worker, time.time())[0][0])

    def end(self, attempt: int, error: str | None = None) -> None:
        """How an attempt ended."""
        sql = "UPDATE attempts SET ended = ?, error = ? WHERE id = ?"
        self.execute(sql, time.time(), error, attempt)

    def attempts(self, job: Job) -> list[Attempt]:
        """All of them, in order."""
        columns = "start, worker, begun, ended, error"
        sql = f"SELECT {columns} FROM attempts WHERE job = ? ORDER BY id"
        return [Attempt(*row) for row in self.execute(sql, job.id)]

    @property
    def folder(self) -> Path:
        """What the outputs' names are seen from: the folder around the record's."""
        return self.path.absolute().parent.parent

    def name(self, output: str) -> str:
        """What an output is called here: its path, seen from `folder`."""
        return os.path.relpath(output, self.folder)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is recorded within outlasts a power cut, or nothing of it: so much is faster."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def execute(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self.translated():
            return self.database.execute(sql, values).fetchall()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns SQLite's errors into StoreError with the file's name."""
        try:
            yield
        except sqlite3.Error as error:
            if error.sqlite_errorname in NO_SPACE:
                problem = "cannot be written: No space left on device"
                raise StoreError(f"{self.path}: {problem}") from error
            raise StoreError(f"{self.path}: the record of what is done: {error}") from error


def outcome_of(row: Sequence[Any]) -> Outcome:
    values = dict(zip([each.name for each in fields(Outcome)], row, strict=True))
    values["lasting"], values["warnings"] = bool(row[4]), tuple(json.loads(row[-1]))
    return Outcome(**values)


def spoken(path: str) -> str:
    """A path that is no UTF-8 as text that is, and that no other path gives."""
    return os.fsencode(path).decode(errors="backslashreplace")
