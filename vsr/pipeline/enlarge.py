"""Small frames -> large frames, several in work at once, repeated ones computed once."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from vsr.backends.base import Engine, Pending
from vsr.frame import Frame


@dataclass(frozen=True)
class Enlarged:
    """A frame before and after."""

    small: Frame
    large: Frame
    """Where the picture is that of the frame before, its planes are that frame's own arrays."""


@dataclass
class EnlargeReport:
    """What there was to do."""

    computed: int = 0
    repeated: int = 0
    """Frames equal to the one before, whose result was used again."""


def enlarge(frames: Iterable[Frame], engine: Engine, report: EnlargeReport) -> Iterator[Enlarged]:
    """Each frame and its enlargement, with its own time, in order."""
    waiting: deque[tuple[Frame, Pending]] = deque()
    before: tuple[Frame, Pending] | None = None
    for frame in frames:
        if before is not None and same_picture(frame, before[0]):
            pending = before[1]
            report.repeated += 1
        else:
            pending = engine.start(frame)
            report.computed += 1
        before = frame, pending
        waiting.append(before)
        if len(waiting) > engine.depth:
            yield finish(*waiting.popleft())
    while waiting:
        yield finish(*waiting.popleft())


def finish(frame: Frame, pending: Pending) -> Enlarged:
    large = replace(pending.result(), pts=frame.pts, duration=frame.duration)
    return Enlarged(frame, large)


def same_picture(a: Frame, b: Frame) -> bool:
    """Whether every sample is equal."""
    if not np.array_equal(a.y, b.y):
        return False
    return a.uv is b.uv or (a.uv is not None and b.uv is not None and np.array_equal(a.uv, b.uv))
