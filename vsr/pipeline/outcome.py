"""How the work on a film ended, to be recorded."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from vsr.media.chunk import sha256_of
from vsr.pipeline.progress import UpscaleReport
from vsr.pipeline.store import DONE, FAILED, Outcome


@dataclass(frozen=True)
class File:
    """A file as it was when it was looked at."""

    size: int
    mtime_ns: int
    sha256: str


def file_of(path: Path) -> File:
    """What a file is now."""
    state = os.stat(path)
    return File(state.st_size, state.st_mtime_ns, sha256_of(path))


def done(report: UpscaleReport, source_sha256: str, file: File) -> Outcome:
    """Of an output that is complete and verified, and that only waits for its name."""
    return Outcome(
        state=DONE,
        ended=time.time(),
        source_sha256=source_sha256,
        sha256=file.sha256,
        size=file.size,
        mtime_ns=file.mtime_ns,
        frames=report.frames,
        film_seconds=report.film_seconds,
        seconds=report.seconds,
        warnings=tuple(report.notes),
    )


def failed(reason: str, tries: int, lasting: bool) -> Outcome:
    """Of a film that could not be finished."""
    return Outcome(FAILED, time.time(), tries, reason, lasting)
