"""What a worker's process does with what it is sent, on whatever machine it runs."""

from __future__ import annotations

import os
import pickle
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vsr.errors import BackendError, VsrError
from vsr.pipeline.worker import ChunkTask, Engines, compute
from vsr.remaster.away import Away, do_away
from vsr.remaster.ending import EndTask, end
from vsr.remaster.survey import SurveyTask, survey

Work = SurveyTask | ChunkTask | EndTask


@dataclass(frozen=True)
class Answer:
    """One result of a task, or the error that ended it."""

    result: Any = None
    error: Exception | None = None
    more: bool = False
    """Another one follows, if it is asked for."""


class WorkerProcess:
    """Does one task at a time, and keeps its engine from one to the next. Thread: one."""

    def __init__(self, threads: int) -> None:
        os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 prints to stderr unless told not to
        self.engines = Engines(threads)
        self.results: Generator[Any, None, Any] | None = None

    def hello(self) -> int:
        """The process' number, once it is there."""
        return os.getpid()

    def do(self, work: Work | Away) -> Answer:
        """The first result of a task."""
        inner = work.work if isinstance(work, Away) else work
        try:
            result = do_away(work, self.engines) if isinstance(work, Away) else self.do_here(work)
            if isinstance(inner, ChunkTask) and inner.count == 1:
                [result] = result
        except Exception as error:  # noqa: BLE001 (the driver is told, whatever it is)
            return Answer(error=to_be_sent(error))
        if not isinstance(result, Generator):
            return Answer(result)
        self.results = result
        return self.go_on()

    def do_here(self, work: Work) -> Any:
        match work:
            case SurveyTask():
                return survey(work, self.engines)
            case ChunkTask():
                return compute(work, self.engines)
            case EndTask():
                return end(work)

    def go_on(self) -> Answer:
        """The task's next result."""
        assert self.results is not None
        try:
            return Answer(next(self.results), more=True)
        except StopIteration as ended:
            return Answer(ended.value)
        except Exception as error:  # noqa: BLE001 (the driver is told, whatever it is)
            return Answer(error=to_be_sent(error))


def to_be_sent(error: Exception) -> Exception:
    """The error itself, where it outlasts the way; else its words."""
    with suppress(Exception):
        if str(pickle.loads(pickle.dumps(error))) == str(error):
            return error
    known = isinstance(error, VsrError)
    return BackendError(str(error) if known else f"{type(error).__name__}: {error}")
