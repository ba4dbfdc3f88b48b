"""A TensorRT engine at work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import tensorrt as trt

from vsr.backends.base import OutOfMemoryError, Pending
from vsr.backends.cuda import Gpu
from vsr.backends.trt_lane import Lane, Shapes
from vsr.errors import BackendError
from vsr.frame import Frame, FrameFormat

LANES = 3
"""Batches in work at once: one on its way to the GPU, one computed, one on its way back."""

Load = Callable[[Callable[[str], None]], Any]
"""Gives TensorRT's engine; what there is to say of it is told to the function it is given."""


class Runner:
    """An engine with several batches in work; keeps the contract of `vsr.backends.base`.

    `shapes` are the inputs', `words` name backend, device and precision.
    """

    runtime = f"TensorRT {trt.__version__}"
    verdict: str | None = None

    def __init__(
        self, gpu: Gpu, load: Load, shapes: Shapes, form: FrameFormat, scale: int, words: str
    ) -> None:
        self.gpu, self.format, self.scale = gpu, form, scale
        self.batch = shapes["y"][0]
        self.device, self.notes = gpu.name, list[str]()
        self.lanes: list[Lane] = []
        self.failure: BackendError | None = None
        with gpu.current():
            before, _ = gpu.memory_in_use()
            self.engine = load(self.notes.append)
            self.open_lanes(shapes)
            after, _ = gpu.memory_in_use()
        self.free = deque(self.lanes)
        self.filling: Lane | None = None
        self.work: dict[Lane, list[TensorRtPending]] = {}  # the oldest first
        self.depth = len(self.lanes) * self.batch
        self.description = words
        self.notes.append(f"{words} holds {max(0, after - before) / 2**20:.0f} MiB of memory")

    def open_lanes(self, shapes: Shapes) -> None:
        """As many as there is memory for, LANES at most."""
        for _ in range(LANES):
            try:
                self.lanes.append(Lane(self.engine, self.format, shapes))
            except OutOfMemoryError:
                if not self.lanes:
                    raise
                self.notes.append(f"the GPU has memory for {len(self.lanes)} batches at once only")
                break
        self.notes.extend(self.lanes[0].notes)

    def start(self, frame: Frame) -> Pending:
        with self.gpu.current():
            if self.filling is None:
                if not self.free:
                    self.finish(next(iter(self.work)))
                self.filling = self.free.popleft()
                self.work[self.filling] = []
            lane, batch = self.filling, self.work[self.filling]
            lane.put(len(batch), frame)
            pending = TensorRtPending(self, lane, frame)
            batch.append(pending)
            if len(batch) == self.batch:
                self.launch(lane)
            return pending

    def launch(self, lane: Lane) -> None:
        self.filling = None
        try:
            lane.launch()
        except BackendError as error:
            self.failure = error
            raise

    def finish(self, lane: Lane) -> None:
        """Wait for a batch, and begin with it if it was not full; its frames get their results."""
        with self.gpu.current():
            if self.failure is not None:
                raise self.failure
            if lane is self.filling:
                self.launch(lane)
            lane.wait()
            for place, pending in enumerate(self.work.pop(lane)):
                y, uv = lane.take(place)
                pending.large = replace(pending.frame, y=y, uv=uv)
            self.free.append(lane)

    def close(self) -> None:
        with self.gpu.current():
            try:
                while self.work and self.failure is None:
                    self.finish(next(iter(self.work)))
            finally:
                for lane in self.lanes:
                    lane.close()
                self.lanes.clear()
                self.free.clear()
                self.engine = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class TensorRtPending:
    """A frame in work."""

    def __init__(self, runner: Runner, lane: Lane, frame: Frame) -> None:
        self.runner, self.lane, self.frame = runner, lane, frame
        self.large: Frame | None = None

    def result(self) -> Frame:
        if self.large is None:
            self.runner.finish(self.lane)
        assert self.large is not None
        return self.large
