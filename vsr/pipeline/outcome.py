"""How the work on a film ended, to be recorded."""

from __future__ import annotations

import os
import time
from pathlib import Path

from vsr.media.chunk import sha256_of
from vsr.pipeline.progress import UpscaleReport
from vsr.pipeline.store import DONE, FAILED, Outcome


def done(source: str, whole: Path, report: UpscaleReport) -> Outcome:
    """Of an output that is complete and verified, and that only waits for its name."""
    state = os.stat(whole)
    return Outcome(
        state=DONE,
        ended=time.time(),
        source_sha256=sha256_of(Path(source)),
        sha256=sha256_of(whole),
        size=state.st_size,
        mtime_ns=state.st_mtime_ns,
        frames=report.frames,
        film_seconds=report.film_seconds,
        seconds=report.seconds,
        warnings=tuple(report.notes),
    )


def failed(reason: str, tries: int, lasting: bool) -> Outcome:
    """Of a film that could not be finished."""
    return Outcome(FAILED, time.time(), tries, reason, lasting)
