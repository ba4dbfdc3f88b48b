"""Files by URL, for machines that share no disk: the only file that imports fsspec.

The driver offers a film's source; a machine fetches it once, for all its workers. Chunks and the
whole output go the same way back. Any URL that fsspec knows will do: s3://, gs://, sftp://, file://.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsr.errors import MediaError, MissingPackageError, VerificationError
from vsr.media.chunk import sha256_of
from vsr.pipeline.identity import source_words

KEPT = 8
"""Sources that a machine keeps, those that were used last."""


@dataclass(frozen=True)
class Depot:
    """A film's folder in the storage, and its source there."""

    url: str
    name: str
    """Of the source's file."""
    state: str
    """A digest of the source's size, time of change and ends."""
    mtime_ns: int

    @property
    def source(self) -> str:
        return f"{self.url}/{self.state}/{self.name}"

    def file(self, name: str) -> str:
        return f"{self.url}/{name}"


def offer(source: str, url: str) -> Depot:
    """Put a film into the storage, unless it is there. Raises MediaError where that fails."""
    words = source_words(source)
    state = hashlib.sha256(" ".join(words.values()).encode()).hexdigest()[:32]
    depot = Depot(url, Path(source).name, state, os.stat(source).st_mtime_ns)
    if size_of(depot.source) != os.stat(source).st_size:
        put(source, depot.source)
    return depot


def fetch(depot: Depot) -> str:
    """The source as a file of this machine, with the time of change that the driver's has."""
    folder = Path(tempfile.gettempdir()) / f"vsr-sources-{os.getuid()}"
    file = folder / depot.state / depot.name
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / f"{depot.state}.lock").open("w") as lock:  # whose time says when it was used
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            forget_others(folder)
            get(depot.source, str(file), depot.mtime_ns)
    return str(file)


def forget_others(folder: Path) -> None:
    """Remove the sources that were used longest ago; whoever reads one just now has it open."""
    used = sorted(folder.glob("*.lock"), key=lambda lock: lock.stat().st_mtime_ns)
    for lock in used[:-KEPT]:
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        lock.unlink(missing_ok=True)


def put(file: str, url: str) -> None:
    """Copy a file into the storage. Raises MediaError."""
    with opened(url) as (storage, path):
        storage.makedirs(os.path.dirname(path), exist_ok=True)
        storage.put_file(file, path)


def get(url: str, file: str, mtime_ns: int | None = None) -> None:
    """Copy a file out of the storage; it has its name only when it is complete. Raises MediaError
    or, where the file is not there, VerificationError."""
    partial = f"{file}.{secrets.token_hex(4)}"
    with opened(url) as (storage, path):
        if not storage.exists(path):
            raise VerificationError(f"{url}: is missing")
        try:
            storage.get_file(path, partial)
            if mtime_ns is not None:
                os.utime(partial, ns=(mtime_ns, mtime_ns))
            os.replace(partial, file)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise


def get_checked(url: str, file: str, sha256: str) -> None:
    """The same; raises VerificationError where it is not what was put there."""
    get(url, file)
    if sha256_of(Path(file)) != sha256:
        raise VerificationError(f"{url}: is damaged")


def size_of(url: str) -> int | None:
    """Bytes of a file in the storage; None: it is not there."""
    with opened(url) as (storage, path):
        return int(storage.size(path)) if storage.exists(path) else None


def remove(url: str) -> None:
    """Remove a folder with all that is in it."""
    with opened(url) as (storage, path):
        if storage.exists(path):
            storage.rm(path, recursive=True)


@contextmanager
def opened(url: str) -> Iterator[tuple[Any, str]]:
    """The storage and a path in it, with its errors translated."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingPackageError("fsspec", "cluster") from error
    try:
        yield url_to_fs(url)
    except (OSError, ValueError, ImportError) as error:
        if isinstance(error, MediaError | VerificationError):
            raise
        raise MediaError(url, f"{error}") from error
