"""A few frames through a codec and back, in memory: what compression leaves of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vsr.errors import UsageError, VerificationError
from vsr.media.planes import CAREFUL, plane_view
from vsr.media.x264 import repeatable

Pictures = NDArray[np.uint8]

RATE = 25


def recode(frames: Pictures, codec: str, options: Mapping[str, str]) -> Pictures:
    """The frames after an encoder and its decoder, through 4:2:0.

    `codec` and `options` are an FFmpeg encoder's, such as "libx264" and {"crf": "28"}. One thread
    computes, so that equal input gives equal output.

    Shapes: (n, 3, h, w) uint8, Y'CbCr 4:4:4 of limited range, in and out; h and w even.
    Raises: UsageError for an unknown encoder or option, or a value that the encoder refuses;
        VerificationError unless exactly the frames that went in come out, in order.
    """
    height, width = frames.shape[2:]
    encoder, name = make_encoder(codec, options, width, height)
    decoder = av.CodecContext.create(name, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    result = np.empty_like(frames)
    expected = iter(range(len(frames)))
    try:
        for packet in encode(encoder, frames):
            for picture in decoder.decode(packet):
                if picture.pts != next(expected, None):
                    raise VerificationError(f"{codec} gave frame {picture.pts} out of turn")
                result[picture.pts] = enlarge_chroma(picture)
    except av.FFmpegError as error:
        raise UsageError(f"{codec} cannot encode {width}x{height} ({error.strerror})") from error
    lost = next(expected, None)
    if lost is not None:
        raise VerificationError(f"{codec} lost frame {lost} of {len(frames)}")
    return result


def make_encoder(
    codec: str, options: Mapping[str, str], width: int, height: int
) -> tuple[VideoCodecContext, str]:
    """An open encoder, and the name of the codec that decodes what it writes."""
    try:
        name = av.Codec(codec, "w").canonical_name
        encoder = av.CodecContext.create(codec, "w")
    except av.codec.codec.UnknownCodecError:
        raise UsageError(f"no encoder '{codec}'") from None
    if not isinstance(encoder, VideoCodecContext):
        raise UsageError(f"'{codec}' does not encode video")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, RATE), Fraction(RATE)
    encoder.thread_count = 1
    encoder.options = repeatable(codec, options)
    words = " ".join(f"{key}={value}" for key, value in options.items())
    try:
        encoder.open()
    except (av.FFmpegError, ValueError) as error:
        raise UsageError(f"{codec} refuses {width}x{height}, {words}") from error
    if encoder.options:  # what is left was not known
        raise UsageError(f"{codec} knows no option '{next(iter(encoder.options))}'")
    return encoder, name


def encode(encoder: VideoCodecContext, frames: Pictures) -> Iterator[av.Packet[VideoStream] | None]:
    """The packets, and None at the end, which makes the decoder give what it holds."""
    for number, planes in enumerate(frames):
        picture = av.VideoFrame(planes.shape[2], planes.shape[1], "yuv444p")
        for index, plane in enumerate(planes):
            np.copyto(plane_view(picture, index, np.uint8), plane)
        picture = picture.reformat(format="yuv420p", interpolation=CAREFUL)
        picture.pts, picture.time_base = number, Fraction(1, RATE)
        yield from encoder.encode(picture)
    yield from encoder.encode(None)
    yield None


def enlarge_chroma(picture: av.VideoFrame) -> Pictures:
    """A decoded picture as (3, h, w), its chroma at the resolution of its luma."""
    whole = picture.reformat(format="yuv444p", interpolation=CAREFUL)
    return np.stack([plane_view(whole, index, np.uint8) for index in range(3)])
