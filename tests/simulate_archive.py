"""An archive of 10,000 films on 100 machines that fail: the real driver under a virtual clock.

    python tests/simulate_archive.py [--films 10000] [--minutes 10] [--nodes 100] [--workers 1] ...

Everything is real but the work itself and its time: `FilmJob`, `Schedule` and the record with every
chunk and attempt in it. Machines are of mixed speeds, fail and come again; some chunks take five
times as long, some hang, some fail. Reported are what the driver costs in this processor's time,
and what failures and stragglers cost the cluster in its own.
"""

from __future__ import annotations

import argparse
import cProfile
import pickle
import pstats
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from virtual import Node, VirtualWorkers  # noqa: E402

from vsr.backends.base import Building  # noqa: E402
from vsr.errors import BackendError  # noqa: E402
from vsr.frame import ColorTags, FrameFormat, VideoInfo  # noqa: E402
from vsr.media.chunk import Chunk  # noqa: E402
from vsr.media.index import FilmIndex  # noqa: E402
from vsr.media.target import Target  # noqa: E402
from vsr.pipeline.outcome import File  # noqa: E402
from vsr.pipeline.progress import Progress, Start  # noqa: E402
from vsr.pipeline.store import Store  # noqa: E402
from vsr.pipeline.worker import ChunkTask, Computed  # noqa: E402
from vsr.remaster.ending import EndTask, Whole  # noqa: E402
from vsr.remaster.film_job import FilmJob  # noqa: E402
from vsr.remaster.plan import Film  # noqa: E402
from vsr.remaster.schedule import Schedule  # noqa: E402
from vsr.remaster.survey import Survey, SurveyTask  # noqa: E402
from vsr.remaster.tasks import Worker  # noqa: E402
from vsr.settings import UpscaleSettings  # noqa: E402

LENGTH = 240
"""Frames of a chunk: 10 s."""
EVERY = 100
"""Tasks of which one is looked at for what sending it takes."""
SPEEDS = (0.5, 1.0, 1.0, 2.0, 4.0)
PLAN = {f"encoder.option{number}": "value" for number in range(30)}
FORM = FrameFormat(640, 360)
INFO = VideoInfo(FORM, "h264", "yuv420p", Fraction(1, 1000), Fraction(24), ColorTags())


class Silent:
    """A `Watch` for nobody."""

    stopping = False

    def built(self, film: Film, building: Building) -> None: ...

    def started(self, film: Film, start: Start) -> None: ...

    def progressed(self, film: Film, progress: Progress) -> None: ...


class Play:
    """What virtual workers answer, and how long they take for it."""

    def __init__(self, words: argparse.Namespace) -> None:
        self.words, self.chance = words, random.Random(words.seed)
        self.chunks = self.sent = self.sent_bytes = self.errors = self.hung = 0
        self.ideal_seconds = 0.0
        """At speed 1, if nothing happened."""
        self.seen: set[tuple[str, int]] = set()
        self.packing = 0.0
        """Seconds for making bytes of what is sent."""

    def films(self, folder: Path) -> Iterator[Film]:
        chance = random.Random(self.words.seed)
        for number in range(self.words.films):
            name = f"{number:05}.mkv"
            seconds = 60 * self.words.minutes * chance.lognormvariate(-0.32, 0.8)
            frames = max(1, round(24 * seconds))
            yield Film(f"{frames}", str(folder / name), UpscaleSettings(), name)

    def answer(self, work: Any, worker: Worker) -> tuple[float, Any]:
        self.sent += 1
        if self.sent % EVERY == 0:
            self.pack(work)
        if isinstance(work, SurveyTask):
            return self.survey(work)
        if isinstance(work, EndTask):
            return self.end(work)
        assert isinstance(work, ChunkTask)
        return self.chunk(work)

    def pack(self, work: Any) -> None:
        """Look at what sending takes, which is the driver's work too."""
        began = time.process_time()
        for _ in range(EVERY):
            data = pickle.dumps(work)
        self.packing += time.process_time() - began
        self.sent_bytes += EVERY * len(data)

    def survey(self, work: SurveyTask) -> tuple[float, Any]:
        frames = int(Path(work.source).name)
        pts = tuple(range(0, frames * 42, 42))
        target = Target(work.output, "matroska", INFO, "yuv420p", work.settings.encoder)
        start = Start(work.source, INFO, work.output, INFO, "libx264", "net", "engine", frames)
        index = FilmIndex(work.source, pts, pts[::100])
        seconds = 3 + frames / 20_000
        self.ideal_seconds += seconds
        return seconds, Survey(start, target, work.settings, PLAN, LENGTH, index, {})

    def chunk(self, work: ChunkTask) -> tuple[float, Any]:
        frames = min(LENGTH, int(Path(work.source).name) - work.start)
        ideal = frames / self.words.fps
        if (work.folder, work.start) not in self.seen:
            self.seen.add((work.folder, work.start))
            self.ideal_seconds += ideal
            self.chunks += 1
        seconds = ideal * self.chance.lognormvariate(0, 0.15)
        drawn = self.chance.random()
        if drawn < self.words.hang:
            self.hung += 1
            return 1e7, None
        if drawn < self.words.hang + self.words.slow:
            seconds *= 5
        elif drawn < self.words.hang + self.words.slow + self.words.error:
            self.errors += 1
            return seconds / 2, BackendError("virtual error")
        chunk = Chunk(work.start, work.start + frames, work.start * 42, 2, 5_000_000, "0f" * 32)
        return seconds, Computed(chunk, "engine", 0)

    def end(self, work: EndTask) -> tuple[float, Any]:
        Path(work.whole).touch()
        frames = sum(chunk.frames for chunk in work.chunks)
        seconds = 2 + frames / 20_000
        self.ideal_seconds += seconds
        return seconds, Whole(work.whole, frames, 40.0, (), File(1, 1, "0f" * 32), "0f" * 32)


def simulate(words: argparse.Namespace, folder: Path) -> None:
    play = Play(words)
    chance = random.Random(words.seed)
    nodes = [
        Node(f"n{number}", SPEEDS[number % len(SPEEDS)], words.workers, 3600 * words.mtbf)
        for number in range(words.nodes)
    ]
    chance.shuffle(nodes)
    workers = VirtualWorkers(nodes, play.answer, words.seed)
    (folder / ".vsr").mkdir()
    began, worked = time.monotonic(), time.process_time()
    failed = done = most = 0
    with Store(folder / ".vsr" / "jobs.sqlite") as store:
        if not words.fsync:
            store.execute("PRAGMA synchronous = OFF")
        jobs = (FilmJob(film, store, Silent()) for film in play.films(folder))
        schedule = Schedule[FilmJob](workers)
        for _, error in schedule.run(jobs):
            failed += error is not None
            done += error is None
            most = max(most, len(schedule.open))
        seconds, work = time.monotonic() - began, time.process_time() - worked
        attempts = store.execute("SELECT count(*) FROM attempts")[0][0]
        recorded = store.execute("SELECT count(*) FROM chunks")[0][0]
    speed = sum(node.speed for node in nodes) * words.workers
    up = 1.0 if not words.mtbf else words.mtbf * 3600 / (words.mtbf * 3600 + nodes[0].repair)
    ideal = play.ideal_seconds / (speed * up)
    each = 1e6 * work / play.chunks
    mean = play.ideal_seconds / play.chunks / (speed / len(nodes) / words.workers)
    print(f"{done} films done, {failed} failed; {play.chunks:,} chunks, {recorded:,} recorded, ")
    print(f"{attempts:,} attempts, {play.errors} errors, {play.hung} hung; at most {most} open")
    print(f"driver: {each:.0f} us of processor a chunk ({1e6 * play.packing / play.chunks:.0f} of")
    print(f"  them packing {play.sent_bytes / play.chunks / 1000:.1f} kB), {seconds:.0f} s in all")
    print(f"cluster: {workers.now() / 3600:.2f} h, ideal {ideal / 3600:.2f} h: ", end="")
    print(f"{100 * (workers.now() / ideal - 1):.1f} % lost; ", end="")
    total = workers.busy_seconds + workers.lost_seconds
    print(f"{100 * workers.lost_seconds / total:.2f} % of the work done in vain")
    feeds = mean * play.chunks / work
    print(f"a chunk takes a worker {mean:.1f} s: this driver feeds {feeds:,.0f} workers")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--films", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=10, help="A film's length, on average.")
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1, help="On each machine.")
    parser.add_argument("--fps", type=float, default=20, help="Frames/s of a worker of speed 1.")
    parser.add_argument("--mtbf", type=float, default=12, help="Hours; 0: machines never fail.")
    parser.add_argument("--slow", type=float, default=0.01, help="Chunks that take five times.")
    parser.add_argument("--error", type=float, default=0.002, help="Chunks that fail.")
    parser.add_argument("--hang", type=float, default=0.00001, help="Chunks that never end.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fsync", action="store_true", help="With the disk's time.")
    parser.add_argument("--profile", action="store_true")
    words = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="simulated-"))
    profile = cProfile.Profile()
    try:
        if words.profile:
            profile.enable()
        simulate(words, folder)
    finally:
        profile.disable()
        shutil.rmtree(folder)
    if words.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
