"""The hidden file that a download is until it is complete: .NAME.partial

It is locked while it is open. Beside it, .NAME.partial.tag holds what the server calls this version
of the file. Both stay when a download breaks off, so that the next one can go on from there.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from vsr.errors import InputError


class Partial:
    """What there is of `path`. Raises InputError where another process is fetching it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hidden = path.with_name(f".{path.name}.partial")
        self.tag_file = path.with_name(f"{self.hidden.name}.tag")
        self.file = open_locked(self.hidden)

    def __enter__(self) -> "Partial":
        return self

    def __exit__(self, *reason: object) -> None:
        if self.size == 0:
            self.remove()
        self.file.close()

    @property
    def size(self) -> int:
        """In bytes."""
        return os.fstat(self.file.fileno()).st_size

    @property
    def tag(self) -> str:
        """What the server called the version that these bytes belong to; empty where it did not."""
        return self.tag_file.read_text() if self.tag_file.exists() else ""

    def restart(self, tag: str = "") -> None:
        """Forget all bytes; those to come belong to the version of this tag."""
        self.file.truncate(0)
        self.tag_file.write_text(tag)

    def write(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:
            rest = rest[self.file.write(rest) :]

    def remove(self) -> None:
        self.hidden.unlink(missing_ok=True)
        self.tag_file.unlink(missing_ok=True)

    def complete(self) -> None:
        """Give the file its name, which is taken from what had it."""
        os.fsync(self.file.fileno())
        self.hidden.replace(self.path)
        self.tag_file.unlink(missing_ok=True)


def open_locked(path: Path) -> IO[bytes]:
    """A file open for appending, made where there is none, and this process' own."""
    while True:
        file = path.open("ab", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise InputError(f"{path}: another vsr is fetching this file now") from None
        except OSError:
            return file  # files cannot be locked here: believed to be nobody else's
        with suppress(FileNotFoundError):  # as who had it before may have renamed or removed it
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()
