"""What a film says about itself, and what has to be concluded where it does not say."""

import io
import re
import struct
from dataclasses import replace
from fractions import Fraction

import av
from av.sidedata.sidedata import SideData, Type
from av.video.stream import VideoStream

from vsr.color import MATRIX_NAMES, guess_matrix
from vsr.frame import ColorTags, FrameFormat, Hdr, VideoInfo

RGB_TOO = ("pal8", "xyz12le", "xyz12be")
"""Pixel formats that swscale makes RGB of, and that libav does not call so."""

GUESSED_TAGS = {"bt709": (1, 1, 1), "bt601": (6, 6, 6)}
"""Matrix -> primaries, transfer and matrix of an untagged film of that age."""

FASTEST = 480
"""Frames per second that a film may have; more are a container's way of saying nothing."""

SITINGS = {(1, 2): "left", (2, 2): "center", (1, 1): "topleft"}
"""Matroska's (horizontal, vertical) -> name."""

CENTER_CODECS = {"mjpeg", "mpeg1video", "gif", "png", "h261", "h263", "svq1", "svq3"}
"""Codecs whose chroma lies in the middle where nothing says otherwise (JPEG's and MPEG-1's way)."""


def describe(stream: VideoStream, first: av.VideoFrame) -> VideoInfo:
    """All about the stream that its header and its first picture tell."""
    notes: list[str] = []
    chroma, depth = working_format(first.format, notes)
    is_rgb = first.format.is_rgb or first.format.name in RGB_TOO
    tags = color_tags(first)
    matrix = MATRIX_NAMES.get(tags.matrix)
    if is_rgb:
        matrix, tags = "bt709", ColorTags(1, 1 if tags.transfer == 2 else tags.transfer, 1, 1)
        notes.append("RGB: computed and written as 4:4:4 BT.709")
    elif matrix is None and tags.matrix not in (0, 2):
        matrix = "bt709"
        notes.append(
            f"colour matrix {tags.matrix} (ITU-T H.273): kept, though networks for RGB see BT.709"
        )
    elif matrix is None and chroma != "gray":
        matrix = guess_matrix(first.width, first.height)
        notes.append(f"colour matrix not tagged: taken for {matrix}, from its size, and tagged so")
        primaries, transfer, number = GUESSED_TAGS[matrix]
        tags = ColorTags(
            primaries=primaries if tags.primaries == 2 else tags.primaries,
            transfer=transfer if tags.transfer == 2 else tags.transfer,
            matrix=number,
            range=tags.range,
        )
    full = tags.range == 2 or (
        tags.range == 0 and (chroma == "gray" or "yuvj" in first.format.name)
    )
    tags = replace(tags, range=2 if full else 1)

    sar = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    form = FrameFormat(
        width=first.width,
        height=first.height,
        depth=depth,
        chroma=chroma,
        color_matrix=matrix or "bt709",
        full_range=full,
        chroma_location=siting(stream, tags, chroma),
    )
    assert stream.time_base is not None
    return VideoInfo(
        format=form,
        codec=stream.codec_context.name,
        source_pix_fmt=first.format.name,
        time_base=stream.time_base,
        rate=frame_rate(stream),
        tags=tags,
        sar=sar or None,
        display_matrix=display_matrix(first),
        rotation=first.rotation,
        hdr=hdr_metadata(first, notes),
        frames=stream.frames or None,
        duration=seconds(stream),
        notes=tuple(notes),
    )


def frame_rate(stream: VideoStream) -> Fraction | None:
    """Frames per second on average; None where nothing believable is said.

    Matroska files without a rate are said to have 1000 by their time base.
    """
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and rate <= FASTEST:
            return rate
    return None


def seconds(stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    whole = stream.container.duration  # type: ignore[attr-defined]
    return whole / av.time_base if whole else None


def working_format(form: av.VideoFormat, notes: list[str]) -> tuple[str, int]:
    """The planar format that pictures are computed in, (chroma, depth), nothing lost but alpha."""
    components = form.components
    depth = max(component.bits for component in components)
    kinds = [component for component in components if not component.is_alpha]
    if len(kinds) < len(components) or form.name in ("pal8",):
        notes.append("transparency is not kept")
    if form.name == "pal8":
        return "444", 8
    depth = next((d for d in (8, 9, 10, 12, 14, 16) if d >= depth), 16)
    if form.is_rgb:
        return "444", depth
    if len(kinds) < 3:
        return "gray", depth
    across, down = (
        -(-whole // part)
        for whole, part in (
            (kinds[0].width, kinds[1].width),
            (kinds[0].height, kinds[1].height),
        )
    )
    chroma = {(2, 2): "420", (2, 1): "422", (1, 1): "444"}.get((across, down))
    if chroma is None:
        notes.append(f"{form.name}: computed and written as 4:4:4")
        chroma = "444"
    return chroma, depth


def color_tags(picture: av.VideoFrame) -> ColorTags:
    return ColorTags(
        primaries=int(picture.color_primaries),
        transfer=int(picture.color_trc),
        matrix=int(picture.colorspace),
        range=int(picture.color_range),
    )


def siting(stream: VideoStream, tags: ColorTags, chroma: str) -> str:
    """left, center or topleft: as the stream says, else as its kind usually has it.

    Source for the defaults: ITU-T H.264, E.2.1 (left); ITU-R BT.2100, table 6 note (top left for
    BT.2020); ISO/IEC 10918-5 (JPEG), 11172-2 (MPEG-1) and ITU-T H.263, 3.1 (center); IEC 61834
    (top left for DV).
    """
    if chroma in ("gray", "444"):
        return "left"
    said = said_siting(stream)
    if said is not None:
        return said
    codec = stream.codec_context.name
    if codec in CENTER_CODECS or stream.container.format.name == "yuv4mpegpipe":
        return "center"
    late = codec == "dvvideo" or tags.matrix in (9, 10)
    return "topleft" if late and chroma == "420" else "left"


def said_siting(stream: VideoStream) -> str | None:
    """Where the stream says its chroma samples lie; None where it says nothing, or "bottom".

    PyAV does not show this field. Matroska's muxer writes it into the header of a film (elements
    ChromaSitingHorz and ChromaSitingVert), so it is asked for one.
    """
    header = io.BytesIO()
    try:
        with av.open(header, "w", format="matroska") as out:
            out.add_stream_from_template(stream, opaque=True)
            out.start_encoding()
    except (av.FFmpegError, ValueError):
        return None  # not a codec for Matroska
    found = re.search(rb"\x55\xb7\x81(.)\x55\xb8\x81(.)", header.getvalue(), re.DOTALL)
    return SITINGS.get((found[1][0], found[2][0])) if found else None


def side_data(picture: av.VideoFrame) -> list[SideData]:
    """PyAV 18 calls this a mapping, but iterating gives the entries themselves."""
    return list(picture.side_data)  # type: ignore[arg-type]


def display_matrix(picture: av.VideoFrame) -> tuple[int, ...] | None:
    for data in side_data(picture):
        if data.type == Type.DISPLAYMATRIX:
            return struct.unpack("9i", bytes(data)[:36])
    return None


def hdr_metadata(picture: av.VideoFrame, notes: list[str]) -> Hdr:
    """HDR10's static metadata. Layout: AVMasteringDisplayMetadata, AVContentLightMetadata."""
    mastering, light = None, None
    for data in side_data(picture):
        if data.type == Type.MASTERING_DISPLAY_METADATA:
            *numbers, has_primaries, has_luminance = struct.unpack("20i2i", bytes(data)[:88])
            ratios = [Fraction(n, d or 1) for n, d in zip(numbers[::2], numbers[1::2])]
            mastering = tuple(ratios) if has_primaries and has_luminance else None
        elif data.type == Type.CONTENT_LIGHT_LEVEL:
            light = struct.unpack("2I", bytes(data)[:8])
        elif data.type in (Type.DOVI_METADATA, Type.DYNAMIC_HDR_PLUS):
            notes.append(f"{data.type.name}: made for the small picture, not kept")
    return Hdr(mastering, light)
