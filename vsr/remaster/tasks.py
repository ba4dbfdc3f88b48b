"""Tasks and workers, and the two contracts between which the schedule stands.

A `Job` is a film: it says which of its tasks can be done now, and records their results. An
`Executor` has workers, on one machine or on many, each of which does one task at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from vsr.errors import BackendError


class LostWorkerError(BackendError):
    """A worker, or its whole machine, is no more."""


@dataclass(frozen=True)
class Worker:
    """A process that does one task at a time."""

    name: str
    node: str
    """The machine that it runs on."""


@dataclass(eq=False)
class Task:
    """A part of the work on a film, by one worker."""

    what: Any
    """The film knows."""
    twice: bool = False
    """Whether two workers may do it at once."""
    failures: list[str] = field(default_factory=list)
    """Of those who tried: where, and why."""
    failed_on: set[str] = field(default_factory=set)
    """Nodes."""


@dataclass(frozen=True)
class Reply:
    """What came of a worker's task."""

    worker: Worker
    result: Any = None
    error: Exception | None = None
    """LostWorkerError: the worker is no more."""
    more: bool = False
    """There is another result of the same task to come, if the worker is told to go on."""


class Executor(Protocol):
    """Workers, and what they do."""

    def free(self) -> list[Worker]:
        """Those without a task, as of now."""
        ...

    def nodes(self) -> set[str]:
        """The machines that there are workers on."""
        ...

    def submit(self, worker: Worker, work: Any) -> None: ...

    def go_on(self, worker: Worker) -> None:
        """Let it work at the next result of its task."""
        ...

    def drop(self, worker: Worker) -> None:
        """Nobody wants its result any more; it may be gone already. No reply comes of it but what
        was told already."""
        ...

    def wait(self, seconds: float) -> list[Reply]:
        """What happened; returns after so many seconds at the latest."""
        ...

    def now(self) -> float:
        """Seconds since whenever."""
        ...


class Job(Protocol):
    """A film to finish. An error that one of these raises is the film's failure."""

    def begin(self) -> Sequence[Task]:
        """Its first tasks."""
        ...

    def send(self, task: Task, worker: Worker) -> Any:
        """What the worker is to be sent, after it is recorded that it begins; None: nobody needs
        the task any more."""
        ...

    def take(self, task: Task, reply: Reply) -> Sequence[Task]:
        """Record a result; the tasks that can be done now."""
        ...

    def miss(self, task: Task, worker: Worker, error: Exception) -> Sequence[Task] | None:
        """Record that a try came to nothing. What is to be done instead of the task, which no
        further try would help; None: it is tried again."""
        ...

    def close(self) -> None:
        """Nothing more will be done for it."""
        ...
