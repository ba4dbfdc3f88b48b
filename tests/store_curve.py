"""How fast the record is as it grows: a million chunks recorded and listed, 100,000 at a time.

    python tests/store_curve.py [--chunks 1000000] [--folder .] [--plot curve.png]

Every chunk is recorded as a driver does it: an attempt begun, then its end and the chunk together;
films have 720 chunks, as one of 2 hours has. The disk's time is not the record's: the mass is
recorded without waiting for it, and some more with that, as in earnest. Times are the processor's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from vsr.media.chunk import Chunk  # noqa: E402
from vsr.pipeline.store import Job, Store  # noqa: E402

FILM = 720
STEP = 100_000
SAFELY = 500
"""Chunks of each step that are recorded with the disk's time."""
PLAN = {f"encoder.option{number}": "value" for number in range(30)}
HEAD = (
    "| chunks | recorded: us of processor | with fsync: chunks/s | one film listed: ms "
    "| all jobs listed: ms | MiB |\n|---|---|---|---|---|---|"
)


@dataclass
class Point:
    """What was measured when so many chunks were recorded."""

    chunks: int
    recorded: float
    """Microseconds a chunk, of the processor."""
    safely: float
    """Chunks a second, each on the disk before the next."""
    film: float
    """Milliseconds to list one film's chunks."""
    overview: float
    """Milliseconds to list all jobs, and how many frames of each are done."""
    mebibytes: float


def measure(path: Path, chunks: int) -> list[Point]:
    points = []
    films: list[Job] = []
    print(HEAD)
    with Store(path) as store:
        for first in range(0, chunks, STEP):
            last = min(first + STEP, chunks)
            store.execute("PRAGMA synchronous = OFF")
            worked = time.process_time()
            for number in range(first, last - SAFELY):
                record(store, films, number)
            recorded = 1e6 * (time.process_time() - worked) / (last - SAFELY - first)
            store.execute("PRAGMA synchronous = FULL")
            began = time.monotonic()
            for number in range(last - SAFELY, last):
                record(store, films, number)
            safely = SAFELY / (time.monotonic() - began)
            film = least(lambda: store.chunks(films[0]))
            overview = least(lambda: (store.jobs(), store.frames_done()))
            point = Point(last, recorded, safely, film, overview, path.stat().st_size / 2**20)
            print(
                f"| {last:,} | {recorded:.0f} | {safely:.0f} | {film:.2f} | {overview:.0f} "
                f"| {point.mebibytes:.0f} |",
                flush=True,
            )
            points.append(point)
    return points


def record(store: Store, films: list[Job], number: int) -> None:
    film, place = divmod(number, FILM)
    if film == len(films):
        films.append(store.add(f"{film:05}.mkv", f"in/{film:05}.mkv", PLAN))
    start = place * 240
    attempt = store.begin(films[film], start, "node 7 process 1234")
    with store.transaction():
        store.record(films[film], Chunk(start, start + 240, start * 1001, 2, 5_000_000, "0f" * 32))
        store.end(attempt)


def least(work: Callable[[], object]) -> float:
    """Milliseconds of processor time, the least of three."""
    times = []
    for _ in range(3):
        began = time.process_time()
        work()
        times.append(1000 * (time.process_time() - began))
    return min(times)


def plot(points: list[Point], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3), layout="constrained")
    count = [point.chunks / 1e6 for point in points]
    left.plot(count, [point.recorded for point in points], marker="o")
    left.set_title("recording a chunk, µs of processor")
    right.plot(count, [point.film for point in points], marker="o", label="one film")
    right.plot(count, [point.overview for point in points], marker="o", label="all jobs")
    right.set_title("listing, ms")
    right.set_yscale("log")
    right.legend()
    for axes in (left, right):
        axes.set_xlabel("million chunks in the record")
        axes.grid(alpha=0.3)
    left.set_ylim(bottom=0)
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=None, help="Where the record is to lie.")
    parser.add_argument("--plot", type=Path, default=None)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=words.folder) as folder:
        points = measure(Path(folder) / "jobs.sqlite", words.chunks)
    if words.plot is not None:
        plot(points, words.plot)


if __name__ == "__main__":
    main()
