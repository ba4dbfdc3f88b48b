"""vsr remaster"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from vsr.cli import options
from vsr.errors import UsageError
from vsr.settings import DEFAULT_MODEL, ClusterSettings, EngineSettings, UpscaleSettings


def remaster(
    archive: Annotated[str, typer.Argument(help="A folder of films, with all folders in it.")],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder of the results.")],
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
        str | None, typer.Option("-f", "--container", help="mkv, mp4, mov ... [the source's]")
    ] = None,
    deinterlace: options.DeinterlaceBy = options.Deinterlace.auto,
    temporal: Annotated[float, typer.Option(help="Make neighbouring frames agree, 0 to 1.")] = 0.0,
    temporal_radius: options.TemporalRadius = 1,
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
    backend: options.Backend = "auto",
    device: options.Device = "auto",
    precision: options.ComputeIn = options.Precision.auto,
    threads: options.Threads = 0,
    tile: options.Tile = 0,
    batch: options.Batch = 0,
    hwaccel: options.Hwaccel = "none",
    overwrite: Annotated[
        bool, typer.Option(help="Replace outputs that are others' or were done otherwise.")
    ] = False,
    restart: options.Restart = False,
    chunk_seconds: options.ChunkSeconds = 10.0,
    progress: options.ShownAs = options.Style.auto,
) -> None:
    """Enlarge a tree of films; run again, it does what is not done and verified yet.

    A vsr.toml in any folder holds other settings for its films. Exit code 1: some films could not
    be done, each of which is named with the reason.
    """
    from vsr.cli.archive_bars import make_archive_display
    from vsr.cli.archive_run import finish, preview
    from vsr.remaster.stock import Archive

    settings = UpscaleSettings(
        model=os.path.abspath(model) if os.path.isfile(model) else model,
        size=options.size_of(scale, width, height),
        deinterlace=deinterlace.value,
        engine=EngineSettings(backend, device, precision.value, threads, tile, batch),
        encoder=options.encoder_of(codec, crf, preset, pix_fmt, encoder_opt),
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
