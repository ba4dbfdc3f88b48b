"""The job itself: reader -> engine -> writer, checked, then given its name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from vsr.backends.base import Engine
from vsr.backends.select import build_engine
from vsr.errors import InputError, UsageError
from vsr.frame import Frame, FrameFormat, VideoInfo
from vsr.media.container import PICTURES_ONLY
from vsr.media.encoder import encoder_name
from vsr.media.reader import Reader, ReadReport
from vsr.media.writer import Writer
from vsr.networks.network import Network
from vsr.pipeline.beat import on_the_beat
from vsr.pipeline.enlarge import EnlargeReport, enlarge
from vsr.pipeline.memory import largest_tile
from vsr.pipeline.plan import Plan, make_plan
from vsr.pipeline.prefetch import prefetch
from vsr.pipeline.tiling import TiledEngine
from vsr.pipeline.verify import Samples, verify
from vsr.settings import Clip, EngineSettings, UpscaleSettings

DECODED_AHEAD = 4
ENLARGED_AHEAD = 3
"""Frames between the threads. At most DECODED_AHEAD + 2 small frames wait or are at hand, and
ENLARGED_AHEAD + 2 large ones, besides engine.depth of both in work and what the codecs keep."""


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    frames: int
    total: int | None
    """An estimate; None where nothing tells."""
    seconds: float
    """Since the first frame was asked for."""
    film_seconds: float
    """Time in the film."""

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds > 0 else 0.0

    @property
    def speed(self) -> float:
        """Against playback: 1.0 is as fast as the film runs."""
        return self.film_seconds / self.seconds if self.seconds > 0 else 0.0


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Start:
    """What is about to be done."""

    source: str
    info: VideoInfo
    output: str
    large: VideoInfo
    encoder: str
    network: str
    engine: str
    total: int | None
    """Frames, an estimate."""


OnStart = Callable[[Start], None]


@dataclass
class UpscaleReport:
    """What was done, and what there is to know about it."""

    source: str
    output: str
    frames: int
    seconds: float
    """From opening the source to the finished file."""
    width: int
    height: int
    engine: str
    encoder: str
    repeated: int
    """Frames equal to the one before, computed once."""
    verified: bool
    psnr: float | None
    """The worst sampled frame's, between the source and the result shrunk to its size, dB."""
    notes: list[str] = field(default_factory=list)
    """What was guessed, mended, damaged or left out, one sentence each."""


def upscale(
    src: str | Path,
    dst: str | Path | None = None,
    scale: float | Fraction | None = None,
    settings: UpscaleSettings = UpscaleSettings(),  # noqa: B008 (frozen)
    on_progress: OnProgress | None = None,
    on_start: OnStart | None = None,
) -> UpscaleReport:
    """Write `src`, enlarged, to `dst`: same frames at the same times, all else carried over.

    `dst` may be a file, a folder, or None for a name beside the source. `scale` goes before
    `settings.size`. The output has its name only when it is complete and verified.

    Raises: InputError before any work, where the job makes no sense; MediaError, BackendError or
    VerificationError later, leaving no output behind.
    """
    if scale is not None:
        settings = replace(settings, size=replace(settings.size, scale=exact(scale)))
    began = time.monotonic()
    with Reader(src, settings.deinterlace, settings.clip) as reader:
        plan = make_plan(reader, dst, settings)
        samples, done = Samples(), EnlargeReport()
        notes: list[str] = []
        frames = reader.frames()
        if plan.target.container == PICTURES_ONLY:
            base, beat = reader.info.time_base, plan.target.info.time_base
            frames = on_the_beat(frames, base, beat, notes)
        with (
            open_engine(plan.network, reader.info.format, settings.engine) as engine,
            Writer(plan.target, reader, plan.engine_format) as writer,
            prefetch(frames, DECODED_AHEAD, "decode") as decoded,
            prefetch(
                enlarge(samples.passing(decoded), engine, done), ENLARGED_AHEAD, "enlarge"
            ) as enlarged,
            leaving(reader, writer),
        ):
            if on_start is not None:
                on_start(make_start(reader, plan, engine, settings))
            for frame in reported(enlarged, plan.target.info, settings, on_progress):
                writer.write(frame)
            if writer.frames == 0:
                raise InputError(f"{reader.name}: {nothing_there(reader.info, settings.clip)}")
            writer.finish()
            checked = settings.verify and plan.target.path != "-"
            scores = verify(writer, samples, reader.info.format) if checked else {}
            writer.commit()
        return UpscaleReport(
            source=str(src),
            output=plan.target.path,
            frames=writer.frames,
            seconds=time.monotonic() - began,
            width=plan.target.info.format.width,
            height=plan.target.info.format.height,
            engine=engine.description,
            encoder=encoder_name(plan.target.encoder.codec),
            repeated=done.repeated,
            verified=checked,
            psnr=min(scores.values(), default=None),
            notes=[
                *(*reader.info.notes, *read_notes(reader.report)),
                *(*notes, *write_notes(writer)),
            ],
        )


def exact(scale: float | Fraction) -> Fraction:
    """1.5 and 1.333 as the fractions that are meant. Raises UsageError for what is no number."""
    try:
        return Fraction(scale).limit_denominator(1000)
    except (ValueError, OverflowError):
        raise UsageError(f"scale {scale} is no number") from None


@contextmanager
def leaving(reader: Reader, writer: Writer) -> Iterator[None]:
    """What has to happen before the threads are waited for, whatever it is that ends the work:
    a read that waits for a pipe stops waiting, and an output that is not complete is gone."""
    try:
        yield
    finally:
        reader.stop()
        writer.abandon()


def make_start(reader: Reader, plan: Plan, engine: Engine, settings: UpscaleSettings) -> Start:
    network = plan.network
    return Start(
        source=reader.path,
        info=reader.info,
        output=plan.target.path,
        large=plan.target.info,
        encoder=encoder_name(plan.target.encoder.codec),
        network=f"{network.name} x{network.scale}",
        engine=engine.description,
        total=expected_frames(reader.info, settings),
    )


@contextmanager
def open_engine(network: Network, form: FrameFormat, settings: EngineSettings) -> Iterator[Engine]:
    """An engine for whole frames, or for tiles where memory or the settings ask for them."""
    tile = settings.tile or largest_tile(network, form)

    def build(part: FrameFormat) -> Engine:
        return build_engine(network, part, settings)

    with TiledEngine(build, network, form, tile) as engine:
        yield engine


def reported(
    frames: Iterator[Frame],
    info: VideoInfo,
    settings: UpscaleSettings,
    on_progress: OnProgress | None,
) -> Iterator[Frame]:
    """The frames as they are; `on_progress` is told of each when it has been dealt with."""
    began, first = time.monotonic(), None
    total = expected_frames(info, settings)
    for count, frame in enumerate(frames, 1):
        first = frame.pts if first is None else first
        yield frame
        if on_progress is not None:
            shown = float((frame.pts + frame.duration - first) * info.time_base)
            on_progress(Progress(count, total, time.monotonic() - began, shown))


def expected_frames(info: VideoInfo, settings: UpscaleSettings) -> int | None:
    """How many frames there will most likely be."""
    clip = settings.clip
    if info.duration is None or info.rate is None:
        return clip.frames or info.frames
    end = info.duration if clip.end is None else min(info.duration, float(clip.end))
    total = info.frames or round(info.duration * float(info.rate))
    if clip.start or clip.end is not None:
        total = max(1, round(total * (end - float(clip.start)) / info.duration))
    return min(total, clip.frames) if clip.frames else total


def read_notes(report: ReadReport) -> list[str]:
    counts = {
        "damaged packets could not be decoded": report.damaged_packets,
        "packets gave no picture": report.without_picture,
        "pictures were decoded from damaged data": report.damaged_frames,
        "frames had a missing or backward time, which was mended": report.mended_times,
    }
    notes = [f"{count} {what}" for what, count in counts.items() if count]
    return notes + report.first_problems


def write_notes(writer: Writer) -> list[str]:
    swept = [f"removed {name}, which an interrupted run had left" for name in writer.swept]
    mended = [
        f"stream {index}: {carried.mended} packets had a missing or backward time, which was mended"
        for index, carried in writer.carrier.carried.items()
        if carried.mended
    ]
    return swept + mended + writer.losses()


def nothing_there(info: VideoInfo, clip: Clip) -> str:
    """Why not one frame was written."""
    if not clip:
        return "not one of its pictures could be decoded"
    length = f"; the film lasts {info.duration:.2f} s" if info.duration else ""
    end = f" and {float(clip.end):g}" if clip.end is not None else ""
    between = "between" if end else "from"
    on = "" if end else " on"
    return f"no picture {between} {float(clip.start):g}{end} s{on}{length}"
