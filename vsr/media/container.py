"""Which container to write, and whether it can hold what it is to hold: its muxer is asked."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vsr.errors import InputError, UsageError
from vsr.frame import VideoInfo
from vsr.media.carry import add_stream, describe, is_cover
from vsr.media.encoder import encoder_name, encoder_options, same_tags, set_up, tag
from vsr.media.hdr import same_hdr
from vsr.media.probe import color_tags, display_matrix, hdr_metadata
from vsr.settings import EncoderSettings

CANDIDATES = {"mp4": ".mp4", "mov": ".mov", "matroska": ".mkv", "nut": ".nut"}
"""Containers to fall back on, and their files' endings."""

KEPT = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""Endings of inputs whose container is kept where it can hold the result; the others cannot hold
exact times, several sound tracks or colour tags, and become Matroska, or QuickTime where a film
has a stream that Matroska cannot hold (measurements of cameras and drones)."""

COVERED = ("matroska", "mp4", "mov")
"""Containers that can have cover art."""

SILENCE = bytes(5760)
"""A whole number of samples of every width and number of channels."""

STREAMED = ("matroska", "nut", "yuv4mpegpipe", "mpegts")
"""Containers that can be written to a pipe."""

PICTURES_ONLY = "yuv4mpegpipe"

EXACT = (*CANDIDATES, "webm", PICTURES_ONLY)
"""Containers that are written; AVI, MPEG and their like have no exact times, and no seeking by
which a result could be verified."""


def container_of(path: str, wanted: str | None) -> str:
    """FFmpeg's name of the container for this output. Raises UsageError where there is none."""
    if path == "-":
        name = {"mkv": "matroska", "y4m": PICTURES_ONLY}.get(wanted or "mkv", wanted or "")
        if name not in STREAMED:
            raise UsageError(f"{wanted} cannot be written to a pipe; mkv, nut and y4m can")
        return name
    name = {"mkv": "matroska", "y4m": PICTURES_ONLY}.get(wanted or "", wanted or "")
    try:
        name = str(av.open(path, "w", format=name or None).format.name)
        name = "mp4" if name == "ipod" else name
        if name in EXACT:
            return name
        raise UsageError(
            f"{path}: {name} does not keep everything, or not exactly; "
            f"{', '.join(CANDIDATES.values())} do"
        )
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        known = ", ".join(sorted(CANDIDATES.values()))
        if wanted is not None:
            raise UsageError(
                f"no container '{wanted}' can be written; say mkv, mp4 or mov"
            ) from None
        raise UsageError(
            f"{path}: its name tells no container that can be written; end it in {known}"
        ) from None


def default_ending(
    source: str, info: VideoInfo, pix_fmt: str, encoder: EncoderSettings, streams: Sequence[Stream]
) -> str:
    """The ending of the output's name: the input's where that container can hold everything."""
    own = Path(source).suffix.lower()
    for ending in (own, ".mkv", ".mov"):
        container = KEPT.get(ending)
        if container and not problems(container, info, pix_fmt, encoder, streams):
            return ending
    return ".mkv"


def check_container(
    container: str,
    info: VideoInfo,
    pix_fmt: str,
    encoder: EncoderSettings,
    streams: Sequence[Stream],
) -> None:
    """Raise InputError, naming the containers that can, unless `container` can hold it all."""
    if container == PICTURES_ONLY:
        return
    found = problems(container, info, pix_fmt, encoder, streams)
    if not found:
        return
    able = [
        ending
        for name, ending in CANDIDATES.items()
        if not problems(name, info, pix_fmt, encoder, streams)
    ]
    advice = f"{' and '.join(able)} can" if able else "no container known here can hold it all"
    raise InputError(f"{container} cannot hold {'; '.join(found)}; {advice}")


def problems(
    container: str,
    info: VideoInfo,
    pix_fmt: str,
    encoder: EncoderSettings,
    streams: Sequence[Stream],
) -> list[str]:
    """What a container of this format cannot hold."""
    found = lost_by_trial(container, info, pix_fmt, encoder)
    return found + [describe(stream) for stream in streams if not can_hold(container, stream)]


def holdable(streams: Sequence[Stream]) -> list[Stream]:
    """Those streams that some container can hold. (libav knows no way to copy, say, teletext.)"""
    return [s for s in streams if any(can_hold(container, s) for container in CANDIDATES)]


def can_hold(container: str, source: Stream) -> bool:
    """Whether a container of this format takes the stream."""
    if source.type == "attachment" or is_cover(source):  # some muxers drop these without a word
        return container in (("matroska",) if source.type == "attachment" else COVERED)
    try:
        with av.open(io.BytesIO(), "w", format=container) as out:
            target = add_stream(out, source, b"\0")
            out.start_encoding()
            if source.codec_context is not None and "pcm_" in source.codec_context.name:
                silence = av.Packet(SILENCE)  # MP4 refuses some only when it is closed
                silence.stream, silence.pts, silence.dts = target, 0, 0
                out.mux_one(silence)
    except (av.FFmpegError, ValueError):
        return False
    return True


def lost_by_trial(
    container: str, info: VideoInfo, pix_fmt: str, encoder: EncoderSettings
) -> list[str]:
    """Write a tiny film with the same tags, read it back, and say what it lost.

    Raises UsageError for options that the encoder refuses.
    """
    name = encoder_name(encoder.codec)
    small = replace(info, format=replace(info.format, width=128, height=128))
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=container) as out:
            write_trial(out, name, small, pix_fmt, encoder)
    except UsageError:
        raise
    except (av.FFmpegError, ValueError):
        return [f"video by {name}"]
    file.seek(0)
    probed = "mpegts" if container == "mpegts" else None  # as little of it is not recognized
    with av.open(file, "r", format=probed) as back:
        if not back.streams.video:
            return [f"video by {name}"]
        stream = back.streams.video[0]
        picture = next(back.decode(stream))
        kept_sar = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
        differences = {
            f"the sample aspect ratio {info.sar}": (info.sar or 1) != (kept_sar or 1),
            f"the rotation by {info.rotation} degrees": (info.display_matrix or ())[:6]
            != (display_matrix(picture) or ())[:6],
            "the colour tags": not same_tags(color_tags(picture), info.tags)
            and info.format.chroma != "gray",
            "HDR10 metadata": not same_hdr(hdr_metadata(picture, []), info.hdr),
        }
    return [f"{what} with {name}" for what, lost in differences.items() if lost]


def write_trial(
    out: OutputContainer, name: str, info: VideoInfo, pix_fmt: str, encoder: EncoderSettings
) -> None:
    stream = out.add_stream(name, rate=25)
    assert isinstance(stream, VideoStream)
    assert isinstance(stream.codec_context, VideoCodecContext)
    set_up(stream.codec_context, info, pix_fmt, encoder_options(name, encoder, info.hdr))
    if info.display_matrix is not None:
        stream.set_display_matrix(info.display_matrix)
    for pts in range(4):  # x265 gives shorter films times from memory that it never set
        picture = av.VideoFrame(info.format.width, info.format.height, pix_fmt)
        for plane in picture.planes:
            np.frombuffer(plane, np.uint8)[:] = 1  # type: ignore[call-overload]
        picture.pts, picture.time_base = pts, info.time_base
        tag(picture, stream.codec_context)
        out.mux(stream.encode(picture))
    out.mux(stream.encode(None))
