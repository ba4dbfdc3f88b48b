"""Writing: same frames, same times, same tags, and everything else of the source as it was."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import pytest
from av.packet import Packet
from av.sidedata.sidedata import Type
from av.stream import Disposition, Stream
from films import (
    Attachment,
    Cover,
    Data,
    Sound,
    Stored,
    Text,
    Video,
    film,
    flat,
    frames_of,
    moving,
    others_of,
    png,
    settings,
    streams_of,
    times_of,
    woven,
)

from vsr.errors import InputError, MediaError, UsageError
from vsr.frame import Frame
from vsr.media.reader import Reader
from vsr.pipeline.progress import UpscaleReport
from vsr.pipeline.upscale import upscale
from vsr.settings import Clip, UpscaleSettings

MS = Fraction(1, 1000)
AS_GIVEN = {"max_interleave_delta": "1"}
"""Lets a muxer write packets in the order in which it is given them."""
TICK = {"mkv": MS, "webm": MS}
"""What containers round to; the others keep times as they are."""


def enlarge(
    source: Path, name: str, job: UpscaleSettings | None = None
) -> tuple[UpscaleReport, Path]:
    """Twice as large, beside the source."""
    target = source.with_name(name)
    return upscale(source, target, settings=job or settings()), target


# ---- frames and times -----------------------------------------------------------------------

HOLDS = {
    "libx264": ("mp4", "mov", "mkv", "nut"),
    "libx265": ("mp4", "mov", "mkv"),
    "libsvtav1": ("mp4", "mkv", "webm"),
    "ffv1": ("mkv",),
    "prores_ks": ("mov", "mkv"),
    "libvpx-vp9": ("mp4", "mkv", "webm"),
    "mpeg4": ("mp4", "mov", "mkv"),
}
PAIRS = [(codec, ending) for codec, endings in HOLDS.items() for ending in endings]
VARIABLE = [0, 1001, 2002, 3003, 7777, 7888, 12_000, 42_042, 43_043, 44_044, 45_045]


@pytest.mark.parametrize(("codec", "ending"), PAIRS)
def test_every_frame_comes_out_at_its_time(tmp_path: Path, codec: str, ending: str) -> None:
    base = Fraction(1, 30_000)
    source = film(tmp_path / "in.mp4", Video(len(VARIABLE), pts=VARIABLE, time_base=base))
    report, target = enlarge(source, f"out.{ending}", settings(codec=codec))
    found = times_of(target)
    assert report.frames == len(found) == len(VARIABLE)
    most = TICK.get(ending, 0) / 2
    assert all(abs(a - b * base) <= most for a, b in zip(found, VARIABLE, strict=True))
    pictures = frames_of(target)
    assert len(pictures) == len(VARIABLE)
    assert (pictures[0].width, pictures[0].height) == (128, 96)


WITH_B_FRAMES = settings(options={"preset": "medium", "bf": "3", "b_strategy": "0"})


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_b_frames_move_no_time(tmp_path: Path, ending: str) -> None:
    source = film(tmp_path / "in.mkv", Video(20), Sound("flac" if ending != "mov" else "aac"))
    _, target = enlarge(source, f"out.{ending}", WITH_B_FRAMES)
    assert times_of(target) == [40 * n * MS for n in range(20)]


def test_a_container_that_begins_at_zero_moves_all_streams_alike(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", Video(20), Sound("flac"))
    _, target = enlarge(source, "out.nut", WITH_B_FRAMES)
    times = times_of(target)
    assert [time - times[0] for time in times] == [40 * n * MS for n in range(20)]
    sound = others_of(target)[0].times[0]
    assert sound is not None
    assert abs(sound - times[0]) <= MS


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_huge_gaps_between_frames_are_kept(tmp_path: Path, ending: str) -> None:
    pts = [0, 40, 80, 600_000, 600_040, 7_200_000]
    source = film(tmp_path / "in.mkv", Video(6, pts=pts, time_base=MS))
    _, target = enlarge(source, f"out.{ending}")
    assert times_of(target) == [p * MS for p in pts]


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_a_film_that_starts_late_starts_as_late(tmp_path: Path, ending: str) -> None:
    pts = [1234 + 3003 * n for n in range(6)]
    source = film(
        tmp_path / "in.ts", Video(6, pts=pts, time_base=Fraction(1, 90_000)), Sound("aac")
    )
    _, target = enlarge(source, f"out.{ending}")
    most = TICK.get(ending, 0) / 2
    assert all(abs(a - b) <= most for a, b in zip(times_of(target), times_of(source), strict=True))


def test_a_film_with_a_rate_of_1000_is_taken_as_it_is(tmp_path: Path) -> None:
    pts = [0, 33, 67, 100, 133, 167]
    source = film(tmp_path / "in.mkv", Video(6, pts=pts, time_base=MS, rate=Fraction(1000)))
    for codec in ("libx264", "libx265", "libsvtav1"):
        _, target = enlarge(source, f"{codec}.mkv", settings(codec=codec))
        assert times_of(target) == [p * MS for p in pts]


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9"])
@pytest.mark.parametrize("step", [2.5, 10_000])
def test_films_may_be_very_fast_or_very_slow(tmp_path: Path, codec: str, step: float) -> None:
    pts = [round(step * n) for n in range(6)]
    rate = Fraction(1000) / Fraction(step)
    source = film(tmp_path / "in.mkv", Video(6, pts=pts, time_base=MS, rate=rate))
    _, target = enlarge(source, "out.mp4", settings(codec=codec))
    assert times_of(target) == [p * MS for p in pts]


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "ffv1", "libvpx-vp9"])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (33, 17)])
def test_films_of_one_frame_and_tiny_sizes(
    tmp_path: Path, codec: str, size: tuple[int, int]
) -> None:
    if codec == "libx265" and max(size) < 16:
        pytest.skip("x265 encodes nothing below 32x32")
    source = film(tmp_path / "in.mkv", Video(1, size, codec="ffv1"))
    if codec == "libsvtav1" and max(size) < 2:
        with pytest.raises(InputError, match="libsvtav1 refuses 2x2"):
            enlarge(source, "out.mkv", settings(codec=codec))
        return
    _, target = enlarge(source, "out.mkv", settings(codec=codec))
    assert [(p.width, p.height) for p in frames_of(target)] == [(2 * size[0], 2 * size[1])]


def test_the_last_frame_lasts_as_long_as_in_the_source(tmp_path: Path) -> None:
    pts = [0, 40, 80, 120, 1120]
    source = film(tmp_path / "in.mp4", Video(5, pts=pts, time_base=MS), Sound("aac"))
    for name in ("out.mp4", "out.mov"):
        _, target = enlarge(source, name)
        with av.open(str(source)) as one, av.open(str(target)) as other:
            a, b = one.streams.video[0], other.streams.video[0]
            assert a.duration is not None
            assert b.duration is not None
            assert a.time_base is not None
            assert b.time_base is not None
            assert a.duration * a.time_base == b.duration * b.time_base


def test_durations_of_frames_are_kept(tmp_path: Path) -> None:
    pts = [0, 100, 150, 400]
    source = film(tmp_path / "in.mp4", Video(4, pts=pts, time_base=MS))
    for name in ("out.mp4", "out.mkv"):
        _, target = enlarge(source, name)
        assert streams_of(target)[0].durations[:3] == [100 * MS, 50 * MS, 250 * MS]


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
@pytest.mark.parametrize(("mode", "step"), [("frame", 40), ("field", 20)])
def test_an_interlaced_film_becomes_a_progressive_one(
    tmp_path: Path, ending: str, mode: Literal["frame", "field"], step: int
) -> None:
    video = Video(10, (64, 240), paint=woven("tff"), fields="tff")
    source = film(tmp_path / "in.ts", video, Sound("mp2"))
    began = times_of(source)[0]
    report, target = enlarge(source, f"out.{ending}", replace(settings(), deinterlace=mode))
    assert report.frames == 400 // step
    most = TICK.get(ending, 0) / 2
    for number, moment in enumerate(times_of(target)):
        assert abs(moment - began - number * step * MS) <= most
    assert not any(picture.interlaced_frame for picture in frames_of(target))
    assert others_of(target)[0].packets == others_of(source)[0].packets


# ---- pixels ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "ending", "pix_fmt"),
    [
        ("libx264", "mp4", "yuv420p10le"),
        ("libx265", "mp4", "yuv420p10le"),
        ("libsvtav1", "mkv", "yuv420p10le"),
        ("ffv1", "mkv", "yuv422p10le"),
        ("prores_ks", "mov", "yuv422p10le"),
        ("libx264", "mkv", "yuv444p10le"),
        ("libx265", "mkv", "yuv422p12le"),
        ("ffv1", "mkv", "yuv444p16le"),
        ("ffv1", "mkv", "gray16le"),
    ],
)
def test_ten_bits_and_more_stay(tmp_path: Path, codec: str, ending: str, pix_fmt: str) -> None:
    source = film(tmp_path / "in.mkv", Video(3, codec="ffv1", pix_fmt=pix_fmt, tags=(1, 1, 1, 1)))
    _, target = enlarge(source, f"out.{ending}", settings(codec=codec))
    assert frames_of(target)[0].format.name == pix_fmt


def test_lossless_output_holds_the_engines_very_codes(tmp_path: Path) -> None:
    for pix_fmt in ("yuv420p", "yuv422p10le", "yuv444p", "gray"):
        video = Video(3, codec="ffv1", pix_fmt=pix_fmt, tags=(1, 1, 1, 1))
        source = film(tmp_path / f"{pix_fmt}.mkv", video)
        _, target = enlarge(source, f"{pix_fmt}.x2.mkv", settings(codec="ffv1"))
        for small, large in zip(frames_of(source), frames_of(target), strict=True):
            assert np.array_equal(luma(small), luma(large)[::2, ::2])
            assert np.array_equal(luma(small), luma(large)[1::2, 1::2])


def luma(picture: av.VideoFrame) -> np.ndarray[Any, Any]:
    dtype = np.uint8 if picture.format.components[0].bits == 8 else np.uint16
    plane = picture.planes[0]
    rows = np.frombuffer(bytes(plane), dtype).reshape(plane.height, -1)
    return rows[:, : plane.width]


GRAY_CODECS = ["libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1", "prores_ks"]


@pytest.mark.parametrize("codec", GRAY_CODECS)
@pytest.mark.parametrize("code_range", [1, 2])
@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le"])
def test_gray_keeps_its_levels_where_the_encoder_has_no_gray(
    tmp_path: Path, codec: str, code_range: int, pix_fmt: str
) -> None:
    tags = (1, 1, 2, code_range)
    video = Video(2, codec="ffv1", pix_fmt=pix_fmt, paint=flat(60), tags=tags)
    source = film(tmp_path / "in.mkv", video)
    ending = "mov" if codec == "prores_ks" else "mkv"
    _, target = enlarge(source, f"out.{ending}", settings(codec=codec))
    picture = frames_of(target)[0]
    unit = 1 << (picture.format.components[0].bits - 8)
    assert abs(luma(picture).astype(int) - 60 * unit).max() <= unit
    if codec != "prores_ks":  # whose decoder tells no range
        assert int(picture.color_range) == code_range
    for plane in picture.planes[1:]:
        data = np.frombuffer(bytes(plane), np.uint8 if unit == 1 else np.uint16)
        assert (
            abs(data.reshape(plane.height, -1)[:, : plane.width].astype(int) - 128 * unit).max()
            <= unit
        )


@pytest.mark.parametrize("code_range", [1, 2])
def test_colours_keep_their_codes_in_another_pixel_format(tmp_path: Path, code_range: int) -> None:
    video = Video(2, codec="ffv1", paint=flat(101, 77, 190), tags=(1, 1, 1, code_range))
    source = film(tmp_path / "in.mkv", video)
    for pix_fmt in ("yuv444p", "yuv420p10le", "yuv422p"):
        _, target = enlarge(source, f"{pix_fmt}.mkv", settings(codec="ffv1", pix_fmt=pix_fmt))
        picture = frames_of(target)[0]
        unit = 1 << (picture.format.components[0].bits - 8)
        for plane, code in zip(picture.planes, (101, 77, 190), strict=True):
            data = np.frombuffer(bytes(plane), np.uint8 if unit == 1 else np.uint16)
            assert abs(int(data[0]) - code * unit) <= unit / 2


def test_full_range_jpeg_codes_stay_full_range(tmp_path: Path) -> None:
    video = Video(2, codec="mjpeg", pix_fmt="yuvj420p", paint=flat(3, 128, 128))
    source = film(tmp_path / "in.mkv", video)
    _, target = enlarge(source, "out.mkv", settings(codec="ffv1"))
    picture = frames_of(target)[0]
    assert int(picture.color_range) == 2
    assert abs(int(luma(picture)[5, 5]) - 3) <= 1


# ---- tags -----------------------------------------------------------------------------------

TAGS = [(1, 1, 1, 1), (6, 6, 6, 1), (5, 6, 5, 2), (9, 16, 9, 1), (9, 18, 9, 1)]


@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize(
    ("codec", "ending"),
    [
        *(
            (codec, ending)
            for codec in ("libx264", "libx265", "libsvtav1")
            for ending in ("mp4", "mkv")
        ),
        ("ffv1", "mkv"),
        ("libvpx-vp9", "webm"),
        ("libx264", "mov"),
    ],
)
def test_colour_tags_are_kept(
    tmp_path: Path, codec: str, ending: str, tags: tuple[int, int, int, int]
) -> None:
    source = film(tmp_path / "in.mp4", Video(2, tags=tags))
    _, target = enlarge(source, f"out.{ending}", settings(codec=codec))
    picture = frames_of(target)[0]
    found = picture.color_primaries, picture.color_trc, picture.colorspace, picture.color_range
    assert tuple(int(x) for x in found) == tags


def test_prores_keeps_its_tags(tmp_path: Path) -> None:
    for tags, transfer in (((1, 1, 1, 1), 1), ((6, 6, 6, 1), 1), ((9, 18, 9, 1), 18)):
        video = Video(2, codec="ffv1", pix_fmt="yuv422p10le", tags=tags)
        source = film(tmp_path / f"{transfer}{tags[0]}.mkv", video)
        _, target = enlarge(source, f"{transfer}{tags[0]}.mov", settings(codec="prores_ks"))
        picture = frames_of(target)[0]
        assert int(picture.color_primaries) == int(picture.colorspace) == tags[0]
        assert int(picture.color_trc) == transfer  # 6 and 1 are the same function


def test_bits_that_the_encoder_cannot_take_are_told(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", Video(3, codec="ffv1", pix_fmt="yuv420p10le"))
    report, target = enlarge(source, "out.webm", settings(codec="libvpx-vp9"))
    assert frames_of(target)[0].format.name == "yuv420p"
    assert any("10 bits became 8" in note for note in report.notes)


def test_colour_that_the_encoder_cannot_take_is_told(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", Video(3, codec="ffv1", pix_fmt="yuv444p"))
    report, target = enlarge(source, "out.mkv", settings(codec="libsvtav1"))
    assert frames_of(target)[0].format.name == "yuv420p"
    assert any("4:4:4 became yuv420p" in note for note in report.notes)
    report, _ = enlarge(source, "whole.mkv")
    assert not any("became" in note for note in report.notes)


@pytest.mark.parametrize("place", ["left", "center", "topleft"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_the_chroma_location_is_kept(tmp_path: Path, codec: str, place: str) -> None:
    source = film(tmp_path / "in.mp4", Video(2, chroma_location=place))
    for ending in ("mp4", "mkv"):
        _, target = enlarge(source, f"out.{ending}", settings(codec=codec))
        with Reader(target) as reader:
            assert reader.info.format.chroma_location == place


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_the_sample_aspect_ratio_is_kept(tmp_path: Path, codec: str, ending: str) -> None:
    source = film(tmp_path / "in.mp4", Video(2, sar=Fraction(16, 11)))
    _, target = enlarge(source, f"out.{ending}", settings(codec=codec))
    with Reader(target) as reader:
        assert reader.info.sar == Fraction(16, 11)


MIRRORED = (-65536, 0, 0, 0, 65536, 0, 64 << 16, 0, 1 << 30)


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_the_rotation_is_kept(tmp_path: Path, ending: str, degrees: int) -> None:
    source = film(tmp_path / "in.mp4", Video(2, rotation=degrees))
    _, target = enlarge(source, f"out.{ending}")
    with Reader(source) as a, Reader(target) as b:
        assert b.info.rotation == a.info.rotation
        assert (b.info.format.width, b.info.format.height) == (128, 96)


def test_a_mirrored_film_stays_mirrored(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", Video(2, matrix=MIRRORED))
    _, target = enlarge(source, "out.mp4")
    with Reader(target) as reader:
        assert reader.info.display_matrix == (*MIRRORED[:6], 128 << 16, *MIRRORED[7:])


def hdr10(path: Path) -> tuple[tuple[Fraction, ...] | None, tuple[int, int] | None]:
    """Mastering display and content light as the first picture carries them."""
    light, mastering = None, None
    found: Any = frames_of(path)[0].side_data
    for data in found:
        if data.type == Type.CONTENT_LIGHT_LEVEL:
            light = struct.unpack("2I", bytes(data)[:8])
        if data.type == Type.MASTERING_DISPLAY_METADATA:
            numbers = struct.unpack("20i", bytes(data)[:80])
            mastering = tuple(
                Fraction(n, d) for n, d in zip(numbers[::2], numbers[1::2], strict=True)
            )
    return mastering, light


def hdr_film(path: Path) -> Path:
    words = (
        "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
        ":max-cll=1000,400:log-level=none"
    )
    options = {"x265-params": words}
    tags = (9, 16, 9, 1)
    return film(path, Video(2, codec="libx265", pix_fmt="yuv420p10le", tags=tags, options=options))


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1"])
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_hdr10_metadata_is_kept(tmp_path: Path, codec: str, ending: str) -> None:
    source = hdr_film(tmp_path / "in.mp4")
    _, target = enlarge(source, f"out.{ending}", settings(codec=codec))
    mastering, light = hdr10(target)
    want, light_before = hdr10(source)
    assert light == light_before == (1000, 400)
    assert mastering is not None
    assert want is not None
    chroma, step = mastering[:8], Fraction(1, 50_000)
    assert all(abs(a - b) <= step for a, b in zip(chroma, want[:8], strict=True))
    assert all(
        abs(a - b) <= Fraction(1, 1000) for a, b in zip(mastering[8:], want[8:], strict=True)
    )
    picture = frames_of(target)[0]
    assert picture.format.name == "yuv420p10le"
    assert (picture.color_primaries, picture.color_trc, picture.colorspace) == (9, 16, 9)


def test_hdr10_of_a_hd_camera_survives_av1_to_av1(tmp_path: Path) -> None:
    source = hdr_film(tmp_path / "in.mp4")
    _, first = enlarge(source, "one.mp4", settings(codec="libsvtav1"))
    _, second = enlarge(first, "two.mp4", settings(codec="libsvtav1"))
    assert hdr10(first)[1] == hdr10(second)[1] == (1000, 400)


# ---- other streams --------------------------------------------------------------------------


def same_stream(a: Stored, b: Stored, tick: Fraction = MS / 2) -> None:
    """The same packets at the same times with the same words."""
    assert (a.kind, a.codec, a.data) == (b.kind, b.codec, b.data)
    assert a.packets == b.packets
    for one, other in zip(a.times, b.times, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert abs(one - other) <= tick
    words = {k.lower(): v for k, v in b.metadata.items()}
    for key, value in a.metadata.items():
        if key.lower() not in ("duration", "handler_name", "vendor_id", "encoder"):
            assert words.get(key.lower()) == value
    assert a.disposition == b.disposition


def carried_over(source: Path, name: str, job: UpscaleSettings | None = None) -> list[Stored]:
    """Enlarge, compare every other stream, return those of the result."""
    _, target = enlarge(source, name, job)
    before, after = others_of(source), others_of(target)
    assert [s.kind for s in after] == [s.kind for s in before]
    for a, b in zip(before, after, strict=True):
        same_stream(a, b)
    return after


WORDS = {"language": "ger", "title": "Regiekommentar"}


@pytest.mark.parametrize("codec", ["aac", "flac", "libopus", "pcm_s16le", "ac3", "libmp3lame"])
def test_sound_goes_over_untouched_in_mkv(tmp_path: Path, codec: str) -> None:
    sound = Sound(codec, metadata=WORDS, disposition=Disposition.comment)
    carried_over(film(tmp_path / "in.mkv", Video(), sound), "out.mkv")


@pytest.mark.parametrize("codec", ["aac", "flac", "libopus", "ac3", "libmp3lame"])
def test_sound_goes_over_untouched_in_mp4(tmp_path: Path, codec: str) -> None:
    sound = Sound(codec, metadata={"language": "ger"})
    carried_over(film(tmp_path / "in.mp4", Video(), sound), "out.mp4")


@pytest.mark.parametrize("codec", ["aac", "pcm_s24le", "alac"])
def test_sound_goes_over_untouched_in_mov(tmp_path: Path, codec: str) -> None:
    carried_over(film(tmp_path / "in.mov", Video(), Sound(codec)), "out.mov")


@pytest.mark.parametrize("codec", ["subrip", "ass", "webvtt"])
def test_subtitles_go_over_untouched_in_mkv(tmp_path: Path, codec: str) -> None:
    forced = Disposition.forced | Disposition.default
    text = Text(codec, metadata=WORDS, disposition=forced)
    after = carried_over(film(tmp_path / "in.mkv", Video(), text), "out.mkv")
    assert after[0].durations == [80 * MS, 100 * MS]


def test_subtitles_go_over_untouched_in_mp4(tmp_path: Path) -> None:
    text = Text("mov_text", metadata={"language": "ger"})
    source = film(tmp_path / "in.mp4", Video(), Sound("aac"), text)
    _, target = enlarge(source, "out.mp4")
    before, after = others_of(source)[1], others_of(target)[1]
    shown = [
        [(t, p) for t, p in zip(s.times, s.packets, strict=True) if len(p) > 2]
        for s in (before, after)
    ]
    assert shown[0] == shown[1] == [(40 * MS, b"\0\5first"), (160 * MS, b"\0\6second")]
    assert after.metadata["language"] == "ger"
    assert len(after.packets) <= len(before.packets) + 1


def test_streams_stay_in_the_order_of_the_source(tmp_path: Path) -> None:
    source = film(
        tmp_path / "in.mkv",
        Text("subrip", metadata={"title": "a"}),
        Sound("flac", metadata={"title": "b"}),
        Video(metadata={"title": "c"}),
        Sound("aac", metadata={"title": "d"}),
        Text("ass", metadata={"title": "e"}),
    )
    carried_over(source, "out.mkv")
    kinds = [s.kind for s in streams_of(tmp_path / "out.mkv")]
    assert kinds == ["subtitle", "audio", "video", "audio", "subtitle"]


def test_a_second_video_stream_goes_over_untouched(tmp_path: Path) -> None:
    second = Video(9, (32, 24), options={"preset": "fast", "bf": "2"}, metadata={"title": "angle"})
    for name in ("mkv", "mp4"):
        source = film(tmp_path / f"in.{name}", Video(), second, Sound("aac"))
        _, target = enlarge(source, f"out.{name}")
        before, after = streams_of(source)[1], streams_of(target)[1]
        assert before.packets == after.packets
        assert before.times == after.times


def test_a_second_video_stream_before_the_first_stays_there(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", Video(9, (32, 24)), Video(9), Sound("flac"))
    _, target = enlarge(source, "out.mkv")
    before, after = streams_of(source), streams_of(target)
    assert before[0].packets == after[0].packets
    assert len(after[1].packets) == 9


def test_attached_files_go_over_with_name_and_kind(tmp_path: Path) -> None:
    source = film(
        tmp_path / "in.mkv",
        Video(),
        Text("ass"),
        Attachment("DejaVu.ttf", "application/x-truetype-font", b"\0\1\2\3" * 99),
        Attachment("read me.txt", "text/plain", "Grüße".encode()),
    )
    carried_over(source, "out.mkv")


@pytest.mark.parametrize("name", ["cover.png", "cover_land.png"])
def test_cover_art_of_matroska_stays(tmp_path: Path, name: str) -> None:
    source = film(tmp_path / "in.mkv", Video(), Attachment(name, "image/png", png()), Sound("flac"))
    _, target = enlarge(source, "out.mkv")
    after = others_of(target)[-1]
    assert after.packets == [png()]
    assert after.metadata["filename"] == name
    assert after.metadata["mimetype"] == "image/png"
    assert after.disposition & Disposition.attached_pic


def test_cover_art_of_mp4_stays(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", Video(), Cover(png()), Sound("aac"))
    _, target = enlarge(source, "out.mp4")
    after = others_of(target)[-1]
    assert after.packets == [png()]
    assert after.disposition & Disposition.attached_pic
    assert len(times_of(target)) == 8


@pytest.mark.parametrize(("first", "second"), [("mp4", "mkv"), ("mkv", "mp4")])
def test_cover_art_changes_containers(tmp_path: Path, first: str, second: str) -> None:
    cover = Cover(png()) if first == "mp4" else Attachment("cover.png", "image/png", png())
    source = film(tmp_path / f"in.{first}", Video(), cover)
    _, target = enlarge(source, f"out.{second}")
    assert others_of(target)[0].packets == [png()]


def test_measurements_of_a_camera_go_over(tmp_path: Path) -> None:
    source = film(tmp_path / "in.ts", Video(), Data("klv"))
    report, target = upscale(source, settings=settings()), tmp_path / "in.x2.mov"
    assert report.output == str(target)
    assert others_of(target)[0].packets == [b"\1\2\3", b"\4\5"]


def test_a_timecode_stays(tmp_path: Path) -> None:
    for name in ("mov", "mp4"):
        source = film(
            tmp_path / f"in.{name}", Video(), Sound("aac"), metadata={"timecode": "01:02:03:04"}
        )
        _, target = enlarge(source, f"out.{name}")
        before, after = others_of(source), others_of(target)
        assert [s.kind for s in after] == [s.kind for s in before] == ["audio", "data"]
        assert after[1].packets == before[1].packets
        assert after[1].metadata["timecode"] == "01:02:03:04"


def test_a_timecode_is_told_to_matroska(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mov", Video(), metadata={"timecode": "01:02:03:04"})
    _, target = enlarge(source, "out.mkv")
    assert streams_of(target)[0].metadata["TIMECODE"] == "01:02:03:04"


def test_what_nothing_can_hold_is_left_out_aloud(tmp_path: Path) -> None:
    source = film(tmp_path / "in.ts", Video(), Text("dvb_teletext"), Sound("aac"))
    report, target = enlarge(source, "out.mkv")
    assert [s.kind for s in others_of(target)] == ["audio"]
    assert any("stream 1, subtitle" in note and "left out" in note for note in report.notes)


CHAPTERS = [(0, 100, "Anfang"), (100, 200, "Mitte"), (200, 320, "Ende")]


@pytest.mark.parametrize("ending", ["mkv", "mp4", "mov"])
def test_chapters_are_kept(tmp_path: Path, ending: str) -> None:
    source = film(tmp_path / f"in.{ending}", Video(), Sound("aac"), chapters=CHAPTERS)
    _, target = enlarge(source, f"out.{ending}")
    assert chapters_of(target) == chapters_of(source)
    assert [title for *_, title in chapters_of(target)] == ["Anfang", "Mitte", "Ende"]
    assert len(streams_of(target)) == len(streams_of(source))


def chapters_of(path: Path) -> list[tuple[Fraction, Fraction, str]]:
    with av.open(str(path)) as source:
        return [
            (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
            for c in source.chapters()
            if c["time_base"] is not None
        ]


def test_a_data_stream_beside_chapters_is_kept(tmp_path: Path) -> None:
    one = film(tmp_path / "one.ts", Video(), Data("klv"))
    upscale(one, tmp_path / "two.mov", settings=settings())
    with av.open(str(tmp_path / "two.mov")) as source, av.open(tmp_path / "in.mov", "w") as out:
        streams = [out.add_stream_from_template(s, opaque=True) for s in source.streams]
        chapter: Any = {
            "id": 1,
            "start": 0,
            "end": 100,
            "time_base": MS,
            "metadata": {"title": "x"},
        }
        out.set_chapters([chapter])
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                out.mux_one(packet)
    _, target = enlarge(tmp_path / "in.mov", "out.mov")
    assert [s.packets for s in others_of(target) if s.packets] == [[b"\1\2\3", b"\4\5"]]
    assert [title for *_, title in chapters_of(target)] == ["x"]


def test_words_about_the_film_are_kept(tmp_path: Path) -> None:
    words = {"title": "Der Film", "artist": "Jemand", "comment": "schön", "date": "2001"}
    for ending in ("mkv", "mp4"):
        video = Video(metadata={"language": "fre"}, disposition=Disposition.default)
        source = film(tmp_path / f"in.{ending}", video, metadata=words)
        _, target = enlarge(source, f"out.{ending}")
        with av.open(str(target)) as out:
            kept = {key.lower(): value for key, value in out.metadata.items()}
            assert {key: kept.get(key) for key in words} == words
            assert out.streams.video[0].language == "fre"
            assert out.streams.video[0].disposition == Disposition.default


def test_a_phones_own_words_are_kept(tmp_path: Path) -> None:
    words = {"com.android.version": "14", "title": "Hof", "com.apple.quicktime.model": "X"}
    options = {"movflags": "+use_metadata_tags"}
    source = film(tmp_path / "in.mp4", Video(2), metadata=words, options=options)
    for name in ("out.mp4", "out.mov", "out.mkv"):
        _, target = enlarge(source, name)
        with av.open(str(target)) as out:
            kept = {key.lower(): value for key, value in out.metadata.items()}
            assert {key: kept.get(key) for key in words} == words
        if name != "out.mkv":
            data = target.read_bytes()
            assert 0 < data.find(b"moov") < data.find(b"mdat")


def test_words_that_the_container_has_no_place_for_are_told(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", Video(2), metadata={"title": "a", "IMDB": "tt1"})
    report, _ = enlarge(source, "out.mp4")
    assert "mp4 has no place for the words: IMDB" in report.notes
    report, _ = enlarge(source, "out.mkv")
    assert not any("words" in note for note in report.notes)


def test_words_about_the_old_encoding_are_not_kept(tmp_path: Path) -> None:
    video = Video(2, metadata={"ENCODER": "H.264", "BPS-eng": "1", "title": "angle"})
    source = film(tmp_path / "in.mkv", video, metadata={"major_brand": "qt  "})
    _, target = enlarge(source, "out.mkv")
    words = {k.lower(): v for k, v in streams_of(target)[0].metadata.items()}
    assert words.get("title") == "angle"
    assert "bps-eng" not in words
    assert words.get("encoder") != "H.264"
    with av.open(str(target)) as out:
        assert "MAJOR_BRAND" not in out.metadata


def test_words_are_no_reason_to_fail_in_any_script(tmp_path: Path) -> None:
    words = {"title": "映画 🎬 «фильм»"}
    source = film(tmp_path / "映画 🎬.mkv", Video(2), metadata=words)
    _, target = enlarge(source, "большой.mkv")
    with av.open(str(target)) as out:
        assert out.metadata["title"] == words["title"]


# ---- times of other streams -----------------------------------------------------------------


@pytest.mark.parametrize("start", [-4800, 4800, 24_000])
@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_sound_that_starts_earlier_or_later_keeps_its_distance(
    tmp_path: Path, start: int, ending: str
) -> None:
    pts = [1000 + 40 * n for n in range(8)]
    sound = Sound("flac", start=48_000 + start)
    source = film(tmp_path / "in.mkv", Video(8, pts=pts, time_base=MS), sound)
    _, target = enlarge(source, f"out.{ending}")
    before, after = streams_of(source), streams_of(target)
    for a, b in zip(before, after, strict=True):
        assert [float(t) for t in a.times if t] == pytest.approx(
            [float(t) for t in b.times if t], abs=5e-4
        )


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "nut"])
@pytest.mark.parametrize("priming", [1024, 3072])
def test_what_an_aac_encoder_puts_before_the_beginning_stays_there(
    tmp_path: Path, ending: str, priming: int
) -> None:
    source = film(tmp_path / "in.mp4", Video(), Sound("aac", start=1024 - priming))
    before = streams_of(source)
    assert before[1].times[0] == Fraction(-priming, 48_000)
    _, target = enlarge(source, f"out.{ending}")
    after = streams_of(target)
    assert after[1].packets == before[1].packets
    assert after[0].times[0] is not None
    assert after[1].times[-1] is not None
    assert before[1].times[-1] is not None
    if ending != "nut":  # which begins at zero, and moves all streams together
        assert after[0].times == before[0].times
    distance = after[1].times[-1] - after[0].times[0]
    assert abs(distance - before[1].times[-1]) <= MS


def test_the_padding_of_opus_stays(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", Video(), Sound("libopus"))
    _, target = enlarge(source, "out.mkv")
    assert samples_of(target) == samples_of(source)
    before, after = others_of(source)[0], others_of(target)[0]
    assert before.times == after.times


def samples_of(path: Path) -> int:
    """Decoded samples of the first sound stream."""
    with av.open(str(path)) as source:
        return sum(frame.samples for frame in source.decode(audio=0))


def spoiled_dts(number: int, packet: Packet[Stream]) -> None:
    """The 5th packet goes back to the 3rd's time."""
    if number == 5:
        assert packet.pts is not None
        packet.pts = packet.dts = packet.pts - 2 * 1024


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_sound_that_goes_back_in_time_is_mended_and_told(tmp_path: Path, ending: str) -> None:
    source = tmp_path / "in.mkv"
    plain = film(tmp_path / "plain.mkv", Video(), Sound("flac", seconds=Fraction(1)))
    break_times(plain, source, {4: -200, 7: -120})
    report, target = enlarge(source, f"out.{ending}")
    assert others_of(target)[0].packets == others_of(plain)[0].packets
    assert any("stream 1" in note and "mended" in note for note in report.notes)
    times = [t for t in others_of(target)[0].times if t is not None]
    assert times == sorted(times)
    clean = [float(t) for t in others_of(plain)[0].times[8:] if t is not None]
    assert [float(t) for t in times[8:]] == pytest.approx(clean, abs=0.002)


def break_times(source: Path, target: Path, moves: dict[int, int]) -> None:
    """Move the times (ms) of some packets of the second stream in a Matroska file, in place."""
    data = bytearray(source.read_bytes())
    stored = streams_of(source)[1]
    for number, move in moves.items():
        payload = stored.packets[number]
        at = data.find(payload) - 3  # track number and time stand before the payload and its flags
        (time,) = struct.unpack_from(">h", data, at)
        struct.pack_into(">h", data, at, time + move)
    target.write_bytes(data)


def test_packets_closer_than_a_millisecond_keep_their_times(tmp_path: Path) -> None:
    """As those of TrueHD are: mended to whole milliseconds they would run away."""
    sound = Sound("pcm_s16le", seconds=Fraction(1, 10))
    source = film(tmp_path / "in.nut", Video(), split_up(sound, 40))
    report, target = enlarge(source, "out.mkv")
    after = [float(t) for t in others_of(target)[0].times if t is not None]
    assert after[-1] == pytest.approx(len(after) / 1200, abs=0.002)
    assert not any("mended" in note for note in report.notes)


def split_up(sound: Sound, samples: int) -> Any:
    """The same sound in packets of so many samples."""

    class Split(Sound):
        def packets(self, stream: Stream) -> Iterator[tuple[Fraction, Packet[Stream]]]:
            for time, packet in super().packets(stream):
                data, size = bytes(packet), samples * 4
                for n in range(len(data) // size):
                    part = Packet(data[n * size : (n + 1) * size])
                    part.stream, part.time_base = stream, Fraction(1, 48_000)
                    part.pts = part.dts = round(time * 48_000) + n * samples
                    part.duration = samples
                    yield part.pts * part.time_base, part

    return Split(sound.codec, sound.seconds)


def test_adts_sound_of_a_transport_stream_goes_into_matroska(tmp_path: Path) -> None:
    source = film(tmp_path / "in.ts", Video(), Sound("aac"), Sound("ac3"))
    report = upscale(source, settings=settings())
    target = tmp_path / "in.x2.mkv"
    assert report.output == str(target)
    before, after = others_of(source), others_of(target)
    assert [len(s.packets) for s in after] == [len(s.packets) for s in before]
    assert after[1].packets == before[1].packets
    assert samples_of(target) == samples_of(source)
    for a, b in zip(streams_of(source), streams_of(target), strict=True):
        assert a.times[0] is not None
        assert b.times[0] is not None
        assert abs(a.times[0] - b.times[0]) <= MS


def test_a_stream_that_runs_ahead_holds_no_other_up(tmp_path: Path) -> None:
    text = Text(lines=[(0, 50, "now"), (7_200_000, 50, "in two hours")])
    source = film(tmp_path / "in.mkv", Video(50), text, Sound("flac", seconds=Fraction(2)))
    sorted_first = tmp_path / "first.mkv"
    with av.open(str(source)) as a, av.open(sorted_first, "w", container_options=AS_GIVEN) as out:
        streams = [out.add_stream_from_template(s, opaque=True) for s in a.streams]
        packets = [p for p in a.demux() if p.size]
        for packet in sorted(packets, key=lambda p: p.stream.type != "subtitle"):
            packet.stream = streams[packet.stream_index]
            out.mux_one(packet)
    carried_over(sorted_first, "out.mkv")


# ---- clips ----------------------------------------------------------------------------------


def long_film(path: Path, *more: Any, sound: str = "flac") -> Path:
    return film(
        path,
        Video(50, options={"g": "10", "sc_threshold": "0"}),
        Sound(sound, seconds=Fraction(2)),
        *more,
        chapters=[(0, 500, "a"), (500, 1200, "b"), (1200, 2000, "c")],
    )


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_a_clip_carries_its_own_part_of_everything(tmp_path: Path, ending: str) -> None:
    source = long_film(tmp_path / "in.mkv")
    clip = Clip(start=Fraction(6, 10), end=Fraction(14, 10))
    _, target = enlarge(source, f"out.{ending}", settings(clip=clip))
    assert times_of(target) == [40 * n * MS for n in range(20)]
    before, after = others_of(source)[0], others_of(target)[0]
    inside = [
        (t - clip.start, p)
        for t, p in zip(before.times, before.packets, strict=True)
        if t is not None and Fraction(6, 10) <= t < Fraction(14, 10)
    ]
    assert after.packets == [packet for _, packet in inside]
    assert [float(t) for t in after.times if t is not None] == pytest.approx(
        [float(t) for t, _ in inside], abs=5e-4
    )
    assert chapters_of(target) == [(0, 600 * MS, "b"), (600 * MS, 800 * MS, "c")]


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_a_clip_keeps_cover_and_files(tmp_path: Path, ending: str) -> None:
    cover = Cover(png()) if ending == "mp4" else Attachment("cover.png", "image/png", png())
    source = long_film(tmp_path / f"in.{ending}", cover)
    _, target = enlarge(source, f"out.{ending}", settings(clip=Clip(start=Fraction(1), frames=5)))
    assert others_of(target)[-1].packets == [png()]
    assert len(times_of(target)) == 5


def test_a_clip_by_frames_has_sound_to_its_end(tmp_path: Path) -> None:
    source = long_film(tmp_path / "in.mkv", Text(lines=[(n * 100, 90, str(n)) for n in range(20)]))
    _, target = enlarge(source, "out.mkv", settings(clip=Clip(frames=20)))
    sound, text = others_of(target)
    assert sound.times[-1] is not None
    assert sound.times[-1] < 800 * MS <= sound.times[-1] + sound.durations[-1]
    assert len(text.packets) == 8
    assert chapters_of(target) == [(0, 500 * MS, "a"), (500 * MS, 800 * MS, "b")]


def test_a_clip_from_the_beginning_keeps_what_lies_before_zero(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", Video(20), Sound("aac", seconds=Fraction(8, 10)))
    _, target = enlarge(source, "out.mp4", settings(clip=Clip(frames=10)))
    assert others_of(target)[0].times[0] == Fraction(-1024, 48_000)


def test_sound_that_lies_far_behind_its_pictures_in_the_file_is_in_the_clip(tmp_path: Path) -> None:
    source = long_film(tmp_path / "in.mkv")
    late = tmp_path / "late.mkv"
    with av.open(str(source)) as a, av.open(late, "w", container_options=AS_GIVEN) as out:
        streams = [out.add_stream_from_template(s, opaque=True) for s in a.streams]
        packets = [p for p in a.demux() if p.size]
        shift = {"video": Fraction(0), "audio": Fraction(1)}
        packets.sort(key=lambda p: (p.pts or 0) * p.time_base + shift[p.stream.type])
        for packet in packets:
            packet.stream = streams[packet.stream_index]
            out.mux_one(packet)
    _, target = enlarge(late, "out.mkv", settings(clip=Clip(frames=10)))
    sound = others_of(target)[0]
    assert sound.times[-1] is not None
    assert sound.times[-1] + sound.durations[-1] >= 400 * MS


# ---- encoders -------------------------------------------------------------------------------


def refused(tmp_path: Path, name: str, job: UpscaleSettings, words: str) -> None:
    source = film(tmp_path / "in.mkv", Video(2))
    with pytest.raises(UsageError, match=words):
        enlarge(source, name, job)
    assert sorted(os.listdir(tmp_path)) == ["in.mkv"]


def test_an_unknown_option_is_named(tmp_path: Path) -> None:
    refused(tmp_path, "out.mkv", settings(options={"no_such": "1"}), "no option no_such")


def test_an_impossible_value_is_named(tmp_path: Path) -> None:
    refused(tmp_path, "out.mkv", settings(options={"preset": "sluggish"}), "preset=sluggish")


def test_an_encoder_that_refuses_says_why(tmp_path: Path) -> None:
    video = Video(2, pts=[0, 3003], time_base=Fraction(1, 90_000))
    source = film(tmp_path / "in.mp4", video, options={"video_track_timescale": "90000"})
    with pytest.raises(UsageError, match=r"mpeg4 refuses .* denominator is 65535"):
        enlarge(source, "out.mp4", settings(codec="mpeg4"))
    assert sorted(os.listdir(tmp_path)) == ["in.mp4"]


def test_a_codec_that_does_not_exist_is_named(tmp_path: Path) -> None:
    refused(tmp_path, "out.mkv", settings(codec="h267"), "no encoder 'h267'")


def test_a_sound_codec_is_no_video_codec(tmp_path: Path) -> None:
    refused(tmp_path, "out.mkv", settings(codec="flac"), "encodes audio")


def test_a_pixel_format_that_is_not_offered_is_named(tmp_path: Path) -> None:
    job = settings(codec="libsvtav1", pix_fmt="yuv444p")
    refused(tmp_path, "out.mkv", job, "libsvtav1 does not encode yuv444p; it takes yuv420p")


def test_the_index_stands_before_the_pictures(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", Video())
    for name in ("out.mp4", "out.mov"):
        _, target = enlarge(source, name)
        data = target.read_bytes()
        assert 0 < data.find(b"moov") < data.find(b"mdat")


def test_hevc_in_mp4_is_what_apples_players_want(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", Video(2))
    _, target = enlarge(source, "out.mp4", settings(codec="libx265"))
    with av.open(str(target)) as out:
        assert out.streams.video[0].codec_context.codec_tag == "hvc1"


# ---- files ----------------------------------------------------------------------------------


def test_an_existing_output_is_replaced_only_on_demand(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", Video(2))
    (tmp_path / "out.mkv").write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        enlarge(source, "out.mkv")
    assert (tmp_path / "out.mkv").read_text() == "precious"
    job = UpscaleSettings(model="nearest", overwrite=True)
    enlarge(source, "out.mkv", job)
    assert len(times_of(tmp_path / "out.mkv")) == 2


def test_nothing_has_the_outputs_name_before_it_is_done(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", Video(12))
    seen: list[bool] = []
    upscale(
        source,
        tmp_path / "out.mkv",
        settings=settings(),
        on_progress=lambda _: seen.append((tmp_path / "out.mkv").exists()),
    )
    assert seen == [False] * 12
    assert sorted(os.listdir(tmp_path)) == ["in.mkv", "out.mkv"]


@pytest.mark.parametrize("error", [MediaError("in.mkv", "broken"), KeyboardInterrupt()])
def test_nothing_is_left_behind_when_reading_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    frames = Reader.frames

    def failing(self: Reader) -> Iterator[Frame]:
        for number, frame in enumerate(frames(self)):
            if number == 5:
                raise error
            yield frame

    monkeypatch.setattr(Reader, "frames", failing)
    source = film(tmp_path / "in.mkv", Video(12), Sound("flac"))
    with pytest.raises(type(error)):
        enlarge(source, "out.mkv")
    assert sorted(os.listdir(tmp_path)) == ["in.mkv"]


def test_nothing_is_left_behind_when_interrupted(tmp_path: Path) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    source = film(tmp_path / "in.mkv", Video(12))
    with pytest.raises(KeyboardInterrupt):
        upscale(source, tmp_path / "out.mp4", settings=settings(), on_progress=stop)
    assert sorted(os.listdir(tmp_path)) == ["in.mkv"]


def test_the_old_output_stands_when_its_replacement_fails(tmp_path: Path) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    source = film(tmp_path / "in.mkv", Video(6))
    (tmp_path / "out.mkv").write_text("precious")
    job = UpscaleSettings(model="nearest", overwrite=True)
    with pytest.raises(KeyboardInterrupt):
        upscale(source, tmp_path / "out.mkv", settings=job, on_progress=stop)
    assert (tmp_path / "out.mkv").read_text() == "precious"
    assert sorted(os.listdir(tmp_path)) == ["in.mkv", "out.mkv"]


def test_pictures_that_are_told_apart_stay_in_order(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", Video(10, paint=moving, codec="ffv1"))
    _, target = enlarge(source, "out.mkv", settings(codec="libx264", crf=1))
    small, large = frames_of(source), frames_of(target)
    for number, picture in enumerate(large):
        shrunk = luma(picture)[::2, ::2].astype(int)
        distances = [np.abs(shrunk - luma(other)).mean() for other in small]
        assert int(np.argmin(distances)) == number
