"""vsr remaster"""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Annotated

import typer

from vsr.cli.options import Deinterlace, Precision, Style
from vsr.cli.upscale import parse_options, parse_scale
from vsr.errors import UsageError
from vsr.settings import (
    DEFAULT_MODEL,
    ClusterSettings,
    EncoderSettings,
    EngineSettings,
    Size,
    UpscaleSettings,
)


def remaster(
    archive: Annotated[str, typer.Argument(help="A folder of films, with all folders in it.")],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder of the results.")],
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
        str | None, typer.Option("-f", "--container", help="mkv, mp4, mov ... [the source's]")
    ] = None,
    deinterlace: Annotated[
        Deinterlace, typer.Option(help="auto, off, frame, or field (twice the rate).")
    ] = Deinterlace.auto,
    temporal: Annotated[float, typer.Option(help="Make neighbouring frames agree, 0 to 1.")] = 0.0,
    temporal_radius: Annotated[
        int, typer.Option(help="With --temporal: frames to look at on each side, 1 or 2.")
    ] = 1,
    include: Annotated[
        list[str] | None,
        typer.Option(help="Films are what this names, such as '*.gif' or '19??/**'; repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Leave out files or folders; repeatable.")
    ] = None,
    name: Annotated[
        str, typer.Option(help="Outputs' names, of {stem} {suffix} {source} {size} {model}.")
    ] = "{stem}{suffix}",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done, and estimate it.")
    ] = False,
    estimate: Annotated[
        bool | None,
        typer.Option(help="Time and room, by some seconds of film. [from 10 minutes of film on]"),
    ] = None,
    retries: Annotated[
        int, typer.Option(min=0, help="Further tries where an error could pass.")
    ] = 1,
    check: Annotated[
        bool, typer.Option("--check", help="Read what is done, and hold it against its SHA-256.")
    ] = False,
    cluster: Annotated[
        str | None,
        typer.Option(help="Work on a Ray cluster: local, ray://HOST:PORT, or HOST:PORT."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="With --cluster, where machines share no disk: a folder as URL."),
    ] = None,
    worker_cpus: Annotated[
        int, typer.Option(help="With --cluster: processors of a worker, at most.")
    ] = 4,
    backend: Annotated[str, typer.Option(help="What computes; see vsr doctor.")] = "auto",
    device: Annotated[str, typer.Option(help="Which of the backend's devices.")] = "auto",
    precision: Annotated[Precision, typer.Option(help="What it computes in.")] = Precision.auto,
    threads: Annotated[int, typer.Option(help="Processor threads; 0: all.")] = 0,
    tile: Annotated[int, typer.Option(help="Side of a tile; 0: as memory allows.")] = 0,
    batch: Annotated[int, typer.Option(help="Frames computed together on a GPU; 0: auto.")] = 0,
    hwaccel: Annotated[str, typer.Option(help="Decode on an NVIDIA GPU: cuda or cuda:N.")] = "none",
    overwrite: Annotated[
        bool, typer.Option(help="Replace outputs that are others' or were done otherwise.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away what an interrupted run has left.")
    ] = False,
    chunk_seconds: Annotated[
        float, typer.Option(help="Of film, after which what is done is kept for good.")
    ] = 10.0,
    progress: Annotated[Style, typer.Option(help="auto, bar, json or none.")] = Style.auto,
) -> None:
    """Enlarge a tree of films; run again, it does what is not done and verified yet.

    A vsr.toml in any folder holds other settings for its films. Exit code 1: some films could not
    be done, each of which is named with the reason.
    """
    from vsr.cli.archive_bars import make_archive_display
    from vsr.cli.archive_run import finish, preview
    from vsr.remaster.stock import Archive

    size = Size(
        scale=parse_scale(scale) if scale else None if width or height else Fraction(2),
        width=width,
        height=height,
    )
    settings = UpscaleSettings(
        model=os.path.abspath(model) if os.path.isfile(model) else model,
        size=size,
        deinterlace=deinterlace.value,
        engine=EngineSettings(backend, device, precision.value, threads, tile, batch),
        encoder=EncoderSettings(codec, crf, preset, pix_fmt, parse_options(encoder_opt or [])),
        container=container,
        overwrite=overwrite,
        hwaccel=hwaccel,
        temporal=temporal,
        temporal_radius=temporal_radius,
        restart=restart,
        chunk_seconds=chunk_seconds,
    )
    if cluster is None and storage is not None:
        raise UsageError("--storage is for a --cluster; without, name folders of this machine")
    workers = ClusterSettings(cluster, storage, worker_cpus) if cluster is not None else None
    whole = Archive(archive, output, settings, include or [], exclude or [], name, check)
    display = make_archive_display(progress)
    if dry_run:
        code = preview(whole, display, estimate is not False)
    else:
        code = finish(whole, display, workers, retries, estimate)
    raise typer.Exit(code)
