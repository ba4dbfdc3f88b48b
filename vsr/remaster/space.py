"""Whether there is room for what is to be written."""

from __future__ import annotations

import os
import shutil

from vsr.errors import MediaError
from vsr.pipeline.work import CHUNK, folder_of
from vsr.remaster.plan import Film

COPIES = 2
"""Of a film while it is joined: its chunks, and the whole."""


def free_space(folder: str) -> int:
    """Bytes that can still be written to a folder, or where it will be."""
    path = os.path.abspath(folder)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free


def check_space(film: Film, expected: int | None) -> None:
    """Raise MediaError where there is no room for the film; `expected` are the bytes that it will
    most likely come to, else it is taken to be no smaller than its source."""
    whole = COPIES * (expected or os.path.getsize(film.source))
    needed = whole - sum(file.stat().st_size for file in folder_of(film.output).glob(f"*{CHUNK}"))
    free = free_space(os.path.dirname(film.output))
    if free < needed:
        raise MediaError(
            film.output,
            f"no room for it: about {spoken_size(needed)} are needed until it is joined, "
            f"{spoken_size(free)} are free",
        )


def spoken_size(size: float) -> str:
    """Bytes in words: 1.5 GB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
