"""vsr upscale"""

from __future__ import annotations

import os
import re
import traceback
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

from vsr.cli import options
from vsr.cli.kept import kept
from vsr.errors import InputError, UsageError, one_line
from vsr.settings import DEFAULT_MODEL, Clip, EngineSettings, UpscaleSettings

if TYPE_CHECKING:
    from vsr.cli.progress import Display

UNFORESEEN = "not foreseen; VSR_DEBUG=1 shows where"


def upscale(
    films: Annotated[list[str], typer.Argument(help="Films to enlarge; - is standard input.")],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="File, folder, or - for standard output."),
    ] = None,
    scale: options.Scale = None,
    height: options.Height = None,
    width: options.Width = None,
    model: options.Model = DEFAULT_MODEL,
    codec: options.Codec = "h264",
    crf: options.Crf = None,
    preset: options.Preset = None,
    pix_fmt: options.PixFmt = None,
    encoder_opt: options.EncoderOpt = None,
    container: Annotated[
        str | None, typer.Option("-f", "--container", help="mkv, mp4, nut, y4m ... [by the name]")
    ] = None,
    deinterlace: options.DeinterlaceBy = options.Deinterlace.auto,
    start: Annotated[str | None, typer.Option(help="Begin at, seconds or h:mm:ss.")] = None,
    end: Annotated[str | None, typer.Option(help="End at, seconds or h:mm:ss.")] = None,
    frames: Annotated[int | None, typer.Option(help="At most so many frames.")] = None,
    backend: options.Backend = "auto",
    device: options.Device = "auto",
    precision: options.ComputeIn = options.Precision.auto,
    threads: options.Threads = 0,
    tile: options.Tile = 0,
    batch: options.Batch = 0,
    hwaccel: options.Hwaccel = "none",
    temporal: Annotated[
        float,
        typer.Option(
            help="Make neighbouring frames agree, 0 to 1: about 0.6 for clean films, 1 for noisy "
            "or compressed ones."
        ),
    ] = 0.0,
    temporal_radius: options.TemporalRadius = 1,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing output.")] = False,
    restart: options.Restart = False,
    chunk_seconds: options.ChunkSeconds = 10.0,
    verify: Annotated[bool, typer.Option(help="Read the result back and check it.")] = True,
    progress: options.ShownAs = options.Style.auto,
) -> None:
    """Enlarge films. Everything but the size of the picture stays as it is."""
    settings = UpscaleSettings(
        model=model,
        size=options.size_of(scale, width, height),
        clip=Clip(parse_time(start) or Fraction(0), parse_time(end), frames),
        deinterlace=deinterlace.value,
        engine=EngineSettings(backend, device, precision.value, threads, tile, batch),
        encoder=options.encoder_of(codec, crf, preset, pix_fmt, encoder_opt),
        container=container,
        overwrite=overwrite,
        verify=verify,
        hwaccel=hwaccel,
        temporal=temporal,
        temporal_radius=temporal_radius,
        restart=restart,
        chunk_seconds=chunk_seconds,
    )
    if len(films) > 1 and output is not None and not os.path.isdir(output):
        raise UsageError(f"{len(films)} films need a folder to go to; {output} is none")

    from vsr.cli.progress import make_display

    run_all(films, output, settings, make_display(progress))


def run_all(
    films: list[str], output: str | None, settings: UpscaleSettings, display: Display
) -> None:
    """Enlarge one film after the other; one that fails stops no other."""
    failed: list[str] = []
    made: set[str] = set()
    for film in films:
        try:
            made.add(run_one(film, output, settings, display, made))
        except KeyboardInterrupt:
            raise
        except Exception as error:  # whatever it is, the next film gets its turn
            if isinstance(error, UsageError) and not (failed or made):
                raise  # words that are wrong for the first film are wrong for all
            if os.environ.get("VSR_DEBUG") == "1":
                traceback.print_exc()
            words = one_line(error, UNFORESEEN)
            alone = len(films) == 1 or film in words
            display.failed(film, words if alone else f"{film}: {words}")
            failed.append(film)
    if failed and len(films) > 1:
        display.summed_up(len(films), failed)
    if failed:
        raise typer.Exit(1)


def run_one(
    film: str, output: str | None, settings: UpscaleSettings, display: Display, made: set[str]
) -> str:
    """Enlarge one film; returns the output's path."""
    from vsr.pipeline.progress import Progress, Start
    from vsr.pipeline.upscale import upscale as run

    def started(start: Start) -> None:
        if start.output in made:
            raise InputError(f"{film}: {start.output} was made just now, from another film")
        kept.set(start.found, start.total)
        display.started(start)

    def progressed(progress: Progress) -> None:
        kept.set(progress.kept, progress.total)
        display.progressed(progress)

    try:
        report = run(
            film,
            output,
            settings=settings,
            on_progress=progressed,
            on_start=started,
            on_build=display.built,
        )
    finally:
        display.close()
    kept.set(0, None)
    display.finished(report)
    return report.output


def parse_time(word: str | None) -> Fraction | None:
    """Seconds of "90", "90.5", "1:30" or "0:01:30.5"."""
    if word is None:
        return None
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d+)?", word):
        raise UsageError(f"'{word}' is no time; say 90, 1:30 or 0:01:30.5")
    seconds = Fraction(0)
    for part in word.split(":"):
        seconds = seconds * 60 + Fraction(part)
    return seconds
