"""What TensorRT says while it works: why something failed, and how far a build is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorrt as trt

from vsr.backends.base import OutOfMemoryError
from vsr.backends.hints import advised
from vsr.errors import BackendError

OnProgress = Callable[[float], None]
"""Is told the share that is done, 0 to 1."""

OUT_OF_MEMORY = ("out of memory", "outofmemory", "could not be allocated")
"""What TensorRT writes where memory is short, in lower case."""

Monitor: Any = getattr(trt, "IProgressMonitor", object)
"""What a build reports to; TensorRT 8.6 has none."""


class Log(trt.ILogger):  # type: ignore[misc]
    """Keeps the errors: TensorRT's calls give None or False, and tell only their logger why. That
    CUDA cannot start is no more than a warning to it."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.errors: list[str] = []

    def log(self, severity: Any, msg: str) -> None:
        words = " ".join(msg.split())
        failed = severity == trt.ILogger.WARNING and "failure" in words
        if failed or severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
            self.errors.append(words)

    def failure(self, what: str) -> BackendError:
        """The error for a call that failed, with the reason that was given since the last one."""
        short = [error for error in self.errors if is_short_of_memory(error)]
        reason = (short or self.errors or ["it gave no reason"])[0]
        self.errors.clear()
        kind = OutOfMemoryError if short else BackendError
        return kind(advised(f"TensorRT {trt.__version__} {what}: {reason}"))


def is_short_of_memory(message: str) -> bool:
    return any(words in message.lower() for words in OUT_OF_MEMORY)


LOG = Log()
"""One for the process: TensorRT keeps the first that it is given, to the end."""


class Progress(Monitor):  # type: ignore[misc]
    """Tells the share of a build that is done. Called by TensorRT, maybe from its own threads.

    What `tell` raises cannot go through TensorRT: it ends the build, and is kept as `failure`. So
    is Ctrl-C, since the thread that builds runs nothing else of Python's.
    Source of that way: NVIDIA/TensorRT, samples/python/simple_progress_monitor.
    """

    def __init__(self, tell: OnProgress) -> None:
        Monitor.__init__(self)
        self.tell, self.phases = tell, Phases()
        self.failure: BaseException | None = None

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        self.phases.begin(phase_name, parent_phase, num_steps)

    def step_complete(self, phase_name: str, step: int) -> bool:
        try:
            self.phases.step(phase_name, step)
            self.tell(self.phases.share())
        except BaseException as error:  # noqa: BLE001 (raised again by who builds)
            self.failure = self.failure or error
        return self.failure is None  # whether to go on

    def phase_finish(self, phase_name: str) -> None:
        self.phases.end(phase_name)


@dataclass
class Phase:
    """A part of a build, itself a step of its parent."""

    parent: str | None
    steps: int
    done: int = 0


class Phases:
    """The parts of a build that are in work."""

    def __init__(self) -> None:
        self.phases: dict[str, Phase] = {}
        self.best = 0.0

    def begin(self, name: str, parent: str | None, steps: int) -> None:
        self.phases[name] = Phase(parent, max(1, steps))

    def step(self, name: str, step: int) -> None:
        self.phases[name].done = step + 1

    def end(self, name: str) -> None:
        self.phases.pop(name, None)

    def share(self) -> float:
        """0 to 1, never less than before."""
        self.best = max(self.best, min(1.0, self.below(None)))
        return self.best

    def below(self, parent: str | None) -> float:
        shares = [
            (phase.done + min(1.0, self.below(name))) / phase.steps
            for name, phase in list(self.phases.items())
            if phase.parent == parent
        ]
        return sum(shares) / len(shares) if shares else 0.0
