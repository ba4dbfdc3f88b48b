"""The hidden folder where an output comes into being: .NAME.vsr, beside it.

It stays locked while its process lives, so that no two work on one output, and the next run can go
on with what a killed one left. The lock is the system's, and ends with the process.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from vsr.errors import InputError, MediaError
from vsr.pipeline.store import Job, Store

RECORD = "jobs.sqlite"
CHUNK = ".chunk"
PARTIAL = ".partial"
OURS = ("lock", RECORD, f"{RECORD}-wal", f"{RECORD}-shm")


class WorkFolder:
    """The folder of one output, made and locked.

    Raises: InputError where another process works on the output, or something else stands there;
    MediaError where nothing can be written.
    """

    def __init__(self, output: str, store: Store | None = None) -> None:
        self.output = output
        self.shared = store
        """Where the output is recorded among others; None: in this folder."""
        self.own: Store | None = None
        self.path = folder_of(output)
        self.record = self.path / RECORD
        self.whole = self.path / f"whole{PARTIAL}"
        """Where the output is written until it is complete and verified."""
        self.lock = self.claim()
        self.removed = False
        """From then on what stands there may be another run's."""

    @property
    def store(self) -> Store:
        """What is planned and done. Raises StoreError where it is of no use."""
        if self.shared is not None:
            return self.shared
        if self.own is None:
            self.own = Store(self.record)
        return self.own

    @property
    def job(self) -> Job | None:
        """The output's job, where one is on record."""
        return self.store.job(self.store.name(self.output))

    def claim(self) -> int:
        """A descriptor that holds the lock."""
        while True:
            try:
                self.path.mkdir(exist_ok=True)
                descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
            except (FileExistsError, NotADirectoryError):
                raise InputError(f"{self.path}: stands where the work is to be done") from None
            except FileNotFoundError:  # its last owner removed it just now
                if not self.path.parent.is_dir():
                    raise
                continue
            except OSError as error:
                raise MediaError(self.output, f"cannot be written: {error.strerror}") from error
            if not locked(descriptor):
                process = os.read(descriptor, 20).decode(errors="replace")
                os.close(descriptor)
                raise InputError(
                    f"{self.output}: another vsr (process {process}) is writing it now"
                )
            if self.still_holds(descriptor):
                with suppress(OSError):  # it helps people to know who; a full disk shows elsewhere
                    os.truncate(descriptor, 0)
                    os.write(descriptor, str(os.getpid()).encode())
                return descriptor
            os.close(descriptor)

    def still_holds(self, descriptor: int) -> bool:
        """Whether the locked file is the folder's, and not one that was removed meanwhile."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.stat(self.path / "lock"), os.fstat(descriptor))
        return False

    def chunk(self, start: int) -> Path:
        """The file of the chunk that begins with this frame."""
        return self.path / chunk_name(start)

    def sweep(self) -> None:
        """Remove what was not finished."""
        if self.removed:
            return
        for file in self.path.glob(f"*{PARTIAL}"):
            file.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all that was done."""
        if self.removed:
            return
        self.sweep()
        for file in self.path.glob(f"*{CHUNK}"):
            file.unlink(missing_ok=True)
        for name in OURS[1:]:
            (self.path / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder, unless somebody put something else in it."""
        if self.removed:
            return
        self.clear()
        (self.path / "lock").unlink(missing_ok=True)
        self.removed = True
        with suppress(OSError):
            self.path.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Let go of the lock; where no chunk came of the work, nothing is left."""
        if not any(self.path.glob(f"*{CHUNK}")):
            self.remove()
        if self.own is not None:
            self.own.close()
        os.close(self.lock)


def chunk_name(start: int) -> str:
    """Of the file of the chunk that begins with this frame."""
    return f"{start:09}{CHUNK}"


def folder_of(output: str) -> Path:
    """Where the work on an output is done."""
    whole = Path(output).absolute()  # as libav takes what stands before a colon for a protocol
    return whole.with_name(f".{whole.name}.vsr")


def locked(descriptor: int) -> bool:
    """Whether nobody else has the file locked; where files cannot be locked, this is believed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
