"""A frame graph at work in torch."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Self

import torch

from vsr.backends.base import OutOfMemoryError, Pending
from vsr.backends.hints import advised
from vsr.backends.torch_graph import TorchGraph
from vsr.backends.torch_lanes import CudaLane, Lane, PlainLane, Streams
from vsr.errors import BackendError
from vsr.frame import Frame, FrameFormat
from vsr.graph import frame_graph
from vsr.networks.network import Network
from vsr.settings import EngineSettings

LANES = {"cuda": 3, "mps": 2, "cpu": 1}
"""Batches in work at once. On a GPU one is copied there, one computed, one copied back."""

WORDS_OF_NEED = (
    *("out of memory", "can't allocate", "not enough memory"),
    *("could not create a primitive", "could not create a memory object"),
)
"""What torch and, for convolutions on the processor, oneDNN say of a lack of memory; it has an
exception of its own on CUDA only."""


class TorchRunner:
    """Keeps the contract of `vsr.backends.base`. Computes in the types of the network's graph,
    which `precision` names.
    """

    runtime = f"torch {torch.__version__}"
    verdict: str | None = None

    def __init__(
        self,
        network: Network,
        form: FrameFormat,
        device: torch.device,
        precision: str,
        settings: EngineSettings,
    ) -> None:
        self.format, self.scale = form, network.scale
        self.batch, self.threads = max(1, settings.batch), settings.threads
        self.device, self.notes = spoken(device), list[str]()
        self.description = f"torch {self.device} {precision}"
        with self.translated():
            graph = TorchGraph(frame_graph(network, form), device)
            lanes = make_lanes(graph, form, self.batch)
        self.free: deque[Lane] = deque(lanes)
        self.depth = len(self.free) * self.batch
        self.filling: Work | None = None
        self.busy: deque[Work] = deque()

    def start(self, frame: Frame) -> Pending:
        with self.translated():
            if self.filling is None:
                if not self.free:
                    self.finish(self.busy[0])
                self.filling = Work(self.free.popleft())
            work = self.filling
            pending = TorchPending(self, work, frame)
            work.lane.put(len(work.frames), frame)
            work.frames.append(pending)
            if len(work.frames) == self.batch:
                self.launch(work)
        return pending

    def launch(self, work: Work) -> None:
        self.filling = None
        self.busy.append(work)
        try:
            work.lane.launch()
        except BaseException:
            self.busy.remove(work)  # its frames find out when they are asked for
            raise

    def finish(self, work: Work) -> None:
        """Wait for a batch, and begin with it if it was not full; its frames get their results."""
        with self.translated():
            if work is self.filling:
                self.launch(work)
            if work not in self.busy:
                raise MemoryError("this frame's batch could not be begun")
            self.busy.remove(work)
            planes = work.lane.take()
            for place, pending in enumerate(work.frames):
                y, *uv = (plane[place] for plane in planes)
                pending.large = replace(pending.frame, y=y[0], uv=uv[0] if uv else None)
                pending.work = None  # which would keep the device's memory
            work.frames.clear()
        self.free.append(work.lane)

    def close(self) -> None:
        try:
            while self.busy:
                self.finish(self.busy[0])
            if self.filling is not None:
                self.finish(self.filling)
        finally:
            self.busy.clear()
            self.free.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """torch in the mode and with the threads that are wanted; its errors become ours."""
        threads = torch.get_num_threads()
        if self.threads:
            torch.set_num_threads(self.threads)
        try:
            with torch.inference_mode():
                yield
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, BackendError):
                raise
            reason = first_line(error)
            if isinstance(error, MemoryError) or any(w in reason for w in WORDS_OF_NEED):
                short = f"{self.description} is out of memory ({reason})"
                raise OutOfMemoryError(short) from error
            raise BackendError(advised(f"{self.description} failed: {reason}")) from error
        finally:
            torch.set_num_threads(threads)


@dataclass(eq=False)
class Work:
    """A lane with the frames in it."""

    lane: Lane
    frames: list[TorchPending] = field(default_factory=list)


class TorchPending:
    """A frame in work."""

    def __init__(self, engine: TorchRunner, work: Work, frame: Frame) -> None:
        self.engine, self.frame = engine, frame
        self.work: Work | None = work
        self.large: Frame | None = None

    def result(self) -> Frame:
        if self.work is not None:
            self.engine.finish(self.work)
        assert self.large is not None
        return self.large


def make_lanes(graph: TorchGraph, form: FrameFormat, batch: int) -> list[Lane]:
    """As many as keep the graph's device busy."""
    lanes = range(LANES[graph.device.type])
    if graph.device.type != "cuda":
        return [PlainLane(graph, form, batch) for _ in lanes]
    torch.cuda.empty_cache()  # of what an engine held that was too large
    streams = Streams(graph.device)
    return [CudaLane(graph, form, batch, streams) for _ in lanes]


def spoken(device: torch.device) -> str:
    return "CPU" if device.type == "cpu" else str(device)


def first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason")
