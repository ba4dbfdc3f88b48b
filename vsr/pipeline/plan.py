"""What a job comes to, decided before the first frame is computed."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from vsr.errors import InputError, UsageError
from vsr.frame import FrameFormat, VideoInfo
from vsr.media.container import PICTURES_ONLY, check_container, container_of, default_ending
from vsr.media.encoder import (
    check_encoder,
    encoder_name,
    large_info,
    needs_even,
    pixel_format,
)
from vsr.media.muxer import carried_streams
from vsr.media.reader import Reader
from vsr.media.target import Target
from vsr.networks.catalog import find_network
from vsr.networks.network import Network
from vsr.pipeline.leftover import clear_finished
from vsr.pipeline.sizes import factors, final_sar, final_size
from vsr.settings import MOST_THREADS, EncoderSettings, UpscaleSettings

ENDINGS = {"matroska": ".mkv", "mpegts": ".ts", PICTURES_ONLY: ".y4m"}
"""Of files' names, where they differ from the container's."""


@dataclass(frozen=True)
class Plan:
    """All that is decided before the first frame is computed."""

    network: Network
    engine_format: FrameFormat
    """Of the engine's results; the writer takes them to the target's size."""
    target: Target
    in_chunks: bool
    """Whether the work can be broken off and taken up again: not where the source is a pipe, which
    comes but once, or the output is one; nor for raw pictures."""


def make_plan(reader: Reader, dst: str | Path | None, settings: UpscaleSettings) -> Plan:
    """Decide sizes, formats and names, and refuse what cannot be done."""
    info = reader.info
    encoder = replace(settings.encoder, threads=settings.encoder.threads or encoder_threads())
    network = find_network(settings.model, max(factors(info, settings.size)))
    form = info.format
    engine_format = large_format(form, network)
    path = str(dst) if dst is not None else ""
    named = bool(path) and not os.path.isdir(path)
    if named:
        check_output(reader.path, path, settings.overwrite)
    container = container_of(path, settings.container) if named or settings.container else None
    if container == PICTURES_ONLY:
        encoder = EncoderSettings("wrapped_avframe")
    name = encoder_name(encoder.codec)
    check_encoder(name)
    pix_fmt = pixel_format(name, form, encoder.pix_fmt)
    width, height = final_size(info, settings.size, needs_even(name, pix_fmt))
    large = replace(large_info(info, width, height), sar=final_sar(info, settings.size))

    streams = carried_streams(reader, "")
    if not named:
        if container is not None:
            ending = ENDINGS.get(container, f".{container}")
        else:
            ending = default_ending(reader.path, large, pix_fmt, encoder, streams)
        path = str(default_path(reader.path, path, large, settings, ending))
        check_output(reader.path, path, settings.overwrite)
        container = container_of(path, settings.container)
    assert container is not None
    check_container(container, large, pix_fmt, encoder, streams)
    if container == PICTURES_ONLY:
        large = replace(large, time_base=beat(large))
    in_chunks = path != "-" and reader.pipe is None and container != PICTURES_ONLY
    target = Target(path, container, large, pix_fmt, encoder)
    return Plan(network, engine_format, target, in_chunks)


def large_format(form: FrameFormat, network: Network) -> FrameFormat:
    """Of what the network makes of frames of this format."""
    return replace(form, width=form.width * network.scale, height=form.height * network.scale)


def encoder_threads() -> int:
    """As many as processors that this process may use."""
    return min(len(os.sched_getaffinity(0)), MOST_THREADS)


def beat(info: VideoInfo) -> Fraction:
    """The time base of a container that knows no times, only so many frames a second."""
    if not info.rate:
        raise InputError("y4m needs a frame rate, and nothing tells this film's; mkv needs none")
    return 1 / info.rate


def default_path(
    source: str, folder: str, large: VideoInfo, settings: UpscaleSettings, ending: str
) -> Path:
    """movie.mp4 -> movie.x2.mp4, or movie.1080p.mp4 where a height was asked for."""
    if source == "-" or not os.path.isfile(source):
        raise UsageError("reading from a pipe needs the output's name: -o FILE, or -o -")
    scale = settings.size.scale
    word = f"x{float(scale):g}" if scale is not None else f"{large.format.height}p"
    path = Path(source)
    return (Path(folder) if folder else path.parent) / f"{path.stem}.{word}{ending}"


def check_output(source: str, path: str, overwrite: bool) -> None:
    """Raise InputError unless `path` may be written."""
    if path == "-":
        if os.isatty(1):
            raise UsageError("standard output is a terminal; send it into a pipe or a file")
        return
    folder = Path(path).parent
    if path.endswith("/") or not folder.is_dir():
        missing = path if path.endswith("/") else folder
        raise InputError(f"{path}: there is no folder {missing}; make it first")
    if os.path.exists(path):
        if os.path.isdir(path):
            raise InputError(f"{path}: a directory stands there")
        if source != "-" and os.path.samefile(source, path):
            raise InputError(f"{path}: the output would take the source's place")
        if not os.path.isfile(path):
            raise InputError(f"{path}: not a file; for a pipe say -o - and send that there")
        clear_finished(path)
        if not overwrite:
            raise InputError(f"{path}: exists already; --overwrite replaces it")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path}: the folder {folder} may not be written to")
