"""What a run leaves that was killed when its output was complete, before it had cleared up."""

from __future__ import annotations

from pathlib import Path

from vsr.errors import VsrError
from vsr.pipeline.store import Store
from vsr.pipeline.work import WorkFolder, folder_of


def clear_finished(output: str) -> None:
    """Remove the work folder of an output that is complete; one that may still be of use stays."""
    if not folder_of(output).is_dir():
        return
    try:
        with WorkFolder(output) as work:
            if work.record.is_file() and not work.whole.exists() and is_finished(work):
                work.remove()
    except VsrError:
        return  # somebody is at work there, or it is none of ours


def is_finished(work: WorkFolder) -> bool:
    """Whether the job is on record as complete."""
    with Store(work.record) as store:
        job = store.job(Path(work.output).name)
    return job is not None and job.finished is not None
