"""One NVIDIA GPU through PyCUDA: its memory, streams and events. No other file imports PyCUDA.

All is done in the GPU's primary context, which TensorRT and torch use as well. CUDA has a stack of
contexts for each thread, so whoever allocates, copies, waits or frees does that within
`with gpu.current():`, in whatever thread; only then is memory freed for certain.
"""

from __future__ import annotations

import atexit
import ctypes
import math
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pycuda.driver as driver

from vsr.backends.base import OutOfMemoryError
from vsr.backends.gpus import DRIVER, kernel_driver
from vsr.backends.hints import advised
from vsr.errors import BackendError

NON_BLOCKING = 1
"""Of a stream: does not wait for the default one. Source: cuda.h, CU_STREAM_NON_BLOCKING."""


@contextmanager
def translated() -> Iterator[None]:
    """Turns CUDA's errors into ours."""
    try:
        yield
    except driver.Error as error:
        short = isinstance(error, driver.MemoryError)
        kind = OutOfMemoryError if short else BackendError
        raise kind(advised(f"CUDA failed: {error}")) from error


class Gpu:
    """A GPU, by its number. Raises BackendError where CUDA cannot start."""

    def __init__(self, index: int) -> None:
        with translated():
            driver.init()
            device = driver.Device(index)
            self.index = index
            self.name = str(device.name())
            self.compute_capability = "{}.{}".format(*device.compute_capability())
            self.memory = int(device.total_memory())
        self.uuid = read_uuid(index)

    def __str__(self) -> str:
        size = f"{self.memory / 2**30:.1f} GiB"
        return (
            f"cuda:{self.index}: {self.name}, compute capability {self.compute_capability}, {size}"
        )

    @contextmanager
    def current(self) -> Iterator[None]:
        """Makes this GPU the calling thread's own, and translates CUDA's errors."""
        with translated():
            primary_context(self.index).push()
            try:
                yield
            finally:
                driver.Context.pop()

    def memory_in_use(self) -> tuple[int, int]:
        """Bytes in use, by all programs, and bytes there are. Within `current`."""
        free, total = driver.mem_get_info()
        return int(total - free), int(total)


@cache
def primary_context(index: int) -> Any:
    """The one object that stands for a GPU's primary context: PyCUDA compares by identity."""
    context = driver.Device(index).retain_primary_context()
    atexit.register(context.detach)  # PyCUDA itself would end it as if it were not the primary one
    return context


@cache
def gpus() -> tuple[Gpu, ...]:
    """All GPUs that CUDA shows. Raises BackendError where it cannot start."""
    with translated():
        driver.init()
        count = driver.Device.count()
    return tuple(Gpu(index) for index in range(count))


def find_gpu(device: str) -> Gpu:
    """The GPU that "auto", "cuda", "cuda:1" or a UUID or its beginning ("GPU-3f2a") names.

    Raises BackendError, with those that there are, where there is none.
    """
    there = gpus()
    wanted = device.lower()
    index = 0 if wanted in ("auto", "cuda") else None
    if wanted.startswith("cuda:") and wanted[5:].isdigit():
        index = int(wanted[5:])
    for gpu in there:
        named = wanted.startswith("gpu-") and gpu.uuid.lower().startswith(wanted)
        if gpu.index == index or named:
            return gpu
    shown = "; ".join(f"{gpu}, {gpu.uuid}" for gpu in there) or "none"
    raise BackendError(f"no GPU {device} here; there is {shown}")


def read_uuid(index: int) -> str:
    """The GPU's UUID as nvidia-smi writes it. PyCUDA does not tell it, CUDA's library does."""
    library, handle = ctypes.CDLL("libcuda.so.1"), ctypes.c_int()
    raw = (ctypes.c_ubyte * 16)()
    wrong = library.cuDeviceGet(ctypes.byref(handle), index)
    wrong = wrong or library.cuDeviceGetUuid(raw, handle)
    if wrong:
        raise BackendError(f"CUDA does not tell the UUID of GPU {index} (error {wrong})")
    return f"GPU-{uuid.UUID(bytes=bytes(raw))}"


def driver_version() -> str:
    """The kernel driver's version, such as 580.65.06; where that is not told, its CUDA version."""
    kernel = kernel_driver(DRIVER)
    if kernel is not None:
        return kernel
    with translated():
        version = int(driver.get_driver_version())
    return f"CUDA {version // 1000}.{version % 1000 // 10}"


class Buffer:
    """Bytes of the GPU's memory, and of pinned memory on this side. Within `current`."""

    @translated()
    def __init__(self, shape: tuple[int, ...]) -> None:
        self.memory = driver.mem_alloc(math.prod(shape))
        try:
            self.host = driver.pagelocked_empty(shape, np.uint8)
        except driver.Error:
            self.memory.free()
            raise

    @property
    def address(self) -> int:
        return int(self.memory)

    @translated()
    def upload(self, stream: Stream) -> None:
        driver.memcpy_htod_async(self.memory, self.host, stream.own)

    @translated()
    def download(self, stream: Stream) -> None:
        driver.memcpy_dtoh_async(self.host, self.memory, stream.own)

    def free(self) -> None:
        """Views of the pinned memory are of no use any more."""
        self.memory.free()
        self.host.base.free()


class Stream:
    """Work of the GPU, in order, and a mark to wait for. Within `current`."""

    @translated()
    def __init__(self) -> None:
        self.own = driver.Stream(NON_BLOCKING)
        self.event = driver.Event(driver.event_flags.DISABLE_TIMING)

    @property
    def handle(self) -> int:
        return int(self.own.handle)

    @translated()
    def mark(self) -> None:
        """Remember how far the work that was given so far goes."""
        self.event.record(self.own)

    @translated()
    def wait(self) -> None:
        """Until the GPU is at the mark; Python's lock is free meanwhile."""
        self.event.synchronize()

    @translated()
    def synchronize(self) -> None:
        self.own.synchronize()
