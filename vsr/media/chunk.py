"""A chunk: some seconds of the encoded pictures, in a file of their own, checked.

The file is a line of JSON about the encoder, then every packet as the encoder gave it, each behind
its time, duration and size. No container keeps all of that: NUT has no place for ProRes nor
for durations, MP4 and Matroska write H.264 anew, and Matroska counts in milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from struct import Struct
from typing import BinaryIO, NamedTuple

import av
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vsr.errors import VerificationError
from vsr.media.muxer import sync

BEFORE_PACKET = Struct(">qqI?")
"""pts, duration, bytes, whether the picture stands alone."""


@dataclass(frozen=True)
class Chunk:
    """What there is to know of a finished chunk without opening its file."""

    start: int
    """Number of its first frame in the film."""
    end: int
    """One behind its last."""
    first_pts: int
    delay: int
    """Places by which a packet stands, at most, before its picture's turn."""
    size: int
    """Bytes of the file."""
    sha256: str
    """Of the file."""

    @property
    def frames(self) -> int:
        return self.end - self.start


class Stored(NamedTuple):
    """One packet of a chunk's file."""

    pts: int
    duration: int
    data: bytes
    is_keyframe: bool


DECODERS = {"av1": "libdav1d"}
"""Where libav's decoder of the codec's own name only drives hardware."""


@dataclass(frozen=True)
class Header:
    """What a decoder needs besides the packets."""

    codec: str
    tag: str
    extradata: str
    """As hexadecimal digits."""
    time_base: str
    width: int
    height: int
    pix_fmt: str
    bits: int
    """Per sample, as some codecs say; 0: nothing is said."""


def header_of(encoder: VideoCodecContext) -> Header:
    """Of an open encoder's packets."""
    return Header(
        codec=encoder.codec.canonical_name,
        tag=encoder.codec_tag,
        extradata=(encoder.extradata or b"").hex(),
        time_base=str(encoder.time_base),
        width=encoder.width,
        height=encoder.height,
        pix_fmt=encoder.pix_fmt or "",
        bits=encoder.bits_per_coded_sample,
    )


def decoder_of(header: Header) -> VideoCodecContext:
    """What decodes the packets."""
    decoder = av.CodecContext.create(DECODERS.get(header.codec, header.codec), "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.codec_tag = header.tag
    decoder.extradata = bytes.fromhex(header.extradata) or None
    decoder.width, decoder.height, decoder.pix_fmt = header.width, header.height, header.pix_fmt
    decoder.bits_per_coded_sample = header.bits
    decoder.thread_count = 1
    return decoder


class ChunkFile:
    """A chunk being written under a name of its own, until `finish`.

    Raises: OSError where it cannot be written; VerificationError where what is read back is not
    what was written.
    """

    def __init__(self, path: Path, context: VideoCodecContext) -> None:
        self.path = path
        self.partial = path.with_suffix(".partial")
        self.file: BinaryIO = self.partial.open("wb")
        self.digest = hashlib.sha256()
        self.pts: list[int] = []
        self.add(json.dumps(asdict(header_of(context))).encode() + b"\n")

    def add(self, data: bytes) -> None:
        self.file.write(data)
        self.digest.update(data)

    def put(self, packet: av.Packet[VideoStream]) -> None:
        """Add a packet, the next in the encoder's order."""
        assert packet.pts is not None
        self.pts.append(packet.pts)
        before = packet.pts, packet.duration or 0, packet.size, packet.is_keyframe
        self.add(BEFORE_PACKET.pack(*before) + bytes(packet))

    def finish(self, start: int, pts: list[int]) -> Chunk:
        """Check the file against the frames that went in, and give it its name.

        `start` is the number of the first frame, `pts` are the times of all.
        """
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        if sorted(self.pts) != pts:
            raise VerificationError(
                f"{self.path.name}: {len(pts)} frames went into the encoder, and "
                f"{len(self.pts)} came out, or others"
            )
        sha256 = self.digest.hexdigest()
        if sha256_of(self.partial) != sha256:
            raise VerificationError(
                f"{self.path.name}: the disk gives back other bytes than it got"
            )
        check_decodes(self.partial)
        os.replace(self.partial, self.path)
        sync(self.path.parent)
        delay = max(place - rank for place, rank in enumerate(ranks(self.pts)))
        size = self.path.stat().st_size
        return Chunk(start, start + len(pts), pts[0], delay, size, sha256)

    def close(self) -> None:
        """Let go of the file; one that was not finished stays under its own name."""
        with suppress(OSError):  # as on a full disk; it is of no use anyhow
            self.file.close()


def ranks(pts: list[int]) -> list[int]:
    """Each one's place in order of time."""
    place = {time: rank for rank, time in enumerate(sorted(pts))}
    return [place[time] for time in pts]


def sha256_of(path: Path) -> str:
    """Of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_header(path: Path) -> Header:
    """What the chunk's first line says."""
    with path.open("rb") as file:
        return Header(**json.loads(file.readline()))


def read_packets(path: Path) -> Iterator[Stored]:
    """The packets of a chunk's file, in the encoder's order."""
    with path.open("rb") as file:
        file.readline()
        while before := file.read(BEFORE_PACKET.size):
            pts, duration, size, is_keyframe = BEFORE_PACKET.unpack(before)
            yield Stored(pts, duration, file.read(size), is_keyframe)


def read_times(path: Path) -> list[int]:
    """The pts of all packets of a chunk's file, in order of time; their data is passed over."""
    times = []
    with path.open("rb") as file:
        file.readline()
        while before := file.read(BEFORE_PACKET.size):
            pts, _, size, _ = BEFORE_PACKET.unpack(before)
            times.append(pts)
            file.seek(size, os.SEEK_CUR)
    return sorted(times)


def check_decodes(path: Path) -> None:
    """Raise VerificationError unless the first picture decodes, and the last that stands alone.

    The other packets are the encoder's own, bit for bit; decoding all would cost 6 % of the time.
    """
    header = read_header(path)
    first: Stored | None = None
    last: Stored | None = None
    for packet in read_packets(path):
        first = first or packet
        last = packet if packet.is_keyframe else last
    assert first is not None
    for packet in dict.fromkeys((first, last or first)):
        data = av.Packet(packet.data)
        data.pts, data.time_base = packet.pts, Fraction(header.time_base)
        try:
            decoder = decoder_of(header)
            pictures = [*decoder.decode(data), *decoder.decode(None)]
        except av.FFmpegError as error:
            raise VerificationError(f"{path.stem}: does not decode: {error.strerror}") from error
        if [picture.pts for picture in pictures] != [packet.pts]:
            raise VerificationError(f"{path.stem}: a picture does not decode")
