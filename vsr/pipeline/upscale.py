"""The job itself: reader -> engine -> output, checked, then given its name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from vsr.backends.base import Engine, OnBuild
from vsr.backends.select import build_engine, expects_gpu
from vsr.errors import InputError, UsageError
from vsr.frame import Frame, FrameFormat
from vsr.media.container import PICTURES_ONLY
from vsr.media.encoder import encoder_name
from vsr.media.reader import Reader
from vsr.networks.network import Network
from vsr.pipeline.beat import on_the_beat
from vsr.pipeline.chunks import ChunkedOutput
from vsr.pipeline.enlarge import Enlarged, EnlargeReport, enlarge
from vsr.pipeline.memory import largest_tile
from vsr.pipeline.plan import Plan, make_plan
from vsr.pipeline.prefetch import prefetch
from vsr.pipeline.progress import (
    OnChunk,
    OnProgress,
    OnStart,
    Progress,
    Start,
    UpscaleReport,
    expected_frames,
    nothing_there,
    read_notes,
    write_notes,
)
from vsr.pipeline.resume import as_begun
from vsr.pipeline.store import Store
from vsr.pipeline.straight import StraightOutput
from vsr.pipeline.telling import telling_frame
from vsr.pipeline.tiling import TiledEngine
from vsr.pipeline.verify import Samples, verify
from vsr.pipeline.work import WorkFolder
from vsr.settings import EngineSettings, UpscaleSettings

DECODED_AHEAD = 4
ENLARGED_AHEAD = 3
"""Frames between the threads. At most DECODED_AHEAD + 2 small frames wait or are at hand, and
ENLARGED_AHEAD + 2 large ones, besides engine.depth of both in work and what the codecs keep.
`--temporal` holds another 2 * radius + 1 of both, the large ones once more in float32."""


def upscale(
    src: str | Path,
    dst: str | Path | None = None,
    scale: float | Fraction | None = None,
    settings: UpscaleSettings = UpscaleSettings(),  # noqa: B008 (frozen)
    on_progress: OnProgress | None = None,
    on_start: OnStart | None = None,
    on_build: OnBuild | None = None,
    on_chunk: OnChunk | None = None,
    store: Store | None = None,
) -> UpscaleReport:
    """Write `src`, enlarged, to `dst`: same frames at the same times, all else carried over.

    `dst` may be a file, a folder, or None for a name beside the source. `scale` goes before
    `settings.size`. The output has its name only when it is complete and verified. `on_build` is
    told how far an engine is that has to be built first, which on a GPU may take minutes.
    `store` is where the output is recorded among others, instead of in its own work folder.

    Raises: InputError before any work, where the job makes no sense; MediaError, BackendError or
    VerificationError later, leaving no output behind.
    """
    if scale is not None:
        settings = replace(settings, size=replace(settings.size, scale=exact(scale)))
    steady = find_stage(settings)
    began = time.monotonic()
    with Reader(src, settings.deinterlace, settings.clip, hwaccel=settings.hwaccel) as reader:
        plan = make_plan(reader, dst, settings)
        samples, done = Samples(), EnlargeReport()
        notes: list[str] = []
        frames = reader.frames()
        work = WorkFolder(plan.target.path, store) if plan.target.path != "-" else None
        telling = partial(telling_frame, reader.path, plan.network, settings)
        if plan.target.container == PICTURES_ONLY:
            base, beat = reader.info.time_base, plan.target.info.time_base
            frames = on_the_beat(frames, base, beat, notes)
        with (
            work or nullcontext(),
            open_engine(
                plan.network,
                reader.info.format,
                as_begun(work, plan, settings),
                telling if plan.in_chunks else None,
                on_build,
            ) as engine,
            begin_output(work, plan, reader, engine, settings, on_chunk) as output,
            prefetch(frames, DECODED_AHEAD, "decode") as decoded,
            prefetch(
                steady(enlarge(output.skipping(samples.passing(decoded)), engine, done), engine),
                ENLARGED_AHEAD,
                "enlarge",
            ) as enlarged,
            leaving(reader, output),
        ):
            if on_start is not None:
                on_start(make_start(reader, plan, engine, settings, output.first, output.found))
            numbered = zip(output.numbers(), enlarged, strict=False)
            for number, frame in reported(numbered, output, plan, settings, on_progress):
                output.write(number, frame)
            if samples.seen == 0:
                raise InputError(f"{reader.name}: {nothing_there(reader.info, settings.clip)}")
            muxer = output.finish()
            checked = settings.verify and plan.target.path != "-"
            scores = verify(muxer, samples, reader.info.format) if checked else {}
            notes += write_notes(muxer)
            report = UpscaleReport(
                source=str(src),
                output=plan.target.path,
                frames=len(muxer.pts),
                seconds=time.monotonic() - began,
                width=plan.target.info.format.width,
                height=plan.target.info.format.height,
                engine=engine.description,
                encoder=encoder_name(plan.target.encoder.codec),
                repeated=done.repeated,
                verified=checked,
                found=output.found,
                psnr=min(scores.values(), default=None),
                film_seconds=reader.info.duration,
                notes=[
                    *(*reader.info.notes, *read_notes(reader.report)),
                    *(*engine.notes, *output.notes, *notes),
                ],
            )
            output.commit(report)
        return report


Stage = Callable[[Iterator[Enlarged], Engine], Iterator[Frame]]


def find_stage(settings: UpscaleSettings, threads: int = 0) -> Stage:
    """What is done to the large frames before they are encoded: they are made to agree with their
    neighbours, or left as they are; by `threads`, where the settings leave that open.

    Raises MissingPackageError without OpenCV or numba, if they are needed.
    """
    if not settings.temporal:
        return lambda pairs, engine: (pair.large for pair in pairs)
    from vsr.pipeline.temporal.stage import steady

    how = settings.temporal, settings.temporal_radius, settings.engine.threads or threads
    return lambda pairs, engine: steady(pairs, engine.format, engine.scale, *how)


def exact(scale: float | Fraction) -> Fraction:
    """1.5 and 1.333 as the fractions that are meant. Raises UsageError for what is no number."""
    try:
        return Fraction(scale).limit_denominator(1000)
    except (ValueError, OverflowError):
        raise UsageError(f"scale {scale} is no number") from None


Output = StraightOutput | ChunkedOutput


def begin_output(
    work: WorkFolder | None,
    plan: Plan,
    reader: Reader,
    engine: TiledEngine,
    settings: UpscaleSettings,
    on_chunk: OnChunk | None,
) -> Output:
    """In chunks, with what an earlier run has left of them, where that can be."""
    if work is None or not plan.in_chunks:
        return StraightOutput(work, plan, reader)
    settled = replace(settings, engine=replace(settings.engine, verdict=engine.verdict))
    return ChunkedOutput(work, plan, reader, engine, settled, on_chunk)


@contextmanager
def leaving(reader: Reader, output: Output) -> Iterator[None]:
    """What has to happen before the threads are waited for, whatever it is that ends the work:
    a read that waits for a pipe stops waiting, and an output that is not complete is gone."""
    try:
        yield
    finally:
        reader.stop()
        output.abandon()


def make_start(
    reader: Reader,
    plan: Plan,
    engine: Engine,
    settings: UpscaleSettings,
    first: int = 0,
    found: int = 0,
) -> Start:
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
        first=first,
        found=found,
        notes=list(engine.notes),
    )


@contextmanager
def open_engine(
    network: Network,
    form: FrameFormat,
    settings: EngineSettings,
    telling: Callable[[], Frame | None] | None = None,
    on_build: OnBuild | None = None,
) -> Iterator[TiledEngine]:
    """An engine for whole frames, or for tiles where memory or the settings ask for them.

    Where fp16 is to be judged it is by the frame that `telling` gives, once and for all; without
    that, by the first frames that come.
    """

    def build(part: FrameFormat, batch: int, verdict: str | None) -> Engine:
        return build_engine(
            network, part, replace(settings, batch=batch, verdict=verdict), on_build
        )

    tile = settings.tile or (0 if expects_gpu(settings) else largest_tile(network, form))
    with TiledEngine(build, network, form, tile, settings.batch, settings.verdict) as engine:
        if engine.device == "CPU" and not engine.tile:
            engine.cut(largest_tile(network, form))
        if engine.verdict == "" and telling is not None:
            frame = telling()
            if frame is not None:
                engine.settle(frame)
        yield engine


def reported(
    frames: Iterator[tuple[int, Frame]],
    output: Output,
    plan: Plan,
    settings: UpscaleSettings,
    on_progress: OnProgress | None,
) -> Iterator[tuple[int, Frame]]:
    """The frames as they are; `on_progress` is told of each when it has been dealt with."""
    began, first, done = time.monotonic(), None, output.found
    info = plan.target.info
    total = expected_frames(info, settings)
    for number, frame in frames:
        first = frame.pts if first is None else first
        yield number, frame
        done += output.computes(number)
        if on_progress is not None:
            shown = float((frame.pts + frame.duration - first) * info.time_base)
            seconds = time.monotonic() - began
            on_progress(Progress(done, total, seconds, shown, output.found, output.recorded))
