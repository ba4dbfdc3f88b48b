"""An archive at work, for machines: JSON lines on standard error; and what is counted of it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vsr.cli.kept import kept
from vsr.cli.progress import EVERY, build_fields, plain
from vsr.remaster.states import State

if TYPE_CHECKING:
    from vsr.backends.base import Building
    from vsr.pipeline.progress import Progress, Start, UpscaleReport
    from vsr.remaster.estimate import Estimate
    from vsr.remaster.find import Trouble
    from vsr.remaster.plan import Film
    from vsr.remaster.stock import Stock

BY_PEOPLE = "the running chunk is finished; once more stops at once"


class ArchiveDisplay:
    """What both forms keep count of. `stopping` is set from outside."""

    def __init__(self) -> None:
        self.stopping = self.stop_told = False
        self.films = self.settled = 0
        self.total = 0
        """Frames of all films that are to be done, as far as is known."""
        self.frames: dict[str, int] = {}
        """A film's name -> frames that are done."""
        self.kept: dict[str, int] = {}

    def begin(self, films: int, frames: int) -> None:
        self.films, self.total = films, frames
        kept.films = (0, films)

    def progressed(self, film: Film, progress: Progress) -> None:
        self.frames[film.name] = progress.frames
        self.kept[film.name] = progress.kept
        kept.set(sum(self.kept.values()), None)
        if self.stopping and not self.stop_told:
            self.stop_told = True
            self.say_stopping()
        self.show(film, progress)

    def settle(self, film: Film) -> None:
        """A film's turn is over."""
        self.settled += 1
        self.kept.pop(film.name, None)
        kept.films = (self.settled, self.films)
        kept.set(sum(self.kept.values()), None)

    def say_stopping(self) -> None: ...

    def show(self, film: Film, progress: Progress) -> None: ...


class JsonArchive(ArchiveDisplay):
    """One JSON object a line: events looking, stock, plan, estimate, build, start, progress, done,
    retry, failed, error, stopping, end; those about one film with its name, `film`.

    looking and progress, of one film, come by time: every half second at most. All others come
    when what they say has happened.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shown: dict[str, float] = {}

    def looked(self, number: int, films: int) -> None:
        now = time.monotonic()
        if now - self.shown.setdefault("", now) >= EVERY:
            self.shown[""] = now
            self.emit("looking", looked=number, films=films)

    def stock(self, stock: Stock) -> None:
        counts = {state.value: len(stock.by(state)) for state in State}
        sums = {"films": len(stock.standings), **counts, "bad": len(stock.bad)}
        self.emit("stock", **sums, notes=[*stock.notes])

    def plan(self, stock: Stock) -> None:
        self.stock(stock)
        for standing in stock.standings:
            film = standing.film.name if standing.film else None
            fields = {"source": standing.path, "film": film, "reason": standing.reason}
            self.emit("plan", state=standing.state.value, **fields)
        for trouble in stock.troubles:
            self.emit("error", source=trouble.path, message=trouble.reason)

    def estimated(self, estimate: Estimate | None, free: int) -> None:
        self.emit("estimate", **estimate_fields(estimate, free))

    def built(self, film: Film, building: Building) -> None:
        self.emit("build", film=film.name, **build_fields(building))

    def started(self, film: Film, start: Start) -> None:
        self.emit("start", film=film.name, **asdict(start))

    def show(self, film: Film, progress: Progress) -> None:
        now = time.monotonic()
        if now - self.shown.get(film.name, 0) >= EVERY:
            self.shown[film.name] = now
            whole = {"films": self.films, "settled": self.settled, "total": self.total}
            frames = sum(self.frames.values())
            fields = {**asdict(progress), "fps": progress.fps, "speed": progress.speed}
            self.emit("progress", film=film.name, **fields, archive={**whole, "frames": frames})

    def finished(self, film: Film, report: UpscaleReport) -> None:
        self.settle(film)
        self.emit("done", film=film.name, **asdict(report))

    def failed(self, film: Film, reason: str, again: bool) -> None:
        self.emit("retry" if again else "failed", film=film.name, message=reason)
        if not again:
            self.settle(film)

    def say_stopping(self) -> None:
        self.emit("stopping", message=BY_PEOPLE)

    def summed_up(self, done: int, bad: Sequence[Trouble], other: dict[str, int]) -> None:
        for trouble in bad:
            self.emit("error", source=trouble.path, message=trouble.reason)
        self.emit("end", done=done, bad=len(bad), **other)

    def emit(self, event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, **fields}, default=plain), file=sys.stderr, flush=True)


def estimate_fields(estimate: Estimate | None, free: int) -> dict[str, Any]:
    """For machines."""
    if estimate is None:
        return {"seconds": None, "bytes": None, "free": free, "samples": []}
    samples = [{**asdict(sample), "fps": sample.fps} for sample in estimate.samples]
    sums = {"seconds": estimate.seconds, "bytes": estimate.size, "free": free}
    return {"films": estimate.films, **sums, "samples": samples}
