"""Pipes to read a film from and to write one to, which a signal or another thread can get out of.

libav's own would sit in a read or a write until the other side moves.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vsr.errors import Interrupted

PIPE_BUFFER = 1 << 18
"""Bytes that go between libav and a pipe at once."""


class PipeReader:
    """What libav reads from, around a file descriptor.

    Thread: `read` in one thread at a time; `stop` from any.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self.owned = path != "-"
        self.descriptor = os.open(path, os.O_RDONLY) if self.owned else 0
        self.waker, self.wake_end = os.pipe()
        self.began = False
        """Whether anything has come."""

    def read(self, size: int) -> bytes:
        """What is there, at most `size` bytes; nothing at the end, and after `stop`."""
        with passing_through(self.stop):
            ready, _, _ = select.select([self.descriptor, self.waker], [], [])
            data = b"" if self.waker in ready else os.read(self.descriptor, size)
            self.began |= bool(data)
            return data

    def seekable(self) -> bool:
        """True for a file behind `<`."""
        try:
            os.lseek(self.descriptor, 0, os.SEEK_CUR)
        except OSError:
            return False
        return True

    def seek(self, offset: int, whence: int) -> int:
        return os.lseek(self.descriptor, offset, whence)

    def tell(self) -> int:
        return os.lseek(self.descriptor, 0, os.SEEK_CUR)

    def stop(self) -> None:
        """Let every read from now on, and the one that waits, find the end."""
        if self.waker >= 0:
            os.write(self.wake_end, b"\0")

    def close(self) -> None:
        for descriptor in (self.waker, self.wake_end, *([self.descriptor] * self.owned)):
            os.close(descriptor)
        self.waker = self.wake_end = -1


class PipeWriter:
    """What libav writes to: standard output."""

    name = "-"

    def __init__(self) -> None:
        self.closed = False
        """Whether there is no more use in writing; PyAV then leaves out the container's end."""

    def write(self, data: bytes) -> int:
        """Write all of it; after an error nothing more, as libav goes on until it notices."""
        left = memoryview(data)
        with passing_through(self.stop):
            while left and not self.closed:
                left = left[os.write(1, left) :]
        return len(data)

    def stop(self) -> None:
        """Write nothing from now on."""
        self.closed = True


@contextmanager
def passing_through(stop: Callable[[], None]) -> Iterator[None]:
    """For what libav calls back: PyAV passes an error on only where it is an Exception, and libav
    goes on calling until it notices."""
    try:
        yield
    except Exception:
        stop()
        raise
    except KeyboardInterrupt as error:
        stop()
        raise Interrupted from error
