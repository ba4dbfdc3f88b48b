"""Frames -> packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vsr.frame import Frame, FrameFormat
from vsr.media.encoder import encoder_name, encoder_options, set_up, tag
from vsr.media.planes import to_picture
from vsr.media.scaler import make_scaler
from vsr.media.target import Target
from vsr.media.x264 import repeatable


def new_context(target: Target) -> VideoCodecContext:
    """An encoder of its own, whose headers stand apart from its packets, as containers want them.

    Raises UsageError for options that it refuses.
    """
    context = av.CodecContext.create(encoder_name(target.encoder.codec), "w")
    assert isinstance(context, VideoCodecContext)
    context.flags |= Flags.global_header
    open_context(context, target)
    return context


def open_context(context: VideoCodecContext, target: Target) -> None:
    """Tell an encoder all that the target says, and open it."""
    options = encoder_options(context.name, target.encoder, target.info.hdr)
    options = repeatable(context.name, options)
    context.thread_count = target.encoder.threads
    set_up(context, target.info, target.pix_fmt, options)


def encoder_versions() -> dict[str, str]:
    """Of all that encodes: PyAV's wheel holds the encoders, too."""
    return {"PyAV": av.__version__, "FFmpeg": av.ffmpeg_version_info}


class FrameEncoder:
    """Takes frames to the target's size and pixel format, and encodes them.

    Packets come in the encoder's order, each with its frame's duration.
    Raises: MediaError where encoding fails.
    """

    def __init__(self, target: Target, form: FrameFormat, context: VideoCodecContext) -> None:
        self.target, self.form, self.context = target, form, context
        self.scaler = make_scaler(form, target.info.format, target.pix_fmt, target.info.time_base)
        self.frames = 0
        self.last: Frame | None = None
        self.durations: dict[int, int] = {}
        """pts -> duration of the frames that the encoder still holds."""

    def encode(self, frame: Frame) -> Iterator[av.Packet[VideoStream]]:
        """Encode one frame; gives what is ready."""
        step = 1 if self.last is None else frame.pts - self.last.pts
        self.durations[frame.pts] = frame.duration or step
        self.last = frame
        self.frames += 1
        for picture in self.scaled(to_picture(frame, self.form)):
            picture.pts, picture.time_base = frame.pts, self.target.info.time_base
            tag(picture, self.context)
            with self.target.translated():
                packets = self.context.encode(picture)
            yield from map(self.finished, packets)

    def scaled(self, picture: av.VideoFrame) -> Iterator[av.VideoFrame]:
        if self.scaler is None:
            yield picture
        else:
            yield from self.scaler.push(picture)

    def flush(self) -> Iterator[av.Packet[VideoStream]]:
        """What the encoder still holds; nothing can be encoded afterwards."""
        with self.target.translated():
            for packet in self.context.encode_lazy(None):
                if self.frames <= 2:  # x265 sets no dts then that can be believed
                    packet.dts = packet.pts
                yield self.finished(cast("av.Packet[VideoStream]", packet))

    def finished(self, packet: av.Packet[VideoStream]) -> av.Packet[VideoStream]:
        duration = self.durations.pop(packet.pts, 0) if packet.pts is not None else 0
        if duration and not packet.duration:
            packet.duration = duration
        return packet
