"""The progress of vsr models pull, for people (a bar) and for machines (JSON lines)."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from vsr.cli.options import Style
from vsr.networks.published import PublishedFile
from vsr.networks.pull import PullProgress

EVERY = 0.5
"""Seconds between two lines of progress."""

KEPT = "interrupted; what came is kept, and the next pull goes on from there"


class PullDisplay(Protocol):
    """Shows one file after another."""

    def started(self, file: PublishedFile) -> None: ...

    def progressed(self, progress: PullProgress) -> None: ...

    def finished(self, file: PublishedFile, path: Path) -> None: ...

    def interrupted(self) -> None: ...

    def close(self) -> None: ...


def make_pull_display(style: Style) -> PullDisplay:
    """`auto` is a bar on a terminal and plain lines elsewhere."""
    if style is Style.json:
        return JsonPull()
    bar = style is Style.bar or (style is Style.auto and sys.stderr.isatty())
    return TextPull(bar, quiet=style is Style.none)


class TextPull:
    """Lines for people, and between the first and the last a bar."""

    def __init__(self, show_bar: bool, quiet: bool) -> None:
        self.show_bar, self.quiet = show_bar, quiet
        self.bar: tqdm[Any] | None = None

    def started(self, file: PublishedFile) -> None:
        self.say(f"{file.url}: {file.spoken_size}, {file.licence}")

    def progressed(self, progress: PullProgress) -> None:
        if progress.trouble:
            self.close()
            self.say(f"  {progress.trouble}")
        elif self.show_bar and self.bar is None:
            self.bar = tqdm(
                total=progress.total,
                initial=progress.done,
                unit="B",
                unit_scale=True,
                file=sys.stderr,
                dynamic_ncols=True,
            )
        elif self.bar is not None:
            self.bar.update(progress.done - self.bar.n)

    def finished(self, file: PublishedFile, path: Path) -> None:
        self.close()
        self.say(f"  {file.spoken_check}")
        self.say(f"  -> {path}")

    def interrupted(self) -> None:
        self.close()
        print(f"vsr: {KEPT}", file=sys.stderr)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def say(self, line: str) -> None:
        if not self.quiet:
            print(line, file=sys.stderr)


class JsonPull:
    """One JSON object a line: events start, progress, done, error.

    Progress comes every half second, when something is wrong, and with the last byte.
    """

    def __init__(self) -> None:
        self.first: tuple[float, int] | None = None
        self.shown = 0.0

    def started(self, file: PublishedFile) -> None:
        self.first, self.shown = None, 0.0
        self.emit("start", name=file.name, scales=file.scales, url=file.url, total=file.size)

    def progressed(self, progress: PullProgress) -> None:
        now = time.monotonic()
        first = self.first = self.first or (now, progress.done)
        whole = progress.done == progress.total
        if now - self.shown < EVERY and not progress.trouble and not whole:
            return
        self.shown = now
        seconds = now - first[0]
        rate = max(0, progress.done - first[1]) / seconds if seconds else None
        left = (progress.total - progress.done) / rate if progress.total and rate else None
        self.emit(
            "progress",
            done=progress.done,
            total=progress.total,
            bytes_per_second=rate,
            seconds_left=left,
            trouble=progress.trouble,
        )

    def finished(self, file: PublishedFile, path: Path) -> None:
        self.emit("done", name=file.name, path=str(path), sha256=file.sha256)

    def interrupted(self) -> None:
        self.emit("error", message=KEPT, exit_code=130)

    def close(self) -> None:
        pass

    def emit(self, event: str, **fields: object) -> None:
        print(json.dumps({"event": event, **fields}), file=sys.stderr, flush=True)
