"""Draw and encode the sample clips: python samples/make.py [FOLDER]

`scene.mkv` is the one to look at; every other clip is small and has one oddity. The same versions
of PyAV and NumPy give the same bytes.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from scene import Array, camera, display, perceptual

CUT, HOLD, HELD = 60, 40, 6
"""The frame that opens the second shot; the frame that stands still, and for how many frames."""

RATE = 44100
MELODY = (262, 330, 392, 523, 440, 349, 294, 392)
"""Hz, half a second each."""

X264 = {"crf": "20", "preset": "slow", "threads": "1"}
SMALL = {**X264, "crf": "18", "bf": "2"}


@dataclass(frozen=True)
class Clip:
    """A clip with an oddity, all else at its most usual."""

    name: str
    frames: int = 12
    size: tuple[int, int] = (320, 180)
    pix_fmt: str = "yuv420p"
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: dict(SMALL))
    tags: tuple[int, int, int, int] = (1, 1, 1, 1)
    """Primaries, transfer, matrix (ITU-T H.273) and range (1 limited, 2 full)."""
    sar: Fraction = Fraction(1)
    rotation: int = 0
    interlaced: bool = False
    times: tuple[int, ...] = ()
    """Milliseconds; by default 25 frames a second."""
    sound: bool = False


ODDITIES = (
    Clip(
        "ten_bit_hdr.mkv",
        pix_fmt="yuv420p10le",
        codec="libx265",
        tags=(9, 16, 9, 1),
        options={
            "crf": "20",
            "x265-params": "log-level=none:pools=1:frame-threads=1:hdr10=1:repeat-headers=1"
            ":master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
            ":max-cll=1000,400",
        },
    ),
    Clip(
        "variable_rate.mp4",
        frames=24,
        times=tuple(int(37 * n + 11 * (n % 3) + (200 if n > 9 else 0)) for n in range(24)),
        sound=True,
    ),
    Clip("odd_size.mkv", size=(161, 121), codec="ffv1", options={"level": "3", "slices": "4"}),
    Clip(
        "interlaced.mkv",
        frames=24,
        size=(320, 240),
        tags=(5, 6, 5, 1),
        sar=Fraction(12, 11),
        options={**SMALL, "flags": "+ilme+ildct", "x264-params": "tff=1"},
        interlaced=True,
    ),
    Clip("rotated.mp4", rotation=90),
    Clip("anamorphic.mp4", size=(352, 288), sar=Fraction(64, 45), tags=(5, 6, 5, 1)),
    Clip("full_range_444.mkv", 8, (160, 120), "yuv444p", tags=(6, 6, 6, 2)),
    Clip("gray.mkv", 8, (160, 120), "gray", "ffv1", {"level": "3", "slices": "4"}),
    Clip("rgb.mkv", 8, (120, 90), "bgr0", "ffv1", {"level": "3", "slices": "4"}, (1, 1, 0, 2)),
)


def moments(count: int, hold: bool = False) -> Iterator[tuple[float, float, float]]:
    """A slow pan to the right; in the long clip a still and, after the cut, a faster one back."""
    for n in range(count):
        t = n
        if hold:
            t = n if n < HOLD else max(HOLD, n - HELD + 1)
        if hold and n >= CUT:
            yield n + 40, 118 - 1.7 * (n - CUT), 18 - 0.33 * (n - CUT)
        else:
            yield t, 40 + t / 3, 2 + t / 6


def picture(light: Array, clip: Clip) -> av.VideoFrame:
    """Linear light as a frame of the clip's pixel format and colours."""
    signal = perceptual(light) if clip.tags[1] == 16 else display(light)
    deep = np.ascontiguousarray(np.clip(signal * 65535 + 0.5, 0, 65535).astype(np.uint16))
    frame = av.VideoFrame.from_ndarray(deep, format="rgb48le")
    return frame.reformat(
        format=clip.pix_fmt,
        dst_colorspace={1: "ITU709", 5: "ITU601", 6: "ITU601", 9: "BT2020"}.get(clip.tags[2]),
        dst_color_range=clip.tags[3],
        interpolation="BICUBIC",
    )


def weave(pictures: Iterable[Array]) -> Iterator[Array]:
    """Every two pictures as one of two fields, the upper first."""
    pairs = iter(pictures)
    for upper, lower in zip(pairs, pairs, strict=True):
        woven = upper.copy()
        woven[1::2] = lower[1::2]
        yield woven


def seen(clip: Clip) -> Iterator[Array]:
    """The clip's pictures in linear light."""
    if not clip.interlaced:
        return camera(moments(clip.frames), *clip.size)
    halves = ((n / 2, 40 + n * 1.5, 60.0) for n in range(2 * clip.frames))
    return weave(camera(halves, *clip.size))


def open_output(path: Path) -> OutputContainer:
    return av.open(str(path), "w", options={"fflags": "+bitexact"})


def add_video(out: OutputContainer, clip: Clip) -> VideoStream:
    stream = out.add_stream(clip.codec, rate=25, options=dict(clip.options))
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = *clip.size, clip.pix_fmt
    context = stream.codec_context
    context.color_primaries, context.color_trc = clip.tags[:2]
    context.colorspace, context.color_range = clip.tags[2:]
    context.sample_aspect_ratio = clip.sar
    context.flags |= av.codec.context.Flags.bitexact
    if clip.times:
        context.time_base = Fraction(1, 90000)
    if clip.rotation:
        stream.set_display_rotation(clip.rotation)
    return stream


def encode_video(
    out: OutputContainer, stream: VideoStream, clip: Clip, light: Iterable[Array]
) -> None:
    for n, one in enumerate(light):
        frame = picture(one, clip)
        frame.pts, frame.time_base = n, Fraction(1, 25)
        if clip.times:
            frame.pts, frame.time_base = clip.times[n] * 90 + n % 7, Fraction(1, 90000)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def add_sound(out: OutputContainer, language: str, title: str, layout: str) -> AudioStream:
    stream = out.add_stream("aac", rate=RATE, layout=layout)
    assert isinstance(stream, AudioStream)
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    stream.metadata.update(language=language, title=title)
    return stream


def encode_sound(out: OutputContainer, stream: AudioStream, seconds: float, pitch: float) -> None:
    """Plucked notes, the channels a hair out of tune."""
    time = np.arange(int(seconds * RATE)) / RATE
    note = np.array(MELODY)[(time * 2).astype(int) % len(MELODY)] * pitch
    pluck = np.exp(-3 * (time % 0.5)) * 0.3
    channels = [
        np.sin(2 * np.pi * note * time * (1 + 0.002 * c)) * pluck
        for c in range(stream.layout.nb_channels)
    ]
    samples = np.array(channels, np.float32)
    for first in range(0, samples.shape[1], 1024):
        chunk = np.ascontiguousarray(samples[:, first : first + 1024])
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout=stream.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def make_scene(path: Path) -> None:
    """Four seconds with a cut, a still, two languages, subtitles, chapters and an attachment."""
    clip = Clip("scene.mkv", frames=100, size=(640, 360), options=dict(X264))
    with open_output(path) as out:
        out.metadata.update(title="A street", comment="made by samples/make.py")
        video = add_video(out, clip)
        video.metadata.update(title="pictures")
        sounds = [
            add_sound(out, "eng", "melody", "stereo"),
            add_sound(out, "deu", "Melodie, tiefer", "mono"),
        ]
        sounds[0].disposition = av.stream.Disposition.default
        sounds[1].disposition = av.stream.Disposition(0)
        words = out.add_mux_stream("subrip")
        words.metadata.update(language="eng", title="what is seen")
        words.time_base = Fraction(1, 1000)
        out.add_attachment("notes.txt", "text/plain", b"All of this scene is drawn by formulas.\n")
        out.set_chapters(
            [
                {
                    "id": 1,
                    "start": 0,
                    "end": 2400,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": "The street"},
                },
                {
                    "id": 2,
                    "start": 2400,
                    "end": 4000,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": "The other way"},
                },
            ]
        )
        lines = ((200, "A street."), (1600, "For a moment nothing moves."), (2500, "And back."))
        for start, line in lines:
            packet = av.Packet(line.encode())
            packet.stream, packet.time_base = words, Fraction(1, 1000)
            packet.pts = packet.dts = start
            packet.duration = 900
            out.mux(packet)
        for sound, pitch in zip(sounds, (1.0, 0.5), strict=True):
            encode_sound(out, sound, 4, pitch)
        encode_video(out, video, clip, camera(moments(clip.frames, hold=True), *clip.size))


def make_oddity(path: Path, clip: Clip) -> None:
    with open_output(path) as out:
        video = add_video(out, clip)
        if clip.sound:
            encode_sound(out, add_sound(out, "eng", "melody", "mono"), 1.2, 1)
        encode_video(out, video, clip, seen(clip))


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    make_scene(folder / "scene.mkv")
    for clip in ODDITIES:
        make_oddity(folder / clip.name, clip)


if __name__ == "__main__":
    main()
