"""Builders of real little films, one oddity each, and a reader of what is in a film.

    path = film(tmp_path / "a.mkv", Video(frames=5), Sound("flac"), Text("subrip"))

The parts stand in the file in the order in which they are named.
"""

from __future__ import annotations

import heapq
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from numpy.typing import NDArray

from vsr.settings import Clip, EncoderSettings, Size, UpscaleSettings

os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 is silent

Array = NDArray[Any]
Planes = tuple[Array, ...]
"""(y, u, v) as uint8, all of the same size."""
Paint = Callable[[int, int, int], Planes]
"""(number, width, height) -> planes"""
Packets = Iterator[tuple[Fraction, "Packet[Stream]"]]

FAST = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libsvtav1": {"preset": "13"},
    "libvpx-vp9": {"cpu-used": "8", "deadline": "realtime"},
}


# ---- pictures -------------------------------------------------------------------------------


def moving(number: int, width: int, height: int) -> Planes:
    """A smooth ground with a bright bar that moves by a few pixels a frame."""
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    luma = 60 + 80 * x / width + 50 * y / height
    bar = np.abs((x - 5 * number) % width - 4) < 4
    luma = np.where(bar & (y > height // 4), 220, luma)
    u, v = 90 + 60 * x / width + 0 * y, 160 - 60 * y / height + 0 * x
    return tuple(np.asarray(plane).round().astype(np.uint8) for plane in (luma, u, v))


def flat(y: int, u: int = 128, v: int = 128) -> Paint:
    """One colour all over, in every frame."""

    def paint(_: int, width: int, height: int) -> Planes:
        return tuple(np.full((height, width), code, np.uint8) for code in (y, u, v))

    return paint


def still(number: int, width: int, height: int) -> Planes:
    """The first of the moving pictures, in every frame."""
    return moving(0 * number, width, height)


def woven(first: str, motion: Paint | None = None) -> Paint:
    """Fields of different moments in one frame, the `first` ("tff" or "bff") the earlier."""

    def paint(number: int, width: int, height: int) -> Planes:
        earlier, later = ((motion or fast)(2 * number + n, width, height) for n in (0, 1))
        top, bottom = (earlier, later) if first == "tff" else (later, earlier)
        frame = []
        for a, b in zip(top, bottom, strict=True):
            plane = a.copy()
            plane[1::2] = b[1::2]
            frame.append(plane)
        return tuple(frame)

    return paint


def fast(number: int, width: int, height: int) -> Planes:
    """Bars that move so far from field to field that combs cannot be overlooked."""
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    luma = 125 + 90 * np.sign(np.sin((x + 0 * y - 6 * number) * 2 * np.pi / 40))
    return (
        luma.astype(np.uint8),
        np.full(luma.shape, 128, np.uint8),
        np.full(luma.shape, 128, np.uint8),
    )


def to_picture(planes: Planes, pix_fmt: str, full: bool = False) -> av.VideoFrame:
    """A libav frame of any pixel format; `planes` are of this range, or already R, G, B."""
    height, width = planes[0].shape
    form = av.VideoFormat(pix_fmt, width, height)
    if pix_fmt.startswith("gray") or pix_fmt == "ya8":
        return to_gray(planes[0], pix_fmt)
    if form.is_rgb or pix_fmt == "pal8":
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.stack(planes, -1)), "rgb24")
        return rgb if pix_fmt == "rgb24" else rgb.reformat(format=pix_fmt)
    whole = av.VideoFrame.from_ndarray(np.stack(planes), "yuv444p")
    code = 2 if full else 1
    return whole.reformat(
        format=pix_fmt,
        src_colorspace=5,
        dst_colorspace=5,
        src_color_range=code,
        dst_color_range=code,
        interpolation="AREA",
    )


def to_gray(y: Array, pix_fmt: str) -> av.VideoFrame:
    """Without swscale, which takes gray for full range."""
    picture = av.VideoFrame(y.shape[1], y.shape[0], pix_fmt)
    if pix_fmt == "ya8":
        samples = np.stack([y, np.full_like(y, 255)], -1)
    else:
        dtype = np.dtype("u1" if pix_fmt == "gray" else ">u2" if "be" in pix_fmt else "<u2")
        samples = (y.astype(dtype) << (picture.format.components[0].bits - 8)).astype(dtype)
    rows = np.frombuffer(picture.planes[0], np.uint8).reshape(y.shape[0], -1)  # type: ignore[call-overload]
    data = np.ascontiguousarray(samples).view(np.uint8).reshape(y.shape[0], -1)
    rows[:, : data.shape[1]] = data
    return picture


def with_fields(picture: av.VideoFrame, first: str) -> av.VideoFrame:
    """The picture, flagged interlaced."""
    graph = av.filter.Graph()
    form = f"video_size={picture.width}x{picture.height}:pix_fmt={picture.format.name}"
    nodes = [
        graph.add("buffer", f"{form}:time_base=1/25:pixel_aspect=1/1"),
        graph.add("setfield", first),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes).configure()
    pts, base = picture.pts, picture.time_base
    graph.vpush(picture)
    flagged = graph.vpull()
    flagged.pts, flagged.time_base = pts, base
    return flagged


# ---- the parts of a film --------------------------------------------------------------------


@dataclass(frozen=True)
class Video:
    """A video stream."""

    frames: int = 8
    size: tuple[int, int] = (64, 48)
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    rate: Fraction = Fraction(25)
    time_base: Fraction | None = None
    """None: one tick a frame."""
    pts: Sequence[int] | None = None
    """In the time base; None: 0, 1, 2 ... at `rate`."""
    tags: tuple[int, int, int, int] = (2, 2, 2, 0)
    """Primaries, transfer, matrix, range."""
    chroma_location: str | None = None
    sar: Fraction | None = None
    matrix: Sequence[int] | None = None
    """The display matrix."""
    rotation: int | None = None
    fields: str | None = None
    """"tff" or "bff": flagged interlaced; H.264 and MPEG-2."""
    paint: Paint = moving
    metadata: Mapping[str, str] = field(default_factory=dict)
    disposition: Disposition | None = None
    times: Callable[[int, Packet[Stream]], bool] | None = None
    """May change the nth packet, or drop it by giving False."""

    @property
    def moments(self) -> list[int]:
        base = self.time_base or 1 / self.rate
        steps = range(self.frames)
        return list(self.pts or [round(n / self.rate / base) for n in steps])

    def add(self, out: OutputContainer) -> Stream:
        stream = out.add_stream(self.codec, rate=self.rate)
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        context.width, context.height = self.size
        context.pix_fmt = self.pix_fmt
        context.time_base = stream.time_base = self.time_base or 1 / self.rate
        context.color_primaries, context.color_trc = self.tags[:2]
        context.colorspace, context.color_range = self.tags[2:]
        if self.sar is not None:
            context.sample_aspect_ratio = self.sar
        options = {**FAST.get(self.codec, {}), **self.options}
        if self.fields is not None:
            options["flags"] = "+ildct+ilme"
        if self.chroma_location is not None:
            options["chroma_sample_location"] = self.chroma_location
        context.options = options
        if self.matrix is not None:
            stream.set_display_matrix(self.matrix)
        if self.rotation is not None:
            stream.set_display_rotation(self.rotation)
        stream.metadata.update(self.metadata)
        if self.disposition is not None:
            stream.disposition = self.disposition
        return stream

    def packets(self, stream: Stream) -> Packets:
        assert isinstance(stream, av.VideoStream)
        count = 0
        for picture in [*self.pictures(), None]:
            for packet in stream.encode(picture):
                if self.frames <= 2:  # x265 sets no dts then that can be believed
                    packet.dts = packet.pts
                if self.times is None or self.times(count, packet):
                    yield (packet.dts or 0) * packet.time_base, packet
                count += 1

    def pictures(self) -> Iterator[av.VideoFrame]:
        for number, pts in enumerate(self.moments):
            full = self.tags[3] == 2 or self.pix_fmt.startswith("yuvj")
            picture = to_picture(self.paint(number, *self.size), self.pix_fmt, full)
            picture.pts, picture.time_base = pts, self.time_base or 1 / self.rate
            picture.color_primaries, picture.color_trc = self.tags[:2]
            picture.colorspace, picture.color_range = self.tags[2:]
            yield picture if self.fields is None else with_fields(picture, self.fields)


@dataclass(frozen=True)
class Sound:
    """A sound stream: a tone."""

    codec: str = "flac"
    seconds: Fraction = Fraction(1, 3)
    start: int = 0
    """The first sample's pts, in samples."""
    tone: float = 440
    sample_rate: int = 48000
    metadata: Mapping[str, str] = field(default_factory=dict)
    disposition: Disposition | None = None
    times: Callable[[int, Packet[Stream]], None] | None = None

    def add(self, out: OutputContainer) -> Stream:
        stream = out.add_stream(self.codec, rate=self.sample_rate)
        stream.time_base = Fraction(1, self.sample_rate)
        stream.metadata.update(self.metadata)
        if self.disposition is not None:
            stream.disposition = self.disposition
        return stream

    def packets(self, stream: Stream) -> Packets:
        assert isinstance(stream, av.AudioStream)
        step, total, count = 1024, round(self.seconds * self.sample_rate), 0
        resampler = av.AudioResampler(stream.format.name, "stereo", self.sample_rate)
        frames: list[av.AudioFrame | None] = []
        for begin in range(0, total, step):
            t = np.arange(begin, min(begin + step, total)) / self.sample_rate
            wave = (8000 * np.sin(2 * math.pi * self.tone * t)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None, :], "s16", "stereo")
            frame.sample_rate, frame.pts = self.sample_rate, self.start + begin
            frame.time_base = Fraction(1, self.sample_rate)
            frames += resampler.resample(frame)
        for part in [*frames, None]:
            for packet in stream.encode(part):
                if self.times is not None:
                    self.times(count, packet)
                count += 1
                yield (packet.dts or 0) * packet.time_base, packet


@dataclass(frozen=True)
class Text:
    """A subtitle stream."""

    codec: str = "subrip"
    lines: Sequence[tuple[int, int, str]] = ((40, 80, "first"), (160, 100, "second"))
    """Start and duration in milliseconds, and the words."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    disposition: Disposition | None = None

    def add(self, out: OutputContainer) -> Stream:
        stream = out.add_mux_stream(self.codec)
        stream.time_base = Fraction(1, 1000)
        stream.metadata.update(self.metadata)
        if self.disposition is not None:
            stream.disposition = self.disposition
        return stream

    def packets(self, stream: Stream) -> Packets:
        for number, (start, duration, words) in enumerate(self.lines):
            data = words.encode()
            if self.codec == "mov_text":
                data = len(data).to_bytes(2, "big") + data
            elif self.codec == "ass":
                data = f"{number},0,Default,,0,0,0,,".encode() + data
            yield timed_packet(stream, data, start, duration)


@dataclass(frozen=True)
class Data:
    """A data stream."""

    codec: str = "klv"
    beats: Sequence[tuple[int, int, bytes]] = ((0, 80, b"\x01\x02\x03"), (160, 80, b"\x04\x05"))
    """Start and duration in milliseconds, and the bytes."""

    def add(self, out: OutputContainer) -> Stream:
        stream = out.add_data_stream(self.codec)
        stream.time_base = Fraction(1, 1000)
        return stream

    def packets(self, stream: Stream) -> Packets:
        for start, duration, data in self.beats:
            yield timed_packet(stream, data, start, duration)


@dataclass(frozen=True)
class Attachment:
    """A file in the film."""

    name: str = "font.ttf"
    kind: str = "application/x-truetype-font"
    data: bytes = b"\0\1\0\0not really a font"

    def add(self, out: OutputContainer) -> Stream:
        return out.add_attachment(self.name, self.kind, self.data)

    def packets(self, _: Stream) -> Packets:
        return iter(())


@dataclass(frozen=True)
class Cover:
    """A cover picture as MP4 holds it; Matroska's is an Attachment of an image."""

    data: bytes

    def add(self, out: OutputContainer) -> Stream:
        stream = out.add_mux_stream("png", width=16, height=12)
        stream.disposition = Disposition.attached_pic
        return stream

    def packets(self, stream: Stream) -> Packets:
        yield timed_packet(stream, self.data, 0, 0)


Part = Video | Sound | Text | Data | Attachment | Cover


def timed_packet(
    stream: Stream, data: bytes, start: int, duration: int
) -> tuple[Fraction, Packet[Stream]]:
    packet = Packet(data)
    packet.stream = stream
    packet.time_base = Fraction(1, 1000)
    packet.pts = packet.dts = start
    packet.duration = duration
    packet.is_keyframe = True
    return start * packet.time_base, packet


def png(width: int = 16, height: int = 12) -> bytes:
    """A little picture's file."""
    context = av.CodecContext.create("png", "w")
    assert isinstance(context, av.video.codeccontext.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "rgb24"
    context.time_base = Fraction(1, 25)
    picture = to_picture(moving(0, width, height), "rgb24")
    return b"".join(bytes(p) for p in [*context.encode(picture), *context.encode(None)])


# ---- films ----------------------------------------------------------------------------------


def film(
    path: Path,
    *parts: Part,
    chapters: Sequence[tuple[int, int, str]] = (),
    metadata: Mapping[str, str] | None = None,
    container: str | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Write a film; chapters are (start, end, title) in milliseconds."""
    with av.open(path, "w", format=container, container_options=dict(options or {})) as out:
        out.metadata.update(metadata or {})
        streams = [part.add(out) for part in parts or (Video(),)]
        if chapters:
            out.set_chapters(
                [
                    {
                        "id": number,
                        "start": start,
                        "end": end,
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": title},
                    }
                    for number, (start, end, title) in enumerate(chapters)
                ]
            )
        sources = [p.packets(s) for p, s in zip(parts or (Video(),), streams, strict=True)]
        for _, packet in heapq.merge(*sources, key=lambda item: item[0]):
            out.mux_one(packet)
    return path


def frames_of(path: Path | str) -> list[av.VideoFrame]:
    """Every picture of the first video stream."""
    with av.open(str(path)) as source:
        return list(source.decode(video=0))


def times_of(path: Path | str) -> list[Fraction]:
    """The times of the first video stream's pictures, seconds."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        return sorted(
            p.pts * p.time_base for p in source.demux(stream) if p.size and p.pts is not None
        )


@dataclass
class Stored:
    """A stream as it stands in a file."""

    kind: str
    codec: str
    metadata: dict[str, str]
    disposition: int
    data: bytes
    """Of an attachment."""
    packets: list[bytes] = field(default_factory=list)
    times: list[Fraction | None] = field(default_factory=list)
    durations: list[Fraction] = field(default_factory=list)


def streams_of(path: Path | str) -> list[Stored]:
    """Every stream of a film, with its packets."""
    with av.open(str(path)) as source:
        found = [stored(stream) for stream in source.streams]
        for packet in source.demux():
            if packet.size:
                stream = found[packet.stream_index]
                base = packet.time_base
                stream.packets.append(bytes(packet))
                stream.times.append(None if packet.pts is None else packet.pts * base)
                stream.durations.append((packet.duration or 0) * base)
    return found


def stored(stream: Stream) -> Stored:
    context = stream.codec_context
    return Stored(
        kind=stream.type,
        codec=context.name if context is not None else stream.name or "",
        metadata=dict(stream.metadata),
        disposition=int(stream.disposition),
        data=stream.data if isinstance(stream, av.stream.AttachmentStream) else b"",
    )


def others_of(path: Path | str) -> list[Stored]:
    """Every stream but the first video stream."""
    found = streams_of(path)
    first = next(n for n, stream in enumerate(found) if stream.kind == "video")
    return found[:first] + found[first + 1 :]


def settings(
    model: str = "nearest",
    size: Size = Size(Fraction(2)),  # noqa: B008 (frozen)
    clip: Clip = Clip(),  # noqa: B008 (frozen)
    codec: str = "libx264",
    **encoder: Any,
) -> UpscaleSettings:
    """Settings of a quick job."""
    options = {**FAST.get(codec, {}), **encoder.pop("options", {})}
    return UpscaleSettings(
        model=model,
        size=size,
        clip=clip,
        encoder=EncoderSettings(codec=codec, options=options, **encoder),
    )


def pts_of(numbers: Iterable[int], step: int) -> list[int]:
    return [number * step for number in numbers]
