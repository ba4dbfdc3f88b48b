"""Frames -> a film, with everything else of the source carried over."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vsr.errors import MediaError
from vsr.frame import Frame, FrameFormat, VideoInfo
from vsr.media.carry import Carrier, is_cover, other_streams
from vsr.media.encoder import encoder_name, encoder_options, set_up
from vsr.media.filters import FilterChain
from vsr.media.planes import to_picture
from vsr.media.reader import Reader
from vsr.settings import EncoderSettings

MUXER_OPTIONS = {
    "mp4": {"movflags": "+faststart"},
    "mov": {"movflags": "+faststart"},
    "mpegts": {"mpegts_copyts": "1"},
}
"""Index before the pictures, for players that stream; times as they are."""


@dataclass(frozen=True)
class Target:
    """Where and what to write, decided before any work is done."""

    path: str
    """A file's path, or "-" for standard output."""
    container: str
    """FFmpeg's name of the format."""
    info: VideoInfo
    """The large video."""
    pix_fmt: str
    encoder: EncoderSettings

    @property
    def partial(self) -> str:
        """Where it is written until it is complete and verified."""
        if self.path == "-":
            return "pipe:1"
        path = Path(self.path)
        return str(path.with_name(f".{path.name}.{os.getpid()}.partial"))


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
        with self.translated():
            self.out = self.open()
        try:
            self.carrier = Carrier(self.out, reader.origin)
            self.stream = self.add_streams()
            self.copy_metadata()
            with self.translated():
                self.out.start_encoding()
        except BaseException:
            self.discard()
            raise
        self.scaler = self.make_scaler()

    def open(self) -> OutputContainer:
        name = self.target.container
        options = dict(MUXER_OPTIONS.get(name, {})) if self.target.path != "-" else {}
        return av.open(self.target.partial, "w", format=name, container_options=options)

    def add_streams(self) -> VideoStream:
        """All streams in the source's order; returns the one that is encoded."""
        kept = carried_streams(self.reader, self.target.container)
        pictures = covers(self.reader)
        for source in self.reader.container.streams:
            if source is self.reader.stream:
                video = self.add_video()
            elif source in kept:
                self.carrier.add(source, pictures.get(source.index))
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
        skip = ("encoder", "BPS", "NUMBER_OF_", "_STATISTICS", "DURATION")
        kept = {k: v for k, v in source.metadata.items() if not k.startswith(skip)}
        stream.metadata.update(kept)
        stream.disposition = source.disposition
        if info.display_matrix is not None:
            stream.set_display_matrix(info.display_matrix)
        return stream

    def copy_metadata(self) -> None:
        source = self.reader.container
        self.out.metadata.update(source.metadata)
        chapters = shifted_chapters(source, self.reader)
        if chapters:
            self.out.set_chapters(chapters)  # type: ignore[arg-type]

    def make_scaler(self) -> FilterChain | None:
        """What takes the engine's frames to the size and pixel format that is encoded."""
        form, final = self.frame_format, self.target.info.format
        same_size = (form.width, form.height) == (final.width, final.height)
        if same_size and form.pix_fmt == self.target.pix_fmt:
            return None
        place = form.chroma_location
        color_range = "full" if form.full_range else "limited"
        matrix = form.color_matrix
        scale = (
            f"scale=w={final.width}:h={final.height}:flags=lanczos+accurate_rnd+full_chroma_int"
            f":in_chroma_loc={place}:out_chroma_loc={place}"
            f":in_range={color_range}:out_range={color_range}"
            f":in_color_matrix={matrix}:out_color_matrix={matrix}"
        )
        like = av.VideoFrame(form.width, form.height, form.pix_fmt)
        return FilterChain(like, self.target.info.time_base, scale, f"format={self.target.pix_fmt}")

    # Writing.

    def write(self, frame: Frame) -> None:
        """Encode one frame and mux what is ready, the other streams up to the same time."""
        self.pts.append(frame.pts)
        self.durations[frame.pts] = frame.duration
        for picture in self.scaled(to_picture(frame, self.frame_format)):
            picture.pts, picture.time_base = frame.pts, self.target.info.time_base
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
        others: deque[av.Packet[Stream]] = self.reader.others
        while others:
            packet = others[0]
            moment = packet.pts if packet.pts is not None else packet.dts
            time = None if moment is None else moment * packet.time_base - self.reader.origin
            if until is not None and time is not None and time > until:
                return
            others.popleft()
            if time is not None and not self.in_clip(time):
                continue
            with self.translated():
                self.carrier.put(packet)

    def in_clip(self, time: Fraction) -> bool:
        """Whether a packet at this time of the result belongs to the clip."""
        clip = self.reader.clip
        if not clip:
            return True
        if time < 0:
            return False
        return not self.pts or time <= self.end_time() or (clip.frames is None and clip.end is None)

    def end_time(self) -> Fraction:
        last = self.pts[-1]
        return (last + self.durations.get(last, 0)) * self.target.info.time_base

    def finish(self) -> None:
        """Flush the encoder, carry what is left, close the file."""
        self.mux(self.encode(None))
        self.carry(until=None)
        with self.translated():
            self.out.close()
        if self.target.path != "-":
            with open(self.target.partial, "rb+") as file:
                os.fsync(file.fileno())

    def commit(self) -> None:
        """Give the finished file its name."""
        if self.target.path != "-":
            os.replace(self.target.partial, self.target.path)
        self.committed = True

    def discard(self) -> None:
        """Close and remove what was written."""
        with suppress(av.FFmpegError, ValueError, OSError):  # it is thrown away in any case
            self.out.close()
        if self.target.path != "-":
            Path(self.target.partial).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self.committed:
            self.discard()

    def translated(self) -> Translation:
        return Translation(self.target.path)


class Translation:
    """Turns libav's errors into MediaError with the output's path."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, av.FFmpegError):
            raise MediaError(self.path, f"cannot be written: {error.strerror}") from error


def carried_streams(reader: Reader, container: str) -> list[Stream]:
    """The streams that go over; a y4m stream holds pictures only."""
    if container == "yuv4mpegpipe":
        return []
    return other_streams(reader.container, reader.stream)


def covers(reader: Reader) -> dict[int, bytes]:
    """The cover pictures, which a demuxer gives first of all."""
    return {
        packet.stream_index: bytes(packet) for packet in reader.others if is_cover(packet.stream)
    }


def shifted_chapters(source: InputContainer, reader: Reader) -> list[dict[str, object]]:
    """The chapters, moved and cut as the clip is."""
    clip = reader.clip
    chapters: list[dict[str, object]] = []
    for chapter in source.chapters():
        base = chapter["time_base"]
        if base is None:
            continue
        start = chapter["start"] * base - reader.origin
        end = chapter["end"] * base - reader.origin
        last = None if clip.end is None else clip.end - reader.origin
        if end <= 0 or (last is not None and start >= last):
            continue
        start, end = max(start, Fraction(0)), end if last is None else min(end, last)
        times = {"start": round(start / base), "end": round(end / base)}
        chapters.append({**chapter, **times} if clip else dict(chapter))
    return chapters
