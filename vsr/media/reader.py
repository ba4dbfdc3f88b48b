"""A film, read once and forward: its pictures as Frames, all its other packets untouched."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from vsr.errors import InputError, MediaError
from vsr.frame import Frame, FrameFormat, VideoInfo
from vsr.media.filters import FilterChain
from vsr.media.interlace import PROBE_FRAMES, Fields, find_fields, in_doubt
from vsr.media.planes import CAREFUL, SWSCALE_MATRICES, to_frame
from vsr.media.probe import describe
from vsr.settings import Clip, Deinterlace

MILLISECOND = Fraction(1, 1000)
PICTURE_FORMATS = {"image2", "apng", "webp_pipe", "webp"}


@dataclass
class ReadReport:
    """What reading met with."""

    frames: int = 0
    damaged_packets: int = 0
    """Packets that the decoder refused."""
    damaged_frames: int = 0
    """Pictures that the decoder gave out marked as damaged."""
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
    ) -> None:
        self.path = str(source)
        self.clip = clip
        self.report = ReadReport()
        self.others: deque[av.Packet[Stream]] = deque()
        self.origin = Fraction(0)
        """Seconds that all times are shifted by: where the clip starts."""
        self.container = open_input(self.path)
        try:
            self.stream = best_video(self.container, self.path)
            self.stream.thread_type = "AUTO"
            self.stream.thread_count = threads
            self.seek()
            self.decoded = self.decode()
            self.peeked = self.peek()
            info = describe(self.stream, self.peeked[0])
            self.fields = self.judge_fields(deinterlace)
            notes = [*info.notes, self.fields.note] if self.fields.note else info.notes
            self.info: VideoInfo = replace(
                info, interlaced=self.fields.interlaced, notes=tuple(notes)
            )
            self.weaver = self.weave(deinterlace)
        except BaseException:
            self.container.close()
            raise
        self.reformatter = VideoReformatter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.container.close()

    # Opening.

    def seek(self) -> None:
        if self.clip.start and self.path != "-":
            self.container.seek(int(self.clip.start * av.time_base), backward=True)

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
            raise MediaError(self.path, f"its video stream holds no picture to be decoded{why}")
        return pictures

    def judge_fields(self, deinterlace: Deinterlace) -> Fields:
        if deinterlace == "off":
            return Fields(False)
        fields = find_fields(self.peeked)
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
        last: int | None = None
        step = 1
        for packet in self.packets():
            for picture in self.decode_packet(packet):
                if picture.is_corrupt:
                    self.report.damaged_frames += 1
                    self.report.note(f"damaged picture at {self.clock(picture.pts)}")
                picture.pts = self.mend_time(picture, last, step)
                if last is not None and not picture.duration:
                    step = max(1, picture.pts - last)
                step = picture.duration or step
                last = picture.pts
                yield picture

    def packets(self) -> Iterator[av.Packet[VideoStream]]:
        """The video stream's packets, and the empty one that flushes the decoder."""
        demuxed = self.container.demux()
        while True:
            try:
                packet = next(demuxed)
            except StopIteration:
                return
            except av.FFmpegError as error:
                self.report.damaged_packets += 1
                self.report.note(f"the container is damaged: {error.strerror}")
                yield from self.stream_end()
                return
            if packet.stream is self.stream:
                yield cast("av.Packet[VideoStream]", packet)
            elif packet.size:
                self.others.append(packet)

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

    def mend_time(self, picture: av.VideoFrame, last: int | None, step: int) -> int:
        """The picture's pts; where it has none, its predecessor's plus one frame; where it does
        not come after its predecessor's, that plus one tick, but at least a millisecond."""
        if picture.pts is not None and (last is None or picture.pts > last):
            return picture.pts
        self.report.mended_times += 1
        if last is None:
            return 0
        self.report.note(f"time missing or not rising after {self.clock(last)}")
        if picture.pts is None:
            return last + step
        assert self.stream.time_base is not None
        return last + max(1, -int(-MILLISECOND // self.stream.time_base))

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
        for picture in pictures:
            assert picture.pts is not None
            time = picture.pts * base
            if time < self.clip.start:
                continue
            if self.clip.end is not None and time >= self.clip.end:
                return
            if count == 0 and self.clip.start:
                self.origin = time
            picture.pts -= int(self.origin / base)
            yield picture
            count += 1
            if count == self.clip.frames:
                return

    def to_working_format(self, picture: av.VideoFrame, form: FrameFormat) -> av.VideoFrame:
        """The picture in the planar format that it is computed in."""
        if (picture.width, picture.height) != (form.width, form.height):
            raise MediaError(
                self.path,
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


def open_input(path: str) -> InputContainer:
    """Open a film, or standard input for "-". Raises InputError or MediaError."""
    if path != "-":
        check_is_file(path)
    try:
        container = av.open("pipe:0" if path == "-" else path, "r", metadata_errors="replace")
    except av.FFmpegError as error:
        if os.path.exists(path) and os.path.getsize(path) == 0:
            raise InputError(f"{path}: the file is empty") from error
        raise InputError(f"{path}: not a film that can be read ({error.strerror})") from error
    if container.format.name in PICTURE_FORMATS or container.format.name.endswith("_pipe"):
        container.close()
        raise InputError(f"{path}: a single picture, not a film; vsr upscales films")
    return container


def check_is_file(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: a directory, not a film; name the films in it")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: no permission to read it")


def best_video(container: InputContainer, path: str) -> VideoStream:
    """The stream that a player would show."""
    pictures = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not pictures:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise InputError(f"{path}: holds no video ({kinds} only); there is nothing to upscale")
    best = container.streams.best("video")
    return best if best in pictures else pictures[0]
