"""Frames -> a film, with everything else of the source carried over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
from av.container import OutputContainer
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vsr.errors import MediaError, VsrError
from vsr.frame import Frame, FrameFormat
from vsr.media.carry import Carrier, describe, is_cover, other_streams
from vsr.media.chapters import shifted_chapters
from vsr.media.container import PICTURES_ONLY, holdable
from vsr.media.encoder import chroma_size, encoder_name, encoder_options, planar, set_up, tag
from vsr.media.pace import Pace
from vsr.media.partial import claim
from vsr.media.pipes import PIPE_BUFFER, PipeWriter
from vsr.media.planes import to_picture
from vsr.media.reader import Reader
from vsr.media.scaler import make_scaler
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


class Writer:
    """An output being written: first to a temporary sibling, which `commit` renames.

    Leaving the `with` block without `commit` removes what was written.

    Thread: all calls from one thread; the reader may still be adding to its `others`.
    Raises: InputError for options the encoder refuses, MediaError where writing fails.
    """

    def __init__(self, target: Target, reader: Reader, frame_format: FrameFormat) -> None:
        self.target, self.reader = target, reader
        self.frame_format = frame_format
        self.frames = 0
        self.pts: list[int] = []
        """The pts of every frame written, in the source's time base."""
        self.durations: dict[int, int] = {}
        self.committed = False
        self.pipe = PipeWriter() if target.path == "-" else None
        self.lock: int | None = None
        self.lost_words: list[str] = []
        """What of the words about the film the container did not take, known once it is read."""
        self.swept: list[str] = []
        """Names of partial files that killed runs had left, removed now."""
        with self.translated():
            if self.pipe is None:
                self.lock, self.swept = claim(target.path)
            self.out = self.open()
        try:
            self.carrier = Carrier(self.out, reader.origin)
            pictures = covers(reader)
            self.covers = {index: bytes(packet) for index, packet in pictures.items()}
            """Index of the stream -> the picture's file."""
            self.stream = self.add_streams()
            self.copy_metadata()
            with self.translated():
                self.out.start_encoding()
                for packet in pictures.values():
                    self.carrier.put(packet)
        except BaseException:
            self.discard()
            raise
        self.others = Pace(reader, without=self.covers)
        final, base = target.info.format, target.info.time_base
        self.scaler = make_scaler(frame_format, final, target.pix_fmt, base)

    def open(self) -> OutputContainer:
        name = self.target.container
        options = dict(MUXER_OPTIONS.get(name, {}))
        if name in ("mp4", "mov"):  # what a first frame's time is rounded to; 1/1000 by default
            options["movie_timescale"] = str(max(1000, self.target.info.time_base.denominator))
            if any(key.startswith("com.") for key in self.reader.container.metadata):
                options["movflags"] += "+use_metadata_tags"  # a phone's own words
        if self.pipe is not None:
            size = PIPE_BUFFER
            return av.open(self.pipe, "w", format=name, container_options=options, buffer_size=size)
        return av.open(self.target.partial, "w", format=name, container_options=options)

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
        info, settings = self.target.info, self.target.encoder
        name = encoder_name(settings.codec)
        stream = self.out.add_stream(name, rate=info.rate and info.rate.limit_denominator(90000))
        assert isinstance(stream, VideoStream)
        stream.time_base = info.time_base
        context = stream.codec_context
        assert isinstance(context, VideoCodecContext)
        if name == "libx265" and self.target.container in ("mp4", "mov"):
            context.codec_tag = "hvc1"
        set_up(context, info, self.target.pix_fmt, encoder_options(name, settings, info.hdr))
        source = self.reader.stream
        words = source.metadata.items()
        stream.metadata.update({k: v for k, v in words if not k.lower().startswith(OF_THE_STREAM)})
        stream.disposition = source.disposition
        if info.display_matrix is not None:
            stream.set_display_matrix(info.display_matrix)
        return stream

    def losses(self) -> list[str]:
        """What could not be kept, in words."""
        if self.target.container == PICTURES_ONLY:
            return []
        streams = other_streams(self.reader.container, self.reader.stream)
        left = [s for s in streams if s.index not in self.carrier.carried]
        lost = [f"{describe(stream)}: left out, no container can hold it" for stream in left]
        if self.lost_words:
            words = ", ".join(self.lost_words)
            lost.append(f"{self.target.container} has no place for the words: {words}")
        chroma, depth = planar(self.target.pix_fmt)
        form = self.frame_format
        if depth and depth < form.depth:
            lost.append(f"{form.depth} bits became {depth}, as {self.target.pix_fmt} has them")
        if depth and chroma_size(chroma) < chroma_size(form.chroma):
            lost.append(
                f"colour of 4:{form.chroma[1]}:{form.chroma[2]} became {self.target.pix_fmt}"
            )
        return lost

    def copy_metadata(self) -> None:
        source = self.reader.container
        words = source.metadata.items()
        self.out.metadata.update({k: v for k, v in words if k.lower() not in OF_THE_CONTAINER})
        chapters = shifted_chapters(source, self.reader)
        if chapters:
            self.out.set_chapters(chapters)  # type: ignore[arg-type]

    # Writing.

    def write(self, frame: Frame) -> None:
        """Encode one frame and mux what is ready, the other streams up to the same time."""
        self.pts.append(frame.pts)
        step = frame.pts - self.pts[-2] if len(self.pts) > 1 else 1
        self.durations[frame.pts] = frame.duration or step
        for picture in self.scaled(to_picture(frame, self.frame_format)):
            picture.pts, picture.time_base = frame.pts, self.target.info.time_base
            tag(picture, self.stream.codec_context)
            self.mux(self.encode(picture))
        self.carry(until=frame.pts * self.target.info.time_base)
        self.frames += 1

    def scaled(self, picture: av.VideoFrame) -> Iterator[av.VideoFrame]:
        if self.scaler is None:
            yield picture
        else:
            yield from self.scaler.push(picture)

    def encode(self, picture: av.VideoFrame | None) -> list[av.Packet[VideoStream]]:
        with self.translated():
            return self.stream.encode(picture)

    def mux(self, packets: list[av.Packet[VideoStream]]) -> None:
        for packet in packets:
            duration = self.durations.pop(packet.pts, 0) if packet.pts is not None else 0
            if duration and not packet.duration:
                packet.duration = duration
            with self.translated():
                self.out.mux_one(packet)

    def carry(self, until: Fraction | None) -> None:
        """Mux what the reader found of other streams, up to a time or to the end."""
        for packet in self.others.due(until):
            with self.translated():
                self.carrier.put(packet)

    def finish(self) -> None:
        """Flush the encoder, carry what is left, close the file."""
        with self.translated():
            for packet in self.stream.codec_context.encode_lazy(None):
                packet.stream = self.stream
                if self.frames <= 2:  # x265 sets no dts then that can be believed
                    packet.dts = packet.pts
                self.mux([packet])
        self.carry(until=None)
        with self.translated():
            self.out.close()
            if self.lock is not None:
                os.fsync(self.lock)

    def commit(self) -> None:
        """Give the finished file its name."""
        with self.translated():
            if self.pipe is None:
                os.replace(self.target.partial, self.target.path)
        self.committed = True
        self.release()

    def abandon(self) -> None:
        """Remove what was written, unless it was committed; all that is left to do is to leave."""
        if self.committed:
            return
        if self.pipe is not None:
            self.pipe.stop()
        else:
            Path(self.target.partial).unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove what was written, and close."""
        self.abandon()
        with suppress(av.FFmpegError, ValueError, OSError):  # it is thrown away in any case
            self.out.close()
        self.release()

    def release(self) -> None:
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if not self.committed:
            self.discard()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns libav's errors and the system's into MediaError with the output's name."""
        name = "standard output" if self.pipe is not None else self.target.path
        try:
            yield
        except VsrError:
            raise
        except BrokenPipeError as error:
            raise MediaError(name, "closed by its reader before the film was done") from error
        except (av.FFmpegError, OSError) as error:
            problem = error.strerror or str(error)
            raise MediaError(name, f"cannot be written: {problem}") from error


def carried_streams(reader: Reader, container: str) -> list[Stream]:
    """The streams that go over; a y4m stream holds pictures only."""
    if container == PICTURES_ONLY:
        return []
    return holdable(other_streams(reader.container, reader.stream))


def covers(reader: Reader) -> dict[int, av.Packet[Stream]]:
    """Index of the stream -> the cover picture, which a demuxer gives first of all."""
    return {packet.stream_index: packet for packet in reader.others if is_cover(packet.stream)}
