"""CUDA graphs: work that is recorded once and then launched as one.

By NVIDIA's cuda-bindings, where that is installed: PyCUDA has none. No other file imports it.
"""

from collections.abc import Callable
from typing import Any

try:
    from cuda.bindings import driver
except ImportError:
    driver = None

from vsr.backends.base import OutOfMemoryError
from vsr.errors import BackendError


def can_record() -> bool:
    """Whether graphs can be recorded here; `pip install cuda-bindings` is what is wanted."""
    return driver is not None


class Graph:
    """What `work` does to a stream. Within the GPU's context, as all that follows.

    Raises BackendError where the work cannot be recorded; the stream is as it was.
    """

    def __init__(self, stream: int, work: Callable[[], None]) -> None:
        self.stream = driver.CUstream(stream)
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        checked(driver.cuStreamBeginCapture(self.stream, mode))
        try:
            work()
        finally:
            status, *graph = driver.cuStreamEndCapture(self.stream)
        checked((status,))
        self.ready = checked(driver.cuGraphInstantiate(graph[0], 0))
        checked(driver.cuGraphDestroy(graph[0]))

    def launch(self) -> None:
        checked(driver.cuGraphLaunch(self.ready, self.stream))

    def free(self) -> None:
        checked(driver.cuGraphExecDestroy(self.ready))


def checked(answer: tuple[Any, ...]) -> Any:
    """What a call of cuda-bindings gives beside its status. Raises BackendError or
    OutOfMemoryError by the status."""
    status, *results = answer
    if status == driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
        raise OutOfMemoryError(f"CUDA failed: {status.name}")
    if status != driver.CUresult.CUDA_SUCCESS:
        raise BackendError(f"CUDA failed: {status.name}")
    return results[0] if results else None
