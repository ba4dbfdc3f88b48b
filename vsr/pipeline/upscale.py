"""The job itself: reader -> engine -> writer, checked, then given its name."""

from __future__ import annotations

import os
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
from vsr.media.container import PICTURES_ONLY, check_container, container_of, default_ending
from vsr.media.encoder import encoder_name, large_info, needs_even, pixel_format
from vsr.media.reader import Reader, ReadReport
from vsr.media.writer import Target, Writer, carried_streams
from vsr.networks.catalog import find_network
from vsr.networks.network import Network
from vsr.pipeline.enlarge import EnlargeReport, enlarge
from vsr.pipeline.memory import largest_tile
from vsr.pipeline.prefetch import prefetch
from vsr.pipeline.sizes import factors, final_sar, final_size
from vsr.pipeline.tiling import TiledEngine
from vsr.pipeline.verify import Samples, verify
from vsr.settings import EncoderSettings, EngineSettings, UpscaleSettings

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


@dataclass(frozen=True)
class Plan:
    """All that is decided before the first frame is computed."""

    network: Network
    engine_format: FrameFormat
    """Of the engine's results; the writer takes them to the target's size."""
    target: Target


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
        size = replace(settings.size, scale=Fraction(scale).limit_denominator(1000))
        settings = replace(settings, size=size)
    began = time.monotonic()
    with Reader(src, settings.deinterlace, settings.clip) as reader:
        plan = make_plan(reader, dst, settings)
        samples, done = Samples(), EnlargeReport()
        with (
            open_engine(plan.network, reader.info.format, settings.engine) as engine,
            Writer(plan.target, reader, plan.engine_format) as writer,
            prefetch(reader.frames(), DECODED_AHEAD, "decode") as decoded,
            prefetch(
                enlarge(samples.passing(decoded), engine, done), ENLARGED_AHEAD, "enlarge"
            ) as enlarged,
        ):
            if on_start is not None:
                on_start(make_start(reader, plan, engine, settings))
            for frame in reported(enlarged, reader.info, settings, on_progress):
                writer.write(frame)
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
            notes=[*reader.info.notes, *read_notes(reader.report), *carry_notes(writer)],
        )


def make_plan(reader: Reader, dst: str | Path | None, settings: UpscaleSettings) -> Plan:
    """Decide sizes, formats and names, and refuse what cannot be done."""
    info, encoder = reader.info, settings.encoder
    network = find_network(settings.model, max(factors(info, settings.size)))
    form = info.format
    engine_format = replace(
        form, width=form.width * network.scale, height=form.height * network.scale
    )
    if dst is not None and str(dst) == "-" and settings.container in ("y4m", PICTURES_ONLY):
        encoder = EncoderSettings("wrapped_avframe")
    name = encoder_name(encoder.codec)
    pix_fmt = pixel_format(name, form, encoder.pix_fmt)
    width, height = final_size(info, settings.size, needs_even(name, pix_fmt))
    large = replace(large_info(info, width, height), sar=final_sar(info, settings.size))

    streams = carried_streams(reader, "")
    path = str(dst) if dst is not None else ""
    if not path or os.path.isdir(path):
        ending = default_ending(reader.path, large, pix_fmt, encoder, streams)
        path = str(default_path(reader.path, path, large, settings, ending))
    check_output(reader.path, path, settings.overwrite)
    container = container_of(path, settings.container)
    check_container(container, large, pix_fmt, encoder, streams)
    return Plan(network, engine_format, Target(path, container, large, pix_fmt, encoder))


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


def default_path(
    source: str, folder: str, large: VideoInfo, settings: UpscaleSettings, ending: str
) -> Path:
    """movie.mp4 -> movie.x2.mp4, or movie.1080p.mp4 where a height was asked for."""
    if source == "-":
        raise UsageError("reading from standard input needs an output: -o FILE, or -o -")
    scale = settings.size.scale
    word = f"x{float(scale):g}" if scale is not None else f"{large.format.height}p"
    path = Path(source)
    return (Path(folder) if folder else path.parent) / f"{path.stem}.{word}{ending}"


def check_output(source: str, path: str, overwrite: bool) -> None:
    """Raise InputError unless `path` may be written."""
    if path == "-":
        return
    folder = Path(path).parent
    if not folder.is_dir():
        raise InputError(f"{path}: there is no folder {folder}")
    if os.path.exists(path):
        if os.path.isdir(path):
            raise InputError(f"{path}: a directory stands there")
        if source != "-" and os.path.samefile(source, path):
            raise InputError(f"{path}: the output would take the source's place")
        if not overwrite:
            raise InputError(f"{path}: exists already; --overwrite replaces it")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path}: no permission to write in {folder}")


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
        "pictures were decoded from damaged data": report.damaged_frames,
        "frames had a missing or backward time, which was mended": report.mended_times,
    }
    notes = [f"{count} {what}" for what, count in counts.items() if count]
    return notes + report.first_problems


def carry_notes(writer: Writer) -> list[str]:
    return [
        f"stream {index}: {carried.mended} packets had a backward time, which was mended"
        for index, carried in writer.carrier.carried.items()
        if carried.mended
    ]
