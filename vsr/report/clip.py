"""A clip as long and as large as measuring wants it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
from av.stream import Stream

from vsr.errors import InputError

QUALITY = {"preset": "veryfast", "crf": "18"}


def resize(clip: Path, target: Path, width: int, height: int) -> None:
    """Write the clip's pictures, by Lanczos and H.264, without its sound."""
    with av.open(str(clip)) as source, av.open(str(target), "w", format="matroska") as out:
        if not source.streams.video:
            raise InputError(f"{clip}: holds no pictures")
        shown = source.streams.video[0]
        stream = out.add_stream("libx264", rate=shown.average_rate or 25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = dict(QUALITY)
        stream.time_base = shown.time_base
        for frame in source.decode(shown):
            picture = frame.reformat(width, height, "yuv420p", interpolation="LANCZOS")
            picture.pts, picture.time_base = frame.pts, frame.time_base
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


def lengthen(clip: Path, film: Path, frames: int) -> int:
    """Copy the clip's video and sound, packet for packet, as often as it takes to get at least
    `frames` frames; returns how many there are."""
    with av.open(str(clip)) as source, av.open(str(film), "w", format="matroska") as out:
        video, sound = source.streams.best("video"), source.streams.best("audio")
        targets: dict[str, Stream] = {
            stream.type: out.add_stream_from_template(stream, opaque=True)
            for stream in (video, sound)
            if stream is not None
        }
        packets = first_packets(source.demux([s for s in (video, sound) if s]), frames)
        shown = [packet.pts or 0 for packet in packets if packet.stream is video]
        times = sorted(shown)
        delay = max(time - pts for time, pts in zip(times, shown, strict=True))
        end = max(((p.pts or 0) + (p.duration or 0)) * p.time_base for p in packets)
        rounds = -(-frames // len(times))
        for n in range(rounds):
            decoded = iter(times)
            for packet in packets:
                copied = av.Packet(bytes(packet))
                copied.stream, copied.time_base = targets[packet.stream.type], packet.time_base
                copied.is_keyframe, copied.duration = packet.is_keyframe, packet.duration or 0
                pts = packet.pts or 0
                dts = next(decoded) - delay if packet.stream is video else pts
                moved = round(n * end / packet.time_base)
                copied.pts, copied.dts = pts + moved, dts + moved
                out.mux_one(copied)
    return rounds * len(times)


def first_packets(demuxed: Iterator[av.Packet[Stream]], frames: int) -> list[av.Packet[Stream]]:
    """Up to the packet with frame number `frames`."""
    packets, count = [], 0
    for packet in demuxed:
        if packet.size == 0 or packet.pts is None:
            continue
        packets.append(packet)
        count += packet.stream.type == "video"
        if count == frames:
            break
    return packets
