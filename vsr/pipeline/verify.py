"""Is the finished file what was promised? It is read back and held against the source."""

from __future__ import annotations

import bisect
import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer
from av.stream import AttachmentStream, Stream
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from vsr.errors import VerificationError
from vsr.frame import Frame, FrameFormat, Plane
from vsr.media.carry import Carried, describe, is_cover, is_filler, is_written_anew
from vsr.media.muxer import KEEPS_NEGATIVE_TIMES, Muxer
from vsr.media.planes import plane_view

LEAST_PSNR = 20.0
"""dB between a source frame and its result shrunk to its size. Real results measure above 30; a
black, shifted or foreign picture below 15."""

SYNC = Fraction(1, 50)
"""Seconds that another stream may be off; what containers round and pad stays far below."""

KEPT_SAMPLES = 32
CHECKED_SAMPLES = 6


@dataclass
class Samples:
    """Source frames kept to be compared: at most KEPT_SAMPLES, evenly spread over the film."""

    every: int = 1
    seen: int = 0
    kept: dict[int, tuple[int, Plane]] = field(default_factory=dict)
    """Number of the frame -> pts and luma."""

    def passing(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The frames as they are; some are remembered."""
        for frame in frames:
            if self.seen % self.every == 0:
                self.kept[self.seen] = frame.pts, frame.y
                if len(self.kept) > KEPT_SAMPLES:
                    self.every *= 2
                    self.kept = {n: s for n, s in self.kept.items() if n % self.every == 0}
            self.seen += 1
            yield frame


@dataclass
class Found:
    """A stream of the finished file, by its packets."""

    stream: Stream = field(repr=False)
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    packets: int = 0
    first: Fraction | None = None
    last: Fraction | None = None
    """Times of its first and its last packet, seconds; None where these have none."""
    times: list[int] = field(default_factory=list)
    """The pts of every packet; of video alone."""
    keyframes: list[int] = field(default_factory=list)

    def take(self, packet: av.Packet[Stream]) -> None:
        self.digest.update(packet)
        self.packets += 1
        pts = packet.pts if packet.pts is not None else packet.dts
        self.last = None if pts is None else pts * packet.time_base
        self.first = self.last if self.packets == 1 else self.first
        if pts is None:
            return
        if self.stream.type == "video":
            self.times.append(pts)
            if packet.is_keyframe:
                self.keyframes.append(pts)


def verify(muxer: Muxer, samples: Samples, source: FrameFormat) -> dict[int, float]:
    """Check the file that `muxer` finished, before it gets its name.

    Frames and their times must be those written, every carried stream must hold the same bytes
    at the same times, attached files and covers must be there, sampled frames must resemble the
    source. Returns pts -> PSNR (dB) of the sampled frames.
    Raises VerificationError, saying what differs.
    """
    path = muxer.target.path
    try:
        scores = read_back(muxer, samples, source)
    except av.FFmpegError as error:
        raise VerificationError(f"{path}: cannot be read back: {error.strerror}") from error
    for pts, score in scores.items():
        if score < LEAST_PSNR:
            seconds = float(pts * muxer.target.info.time_base)
            raise VerificationError(
                f"{path}: the picture at {seconds:.3f} s does not resemble the source "
                f"({score:.1f} dB)"
            )
    return scores


def read_back(muxer: Muxer, samples: Samples, source: FrameFormat) -> dict[int, float]:
    """Check streams and times; returns pts -> PSNR of the sampled frames."""
    with av.open(muxer.path) as film:
        found = read_packets(film)
        video, shift = check_streams(found, muxer)
        check_files(film, found, muxer)
        kept = {key.lower() for key in film.metadata}
        muxer.lost_words = [key for key in muxer.out.metadata if key.lower() not in kept]
        place = video.stream.index  # the stream is no more when its film is closed
    with av.open(muxer.path) as film:
        stream = film.streams[place]
        assert isinstance(stream, VideoStream)
        return compare_samples(film, stream, muxer, samples, source, video.keyframes, shift)


def read_packets(film: InputContainer) -> list[Found]:
    """Every stream of a film that has packets, in order, but for what the muxer made itself."""
    found = [Found(stream) for stream in film.streams]
    for packet in film.demux():
        if packet.size and not is_filler(packet):
            found[packet.stream_index].take(packet)
    return [f for f in found if f.packets and not is_written_anew(film, f.stream)]


def check_streams(found: list[Found], muxer: Muxer) -> tuple[Found, Fraction]:
    """Hold the streams against those that went in; returns the enlarged video, and its shift.

    Containers keep their order, but for covers, which have no time.
    """
    path, place = muxer.target.path, muxer.reader.stream.index
    carried = muxer.carrier.carried
    expected = [c for c in carried.values() if c.packets and not is_cover(c.source)]
    found = [f for f in found if not is_cover(f.stream)]
    before = sum(1 for c in expected if c.source.index < place)
    if len(found) <= before or found[before].stream.type != "video":
        raise VerificationError(f"{path}: the finished file holds no video in its place")
    video = found.pop(before)
    shift = check_times(video, muxer)
    if len(found) != len(expected):
        raise VerificationError(
            f"{path}: {len(expected)} other streams went in and {len(found)} came out"
        )
    for one, other in zip(expected, found, strict=True):
        check_stream(one, other, shift, path)
    return video, shift


def check_stream(carried: Carried, found: Found, shift: Fraction, path: str) -> None:
    """The same bytes at the same times. (Matroska joins the packets of a PGS picture.)"""
    same = found.digest.digest() == carried.digest.digest()
    if not same and not (repacked(carried) and found.packets == carried.packets):
        raise VerificationError(
            f"{path}: {describe(carried.source)} changed on the way "
            f"({carried.packets} packets in, {found.packets} out)"
        )
    pairs = [(carried.first, found.first), (carried.last, found.last)]
    for one, other in pairs if found.packets == carried.packets else pairs[:1]:
        late = None if one is None or other is None else other - shift - one
        if late is not None and abs(late) > SYNC:
            raise VerificationError(
                f"{path}: {describe(carried.source)} is {float(late):+.3f} s off"
            )


def repacked(carried: Carried) -> bool:
    """Whether muxers are right to rewrite the packets' headers: AAC out of ADTS, H.264 and its
    heirs out of start codes."""
    stream = carried.source
    streamed = stream.container.format.name in ("mpegts", "mpeg", "aac")
    codec = stream.codec_context.name if stream.codec_context is not None else ""
    return streamed and codec in ("aac", "h264", "hevc", "vvc")


def check_times(video: Found, muxer: Muxer) -> Fraction:
    """Every frame that went in came out at its time, as finely as the container counts.

    Returns the seconds by which all came out later, 0 but for containers without negative times.
    """
    path, base, tick = muxer.target.path, muxer.target.info.time_base, video.stream.time_base
    times = sorted(video.times)
    assert tick is not None
    if len(times) != len(muxer.pts):
        raise VerificationError(
            f"{path}: {len(muxer.pts)} frames went in and {len(times)} came out"
        )
    shift = Fraction(0)
    if times and muxer.target.container not in KEEPS_NEGATIVE_TIMES:
        shift = max(shift, times[0] * tick - muxer.pts[0] * base)
    for number, (pts, time) in enumerate(zip(muxer.pts, times, strict=True)):
        late = time * tick - pts * base - shift
        if abs(late) > tick / 2:
            raise VerificationError(
                f"{path}: frame {number}, at {float(pts * base):.4f} s, "
                f"came out {float(late):+.4f} s off"
            )
    return shift


def check_files(film: InputContainer, found: list[Found], muxer: Muxer) -> None:
    """Attached files and covers are there, byte for byte."""
    sources = [carried.source for carried in muxer.carrier.carried.values()]
    files = [s.data for s in sources if isinstance(s, AttachmentStream)]
    kept = [s.data for s in film.streams if isinstance(s, AttachmentStream)]
    if sorted(files) != sorted(kept):
        raise VerificationError(
            f"{muxer.target.path}: {len(files)} attached files went in and "
            f"{len(set(kept) & set(files))} came out unchanged"
        )
    pictures = sorted(hashlib.sha256(data).digest() for data in muxer.covers.values())
    shown = sorted(f.digest.digest() for f in found if is_cover(f.stream))
    if pictures != shown:
        raise VerificationError(
            f"{muxer.target.path}: {len(pictures)} cover pictures went in and "
            f"{len(set(shown) & set(pictures))} came out unchanged"
        )


def compare_samples(
    film: InputContainer,
    video: VideoStream,
    muxer: Muxer,
    samples: Samples,
    source: FrameFormat,
    keyframes: list[int],
    shift: Fraction,
) -> dict[int, float]:
    """PSNR between source luma and the result's, shrunk; of the samples cheapest to decode."""
    assert video.time_base is not None
    ratio, moved = muxer.target.info.time_base / video.time_base, shift / video.time_base
    order = {pts: number for number, pts in enumerate(muxer.pts)}
    starts = sorted(keyframes)

    def cost(pts: int) -> float:
        """Frames to decode to get at this one; the first is always looked at."""
        before = bisect.bisect_right(starts, round(pts * ratio + moved))
        if order[pts] == 0 or before == 0:
            return -1
        gap = pts - (starts[before - 1] - moved) / ratio
        return float(gap * muxer.target.info.time_base)

    wanted = sorted(samples.kept.values(), key=lambda sample: cost(sample[0]))[:CHECKED_SAMPLES]
    reformatter = VideoReformatter()
    scores = {}
    for pts, luma in sorted(wanted, key=lambda sample: sample[0]):
        picture = picture_at(film, video, round(pts * ratio + moved))
        if picture is None:
            raise VerificationError(f"{muxer.target.path}: frame {order[pts]} does not decode")
        small = shrunk_luma(picture, source, reformatter)
        scores[pts] = luma_psnr(luma, small, source.depth)
    return scores


def picture_at(film: InputContainer, video: VideoStream, pts: int) -> av.VideoFrame | None:
    film.seek(pts, stream=video, backward=True)
    for picture in film.decode(video):
        if picture.pts is not None and picture.pts >= pts:
            return picture
    return None


def shrunk_luma(
    picture: av.VideoFrame, source: FrameFormat, reformatter: VideoReformatter
) -> Plane:
    # Luma must not pass from colour to gray or back: swscale takes gray for full range.
    chroma = "gray" if len(picture.format.components) < 3 else source.chroma.replace("gray", "420")
    small = reformatter.reformat(
        picture,
        width=source.width,
        height=source.height,
        format=replace(source, chroma=chroma).pix_fmt,
        interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND,
        src_color_range=2 if source.full_range else 1,
        dst_color_range=2 if source.full_range else 1,
    )
    return plane_view(small, 0, source.dtype)


def luma_psnr(a: Plane, b: Plane, depth: int) -> float:
    """dB; 100 for equal planes."""
    error = float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2))
    return 100.0 if error == 0 else 10 * math.log10((2**depth - 1) ** 2 / error)
