"""An archive at work, for people: lines, and below them bars, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from vsr.cli.archive_display import BY_PEOPLE, ArchiveDisplay, JsonArchive
from vsr.cli.building import BuildDisplay
from vsr.cli.options import Style
from vsr.pipeline.store import spoken
from vsr.remaster.space import spoken_size
from vsr.remaster.states import State

if TYPE_CHECKING:
    from vsr.backends.base import Building
    from vsr.pipeline.progress import Progress, Start, UpscaleReport
    from vsr.remaster.estimate import Estimate
    from vsr.remaster.find import Trouble
    from vsr.remaster.plan import Film
    from vsr.remaster.states import Standing
    from vsr.remaster.stock import Stock


def make_archive_display(style: Style) -> TextArchive | JsonArchive:
    """`auto` is bars on a terminal and plain lines elsewhere."""
    if style is Style.json:
        return JsonArchive()
    show_bar = style is Style.bar or (style is Style.auto and sys.stderr.isatty())
    return TextArchive(show_bar, quiet=style is Style.none)


class TextArchive(ArchiveDisplay):
    """Lines, and below them a bar for all and one for each film at work."""

    def __init__(self, show_bar: bool, quiet: bool) -> None:
        super().__init__()
        self.show_bar, self.quiet = show_bar, quiet
        self.builds = BuildDisplay(show_bar, self.say)
        self.whole: tqdm[Any] | None = None
        self.bars: dict[str, tqdm[Any]] = {}

    def looked(self, number: int, films: int) -> None:
        if self.show_bar and self.whole is None:
            self.whole = tqdm(desc="looking at films", total=films, unit="film", leave=False)
        if self.whole is not None:
            self.whole.update(number - self.whole.n)

    def end_looking(self) -> None:
        if self.whole is not None:
            self.whole.close()
            self.whole = None

    def stock(self, stock: Stock) -> None:
        self.end_looking()
        counts = {state.value: len(stock.by(state)) for state in State}
        words = ", ".join(f"{n} {state}" for state, n in counts.items() if n and state != "failed")
        bad = f"; {len(stock.bad)} cannot be done" if stock.bad else ""
        self.say(f"{len(stock.standings)} films: {words or 'none to do'}{bad}")
        for note in stock.notes:
            self.say(f"  note: {note}")
        for standing in (*stock.to_do, *stock.by(State.SKIPPED), *stock.by(State.CANCELLED)):
            if standing.reason:
                self.say(f"  {spoken(standing.path)}: {standing.reason}")

    def plan(self, stock: Stock) -> None:
        self.end_looking()
        for standing in stock.standings:
            print(f"{standing.state.value:9} {plan_words(standing)}")
        for trouble in stock.troubles:
            print(f"{'failed':9} {spoken(trouble.path)}: {trouble.reason}")
        for note in stock.notes:
            print(f"note: {spoken(note)}")

    def estimated(self, estimate: Estimate | None, free: int) -> None:
        for line in estimate_lines(estimate, free):
            self.say(line)

    def begin(self, films: int, frames: int) -> None:
        super().begin(films, frames)
        if self.show_bar:
            self.whole = bar(f"0 of {films} films", frames or None, 0)

    def built(self, film: Film, building: Building) -> None:
        self.builds.show(building)

    def started(self, film: Film, start: Start) -> None:
        if start.found:
            self.say(f"{spoken(film.name)}: going on at frame {start.first} of {start.total}")
        if self.show_bar:
            taken = {each.pos for each in self.bars.values()}
            place = next(n for n in range(1, len(taken) + 2) if -n not in taken)
            self.bars[film.name] = bar(spoken(film.name)[-30:], start.total, place)

    def show(self, film: Film, progress: Progress) -> None:
        one = self.bars.get(film.name)
        if one is not None and self.whole is not None:
            one.set_postfix_str(f"{progress.speed:.2f}x playback", refresh=False)
            one.update(progress.frames - one.n)
            self.whole.update(sum(self.frames.values()) - self.whole.n)

    def finished(self, film: Film, report: UpscaleReport) -> None:
        self.settle(film)
        fps = (report.frames - report.found) / report.seconds
        verified = ", verified" if report.verified else ""
        self.say(
            f"{spoken(film.name)}: {report.frames} frames in {report.seconds:.1f} s "
            f"({fps:.1f} frames/s){verified}"
        )
        for note in report.notes:
            self.say(f"  note: {note}")

    def failed(self, film: Film, reason: str, again: bool) -> None:
        if again:
            self.close(film)
        else:
            self.settle(film)
        then = "; tried again after the others" if again else ""
        self.say(f"{spoken(film.name)}: {reason}{then}")

    def settle(self, film: Film) -> None:
        super().settle(film)
        self.close(film)
        if self.whole is not None:
            self.whole.set_description_str(f"{self.settled} of {self.films} films")

    def close(self, film: Film) -> None:
        self.builds.close()
        if film.name in self.bars:
            self.bars.pop(film.name).close()

    def say_stopping(self) -> None:
        self.say(f"stopping: {BY_PEOPLE}")

    def summed_up(self, done: int, bad: Sequence[Trouble], other: dict[str, int]) -> None:
        for each in (*self.bars.values(), self.whole):
            if each is not None:
                each.close()
        for trouble in bad:
            print(f"vsr: {spoken(trouble.path)}: {trouble.reason}", file=sys.stderr)
        counts = {"done now": done, **other, "could not be done": len(bad)}
        self.say(", ".join(f"{n} {what}" for what, n in counts.items() if n) or "nothing to do")

    def say(self, line: str) -> None:
        if not self.quiet:
            tqdm.write(line, file=sys.stderr)


def bar(words: str, total: int | None, position: int) -> tqdm[Any]:
    return tqdm(
        desc=words,
        total=total,
        unit="frame",
        position=position,
        leave=position == 0,
        file=sys.stderr,
        dynamic_ncols=True,
    )


def plan_words(standing: Standing) -> str:
    """One line about a film."""
    words = spoken(standing.path)
    if standing.look is not None and standing.film is not None:
        small, look = standing.look.info.format, standing.look
        frames = f", {look.frames} frames" if look.frames else ""
        sizes = f"{small.width}x{small.height} -> {look.width}x{look.height}"
        words = f"{words} -> {spoken(standing.film.name)}: {sizes}{frames}"
    return f"{words}: {standing.reason}" if standing.reason else words


def estimate_lines(estimate: Estimate | None, free: int) -> list[str]:
    """For people."""
    if estimate is None:
        return [f"no estimate: no film could be sampled; {spoken_size(free)} are free"]
    lines = [
        f"sampled: {sample.frames} frames of {spoken(sample.path)} to {sample.width}x"
        f"{sample.height}: {sample.fps:.1f} frames/s"
        for sample in estimate.samples
    ]
    room = f"about {spoken_size(estimate.size)} will be written, {spoken_size(free)} are free"
    short = "; THAT IS TOO LITTLE" if estimate.size > free else ""
    spoken_time = timedelta(seconds=round(estimate.seconds))
    return [*lines, f"{estimate.films} films: about {spoken_time} on this machine; {room}{short}"]
