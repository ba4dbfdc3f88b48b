"""A batch's way through a TensorRT engine: its own stream, context and memory on both sides.

Everything here happens within the GPU's context, `Gpu.current`.
"""

from __future__ import annotations

from typing import Any

from vsr.backends.base import OutOfMemoryError
from vsr.backends.cuda import Buffer, Stream
from vsr.backends.cuda_graph import Graph, can_record
from vsr.backends.trt_log import LOG
from vsr.errors import BackendError
from vsr.frame import Frame, FrameFormat, Plane

Shapes = dict[str, tuple[int, ...]]


class Planes:
    """One tensor of a batch: `array` (batch, channels, h, w), and where the GPU has it."""

    def __init__(self, shape: tuple[int, ...], form: FrameFormat) -> None:
        self.buffer = Buffer(shape)
        self.array: Plane = self.buffer.host.view(form.dtype)
        if form.depth > 8:  # a word was two uint8 on an axis of its own
            self.array = self.array[..., 0]


class Lane:
    """One batch; `put` its frames, `launch`, `wait` and `take` their planes.

    `shapes` are the inputs'; the outputs' follow from them. Raises OutOfMemoryError, having given
    back what it had, where the GPU's memory does not do.
    """

    def __init__(self, engine: Any, form: FrameFormat, shapes: Shapes) -> None:
        self.stream = Stream()
        self.graph: Graph | None = None
        self.context: Any = None
        self.notes: list[str] = []
        self.tensors: dict[str, Planes] = {}
        try:
            self.open(engine, form, shapes)
        except BaseException:
            self.close()
            raise

    def open(self, engine: Any, form: FrameFormat, shapes: Shapes) -> None:
        LOG.errors.clear()
        self.context = engine.create_execution_context()
        if self.context is None:
            raise LOG.failure("cannot make room for a frame")
        for name, shape in shapes.items():
            self.check(self.context.set_input_shape(name, shape))
        for index in range(engine.num_io_tensors):
            name = engine.get_tensor_name(index)
            planes = Planes(tuple(self.context.get_tensor_shape(name)), form)
            self.tensors[name] = planes
            self.check(self.context.set_tensor_address(name, planes.buffer.address))
        self.inputs = [self.tensors[name] for name in shapes]
        self.outputs = [planes for name, planes in self.tensors.items() if name not in shapes]
        self.work()  # once as it is, which is when TensorRT sets itself up for the shape
        self.stream.synchronize()
        if can_record():
            try:
                self.graph = Graph(self.stream.handle, self.work)
            except OutOfMemoryError:
                raise
            except BackendError as error:
                self.notes.append(f"computed without CUDA graphs: {error}")

    def check(self, done: bool) -> None:
        if not done:
            raise LOG.failure("cannot compute a frame")

    def work(self) -> None:
        """Give the stream a batch's work: up, through, down."""
        for planes in self.inputs:
            planes.buffer.upload(self.stream)
        self.check(self.context.execute_async_v3(self.stream.handle))
        for planes in self.outputs:
            planes.buffer.download(self.stream)

    def put(self, place: int, frame: Frame) -> None:
        self.tensors["y"].array[place, 0] = frame.y
        if frame.uv is not None:
            self.tensors["uv"].array[place] = frame.uv

    def launch(self) -> None:
        LOG.errors.clear()
        if self.graph is not None:
            self.graph.launch()
        else:
            self.work()
        self.stream.mark()

    def wait(self) -> None:
        """Until the batch is done. Python's lock is free meanwhile."""
        self.stream.wait()

    def take(self, place: int) -> tuple[Plane, Plane | None]:
        """The planes of one frame of a batch that is done, in memory of their own."""
        uv = self.tensors.get("uv_large")
        y: Plane = self.tensors["y_large"].array[place, 0].copy()
        return y, None if uv is None else uv.array[place].copy()

    def close(self) -> None:
        """Give all memory back, when the GPU has done what it was given."""
        self.stream.synchronize()
        if self.graph is not None:
            self.graph.free()
        for planes in self.tensors.values():
            planes.buffer.free()
        self.tensors.clear()
        self.graph = self.context = None
        del self.stream
