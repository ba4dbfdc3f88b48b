"""Pictures' packets and everything else of the source -> a container."""

from __future__ import annotations

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vsr.frame import FrameFormat
from vsr.media.carry import Carrier, describe, is_cover, other_streams
from vsr.media.chapters import shifted_chapters
from vsr.media.container import PICTURES_ONLY, holdable
from vsr.media.encoder import chroma_size, encoder_name, planar
from vsr.media.frame_encoder import open_context
from vsr.media.pace import Pace
from vsr.media.pipes import PIPE_BUFFER, PipeWriter
from vsr.media.reader import Reader
from vsr.media.target import Target

MUXER_OPTIONS = {
    "mp4": {"movflags": "+faststart"},
    "mov": {"movflags": "+faststart"},
    "matroska": {"avoid_negative_ts": "disabled"},
    "webm": {"avoid_negative_ts": "disabled"},
    "mpegts": {"mpegts_copyts": "1"},
    "yuv4mpegpipe": {"strict": "-1"},
}
"""Index before the pictures, for players that stream; times as they are, those before zero too,
which an AAC track out of MP4 begins with; Y4M with depths that its inventors did not foresee."""

KEEPS_NEGATIVE_TIMES = ("mp4", "mov", "matroska", "webm")
"""The other containers begin at zero or later: all streams move together where one has to."""

OF_THE_STREAM = ("encoder", "bps", "number_of_", "_statistics", "duration")
OF_THE_CONTAINER = ("encoder", "major_brand", "minor_version", "compatible_brands")
"""Words that are not about the film but about how its old stream or container was written."""


class Muxer:
    """A container being written, whose bytes depend on nothing but what goes in.

    `stream` is the pictures' own; its encoder is open, and says what the container has to know.
    Thread: all calls from one thread; the reader may still be adding to its `others`.
    Raises: InputError for options the encoder refuses, MediaError where writing fails.
    """

    def __init__(self, target: Target, reader: Reader, path: str) -> None:
        self.target, self.reader, self.path = target, reader, path
        self.pts: list[int] = []
        """The pts of every frame, in order, in the target's time base."""
        self.lost_words: list[str] = []
        """What of the words about the film the container did not take, known once it is read."""
        self.abandoned = False
        self.pipe = PipeWriter() if path == "-" else None
        with target.translated():
            self.out = self.open()
        try:
            self.carrier = Carrier(self.out, reader.origin)
            pictures = covers(reader)
            self.covers = {index: bytes(packet) for index, packet in pictures.items()}
            """Index of the stream -> the picture's file."""
            self.stream = self.add_streams()
            self.copy_metadata()
            with target.translated():
                self.out.start_encoding()
                for packet in pictures.values():
                    self.carrier.put(packet)
        except BaseException:
            self.discard()
            raise
        self.others = Pace(reader, without=self.covers)

    def open(self) -> OutputContainer:
        name = self.target.container
        options = {**MUXER_OPTIONS.get(name, {}), "fflags": "+bitexact"}  # nothing random, no clock
        if name in ("mp4", "mov"):  # what a first frame's time is rounded to; 1/1000 by default
            options["movie_timescale"] = str(max(1000, self.target.info.time_base.denominator))
            if any(key.startswith("com.") for key in self.reader.container.metadata):
                options["movflags"] += "+use_metadata_tags"  # a phone's own words
        if self.pipe is not None:
            size = PIPE_BUFFER
            return av.open(self.pipe, "w", format=name, container_options=options, buffer_size=size)
        return av.open(self.path, "w", format=name, container_options=options)

    def add_streams(self) -> VideoStream:
        """All streams in the source's order; returns the one that is encoded."""
        kept = carried_streams(self.reader, self.target.container)
        for source in self.reader.container.streams:
            if source is self.reader.stream:
                video = self.add_video()
            elif source in kept:
                self.carrier.add(source, self.covers.get(source.index))
        return video

    def add_video(self) -> VideoStream:
        info = self.target.info
        name = encoder_name(self.target.encoder.codec)
        stream = self.out.add_stream(name, rate=info.rate and info.rate.limit_denominator(90000))
        assert isinstance(stream, VideoStream)
        stream.time_base = info.time_base
        context = stream.codec_context
        assert isinstance(context, VideoCodecContext)
        if name == "libx265" and self.target.container in ("mp4", "mov"):
            context.codec_tag = "hvc1"
        open_context(context, self.target)
        source = self.reader.stream
        words = source.metadata.items()
        stream.metadata.update({k: v for k, v in words if not k.lower().startswith(OF_THE_STREAM)})
        stream.disposition = source.disposition
        if info.display_matrix is not None:
            stream.set_display_matrix(info.display_matrix)
        return stream

    def copy_metadata(self) -> None:
        source = self.reader.container
        words = source.metadata.items()
        self.out.metadata.update({k: v for k, v in words if k.lower() not in OF_THE_CONTAINER})
        chapters = shifted_chapters(source, self.reader)
        if chapters:
            self.out.set_chapters(chapters)  # type: ignore[arg-type]

    # Writing.

    def put(self, packet: av.Packet[VideoStream]) -> None:
        """Mux a picture's packet."""
        packet.stream = self.stream
        with self.target.translated():
            self.out.mux_one(packet)

    def carry(self, until: Fraction | None) -> None:
        """Mux what the reader found of other streams, up to a time or to the end."""
        with self.target.translated():
            for packet in self.others.due(until):
                self.carrier.put(packet)

    def finish(self) -> None:
        """Carry what is left, close the file; it is on the disk then."""
        self.carry(until=None)
        with self.target.translated():
            self.out.close()
            if self.pipe is None:
                sync(self.path)

    def commit(self) -> None:
        """Give the finished file its name."""
        if self.pipe is None:
            with self.target.translated():
                os.replace(self.path, self.target.path)
                sync(Path(self.target.path).absolute().parent)

    def abandon(self) -> None:
        """Remove what was written; all that is left to do is to leave."""
        if self.pipe is not None:
            self.pipe.stop()
        elif not self.abandoned:
            Path(self.path).unlink(missing_ok=True)
        self.abandoned = True

    def discard(self) -> None:
        """Remove what was written, and close."""
        self.abandon()
        with suppress(av.FFmpegError, ValueError, OSError):  # it is thrown away in any case
            self.out.close()

    def losses(self) -> list[str]:
        """What of the other streams and words could not be kept, in words."""
        if self.target.container == PICTURES_ONLY:
            return []
        streams = other_streams(self.reader.container, self.reader.stream)
        left = [s for s in streams if s.index not in self.carrier.carried]
        lost = [f"{describe(stream)}: left out, no container can hold it" for stream in left]
        if self.lost_words:
            words = ", ".join(self.lost_words)
            lost.append(f"{self.target.container} has no place for the words: {words}")
        return lost + lost_samples(self.target, self.reader.info.format)


def lost_samples(target: Target, form: FrameFormat) -> list[str]:
    """What of the samples' depth and chroma the encoder's pixel format does not hold, in words."""
    lost = []
    chroma, depth = planar(target.pix_fmt)
    if depth and depth < form.depth:
        lost.append(f"{form.depth} bits became {depth}, as {target.pix_fmt} has them")
    if depth and chroma_size(chroma) < chroma_size(form.chroma):
        lost.append(f"colour of 4:{form.chroma[1]}:{form.chroma[2]} became {target.pix_fmt}")
    return lost


def carried_streams(reader: Reader, container: str) -> list[Stream]:
    """The streams that go over; a y4m stream holds pictures only."""
    if container == PICTURES_ONLY:
        return []
    return holdable(other_streams(reader.container, reader.stream))


def covers(reader: Reader) -> dict[int, av.Packet[Stream]]:
    """Index of the stream -> the cover picture, which a demuxer gives first of all."""
    return {packet.stream_index: packet for packet in reader.others if is_cover(packet.stream)}


def sync(path: str | Path) -> None:
    """See to it that a file's content, or a folder's names, outlast a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
