"""OUT/manifest.json and manifest.csv: every film, what it was made from, by what, and how it went.

Written from the record alone, but for what of the archive is no film. Whoever reads them while a
run goes on finds whole files.
"""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from vsr.errors import MediaError
from vsr.pipeline.store import FAILED, Job, Outcome, Store, spoken
from vsr.remaster.find import Trouble
from vsr.remaster.record import all_jobs, so_far

SHARE = 0.02
"""The part of the time of a run that may go into writing."""

NO_SETTINGS = ("source's", "network", "engine", "vsr")
"""What of a job's plan, by its beginning, has a place of its own here; settings of the engine are
settings."""


@dataclass(frozen=True)
class Row:
    """One film."""

    source: str
    source_sha256: str | None
    output: str
    output_sha256: str | None
    bytes: int | None
    state: str
    """waiting, begun, done, failed or cancelled."""
    error: str | None
    frames: int | None
    film_seconds: float | None
    seconds: float | None
    """That the run which finished it worked on it."""
    ended: str | None
    """UTC."""
    tries: int
    network: str | None
    network_sha256: str | None
    engine: str | None
    vsr: str | None
    settings: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Manifest:
    """Both files. Raises MediaError where they cannot be written."""

    def __init__(self, store: Store, out: str, archive: str, troubles: Sequence[Trouble]) -> None:
        self.store, self.out = store, Path(out)
        self.bad = [bad_row(os.path.join(archive, t.path), t.reason) for t in troubles]
        self.next = 0.0

    def write_at_times(self) -> None:
        """Write, unless so much was written lately that it would hold up the work."""
        began = time.monotonic()
        if began >= self.next:
            self.write()
            ended = time.monotonic()
            self.next = ended + (ended - began) / SHARE

    def write(self) -> None:
        """Write what differs from what is there."""
        rows = [*rows_of(self.store), *self.bad]
        films = [asdict(row) for row in rows]
        self.replace("manifest.json", json.dumps({"films": films}, indent=1) + "\n")
        self.replace("manifest.csv", as_csv(rows))

    def replace(self, name: str, text: str) -> None:
        path = self.out / name
        partial = self.out / f".{name}.partial"
        try:
            if path.is_file() and path.read_bytes() == text.encode():
                return
            partial.write_bytes(text.encode())
            os.replace(partial, path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise MediaError(path, f"cannot be written: {error.strerror}") from error


def rows_of(store: Store) -> list[Row]:
    """All films on record, by their outputs' names."""
    return [row_of(*each) for each in all_jobs(store)]


def row_of(job: Job, outcome: Outcome | None, frames: int) -> Row:
    plan, end = job.plan, so_far(outcome, frames)
    return Row(
        source=job.source,
        source_sha256=end.source_sha256,
        output=job.output,
        output_sha256=end.sha256,
        bytes=end.size,
        state=end.state,
        error=end.error,
        frames=end.frames,
        film_seconds=end.film_seconds,
        seconds=end.seconds,
        ended=datetime.fromtimestamp(end.ended, UTC).isoformat("T", "seconds") if outcome else None,
        tries=end.tries,
        network=plan.get("network"),
        network_sha256=plan.get("network's sha256"),
        engine=plan.get("engine"),
        vsr=plan.get("vsr"),
        settings={name: word for name, word in plan.items() if is_setting(name)},
        warnings=list(end.warnings),
    )


def is_setting(name: str) -> bool:
    return name.startswith("engine.") or not name.startswith(NO_SETTINGS)


def bad_row(source: str, reason: str) -> Row:
    """Of what is no film."""
    row = row_of(Job(0, "", spoken(source), {}, 0, None), None, 0)
    return replace(row, state=FAILED, error=reason)


def as_csv(rows: Sequence[Row]) -> str:
    """A line a film; lists and tables within as "a; b"."""
    text = io.StringIO()
    writer = csv.writer(text)
    names = [each.name for each in fields(Row)]
    writer.writerow(names)
    for row in rows:
        writer.writerow([cell(getattr(row, name)) for name in names])
    return text.getvalue()


def cell(value: object) -> object:
    if isinstance(value, dict):
        return "; ".join(f"{name}={word}" for name, word in value.items())
    return "; ".join(value) if isinstance(value, list) else value
