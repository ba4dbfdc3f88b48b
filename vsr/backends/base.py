"""The contract that every backend keeps.

A backend is a runtime (OpenVINO, TensorRT, torch); an engine is a frame graph built for one device
and one frame format, loaded and ready. Backends are listed in `vsr.backends.select`.

    engine.start(frame)   begins work on a frame and returns at once, unless `depth` frames are
                          in work already: then it first waits for the oldest of them
    pending.result()      waits for that frame's result; called again, it gives the same object
    engine.close()        finishes what is in work, whose results can still be had, and lets go of
                          the device's memory

Shapes: Frame of `engine.format` in, Frame of `scale` times its width and height out, same depth,
chroma and pts. Results differ from the numpy reference by at most 1 code in fp32, 2 in bf16/fp16,
and in int8 by at most 2 from the reference of the network's twin.
Thread: one thread calls `start`, `result` and `close`. The input's planes may be views and
read-only, and must not change until its result is there. Results own their memory.
Raises: OutOfMemoryError from the constructor, `start` or `result`; the engine is then of no further
use, and no frame is lost: the caller still has it. BackendError for all else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

from vsr.errors import BackendError
from vsr.frame import Frame, FrameFormat


class OutOfMemoryError(BackendError, MemoryError):
    """The device has not enough memory for frames of this size."""


class Pending(Protocol):
    """A frame in work."""

    def result(self) -> Frame: ...


class Engine(Protocol):
    """A frame graph, built for one device and one frame format."""

    format: FrameFormat
    """Of the frames that go in."""
    scale: int
    depth: int
    """Frames in work at once that keep the device busy."""
    device: str
    """What computes: CPU, or the runtime's name of a GPU."""
    description: str
    """Backend, device and precision in a few words, for people."""
    runtime: str
    """Name and version of the runtime, on which the last digits may depend."""
    notes: list[str]
    """What there is to say of how it came about and fares, one sentence each."""
    verdict: str | None
    """What fp16 was found to need, as `EngineSettings.verdict`; empty while that is open; None
    where nothing has to be found out. Whoever sets it settles it."""

    def start(self, frame: Frame) -> Pending: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


@dataclass(frozen=True)
class Building:
    """How far an engine is that is being built."""

    engine: str
    """Network, size and precision, for people."""
    device: str
    share: float
    """What is done of it, 0 to 1; 1 when it is ready."""
    seconds: float
    """Since it was begun."""
    note: str = ""
    """What there is to say of it at this moment, such as that another process builds it."""

    @property
    def seconds_left(self) -> float | None:
        """An estimate; None as long as too little is done for one."""
        return self.seconds * (1 - self.share) / self.share if self.share > 0.02 else None


OnBuild = Callable[[Building], None]


@dataclass(frozen=True)
class BackendReport:
    """What `vsr doctor` says of a backend."""

    name: str
    usable: bool
    devices: tuple[str, ...]
    """Each with its precisions, in words."""
    reason: str
    """Why it is not usable, or what it computes in by default."""
    automatic: bool = True
    """Whether `auto` may choose it here, if it is usable."""
