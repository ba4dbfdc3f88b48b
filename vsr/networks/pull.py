"""Published files, fetched: each goes on where it broke off, is checked, and only then named."""

import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vsr.errors import DownloadError, StoreError, VerificationError, VsrError
from vsr.networks.download import Broken, download
from vsr.networks.partial import Partial
from vsr.networks.published import PublishedFile

PAUSES = (1.0, 2.0, 4.0)
"""Seconds before the second try, the third ..."""


@dataclass(frozen=True)
class PullProgress:
    """How far a file has come."""

    done: int
    """Bytes, those of earlier tries included."""
    total: int | None
    trouble: str = ""
    """Why nothing comes at the moment."""


Listener = Callable[[PullProgress], None]


def pull(file: PublishedFile, on_progress: Listener = lambda progress: None) -> Path:
    """The file's path, where it lies whole and checked; it is fetched if it does not yet.

    Its content is hashed and never opened as anything. Raises DownloadError where it cannot be
    fetched (what came is kept for the next time), VerificationError where another file came (which
    is removed), StoreError where it cannot be written, InputError where another process fetches it.
    """
    try:
        if file.pulled and sha256(file.path).startswith(file.sha256):
            return file.path
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with Partial(file.path) as partial:
            try:
                fetch(file, partial, on_progress)
                check(file, partial.hidden)
            except VerificationError:
                partial.remove()
                raise
            partial.complete()
    except VsrError:
        raise
    except OSError as error:
        raise StoreError(f"{file.path}: {error.strerror or error}") from error
    return file.path


def fetch(file: PublishedFile, partial: Partial, on_progress: Listener) -> None:
    """Bring the partial file to its full length, in several tries where one does not do."""
    if partial.size == file.size:
        return  # it broke off after the last byte
    missing = (file.size or 0) - partial.size
    free = shutil.disk_usage(partial.path.parent).free
    if missing > free:
        raise StoreError(f"{file.path}: {missing} bytes are missing, and {free} free on the disk")
    for pause in (*PAUSES, None):
        try:
            for done, total in download(file.url, partial, file.size):
                on_progress(PullProgress(done, total or file.size))
            return
        except Broken as error:
            if pause is None:
                kept = f"; the {partial.size} bytes that came are kept" if partial.size else ""
                tries = f"given up after {len(PAUSES) + 1} tries"
                raise DownloadError(f"{file.url}: {error}, {tries}{kept}") from error
            trouble = f"{error}; next try in {pause:g} s"
            on_progress(PullProgress(partial.size, file.size, trouble))
            time.sleep(pause)


def check(file: PublishedFile, path: Path) -> None:
    """Raise VerificationError where the content is not what was published."""
    digest = sha256(path)
    if not digest.startswith(file.sha256):
        raise VerificationError(
            f"{file.url}: its SHA-256 is {digest}, not {file.sha256}: another file, removed"
        )


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
