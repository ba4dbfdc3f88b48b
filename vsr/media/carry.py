"""Everything of a film but its pictures, carried over packet for packet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import lcm

import av
from av.container import InputContainer, OutputContainer
from av.format import Flags
from av.stream import Discard, Disposition, Stream


@dataclass
class Carried:
    """One stream on its way over."""

    source: Stream = field(repr=False)
    target: Stream = field(repr=False)
    """Not shown: a stream whose file is closed does not survive being printed."""
    cover: bool
    """Whether it is cover art, which has no time."""
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    packets: int = 0
    mended: int = 0
    """Packets whose time had to move so that the muxer takes them."""
    last_dts: int | None = None
    ends: tuple[int, int] | None = None
    """Times of its first and its last packet in the result, in the target's time base."""

    @property
    def first(self) -> Fraction | None:
        """The time of its first packet in the result, seconds."""
        return None if self.ends is None else self.ends[0] * self.time_base

    @property
    def last(self) -> Fraction | None:
        """The time of its last packet in the result, seconds."""
        return None if self.ends is None else self.ends[1] * self.time_base

    @cached_property
    def time_base(self) -> Fraction:
        """Of the target; known once the header is written."""
        assert self.target.time_base is not None
        return self.target.time_base

    @cached_property
    def step(self) -> int:
        """Ticks by which a packet has to be decoded after the one before."""
        sparse = self.source.type in ("subtitle", "data")
        nonstrict = Flags.ts_nonstrict in Flags(self.target.container.format.flags)
        return 0 if sparse or nonstrict else 1


def other_streams(container: InputContainer, video: Stream) -> list[Stream]:
    """All streams but the one that is upscaled, and but what the muxer writes anew."""
    return [
        stream
        for stream in container.streams
        if stream.index != video.index and not is_written_anew(container, stream)
    ]


def is_written_anew(container: InputContainer, stream: Stream) -> bool:
    """QuickTime's tracks that the demuxer reads as something else: the text of chapters, which it
    tells us to discard, and the timecode, which it shows as the video's metadata."""
    if stream.type != "data" or "mov" not in container.format.name:
        return False
    return stream.discard == Discard.all or "timecode" in stream.metadata


def is_cover(stream: Stream) -> bool:
    """Whether this is cover art: a picture that has no time."""
    still = stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails)
    return still == Disposition.attached_pic


def is_filler(packet: av.Packet[Stream]) -> bool:
    """Whether this is what MP4 fills the time between two subtitles with; its muxer makes it."""
    context = packet.stream.codec_context
    return packet.size == 2 and context is not None and context.name == "mov_text"


def describe(stream: Stream) -> str:
    """A stream in a few words: "subtitle subrip (eng)"."""
    context = stream.codec_context
    kind = "cover art" if is_cover(stream) else stream.type
    name = context.codec.canonical_name if context is not None else getattr(stream, "name", "")
    codec = f" {name}" if name else ""
    language = f" ({stream.language})" if stream.language else ""
    return f"stream {stream.index}, {kind}{codec}{language}"


def add_stream(out: OutputContainer, source: Stream, cover: bytes | None = None) -> Stream:
    """A stream of `out` that takes the packets of `source` as they are."""
    if is_cover(source) and "matroska" in out.format.name:
        name = source.metadata.get("filename", "cover." + cover_ending(source))
        kind = source.metadata.get("mimetype", "image/" + cover_ending(source, "jpeg"))
        return out.add_attachment(name, kind, cover or b"")
    target = out.add_stream_from_template(source, opaque=True)
    if source.type != "attachment":
        target.metadata.update(source.metadata)
    target.disposition = source.disposition
    return target


def cover_ending(source: Stream, jpeg: str = "jpg") -> str:
    name = source.codec_context.name
    return jpeg if name == "mjpeg" else name


class Conversion:
    """Ticks of one time base, counted from an origin (seconds) on, as ticks of another.

    In whole numbers, as there are hundreds of thousands of packets; halves go to the even side.
    """

    def __init__(self, base: Fraction, target: Fraction, origin: Fraction) -> None:
        scale, shift = base / target, origin / target
        self.below = lcm(scale.denominator, shift.denominator)
        self.times, self.minus = int(scale * self.below), int(shift * self.below)

    def __call__(self, time: int) -> int:
        ticks, rest = divmod(time * self.times - self.minus, self.below)
        up = 2 * rest > self.below or (2 * rest == self.below and ticks % 2)
        return ticks + 1 if up else ticks


class Carrier:
    """Moves packets from a reader's `others` into the output, in step with the video."""

    def __init__(self, out: OutputContainer, origin: Fraction) -> None:
        self.out, self.origin = out, origin
        self.quicktime = out.format.name in ("mp4", "mov")
        self.times: dict[int, tuple[Conversion, Conversion]] = {}
        """Index in the source -> what converts times, and durations."""
        self.carried: dict[int, Carried] = {}
        """Index in the source -> the stream."""

    def add(self, source: Stream, cover: bytes | None) -> None:
        """Take a stream over; before the first packet."""
        target = add_stream(self.out, source, cover)
        self.carried[source.index] = Carried(source, target, is_cover(source))

    def put(self, packet: av.Packet[Stream]) -> None:
        """Mux one packet; its bytes stay, its times move by the origin of the clip."""
        carried = self.carried.get(packet.stream_index)
        if carried is None or carried.target.type == "attachment":
            return
        if self.quicktime and is_filler(packet):
            return
        carried.digest.update(packet)
        carried.packets += 1
        convert, convert_duration = self.conversions(packet, carried)
        pts = None if packet.pts is None else convert(packet.pts)
        dts = None if packet.dts is None else convert(packet.dts)
        duration = convert_duration(packet.duration or 0)
        if self.quicktime:
            duration = max(duration, 1)  # a last packet of none is not shown
        if not carried.cover:
            dts, pts = self.mend(carried, dts, pts)
            last = pts if pts is not None else dts or 0
            carried.ends = (last if carried.ends is None else carried.ends[0], last)
        packet.stream = carried.target
        packet.time_base = carried.time_base
        packet.pts, packet.dts, packet.duration = pts, dts, duration
        self.out.mux_one(packet)

    def conversions(
        self, packet: av.Packet[Stream], carried: Carried
    ) -> tuple[Conversion, Conversion]:
        """From the source's ticks to the target's: of times, and of durations."""
        index = packet.stream_index
        if index not in self.times:
            bases = packet.time_base, carried.time_base
            self.times[index] = (
                Conversion(*bases, self.origin),
                Conversion(*bases, Fraction(0)),
            )
        return self.times[index]

    def mend(
        self, carried: Carried, dts: int | None, pts: int | None
    ) -> tuple[int | None, int | None]:
        """Times that the muxer takes: one is there, and dts never falls and rises where the
        container demands it. A dts that is missing beside a pts is left to the muxer."""
        if dts is None and pts is not None:
            return dts, pts
        last = carried.last_dts
        if dts is None or (last is not None and dts < last + carried.step):
            dts = 0 if last is None else last + carried.step
            pts = dts if pts is None else max(pts, dts)
            carried.mended += 1
        carried.last_dts = dts
        return dts, pts
