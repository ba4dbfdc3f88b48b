"""Progress for people (a bar) and for machines (JSON lines), both on standard error."""

import json
import sys
from dataclasses import asdict
from fractions import Fraction
from typing import Any, Protocol

from tqdm import tqdm

from vsr.backends.base import Building
from vsr.cli.building import BuildDisplay
from vsr.cli.options import Style
from vsr.pipeline.progress import Progress, Start, UpscaleReport

EVERY = 0.5
"""Seconds between two lines of progress."""


class Display(Protocol):
    """Shows one job."""

    def built(self, building: Building) -> None:
        """How far an engine is that has to be built before the job starts, or meanwhile."""
        ...

    def started(self, start: Start) -> None: ...

    def progressed(self, progress: Progress) -> None: ...

    def finished(self, report: UpscaleReport) -> None: ...

    def failed(self, source: str, message: str) -> None: ...

    def summed_up(self, films: int, failed: list[str]) -> None: ...

    def close(self) -> None: ...


def make_display(style: Style) -> Display:
    """`auto` is a bar on a terminal and plain lines elsewhere."""
    if style is Style.json:
        return JsonDisplay()
    bar = style is Style.bar or (style is Style.auto and sys.stderr.isatty())
    return TextDisplay(bar, quiet=style is Style.none)


class TextDisplay:
    """Lines for people, and between the first and the last a bar."""

    def __init__(self, show_bar: bool, quiet: bool) -> None:
        self.show_bar, self.quiet = show_bar, quiet
        self.bar: tqdm[Any] | None = None
        self.builds = BuildDisplay(show_bar, self.say)
        self.said: list[str] = []

    def built(self, building: Building) -> None:
        if building.note:
            self.said.append(building.note)
        self.builds.show(building)

    def started(self, start: Start) -> None:
        small, large = start.info.format, start.large.format
        rate = f", {float(start.info.rate):.3f} fps" if start.info.rate else ""
        source, output = spoken(start.source, "input"), spoken(start.output, "output")
        if start.found:
            total = f" of {start.total}" if start.total else ""
            self.say(f"{source}: going on at frame {start.first}{total}")
        for note in start.notes:
            if note not in self.said:
                self.say(f"{source}: {note}")
        self.said += start.notes
        self.say(f"{source}: {small.width}x{small.height} {start.info.codec}{rate}")
        self.say(f"  {start.network} on {start.engine}")
        self.say(f"  -> {output}: {large.width}x{large.height} {start.encoder}")
        if self.show_bar:
            self.bar = tqdm(
                total=start.total,
                initial=start.found,
                unit="frame",
                file=sys.stderr,
                dynamic_ncols=True,
            )

    def progressed(self, progress: Progress) -> None:
        if self.bar is not None:
            if self.bar.total is not None and progress.frames > self.bar.total:
                self.bar.total = None
            self.bar.set_postfix_str(f"{progress.speed:.2f}x playback", refresh=False)
            self.bar.update(progress.frames - self.bar.n)

    def finished(self, report: UpscaleReport) -> None:
        self.close()
        for note in report.notes:
            if note not in self.said:
                self.say(f"  note: {note}")
        self.said.clear()
        checked = "verified" if report.verified else "not verified"
        repeated = f", {report.repeated} repeated" if report.repeated else ""
        fps = (report.frames - report.found) / report.seconds
        self.say(
            f"  {report.frames} frames{repeated} in {report.seconds:.1f} s "
            f"({fps:.1f} frames/s), {checked}: {spoken(report.output, 'output')}"
        )

    def failed(self, source: str, message: str) -> None:
        self.close()
        print(f"vsr: {message}", file=sys.stderr)

    def summed_up(self, films: int, failed: list[str]) -> None:
        print(f"vsr: {len(failed)} of {films} films failed: {', '.join(failed)}", file=sys.stderr)

    def close(self) -> None:
        self.builds.close()
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def say(self, line: str) -> None:
        if not self.quiet:
            tqdm.write(line, file=sys.stderr)


class JsonDisplay:
    """One JSON object a line: events build, start, progress, done, error.

    Progress comes every half second, and once when the last frame is done; that of a build so, too.
    """

    def __init__(self) -> None:
        self.shown = 0.0
        self.pending: Progress | None = None
        self.build_shown = 0.0

    def built(self, building: Building) -> None:
        if not building.seconds - self.build_shown < EVERY or building.share in (0, 1):
            self.emit("build", build_fields(building))
            self.build_shown = 0.0 if building.share == 1 else building.seconds

    def started(self, start: Start) -> None:
        self.shown, self.pending = 0.0, None
        self.emit("start", asdict(start))

    def progressed(self, progress: Progress) -> None:
        self.pending = progress
        if progress.seconds - self.shown >= EVERY:
            self.show(progress)

    def show(self, progress: Progress) -> None:
        left = None
        if progress.total is not None and progress.fps:
            left = max(0.0, (progress.total - progress.frames) / progress.fps)
        more = {"fps": progress.fps, "speed": progress.speed, "seconds_left": left}
        self.emit("progress", {**asdict(progress), **more})
        self.shown, self.pending = progress.seconds, None

    def finished(self, report: UpscaleReport) -> None:
        if self.pending is not None:
            self.show(self.pending)
        self.emit("done", asdict(report))

    def failed(self, source: str, message: str) -> None:
        self.emit("error", {"source": source, "message": message})

    def summed_up(self, films: int, failed: list[str]) -> None:
        pass

    def close(self) -> None:
        pass

    def emit(self, event: str, fields: dict[str, Any]) -> None:
        line = json.dumps({"event": event, **fields}, default=plain)
        print(line, file=sys.stderr, flush=True)


def build_fields(building: Building) -> dict[str, Any]:
    """For a JSON line."""
    return {**asdict(building), "seconds_left": building.seconds_left}


def spoken(path: str, way: str) -> str:
    return f"standard {way}" if path == "-" else path


def plain(value: object) -> object:
    """What JSON has no word for."""
    return f"{value.numerator}/{value.denominator}" if isinstance(value, Fraction) else str(value)
