"""Places where frames are computed by torch, a batch at a time; several keep a GPU busy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from vsr.backends.torch_graph import TorchGraph
from vsr.backends.torch_operators import WORD
from vsr.frame import Frame, FrameFormat, Plane

Shape = tuple[int, ...]


class Lane(Protocol):
    """One batch: `put` its frames, `launch`, and `take` their planes, which waits for them."""

    def put(self, place: int, frame: Frame) -> None: ...

    def launch(self) -> None: ...

    def take(self) -> list[Plane]:
        """y_large (batch, 1, h, w) and, of other films than gray ones, uv_large (batch, 2, ...),
        in memory that is the caller's."""
        ...


def input_shapes(form: FrameFormat, batch: int) -> dict[str, Shape]:
    """Name of an input of the frame graph -> its shape."""
    shapes: dict[str, Shape] = {"y": (batch, 1, form.height, form.width)}
    if form.uv_shape is not None:
        shapes["uv"] = (batch, *form.uv_shape)
    return shapes


def copy_in(planes: dict[str, Plane], place: int, frame: Frame) -> None:
    planes["y"][place, 0] = frame.y
    if frame.uv is not None:
        planes["uv"][place] = frame.uv


def stored(form: FrameFormat) -> torch.dtype:
    return torch.uint8 if form.depth == 8 else WORD


class PlainLane:
    """On the processor, where `launch` computes, or on a device that torch keeps busy itself."""

    def __init__(self, graph: TorchGraph, form: FrameFormat, batch: int) -> None:
        self.graph, self.dtype = graph, form.dtype
        shapes = input_shapes(form, batch)
        self.host = {name: torch.empty(shape, dtype=stored(form)) for name, shape in shapes.items()}
        self.planes = {name: plane.numpy().view(form.dtype) for name, plane in self.host.items()}

    def put(self, place: int, frame: Frame) -> None:
        copy_in(self.planes, place, frame)

    def launch(self) -> None:
        self.large = self.graph({k: v.to(self.graph.device) for k, v in self.host.items()})

    def take(self) -> list[Plane]:
        return [plane.cpu().contiguous().numpy().view(self.dtype) for plane in self.large]


@dataclass
class Streams:
    """What is copied to the GPU, computed and copied back at the same time: each in its own turn.

    All lanes compute on one stream, since one frame fills a GPU, and so share one pool of memory.
    """

    device: torch.device
    up: Any = field(init=False)
    compute: Any = field(init=False)
    down: Any = field(init=False)
    pool: Any = field(init=False)

    def __post_init__(self) -> None:
        self.up, self.compute, self.down = (torch.cuda.Stream(self.device) for _ in range(3))
        self.pool = torch.cuda.graph_pool_handle()


class CudaLane:
    """On an NVIDIA GPU: pinned memory on either side, and the frame graph as one CUDA graph, which
    spares the processor a launch for each of its operators."""

    def __init__(self, graph: TorchGraph, form: FrameFormat, batch: int, streams: Streams) -> None:
        self.streams, self.dtype = streams, form.dtype
        shapes, dtype = input_shapes(form, batch), stored(form)
        self.host = {
            name: torch.zeros(shape, dtype=dtype, pin_memory=True) for name, shape in shapes.items()
        }
        self.planes = {name: plane.numpy().view(form.dtype) for name, plane in self.host.items()}
        self.small = {name: plane.to(streams.device) for name, plane in self.host.items()}
        self.copied, self.computed, self.done = (torch.cuda.Event() for _ in range(3))
        self.capture(graph)

    def capture(self, graph: TorchGraph) -> None:
        """Record the graph; its results go to memory outside the pool, which no other lane uses.

        Meanwhile other threads may do with the GPU as they like: a decoder, another engine.
        """
        streams, compute = self.streams, self.streams.compute
        compute.wait_stream(torch.cuda.current_stream(streams.device))
        with convolving(), torch.cuda.stream(compute):
            self.large = [plane.contiguous().clone() for plane in graph(self.small)]
            compute.synchronize()
            self.recorded = torch.cuda.CUDAGraph()
            with torch.cuda.graph(
                self.recorded, streams.pool, compute, capture_error_mode="thread_local"
            ):
                for kept, plane in zip(self.large, graph(self.small), strict=True):
                    kept.copy_(plane)

    def put(self, place: int, frame: Frame) -> None:
        copy_in(self.planes, place, frame)
        with torch.cuda.stream(self.streams.up):
            for name, plane in self.small.items():
                plane[place].copy_(self.host[name][place], non_blocking=True)

    def launch(self) -> None:
        streams = self.streams
        self.copied.record(streams.up)
        with torch.cuda.stream(streams.compute):
            streams.compute.wait_event(self.copied)
            self.recorded.replay()
            self.computed.record(streams.compute)
        with torch.cuda.stream(streams.down):
            streams.down.wait_event(self.computed)
            self.results = [pinned_like(plane) for plane in self.large]
            for result, plane in zip(self.results, self.large, strict=True):
                result.copy_(plane, non_blocking=True)
            self.done.record(streams.down)

    def take(self) -> list[Plane]:
        self.done.synchronize()
        return [plane.numpy().view(self.dtype) for plane in self.results]


def pinned_like(plane: Tensor) -> Tensor:
    """Pinned memory, out of torch's cache of it, to which it goes back when nobody has it any
    more."""
    return torch.empty(plane.shape, dtype=plane.dtype, pin_memory=True)


@contextmanager
def convolving() -> Iterator[None]:
    """Convolutions by the fastest of cuDNN's ways, those in fp32 without TF32: it has 10 bits."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
        yield
