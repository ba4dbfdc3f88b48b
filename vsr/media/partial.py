"""The hidden sibling that a file is written to until it is complete: .NAME.PID.partial

It stays locked while its process lives, so that the next run for the same output can tell what a
killed one left from what is still being written, other machines' files included.
"""

import fcntl
import os
from pathlib import Path

from vsr.errors import InputError


def partial_of(path: str) -> str:
    """Where this process writes what will be `path`."""
    whole = Path(path).absolute()  # as libav takes what stands before a colon for a protocol
    return str(whole.with_name(f".{whole.name}.{os.getpid()}.partial"))


def claim(path: str) -> tuple[int, list[str]]:
    """Create and lock the partial file of `path`, and remove those that dead processes left.

    Returns a descriptor, which holds the lock until it is closed, and the names of the removed.
    Raises InputError where another process is writing `path`; OSError where nothing can be written.
    """
    swept = sweep(path)
    descriptor = os.open(partial_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    if not lock(descriptor):
        os.close(descriptor)
        raise InputError(f"{path}: another vsr is writing it now")
    return descriptor, swept


def sweep(path: str) -> list[str]:
    """Remove the partial files of `path` whose processes are gone; returns their names."""
    whole = Path(path)
    swept = []
    for sibling in sorted(whole.parent.iterdir()):
        process = process_of(sibling.name, whole.name)
        if process is None:
            continue
        try:
            descriptor = os.open(sibling, os.O_RDWR)
        except OSError:
            continue  # somebody else's; it is not in the way
        try:
            if not lock(descriptor):
                raise InputError(f"{path}: another vsr (process {process}) is writing it now")
            sibling.unlink()
            swept.append(sibling.name)
        finally:
            os.close(descriptor)
    return swept


def process_of(name: str, whole: str) -> str | None:
    """Which process wrote the file of this name, if that is a partial file of `whole`."""
    start, end = f".{whole}.", ".partial"
    process = name[len(start) : -len(end)]
    is_partial = name.startswith(start) and name.endswith(end) and process.isdigit()
    return process if is_partial else None


def lock(descriptor: int) -> bool:
    """Whether nobody else has the file locked; where files cannot be locked, this is believed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
