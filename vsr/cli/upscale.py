"""vsr upscale"""

from __future__ import annotations

import os
import re
import traceback
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsr.cli.kept import kept
from vsr.cli.options import Deinterlace, Precision, Style
from vsr.errors import InputError, UsageError, VsrError
from vsr.settings import DEFAULT_MODEL, Clip, EncoderSettings, EngineSettings, Size, UpscaleSettings

if TYPE_CHECKING:
    from vsr.cli.progress import Display


def upscale(
    films: Annotated[list[str], typer.Argument(help="Films to enlarge; - is standard input.")],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="File, folder, or - for standard output."),
    ] = None,
    scale: Annotated[
        str | None, typer.Option("-x", "--scale", help="Factor: 2, 3, 4, 1.5, 4/3 ... [2]")
    ] = None,
    height: Annotated[int | None, typer.Option(help="Height as shown, instead of -x.")] = None,
    width: Annotated[int | None, typer.Option(help="Width as shown, instead of -x.")] = None,
    model: Annotated[
        str, typer.Option("-m", "--model", help="Name (see vsr models), ONNX file or checkpoint.")
    ] = DEFAULT_MODEL,
    codec: Annotated[
        str, typer.Option(help="h264, hevc, av1, ffv1, prores, or any FFmpeg encoder.")
    ] = "h264",
    crf: Annotated[float | None, typer.Option(help="Quality, lower is better.")] = None,
    preset: Annotated[str | None, typer.Option(help="The encoder's preset.")] = None,
    pix_fmt: Annotated[str | None, typer.Option(help="Pixel format to encode.")] = None,
    encoder_opt: Annotated[
        list[str] | None, typer.Option(help="Further encoder option, key=value; repeatable.")
    ] = None,
    container: Annotated[
        str | None, typer.Option("-f", "--container", help="mkv, mp4, nut, y4m ... [by the name]")
    ] = None,
    deinterlace: Annotated[
        Deinterlace, typer.Option(help="auto, off, frame, or field (twice the rate).")
    ] = Deinterlace.auto,
    start: Annotated[str | None, typer.Option(help="Begin at, seconds or h:mm:ss.")] = None,
    end: Annotated[str | None, typer.Option(help="End at, seconds or h:mm:ss.")] = None,
    frames: Annotated[int | None, typer.Option(help="At most so many frames.")] = None,
    backend: Annotated[str, typer.Option(help="What computes; see vsr doctor.")] = "auto",
    device: Annotated[str, typer.Option(help="Which of the backend's devices.")] = "auto",
    precision: Annotated[Precision, typer.Option(help="What it computes in.")] = Precision.auto,
    threads: Annotated[int, typer.Option(help="Processor threads; 0: all.")] = 0,
    tile: Annotated[int, typer.Option(help="Side of a tile; 0: as memory allows.")] = 0,
    batch: Annotated[int, typer.Option(help="Frames computed together on a GPU; 0: auto.")] = 0,
    hwaccel: Annotated[str, typer.Option(help="Decode on an NVIDIA GPU: cuda or cuda:N.")] = "none",
    temporal: Annotated[
        float,
        typer.Option(
            help="Make neighbouring frames agree, 0 to 1: about 0.6 for clean films, 1 for noisy "
            "or compressed ones."
        ),
    ] = 0.0,
    temporal_radius: Annotated[
        int, typer.Option(help="With --temporal: frames to look at on each side, 1 or 2.")
    ] = 1,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing output.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away what an interrupted run has left.")
    ] = False,
    chunk_seconds: Annotated[
        float, typer.Option(help="Of film, after which what is done is kept for good.")
    ] = 10.0,
    verify: Annotated[bool, typer.Option(help="Read the result back and check it.")] = True,
    progress: Annotated[Style, typer.Option(help="auto, bar, json or none.")] = Style.auto,
) -> None:
    """Enlarge films. Everything but the size of the picture stays as it is."""
    size = Size(
        scale=parse_scale(scale) if scale else None if width or height else Fraction(2),
        width=width,
        height=height,
    )
    settings = UpscaleSettings(
        model=model,
        size=size,
        clip=Clip(parse_time(start) or Fraction(0), parse_time(end), frames),
        deinterlace=deinterlace.value,
        engine=EngineSettings(backend, device, precision.value, threads, tile, batch),
        encoder=EncoderSettings(codec, crf, preset, pix_fmt, parse_options(encoder_opt or [])),
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
            words = one_line(error)
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


def one_line(error: Exception) -> str:
    """What to tell people of an error."""
    words = "; ".join([str(error), *getattr(error, "__notes__", [])])
    if not isinstance(error, VsrError):
        words = f"{type(error).__name__}: {words} (not foreseen; VSR_DEBUG=1 shows where)"
    return " ".join(words.split())


def parse_scale(word: str) -> Fraction:
    if not re.fullmatch(r"\d+(\.\d+)?|\d+/0*[1-9]\d*", word):
        raise UsageError(f"'{word}' is no scale; say 2, 1.5 or 4/3")
    return Fraction(word)


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


def parse_options(words: list[str]) -> dict[str, str]:
    options: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise UsageError(f"encoder option '{word}' is not of the form key=value")
        options[key] = value
    return options
