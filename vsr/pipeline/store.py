"""What is planned and what is done, on disk: jobs, their finished chunks, every attempt at one.

One process writes; any number may read meanwhile. What was recorded outlasts a power cut.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Self

from vsr.errors import StoreError
from vsr.media.chunk import Chunk

MIGRATIONS = (
    """
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY,
        output TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL,
        plan TEXT NOT NULL,        -- JSON: everything that the output's bytes depend on
        begun REAL NOT NULL,       -- Unix time, as all below
        finished REAL              -- NULL: not yet; else the output is complete and verified
    );
    CREATE TABLE chunks (          -- outcomes: a row is a file that was checked
        job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
        start INTEGER NOT NULL,    -- frames [start, end)
        end INTEGER NOT NULL,
        first_pts INTEGER NOT NULL,
        delay INTEGER NOT NULL,
        size INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        recorded REAL NOT NULL,
        PRIMARY KEY (job, start)
    ) WITHOUT ROWID;
    CREATE TABLE attempts (
        id INTEGER PRIMARY KEY,
        job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
        start INTEGER NOT NULL,
        worker TEXT NOT NULL,
        begun REAL NOT NULL,
        ended REAL,                -- NULL: at work, or killed
        error TEXT                 -- NULL: none
    );
    """,
)
"""What takes a store from each version to the next; a new one is added at the end."""

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
    """An open store. Thread: one. Raises StoreError where the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self.translated():
            self.database = sqlite3.connect(path, timeout=10, isolation_level=None)
            try:
                self.prepare()
            except BaseException:
                self.database.close()
                raise

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

    def finish(self, job: Job) -> None:
        """The output is complete, and only waits for its name."""
        self.execute("UPDATE jobs SET finished = ? WHERE id = ?", time.time(), job.id)

    def forget(self, job: Job, chunk: Chunk) -> None:
        """A chunk has to be done again."""
        self.execute("DELETE FROM chunks WHERE job = ? AND start = ?", job.id, chunk.start)

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


def spoken(path: str) -> str:
    """A path that is no UTF-8 as text that is, and that no other path gives."""
    return os.fsencode(path).decode(errors="backslashreplace")
