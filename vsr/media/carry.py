"""Everything of a film but its pictures, carried over packet for packet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction

import av
from av.container import InputContainer, OutputContainer
from av.stream import Disposition, Stream


@dataclass
class Carried:
    """One stream on its way over."""

    source: Stream
    target: Stream
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    packets: int = 0
    mended: int = 0
    """Packets whose time had to move so that the muxer takes them."""
    last_dts: int | None = None


def other_streams(container: InputContainer, video: Stream) -> list[Stream]:
    """All streams but the one that is upscaled, and but a chapter track, which `set_chapters`
    writes anew."""
    return [
        stream
        for stream in container.streams
        if stream.index != video.index and not is_chapter_track(container, stream)
    ]


def is_chapter_track(container: InputContainer, stream: Stream) -> bool:
    """QuickTime's way of storing chapters: a track of text, which the demuxer reads as chapters."""
    return stream.type == "data" and "mov" in container.format.name and bool(container.chapters())


def is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def describe(stream: Stream) -> str:
    """A stream in a few words: "subtitle subrip (eng)"."""
    context = stream.codec_context
    kind = "cover art" if is_cover(stream) else stream.type
    codec = f" {context.name}" if context is not None else ""
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


class Carrier:
    """Moves packets from a reader's `others` into the output, in step with the video."""

    def __init__(self, out: OutputContainer, origin: Fraction) -> None:
        self.out, self.origin = out, origin
        self.carried: dict[int, Carried] = {}
        """Index in the source -> the stream."""

    def add(self, source: Stream, cover: bytes | None) -> None:
        """Take a stream over; before the first packet."""
        self.carried[source.index] = Carried(source, add_stream(self.out, source, cover))

    def put(self, packet: av.Packet[Stream]) -> None:
        """Mux one packet; its bytes stay, its times move by the origin of the clip."""
        carried = self.carried.get(packet.stream_index)
        if carried is None or carried.target.type == "attachment":
            return
        carried.digest.update(packet)
        carried.packets += 1
        base, target_base = packet.time_base, carried.target.time_base
        assert target_base is not None
        shift = int(self.origin / base)

        def convert(time: int | None) -> int | None:
            return None if time is None else round((time - shift) * base / target_base)

        pts, dts = convert(packet.pts), convert(packet.dts)
        duration = round((packet.duration or 0) * base / target_base)
        if dts is not None:
            dts, pts = self.mend(carried, dts, pts)
        packet.stream = carried.target
        packet.time_base = target_base
        packet.pts, packet.dts, packet.duration = pts, dts, duration
        self.out.mux_one(packet)

    def mend(self, carried: Carried, dts: int, pts: int | None) -> tuple[int, int | None]:
        """Times that the muxer takes: dts never falls, and rises where the medium demands it."""
        step = 0 if carried.source.type in ("subtitle", "data") else 1
        if carried.last_dts is not None and dts < carried.last_dts + step:
            dts = carried.last_dts + step
            pts = dts if pts is None or pts < dts else pts
            carried.mended += 1
        carried.last_dts = dts
        return dts, pts
