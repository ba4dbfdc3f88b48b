"""A film, read once and forward: its pictures as Frames, all its other packets untouched.

Over 300 lines, since demuxing, decoding, mending times, deinterlacing and cutting are one pass
through one container, and share its state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Self, cast

import av
from av.stream import Stream
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from vsr.errors import MediaError, UsageError
from vsr.frame import Frame, FrameFormat, VideoInfo
from vsr.media.filters import FilterChain
from vsr.media.index import FilmIndex
from vsr.media.interlace import PROBE_FRAMES, Fields, find_fields, in_doubt
from vsr.media.opening import (
    best_video,
    check_decoded_on_gpu,
    gpu_decoder,
    open_input,
    open_pipe,
)
from vsr.media.planes import CAREFUL, SWSCALE_MATRICES, to_frame
from vsr.media.probe import describe
from vsr.media.times import FrameTimes, Joins
from vsr.settings import Clip, Deinterlace

TIMELESS = ("avi",)
"""Containers, by their demuxers, that have no times of showing."""

BROADCAST = ("mpegts", "mpeg")
"""Containers whose clock may begin anew in the middle."""

READ_ON = 2
"""Seconds of pictures behind a clip's end in which its sound is looked for."""

CUT_SHARE = 0.02
"""The part of a film that may be missing at its end before that is worth a word."""


@dataclass
class ReadReport:
    """What reading met with."""

    frames: int = 0
    damaged_packets: int = 0
    """Packets that the decoder refused."""
    damaged_frames: int = 0
    """Pictures that the decoder gave out marked as damaged."""
    without_picture: int = 0
    """Packets that the decoder took and made no picture of, known at the film's end."""
    mended_times: int = 0
    """Frames whose time was missing or did not come after the frame before."""
    first_problems: list[str] = field(default_factory=list)
    """The first few problems, each with its time."""

    def note(self, problem: str) -> None:
        if len(self.first_problems) < 5:
            self.first_problems.append(problem)


class Reader:
    """An open film.

    `frames()` gives every picture of its (best) video stream; meanwhile the packets of all other
    streams gather in `others`, in the order in which they stand in the file.

    Thread: `frames()` runs in one thread; another may take from the left of `others`.
    Raises: InputError where there is no film to be read, MediaError where reading fails.
    """

    def __init__(
        self,
        source: str | Path,
        deinterlace: Deinterlace = "auto",
        clip: Clip = Clip(),  # noqa: B008 (frozen)
        threads: int = 0,
        hwaccel: str = "none",
    ) -> None:
        self.path = str(source)
        self.name = "standard input" if self.path == "-" else self.path
        self.clip = clip
        self.report = ReadReport()
        self.others: deque[av.Packet[Stream]] = deque()
        self.keeps_others = True
        self.origin = Fraction(0)
        """Seconds that all times are shifted by: where the clip starts."""
        self.ends: dict[int, int] = {}
        """Index of a stream -> where its last packet that was read ends, in its time base."""
        self.end: Fraction | None = None
        """Seconds of the result at which the clip ends, once that is known."""
        decoder = gpu_decoder(hwaccel)
        self.pipe = open_pipe(self.path)
        try:
            self.container = open_input(self.path, self.pipe, decoder)
        except BaseException:
            self.close_pipe()
            raise
        try:
            self.stream = best_video(self.container, self.name)
            if decoder is not None:
                check_decoded_on_gpu(self.stream, self.name)
            self.stream.thread_type = "AUTO"
            self.stream.thread_count = threads
            self.guesses_times = self.container.format.name in TIMELESS
            self.joins = Joins() if self.container.format.name in BROADCAST else None
            self.seek()
            self.decoded = self.decode()
            self.passed = self.packets()
            self.peeked = self.peek()
            info = describe(self.stream, self.peeked[0])
            self.fields = self.judge_fields(deinterlace)
            notes = [*info.notes, self.fields.note] if self.fields.note else info.notes
            self.info: VideoInfo = replace(
                info, interlaced=self.fields.interlaced, notes=tuple(notes)
            )
            self.skip_to_start()
            self.weaver = self.weave(deinterlace)
        except BaseException:
            self.close()
            raise
        self.reformatter = VideoReformatter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        # Let the decoder's threads come to rest now, with the interpreter's lock released. PyAV
        # keeps it while it frees a decoder, and a thread that wants to log would wait for it.
        stream = getattr(self, "stream", None)
        if stream is not None:
            stream.codec_context.flush_buffers()
        self.container.close()
        self.close_pipe()

    def close_pipe(self) -> None:
        if self.pipe is not None:
            self.pipe.close()

    def stop(self) -> None:
        """Let a read that waits for a pipe find the end now. Thread: any."""
        if self.pipe is not None:
            self.pipe.stop()

    # Opening.

    def seek(self) -> None:
        if self.clip.start and (self.pipe is None or self.pipe.seekable()):
            start = self.first_time() + self.clip.start
            self.container.seek(int(start * av.time_base), backward=True)

    def first_time(self) -> Fraction:
        """Seconds at which the film begins, which a clip's own times count from."""
        return (self.stream.start_time or 0) * (self.stream.time_base or Fraction(0))

    def skip_to_start(self) -> None:
        """Decode up to the clip's first picture; the one before stays, for the deinterlacer."""
        if not self.clip.start:
            return
        self.origin = self.first_time() + self.clip.start
        while self.time(self.peeked[-1]) < self.origin:
            picture = next(self.decoded, None)
            if picture is None:
                return
            self.peeked = [self.peeked[-1], picture]
        before = sum(self.time(picture) < self.origin for picture in self.peeked)
        self.origin = self.time(self.peeked[before])
        self.peeked = self.peeked[max(0, before - 1) :]

    def time(self, picture: av.VideoFrame) -> Fraction:
        """Of a decoded picture, seconds."""
        assert picture.pts is not None
        assert self.stream.time_base is not None
        return picture.pts * self.stream.time_base

    def peek(self) -> list[av.VideoFrame]:
        """The first pictures: one, or as many as it takes to judge the fields."""
        pictures = []
        for picture in self.decoded:
            pictures.append(picture)
            if len(pictures) >= PROBE_FRAMES or not in_doubt(self.stream.name or "", pictures):
                break
        if not pictures:
            damaged = self.report.damaged_packets
            why = f" ({damaged} damaged packets)" if damaged else ""
            raise MediaError(self.name, f"its video stream holds no picture to be decoded{why}")
        return pictures

    def judge_fields(self, deinterlace: Deinterlace) -> Fields:
        if deinterlace == "off":
            return Fields(False)
        fields = find_fields(self.stream.codec_context.name, self.peeked)
        return fields if deinterlace == "auto" else replace(fields, interlaced=True)

    def weave(self, deinterlace: Deinterlace) -> FilterChain | None:
        """The deinterlacer, where one is needed; it halves the time base."""
        if not self.fields.interlaced:
            return None
        mode = "send_field" if deinterlace == "field" else "send_frame"
        which = "interlaced" if self.fields.parity == "auto" else "all"
        if deinterlace == "field":
            rate = self.info.rate * 2 if self.info.rate else None
            frames = self.info.frames * 2 if self.info.frames else None
            base = self.info.time_base / 2
            self.info = replace(self.info, time_base=base, rate=rate, frames=frames)
        return FilterChain(
            self.peeked[0],
            self.stream.time_base or Fraction(1, 25),
            f"bwdif=mode={mode}:parity={self.fields.parity}:deint={which}",
        )

    # Reading.

    @property
    def has_to_be_read_from_its_start(self) -> bool:
        """Whether what a frame is, or which one, depends on those before it."""
        moved = bool(self.clip) or self.pipe is not None
        return moved or bool(self.weaver or self.joins or self.guesses_times)

    def start_at(self, number: int, index: FilmIndex) -> None:
        """Begin with frame `number`, decoding from the keyframe before it. Before the first frame.

        Raises UsageError where only reading from the start is exact. `frames()` raises
        VerificationError where what it decodes is not what the index says.
        """
        if self.has_to_be_read_from_its_start:
            raise UsageError(f"{self.name}: has to be read from its start")
        key = index.keyframe_before(number)
        self.stream.codec_context.flush_buffers()
        self.container.seek(key, stream=self.stream, backward=True)
        self.peeked.clear()
        self.decoded = index.checked(self.decode(), key, number)

    def drop_others(self) -> None:
        """Let go of all other streams' packets, those to come as well. Before the first frame."""
        self.keeps_others = False
        self.others.clear()

    def frames(self) -> Iterator[Frame]:
        """Every picture of the clip, in order of time, pts in `info.time_base`."""
        form = self.info.format
        for picture in self.clipped(self.deinterlaced(self.all_pictures())):
            assert picture.pts is not None
            plain = self.to_working_format(picture, form)
            self.report.frames += 1
            yield to_frame(plain, form, picture.pts, picture.duration or 0)

    def all_pictures(self) -> Iterator[av.VideoFrame]:
        while self.peeked:
            yield self.peeked.pop(0)
        yield from self.decoded

    def decode(self) -> Iterator[av.VideoFrame]:
        """Decoded pictures with mended times; other streams' packets go to `others`."""
        assert self.stream.time_base is not None
        times = FrameTimes(self.stream.time_base, self.guesses_times)
        missing, fields = 0, False
        for packet in self.packets():
            times.read(packet)
            missing += packet.size > 0
            damaged = self.report.damaged_packets
            pictures = self.decode_packet(packet)
            if self.report.damaged_packets > damaged:
                times.lose()
                missing -= 1
            if not packet.size and missing > len(pictures):
                pictures += self.tail(pictures[-1].pts if pictures else times.last)
            for picture in pictures:
                if picture.is_corrupt:
                    self.report.damaged_frames += 1
                    self.report.note(f"damaged picture at {self.clock(picture.pts)}")
                before = times.last
                if times.give(picture):
                    self.report.mended_times += 1
                    if self.report.mended_times == 1:
                        self.report.note(f"time missing or not rising after {self.clock(before)}")
                fields |= picture.interlaced_frame  # of which a packet may hold but one
                missing -= 1
                yield picture
        self.report.without_picture = 0 if fields else max(0, missing)

    def tail(self, last: int | None) -> list[av.VideoFrame]:
        """What a decoder with several threads still held when damage broke it off at the end:
        decoded once more, by one thread."""
        pictures: list[av.VideoFrame] = []
        if self.pipe is not None or last is None or (self.joins and self.joins.newest):
            return pictures
        with av.open(self.path, metadata_errors="replace") as again:
            stream = again.streams[self.stream.index]
            assert isinstance(stream, VideoStream)
            stream.thread_count = 1
            again.seek(last, stream=stream)
            for packet in again.demux(stream):
                with suppress(av.FFmpegError):  # counted the first time
                    pictures += packet.decode()
        return [p for p in pictures if p.pts is not None and p.pts > last]

    def packets(self) -> Iterator[av.Packet[VideoStream]]:
        """The video stream's packets, and the empty one that flushes the decoder."""
        demuxed = self.container.demux()
        while True:
            try:
                packet = next(demuxed)
            except StopIteration:
                self.note_cut(max(map(self.reached, self.ends), default=Fraction(0)))
                return
            except av.FFmpegError as error:
                self.report.damaged_packets += 1
                self.report.note(f"the container is damaged: {error.strerror}")
                yield from self.stream_end()
                return
            if self.joins is not None:
                joined = self.joins.follow(packet)
                if joined is not None:
                    self.report.note(f"the clock goes back at {float(joined):.3f} s: moved on")
            index, pts = packet.stream_index, packet.pts
            if pts is not None:
                end = pts + (packet.duration or 0)
                self.ends[index] = max(self.ends.get(index, end), end)
            if packet.stream is self.stream:
                yield cast("av.Packet[VideoStream]", packet)
            elif packet.size and self.keeps_others:
                self.others.append(packet)

    def reached(self, index: int) -> Fraction:
        """Seconds at which the last packet of a stream that was read ends."""
        return self.ends[index] * (self.container.streams[index].time_base or Fraction(0))

    def note_cut(self, reached: Fraction) -> None:
        """Say so where a film ends long before its header says it does."""
        if self.container.duration is None:
            return
        whole = (self.container.duration + (self.container.start_time or 0)) / av.time_base
        if whole - reached > max(2, whole * CUT_SHARE):
            self.report.first_problems.append(
                f"the file is cut off: it ends at {float(reached):.1f} s of {whole:.1f} s"
            )

    def stream_end(self) -> Iterator[av.Packet[VideoStream]]:
        end = cast("av.Packet[VideoStream]", av.Packet())
        end.stream = self.stream
        yield end

    def decode_packet(self, packet: av.Packet[VideoStream]) -> list[av.VideoFrame]:
        try:
            return packet.decode()
        except av.EOFError:
            return []
        except av.FFmpegError as error:
            self.report.damaged_packets += 1
            self.report.note(f"damaged packet at {self.clock(packet.pts)}: {error.strerror}")
            return []

    def clock(self, pts: int | None) -> str:
        if pts is None or self.stream.time_base is None:
            return "an unknown time"
        return f"{float(pts * self.stream.time_base):.3f} s"

    def deinterlaced(self, pictures: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        if self.weaver is None:
            yield from pictures
            return
        halves = self.info.time_base == self.stream.time_base
        for picture in pictures_then_end(pictures):
            for result in self.weaver.push(picture):
                if halves and result.pts is not None:
                    result.pts //= 2
                    result.duration = (result.duration or 0) // 2
                yield result

    def clipped(self, pictures: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """The pictures within the clip, their times counted from its first."""
        if not self.clip:
            yield from pictures
            return
        base, count = self.info.time_base, 0
        end = None if self.clip.end is None else self.first_time() + self.clip.end
        for picture in pictures:
            assert picture.pts is not None
            time = picture.pts * base
            if self.clip.start and time < self.origin:
                continue
            if (end is not None and time >= end) or count == self.clip.frames:
                self.end = time - self.origin
                break
            picture.pts -= int(self.origin / base)
            yield picture
            count += 1
        if self.end is not None:
            self.read_on(self.end + self.origin)

    def read_on(self, end: Fraction) -> None:
        """Take in the other streams' packets up to a time: they may lie behind the pictures."""
        sounds = [stream.index for stream in self.container.streams.audio]
        for packet in self.packets():
            if packet.dts is not None and packet.dts * packet.time_base > end + READ_ON:
                return
            if all(index in self.ends and self.reached(index) >= end for index in sounds):
                return

    def read_past(self, time: Fraction | None) -> None:
        """Set aside the other streams' packets, and decode nothing, until the pictures' have come
        past a time of the result; None: to the end of the clip, where `end` is set, or the film."""
        if time is None and self.end is not None:
            self.read_on(self.end + self.origin)
            return
        base = self.stream.time_base or Fraction(1)
        last = None if time is None else (time + self.origin) // base
        for packet in self.passed:
            if last is not None and packet.dts is not None and packet.dts > last:
                return

    def in_clip(self, time: Fraction) -> bool:
        """Whether something at this time of the result belongs to the clip, as far as is known."""
        began = time >= 0 or not self.clip.start
        return began and (self.end is None or time < self.end)

    def to_working_format(self, picture: av.VideoFrame, form: FrameFormat) -> av.VideoFrame:
        """The picture in the planar format that it is computed in."""
        if (picture.width, picture.height) != (form.width, form.height):
            raise MediaError(
                self.name,
                f"the picture size changes from {form.width}x{form.height} to "
                f"{picture.width}x{picture.height} at {self.clock(picture.pts)}; "
                "cut the film there and upscale the parts one by one",
            )
        if picture.format.name.replace("yuvj", "yuv") == form.pix_fmt:
            return picture
        full = int(picture.color_range) == 2 or picture.format.is_rgb
        return self.reformatter.reformat(
            picture,
            format=form.pix_fmt,
            src_colorspace=SWSCALE_MATRICES[form.color_matrix],
            dst_colorspace=SWSCALE_MATRICES[form.color_matrix],
            src_color_range=2 if full else 1,
            dst_color_range=2 if form.full_range else 1,
            interpolation=CAREFUL,
        )


def pictures_then_end(pictures: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame | None]:
    yield from pictures
    yield None
