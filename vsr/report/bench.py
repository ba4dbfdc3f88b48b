"""How fast this machine is: every stage alone, and the whole from file to file.

Each stage is timed alone, with all processors to itself. `ideal` is what they would allow one
after the other, 1 / (sum of their times); the whole, in which they share the processors, is held
against it.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from vsr.backends.store import FOLDER_VARIABLE
from vsr.report.clip import lengthen, resize
from vsr.report.floor import Floor
from vsr.report.rivals import Rival
from vsr.report.subject import Subject
from vsr.report.whole import Job, Whole, run_whole
from vsr.settings import EncoderSettings, EngineSettings


@dataclass(frozen=True)
class Stage:
    """One line of the table."""

    name: str
    milliseconds: float
    """Per frame, the median of the runs."""

    @property
    def fps(self) -> float:
        return 1000 / self.milliseconds


@dataclass(frozen=True)
class Steadied:
    """The whole once more, with neighbouring frames blended."""

    temporal: float
    radius: int
    fps: float
    processor_seconds: float
    """User and system, per run."""


@dataclass(frozen=True)
class BenchReport:
    """What was measured."""

    clip: str
    size: str
    network: str
    engine: str
    encoder: str
    frames: int
    """In one run of the whole."""
    stages: list[Stage]
    ideal_fps: float
    whole_fps: float
    peak_memory_mib: float
    """Of the whole process."""
    processor_seconds: float
    """User and system, per run of the whole."""
    steadied: Steadied | None
    rivals: list[Stage]
    start_seconds: float
    """From the command to the file of one frame, all that can be kept being at hand."""
    build_seconds: float | None
    """How long the engine took to build; None where it was there, or nothing is built."""
    gpu_busy: float | None
    """Percent of the time from the first to the last frame, in one run of the whole."""
    gpu_memory_mib: float | None
    """The most that was in use, less what was before."""
    floor: Floor | None

    @property
    def share(self) -> float:
        """The whole against the ideal."""
        return self.whole_fps / self.ideal_fps

    @property
    def engine_fps(self) -> float:
        return next(stage.fps for stage in self.stages if stage.name == "engine")

    @property
    def floor_share(self) -> float | None:
        """How near to the floor the engine is, 0 to 1."""
        return None if self.floor is None else self.floor.milliseconds * self.engine_fps / 1000


def bench(
    clip: Path,
    model: str,
    engine: EngineSettings,
    encoder: EncoderSettings,
    frames: int,
    runs: int,
    rivals: Sequence[Rival],
    scale: int = 2,
    size: tuple[int, int] | None = None,
    rebuild: bool = False,
    find_floor: bool = False,
    temporal: float = 0.0,
    radius: int = 1,
) -> BenchReport:
    """Time everything on `clip`, repeated to at least `frames` frames, `runs` times in turn.

    It is taken to `size` first, if that is given. `rebuild` is to know how long an engine takes to
    build that is there already. `find_floor` needs torch. With `temporal` the whole is also timed
    with that.
    """
    with tempfile.TemporaryDirectory(prefix="vsr-bench-") as folder, ExitStack() as until_then:
        if rebuild:
            until_then.enter_context(keeping_engines_in(str(Path(folder) / "engines")))
        film, resized = Path(folder) / "film.mkv", Path(folder) / "resized.mkv"
        if size is not None:
            resize(clip, resized, *size)
        count = lengthen(clip if size is None else resized, film, frames)
        subject = Subject(film, model, engine, encoder, scale)
        stages: dict[str, Callable[[], float]] = {
            "decode": subject.decode,
            "colour (part of engine)": subject.colour,
            "engine": subject.engine,
            "encode": subject.encode,
        }
        times: dict[str, list[float]] = {name: [] for name in stages}
        wholes: list[Whole] = []
        steadied: list[Whole] = []
        starts: list[float] = []
        job = Job(film, Path(folder), model, engine, encoder, scale)
        gpu = subject.gpu
        rival_times: dict[str, list[float]] = {rival.name: [] for rival in rivals}
        blending = "--temporal", str(temporal), "--temporal-radius", str(radius)
        if temporal:
            run_whole(job, 1, gpu, *blending, "--frames", "3")  # compiles, where that is left to do
        for _ in tqdm(range(runs), "bench", unit="run", file=sys.stderr):
            for name, measure in stages.items():
                times[name].append(measure())
            wholes.append(run_whole(job, count, gpu))
            if temporal:
                steadied.append(run_whole(job, count, gpu, *blending))
            starts.append(1 / run_whole(job, 1, gpu, "--frames", "1").fps)
            for rival in rivals:
                seconds = rival.upscale_film(film, Path(folder) / "rival.mkv", encoder)
                rival_times[rival.name].append(seconds)
    lines = [Stage(name, 1000 * statistics.median(t)) for name, t in times.items()]
    alone = {stage.name: stage.milliseconds for stage in lines}
    return BenchReport(
        clip=clip.name,
        size=subject.size,
        network=subject.network.name,
        engine=subject.description,
        encoder=" ".join([subject.encoder_name, *subject.encoder_words]),
        frames=count,
        stages=lines,
        ideal_fps=1000 / (alone["decode"] + alone["engine"] + alone["encode"]),
        whole_fps=statistics.median(whole.fps for whole in wholes),
        peak_memory_mib=max(whole.peak_mib for whole in wholes),
        processor_seconds=statistics.median(whole.processor_seconds for whole in wholes),
        steadied=steadied_by(temporal, radius, steadied),
        rivals=[Stage(name, 1000 * statistics.median(t)) for name, t in rival_times.items()],
        start_seconds=statistics.median(starts),
        build_seconds=subject.build_seconds,
        gpu_busy=median_of([whole.gpu_busy for whole in wholes]),
        gpu_memory_mib=median_of([whole.gpu_memory_mib for whole in wholes]),
        floor=subject.floor() if find_floor else None,
    )


def steadied_by(temporal: float, radius: int, wholes: Sequence[Whole]) -> Steadied | None:
    if not wholes:
        return None
    seconds = [whole.processor_seconds for whole in wholes]
    fps = statistics.median(whole.fps for whole in wholes)
    return Steadied(temporal, radius, fps, statistics.median(seconds))


def median_of(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


@contextmanager
def keeping_engines_in(folder: str) -> Iterator[None]:
    """This process and those that it starts keep their engines there for a while."""
    before = os.environ.get(FOLDER_VARIABLE)
    os.environ[FOLDER_VARIABLE] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ[FOLDER_VARIABLE]
        else:
            os.environ[FOLDER_VARIABLE] = before
