"""Whole films, enlarged and held against their sources, as a Markdown table.

    python tests/whole_film_table.py [--model fast] [--frames N] [FILM ...]

Compares with PyAV alone; `vsr.pipeline.verify` has no part in it. Without films it takes the clips
in ../shared/data/video and in samples/.
"""

from __future__ import annotations

import argparse
import os
import struct
import tempfile
import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.sidedata.sidedata import Type
from av.stream import AttachmentStream, Disposition, Stream

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data" / "video"
SAMPLES = ROOT / "samples"
ENDINGS = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mts", ".m2ts", ".ts", ".avi", ".gif", ".mpg"}

os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 is silent


def clips(*folders: Path) -> list[Path]:
    """Every film in these folders."""
    return sorted(
        path
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
        if path.suffix.lower() in ENDINGS
    )


@dataclass
class Content:
    """What is in a film, read with PyAV."""

    times: list[Fraction] = field(default_factory=list)
    """Of the decoded pictures, seconds."""
    size: tuple[int, int] = (0, 0)
    others: list[tuple[str, bytes]] = field(default_factory=list)
    """(kind and codec, all packets' bytes) of each other stream that has any, in order."""
    covers: list[bytes] = field(default_factory=list)
    files: list[tuple[str, bytes]] = field(default_factory=list)
    tags: dict[str, object] = field(default_factory=dict)
    chapters: list[tuple[Fraction, Fraction, str]] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)


def is_cover(stream: Stream) -> bool:
    return stream.disposition == Disposition.attached_pic


def main_video(container: InputContainer) -> av.VideoStream:
    """The largest."""
    films = [stream for stream in container.streams.video if not is_cover(stream)]
    return max(films, key=lambda stream: stream.width * stream.height)


def read(path: Path, index: int | None = None, frames: int | None = None) -> Content:
    """Decode the video (the stream of this index, or the largest) and take in all the rest."""
    content = Content()
    with av.open(str(path), metadata_errors="replace") as container:
        video = main_video(container)
        if index is not None:
            chosen = container.streams[index]
            assert isinstance(chosen, av.VideoStream)
            video = chosen
        video.thread_type = "AUTO"
        data: dict[int, bytearray] = {}
        first: av.VideoFrame | None = None
        for packet in container.demux():
            if packet.stream is video:
                if len(content.times) == frames:
                    continue
                try:
                    pictures: list[Any] = list(packet.decode())
                except av.FFmpegError:
                    continue
                for picture in pictures:
                    first = first or picture
                    if picture.pts is not None and len(content.times) != frames:
                        assert picture.time_base is not None
                        content.times.append(picture.pts * picture.time_base)
            elif packet.size and not is_filler(packet):
                data.setdefault(packet.stream_index, bytearray()).extend(bare(bytes(packet)))
        assert first is not None
        content.times.sort()  # AVI's come out of order where there are B-frames
        content.size = first.width, first.height
        content.tags = tags_of(video, first)
        for stream in container.streams:
            if isinstance(stream, AttachmentStream):
                content.files.append((stream.name or "", stream.data))
            elif stream is video or stream.index not in data or is_made_by_muxer(stream):
                continue
            elif is_cover(stream):
                content.covers.append(bytes(data[stream.index]))
            else:
                codec = stream.codec_context.name if stream.codec_context is not None else ""
                content.others.append((f"{stream.type} {codec}", bytes(data[stream.index])))
                content.languages.append(stream.metadata.get("language", "und"))
        content.chapters = [
            (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"].get("title", ""))
            for c in container.chapters()
            if c["time_base"] is not None
        ]
        content.words = {k.lower(): v for k, v in container.metadata.items()}
        if "creation_time" in content.words:  # written "2016-05-31 17:01:35" or "...T17:01:35.0Z"
            content.words["creation_time"] = content.words["creation_time"][:19].replace("T", " ")
    return content


def bare(data: bytes) -> bytes:
    """Without the header by which AAC is framed in transport streams, and in no other container."""
    framed = len(data) > 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0
    return data[7 if data[1] & 1 else 9 :] if framed else data


def is_filler(packet: Any) -> bool:
    """The empty text that stands between MP4's subtitles."""
    codec = packet.stream.codec_context
    return packet.size == 2 and codec is not None and codec.name == "mov_text"


def is_made_by_muxer(stream: Stream) -> bool:
    """QuickTime's tracks of chapters and timecode."""
    return stream.type == "data" and (int(stream.discard) >= 48 or "timecode" in stream.metadata)


def tags_of(stream: av.VideoStream, picture: av.VideoFrame) -> dict[str, object]:
    """Colour, shape, rotation and HDR10 as a player would see them."""
    sar = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    tags: dict[str, object] = {
        "primaries": int(picture.color_primaries),
        "transfer": int(picture.color_trc),
        "matrix": int(picture.colorspace),
        "range": int(picture.color_range),
        "SAR": sar or Fraction(1),
        "rotation": picture.rotation % 360,
        "bits": picture.format.components[0].bits,
    }
    if len(picture.format.components) < 3:
        del tags["matrix"]  # which gray has no use for
    side_data: Any = picture.side_data
    for data in side_data:
        if data.type == Type.CONTENT_LIGHT_LEVEL:
            tags["content light"] = struct.unpack("2I", bytes(data)[:8])
        if data.type == Type.MASTERING_DISPLAY_METADATA:
            numbers = struct.unpack("20i", bytes(data)[:80])
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            tags["mastering"] = [round(n / d, 3) for n, d in pairs]
    return tags


UNSAID = {"primaries": 2, "transfer": 2, "matrix": 2, "range": 0}
CONTAINERS_OWN = {
    *("major_brand", "minor_version", "compatible_brands", "encoder", "duration"),
    *("handler_name", "vendor_id"),
}


@dataclass
class Comparison:
    """How a film differs from its source."""

    frames_in: int
    frames_out: int
    largest_difference: Fraction
    """Seconds between the times of a frame."""
    streams_in: int
    streams_equal: int
    """Streams, attached files and covers that came out byte for byte."""
    lost: list[str]
    """What was not kept, in words."""

    @property
    def same(self) -> bool:
        whole = self.frames_in == self.frames_out and self.streams_in == self.streams_equal
        return whole and not self.lost


def compare(source: Path, target: Path, scale: int = 2, clip: int | None = None) -> Comparison:
    """Hold `target` against `source`; where only `clip` frames were written, against its part."""
    tick = Fraction(1, 2000) if target.suffix in (".mkv", ".webm") else Fraction(0)
    one, other = read(source, frames=clip), read(target)
    lost = []
    pairs = zip(one.times, other.times, strict=False)
    worst = max((abs(a - b) for a, b in pairs), default=Fraction(0))
    if worst > tick:
        lost.append(f"times differ by {float(worst):.6f} s")
    if other.size != tuple(scale * side for side in one.size):
        lost.append(f"size {other.size}")
    equal = sum(
        a[0] == b[0] and (a[1].startswith(b[1]) if clip else a[1] == b[1])
        for a, b in zip(one.others, other.others, strict=False)
    )
    equal += len(set(one.covers) & set(other.covers)) + len(set(one.files) & set(other.files))
    for name, value in one.tags.items():
        if value != UNSAID.get(name) and value != other.tags.get(name) and not is_rgb(name, one):
            lost.append(f"{name} {value} became {other.tags.get(name)}")
    if not clip and [c[2] for c in one.chapters] != [c[2] for c in other.chapters]:
        lost.append("chapters")
    if one.languages != other.languages[: len(one.languages)]:
        lost.append("languages")
    for key, value in one.words.items():
        if key not in CONTAINERS_OWN and other.words.get(key) != value:
            lost.append(f"the word '{key}'")
    streams = len(one.others) + len(one.covers) + len(one.files)
    return Comparison(len(one.times), len(other.times), worst, streams, equal, lost)


def is_rgb(name: str, content: Content) -> bool:
    """RGB says matrix 0 and full range; it is written as BT.709 and limited."""
    return name in ("matrix", "range") and content.tags.get("matrix") == 0


def enlarge(source: Path, target: Path, model: str, frames: int | None) -> tuple[Path, Any]:
    from vsr import Clip, EncoderSettings, UpscaleSettings, upscale

    settings = UpscaleSettings(
        model=model,
        clip=Clip(frames=frames),
        encoder=EncoderSettings(preset="ultrafast"),
        verify=True,
        overwrite=True,
    )
    report = upscale(source, target, 2, settings)
    return Path(report.output), report


def row(source: Path, folder: Path, model: str, frames: int | None) -> str:
    began = time.monotonic()
    name = source.name.split("__")[-1]
    try:
        target, report = enlarge(source, folder, model, frames)
    except Exception as error:  # noqa: BLE001 (the table goes on)
        return f"| {name} | | | | | {type(error).__name__}: {str(error).split(': ', 1)[-1]} |"
    done = compare(source, target, clip=frames)
    carried = f"{done.streams_equal} of {done.streams_in}" if done.streams_in else "none"
    took = time.monotonic() - began
    cells = [
        name,
        f"{done.frames_in} / {done.frames_out}",
        f"{float(done.largest_difference) * 1000:.3f} ms",
        carried,
        "yes" if not done.lost else "; ".join(done.lost),
        "; ".join([target.suffix, f"{report.psnr:.0f} dB", f"{took:.0f} s", *report.notes]),
    ]
    target.unlink()
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("films", nargs="*", type=Path)
    parser.add_argument("--model", default="nearest")
    parser.add_argument("--frames", type=int, default=None, help="only so many of each")
    arguments = parser.parse_args()
    print(
        "| clip | frames in / out | largest time difference | other streams byte-identical "
        "| tags, chapters, words kept | notes |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for source in arguments.films or clips(SHARED, SAMPLES):
            print(row(source, Path(folder), arguments.model, arguments.frames), flush=True)


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(ROOT))
    main()
