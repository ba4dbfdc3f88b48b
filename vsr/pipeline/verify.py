"""Is the finished file what was promised? It is read back and held against the source."""

from __future__ import annotations

import bisect
import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from vsr.errors import VerificationError
from vsr.frame import Frame, FrameFormat, Plane
from vsr.media.carry import Carried, describe, is_cover, other_streams
from vsr.media.planes import plane_view
from vsr.media.writer import Writer

LEAST_PSNR = 20.0
"""dB between a source frame and its result shrunk to its size. Real results measure above 30; a
black, shifted or foreign picture below 15."""

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


def verify(writer: Writer, samples: Samples, source: FrameFormat) -> dict[int, float]:
    """Check the file that `writer` finished, before it gets its name.

    Frames and their times must be those written, every carried stream must hold the same bytes,
    sampled frames must resemble the source. Returns pts -> PSNR (dB) of the sampled frames.
    Raises VerificationError, saying what differs.
    """
    path = writer.target.path
    with av.open(writer.target.partial) as film:
        video = find_video(film, path)
        keyframes = check_packets(film, video, writer)
    with av.open(writer.target.partial) as film:
        video = find_video(film, path)
        scores = compare_samples(film, video, writer, samples, source, keyframes)
    for pts, score in scores.items():
        if score < LEAST_PSNR:
            seconds = float(pts * writer.target.info.time_base)
            raise VerificationError(
                f"{path}: the picture at {seconds:.3f} s does not resemble the source "
                f"({score:.1f} dB)"
            )
    return scores


def find_video(film: InputContainer, path: str) -> VideoStream:
    pictures = [stream for stream in film.streams.video if not is_cover(stream)]
    if not pictures:
        raise VerificationError(f"{path}: the finished file holds no video")
    best = film.streams.best("video")
    return best if best in pictures else pictures[0]


def check_packets(film: InputContainer, video: VideoStream, writer: Writer) -> list[int]:
    """Compare times and bytes of all packets; returns the pts of the keyframes."""
    path, expected = writer.target.path, list(writer.carrier.carried.values())
    expected = [c for c in expected if c.packets and not is_cover(c.source)]
    found = [s for s in other_streams(film, video) if s.type != "attachment" and not is_cover(s)]
    digests = {stream.index: hashlib.sha256() for stream in found}
    counts = dict.fromkeys(digests, 0)
    times: list[int] = []
    keyframes: list[int] = []
    for packet in film.demux():
        if packet.size == 0:
            continue
        if packet.stream is video:
            times.append(packet.pts if packet.pts is not None else packet.dts or 0)
            if packet.is_keyframe:
                keyframes.append(times[-1])
        elif packet.stream_index in digests:
            digests[packet.stream_index].update(packet)
            counts[packet.stream_index] += 1
    check_times(sorted(times), video, writer)

    found = [stream for stream in found if counts[stream.index]]
    if len(found) != len(expected):
        raise VerificationError(
            f"{path}: {len(expected)} other streams went in and {len(found)} came out"
        )
    for carried, stream in zip(expected, found, strict=True):
        same = digests[stream.index].digest() == carried.digest.digest()
        if not same and not (repacked(carried) and counts[stream.index] == carried.packets):
            raise VerificationError(
                f"{path}: {describe(carried.source)} changed on the way "
                f"({carried.packets} packets in, {counts[stream.index]} out)"
            )
    return keyframes


def repacked(carried: Carried) -> bool:
    """Whether muxers are right to rewrite the packets' headers: AAC out of ADTS, H.264 and its
    heirs out of start codes."""
    stream = carried.source
    streamed = stream.container.format.name in ("mpegts", "mpeg", "aac")
    return streamed and stream.codec_context.name in ("aac", "h264", "hevc", "vvc")


def check_times(times: list[int], video: VideoStream, writer: Writer) -> None:
    """Every frame that went in came out at its time, as finely as the container counts."""
    path, base = writer.target.path, writer.target.info.time_base
    assert video.time_base is not None
    if len(times) != len(writer.pts):
        raise VerificationError(
            f"{path}: {len(writer.pts)} frames went in and {len(times)} came out"
        )
    for number, (pts, time) in enumerate(zip(writer.pts, times, strict=True)):
        late = time * video.time_base - pts * base
        if abs(late) > video.time_base / 2:
            raise VerificationError(
                f"{path}: frame {number}, at {float(pts * base):.4f} s, "
                f"came out {float(late):+.4f} s off"
            )


def compare_samples(
    film: InputContainer,
    video: VideoStream,
    writer: Writer,
    samples: Samples,
    source: FrameFormat,
    keyframes: list[int],
) -> dict[int, float]:
    """PSNR between source luma and the result's, shrunk; of the samples cheapest to decode."""
    assert video.time_base is not None
    ratio = writer.target.info.time_base / video.time_base
    order = {pts: number for number, pts in enumerate(writer.pts)}
    starts = sorted(keyframes)

    def cost(pts: int) -> float:
        """Frames to decode to get at this one; the first is always looked at."""
        before = bisect.bisect_right(starts, round(pts * ratio))
        if order[pts] == 0 or before == 0:
            return -1
        gap = pts - starts[before - 1] / ratio
        return float(gap * writer.target.info.time_base)

    wanted = sorted(samples.kept.values(), key=lambda sample: cost(sample[0]))[:CHECKED_SAMPLES]
    reformatter = VideoReformatter()
    scores = {}
    for pts, luma in sorted(wanted, key=lambda sample: sample[0]):
        picture = picture_at(film, video, round(pts * ratio))
        if picture is None:
            raise VerificationError(f"{writer.target.path}: frame {order[pts]} does not decode")
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
    small = reformatter.reformat(
        picture,
        width=source.width,
        height=source.height,
        format=source.pix_fmt,
        interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND,
        src_color_range=2 if source.full_range else 1,
        dst_color_range=2 if source.full_range else 1,
    )
    return plane_view(small, 0, source.dtype)


def luma_psnr(a: Plane, b: Plane, depth: int) -> float:
    """dB; 100 for equal planes."""
    error = float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2))
    return 100.0 if error == 0 else 10 * math.log10((2**depth - 1) ** 2 / error)
