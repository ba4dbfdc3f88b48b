"""Reading: every frame, at its own time, in its own colours; and a clear word where that fails."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Stream
from films import (
    Array,
    Cover,
    Paint,
    Planes,
    Sound,
    Text,
    Video,
    fast,
    film,
    flat,
    frames_of,
    moving,
    png,
    still,
    to_picture,
    woven,
)
from hypothesis import given
from hypothesis import strategies as st

from vsr.errors import InputError, MediaError
from vsr.frame import Frame, VideoInfo
from vsr.media.reader import Reader, ReadReport
from vsr.media.times import FrameTimes
from vsr.settings import Clip, Deinterlace

MS = Fraction(1, 1000)


def read(
    path: Path,
    deinterlace: Deinterlace = "auto",
    clip: Clip = Clip(),  # noqa: B008 (frozen)
) -> tuple[list[Frame], VideoInfo, ReadReport]:
    with Reader(path, deinterlace, clip) as reader:
        return list(reader.frames()), reader.info, reader.report


def seconds(frames: list[Frame], info: VideoInfo) -> list[Fraction]:
    return [frame.pts * info.time_base for frame in frames]


def times_read(path: Path, clip: Clip = Clip()) -> list[Fraction]:  # noqa: B008 (frozen)
    frames, info, _ = read(path, clip=clip)
    return seconds(frames, info)


def info_of(path: Path) -> VideoInfo:
    with Reader(path) as reader:
        return reader.info


def near(a: Array, b: Array, most: int = 1) -> bool:
    """Whether no sample differs by more than `most`."""
    return bool(np.abs(a.astype(int) - b.astype(int)).max() <= most)


# ---- every frame ----------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_last_frames_held_by_the_decoder_are_not_lost(tmp_path: Path, threads: int) -> None:
    options = {"preset": "fast", "bf": "4", "b-adapt": "0", "refs": "4"}
    path = film(tmp_path / "a.mp4", Video(frames=23, options=options))
    with Reader(path, threads=threads) as reader:
        assert len(list(reader.frames())) == 23


@pytest.mark.parametrize("codec", ["libx265", "libsvtav1", "libvpx-vp9", "mpeg4", "mpeg2video"])
def test_every_frame_of_every_codec_comes_out(tmp_path: Path, codec: str) -> None:
    options = {"bf": "2"} if codec.startswith("mpeg") else {}
    path = film(tmp_path / "a.mkv", Video(frames=11, codec=codec, options=options))
    assert times_read(path) == [40 * n * MS for n in range(11)]


def test_frames_are_those_that_libav_decodes(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", Video(frames=6, options={"bf": "2"}))
    frames, _, _ = read(path)
    for frame, picture in zip(frames, frames_of(path), strict=True):
        planes = picture.to_ndarray()
        assert np.array_equal(frame.y, planes[:48])
        assert frame.uv is not None
        assert np.array_equal(frame.uv.ravel(), planes[48:].ravel())


def test_a_film_of_one_frame_is_read(tmp_path: Path) -> None:
    assert times_read(film(tmp_path / "a.mp4", Video(frames=1))) == [0]


# ---- times ----------------------------------------------------------------------------------


def test_times_are_the_sources_integers(tmp_path: Path) -> None:
    pts = [7, 1001, 2002, 3003, 9009, 9010, 20000]
    video = Video(frames=7, pts=pts, time_base=Fraction(1, 30000), options={"bf": "0"})
    path = film(tmp_path / "a.mp4", video, options={"movie_timescale": "30000"})
    frames, info, report = read(path)
    assert [frame.pts for frame in frames] == pts
    assert info.time_base == Fraction(1, 30000)
    assert report.mended_times == 0


def test_variable_frame_rate_with_huge_gaps_is_kept(tmp_path: Path) -> None:
    pts = [0, 1, 2, 500, 501, 90_000, 90_001, 90_003]
    video = Video(frames=8, pts=pts, time_base=MS, options={"bf": "2", "preset": "fast"})
    for name in ("a.mp4", "a.mkv"):
        assert times_read(film(tmp_path / name, video)) == [p * MS for p in pts]


def test_the_duration_of_a_frame_is_the_sources(tmp_path: Path) -> None:
    pts = [0, 100, 150, 400]
    frames, info, _ = read(film(tmp_path / "a.mp4", Video(frames=4, pts=pts, time_base=MS)))
    lengths = [frame.duration * info.time_base for frame in frames[:3]]
    assert lengths == [100 * MS, 50 * MS, 250 * MS]


@pytest.mark.parametrize("start", [500, 3_600_000])
def test_a_film_need_not_start_at_zero(tmp_path: Path, start: int) -> None:
    pts = [start + 40 * n for n in range(5)]
    video = Video(frames=5, pts=pts, time_base=MS)
    assert times_read(film(tmp_path / "a.mkv", video)) == [p * MS for p in pts]


def set_times(pts: list[int | None]) -> Video:
    """A film of independent frames with these times (ms) in its container."""

    def times(number: int, packet: Packet[Stream]) -> bool:
        packet.time_base, packet.pts, packet.dts = MS, pts[number], -1000
        return True

    return Video(frames=len(pts), codec="mpeg4", options={"g": "1"}, times=times)


def test_a_frame_at_its_predecessors_time_comes_a_millisecond_later(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", set_times([0, 40, 40, 120]))
    frames, info, report = read(path)
    assert seconds(frames, info) == [0, 40 * MS, 41 * MS, 120 * MS]
    assert report.mended_times == 1
    assert report.first_problems == ["time missing or not rising after 0.040 s"]


def test_a_frame_that_goes_back_in_time_comes_a_millisecond_later(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", set_times([0, 40, 20, 120, 119, 160]))
    frames, info, report = read(path)
    assert seconds(frames, info) == [0, 40 * MS, 41 * MS, 120 * MS, 121 * MS, 160 * MS]
    assert report.mended_times == 2


def test_a_frame_without_a_time_comes_one_frame_later(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi", Video(frames=6, codec="mpeg4", options={"bf": "0"}))
    frames, info, report = read(path)
    assert seconds(frames, info) == [40 * n * MS for n in range(6)]
    raw = film(tmp_path / "a.h264", Video(frames=6, options={"bf": "0"}))
    frames, info, report = read(raw)
    assert len(frames) == 6
    steps = np.diff([frame.pts for frame in frames])
    assert (steps > 0).all()
    assert (steps == steps[0]).all()
    assert report.mended_times in (0, 6)


@given(st.lists(st.none() | st.integers(-50, 400), min_size=1, max_size=30), st.booleans())
def test_whatever_the_times_are_they_rise_and_those_that_do_are_kept(
    given_times: list[int | None], timeless: bool
) -> None:
    times = FrameTimes(Fraction(1, 100), timeless)
    found: list[int] = []
    for pts in given_times:
        picture = av.VideoFrame(16, 16, "gray")
        picture.pts = pts
        mended = times.give(picture)
        assert picture.pts is not None
        if pts is not None and all(pts > other for other in found):
            assert (picture.pts, mended) == (pts, False)
        else:
            assert mended
        found.append(picture.pts)
    assert all(b > a for a, b in pairwise(found))


def test_the_frames_of_an_avi_with_b_frames_follow_one_another_evenly(tmp_path: Path) -> None:
    """AVI has no times of showing, and what libav concludes for H.264 is out of order."""
    options = {"preset": "medium", "bf": "3", "b-adapt": "0"}
    path = film(tmp_path / "a.avi", Video(30, options=options))
    assert [p.pts for p in frames_of(path)] != sorted(p.pts or 0 for p in frames_of(path))
    frames, info, report = read(path)
    steps = [b - a for a, b in pairwise(seconds(frames, info))]
    assert steps == [40 * MS] * 29
    assert seconds(frames, info)[0] <= 80 * MS
    assert report.mended_times == 0


def test_a_frame_lost_in_an_avi_shifts_no_other(tmp_path: Path) -> None:
    def spoil(number: int, packet: Packet[Stream]) -> bool:
        if number == 3:
            np.frombuffer(packet, np.uint8)[:] = 0  # type: ignore[call-overload]
        return True

    options = {"g": "1", "bf": "0"}
    path = film(tmp_path / "a.avi", Video(80, codec="mpeg4", options=options, times=spoil))
    times = times_read(path)
    assert times[-1] == 79 * 40 * MS


def joined(tmp_path: Path) -> Path:
    """Two broadcasts cut together: the clock begins anew in the middle."""
    parts = [
        film(
            tmp_path / f"{name}.ts",
            Video(50, options={"g": "10"}),
            Sound("mp2", seconds=Fraction(2), tone=tone),
        ).read_bytes()
        for name, tone in (("one", 440), ("two", 600))
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    return tmp_path / "both.ts"


def test_broadcasts_that_were_cut_together_follow_one_another(tmp_path: Path) -> None:
    frames, info, report = read(joined(tmp_path))
    times = seconds(frames, info)
    assert len(times) == 100
    steps = [float(b - a) for a, b in pairwise(times)]
    assert steps[:48] == pytest.approx([0.04] * 48)
    assert steps[-48:] == pytest.approx([0.04] * 48)
    assert max(steps) < 0.2
    assert min(steps) > 0
    assert any("the clock goes back" in problem for problem in report.first_problems)


def test_the_sound_of_a_second_broadcast_stays_with_its_pictures(tmp_path: Path) -> None:
    path = joined(tmp_path)
    with Reader(tmp_path / "one.ts") as one:
        first = next(one.frames()).pts * one.info.time_base
        heard = next(p for p in one.others if p.stream.type == "audio")
        assert heard.pts is not None
        apart = heard.pts * heard.time_base - first
    with Reader(path) as both:
        times = [frame.pts * both.info.time_base for frame in both.frames()]
        sounds = [p.pts * p.time_base for p in both.others if p.pts is not None]
    assert sounds == sorted(sounds)
    second = len(sounds) // 2
    assert float(sounds[second] - times[50]) == pytest.approx(float(apart), abs=0.03)


def test_moving_pictures_in_a_png_are_a_film(tmp_path: Path) -> None:
    path = film(tmp_path / "a.apng", Video(4, codec="apng", pix_fmt="rgb24"))
    assert times_read(path) == [40 * n * MS for n in range(4)]


# ---- pixel formats --------------------------------------------------------------------------

NATIVE = {
    "yuv420p": ("420", 8),
    "yuv422p": ("422", 8),
    "yuv444p": ("444", 8),
    "gray": ("gray", 8),
    "yuv420p10le": ("420", 10),
    "yuv422p10le": ("422", 10),
    "yuv444p10le": ("444", 10),
    "gray10le": ("gray", 10),
    "yuv420p12le": ("420", 12),
    "yuv444p16le": ("444", 16),
    "yuvj420p": ("420", 8),
    "nv12": ("420", 8),
    "nv21": ("420", 8),
    "yuyv422": ("422", 8),
    "yuv420p10be": ("420", 10),
    "gray16be": ("gray", 16),
    "yuva420p": ("420", 8),
    "ya8": ("gray", 8),
    "yuv411p": ("444", 8),
    "yuv440p": ("444", 8),
    "yuv410p": ("444", 8),
}


@pytest.mark.parametrize("pix_fmt", NATIVE)
@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_codes_of_every_pixel_format_arrive_unchanged(
    tmp_path: Path, pix_fmt: str, size: tuple[int, int]
) -> None:
    chroma, depth = NATIVE[pix_fmt]
    video = Video(2, size, "rawvideo", pix_fmt, paint=flat(101, 77, 190), tags=(1, 1, 1, 1))
    frames, info, _ = read(film(tmp_path / "a.nut", video))
    assert (info.format.chroma, info.format.depth) == (chroma, depth)
    assert (info.format.width, info.format.height) == size
    want = np.array([101, 77, 190]) << (depth - 8)
    for frame in frames:
        assert frame.y.shape == size[::-1]
        assert near(frame.y, want[0], most=0)
        if frame.uv is None:
            assert chroma == "gray"
        else:
            assert frame.uv.shape == info.format.uv_shape
            assert near(frame.uv[0], want[1], most=0)
            assert near(frame.uv[1], want[2], most=0)
    assert len(frames) == 2


def test_p010_keeps_all_its_bits(tmp_path: Path) -> None:
    video = Video(1, codec="ffv1", pix_fmt="yuv420p10le", tags=(1, 1, 1, 1))
    with Reader(film(tmp_path / "a.mkv", video)) as reader:
        source = frames_of(tmp_path / "a.mkv")[0]
        back = reader.to_working_format(source.reformat(format="p010le"), reader.info.format)
    assert back.format.name == "yuv420p10le"
    assert np.array_equal(back.to_ndarray(), source.to_ndarray())


@pytest.mark.parametrize("pix_fmt", ["rgb24", "gbrp", "bgra", "bgr0", "gbrp10le", "rgb48le"])
def test_rgb_becomes_444_by_bt709(tmp_path: Path, pix_fmt: str) -> None:
    codec = "ffv1" if pix_fmt in ("bgra", "bgr0", "gbrp10le", "rgb48le") else "rawvideo"
    video = Video(2, codec=codec, pix_fmt=pix_fmt, paint=flat(200, 50, 30))
    frames, info, _ = read(film(tmp_path / "a.nut", video))
    assert (info.format.chroma, info.format.color_matrix) == ("444", "bt709")
    assert not info.format.full_range
    assert info.tags.matrix == 1
    unit = 1 << (info.format.depth - 8)
    luma = (0.2126 * 200 + 0.7152 * 50 + 0.0722 * 30) / 255
    cb, cr = (30 / 255 - luma) / 1.8556, (200 / 255 - luma) / 1.5748
    want = [16 + 219 * luma, 128 + 224 * cb, 128 + 224 * cr]
    uv = frames[0].uv
    assert uv is not None
    for plane, code in zip((frames[0].y, *uv), want, strict=True):
        assert near(plane / unit, np.asarray(code), most=1)


def test_a_gif_with_a_palette_becomes_444_by_bt709(tmp_path: Path) -> None:
    video = Video(3, codec="gif", pix_fmt="rgb8", paint=flat(255, 0, 0), time_base=MS * 10)
    frames, info, _ = read(film(tmp_path / "a.gif", video))
    assert len(frames) == 3
    assert (info.format.chroma, info.tags.matrix) == ("444", 1)
    uv = frames[0].uv
    assert uv is not None
    assert near(frames[0].y, np.asarray(63))
    assert near(uv[0], np.asarray(102))
    assert near(uv[1], np.asarray(240))
    assert any("transparency" in note for note in info.notes)
    assert any("RGB" in note for note in info.notes)


def test_raw_palette_pictures_are_taken_for_the_rgb_that_they_are(tmp_path: Path) -> None:
    with av.open(tmp_path / "a.avi", "w") as out:
        stream = out.add_stream("rawvideo", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 16, 12, "pal8"
        stream.time_base = Fraction(1, 25)
        picture = av.VideoFrame(16, 12, "pal8")
        picture.planes[0].update(b"\3" * picture.planes[0].buffer_size)
        white = b"\0" * 12 + b"\xff" * 4
        picture.planes[1].update(white + b"\0" * (picture.planes[1].buffer_size - len(white)))
        picture.pts, picture.time_base = 0, Fraction(1, 25)
        out.mux([*stream.encode(picture), *stream.encode(None)])
    frames, info, _ = read(tmp_path / "a.avi")
    assert (info.format.chroma, info.format.color_matrix) == ("444", "bt709")
    assert near(frames[0].y, np.asarray(235))


def test_unusual_chroma_is_said_to_become_444(tmp_path: Path) -> None:
    path = film(tmp_path / "a.nut", Video(1, codec="rawvideo", pix_fmt="yuv411p"))
    assert "yuv411p: computed and written as 4:4:4" in info_of(path).notes


def test_limited_gray_and_full_gray_keep_their_codes(tmp_path: Path) -> None:
    for code in (1, 2):
        video = Video(1, codec="ffv1", pix_fmt="gray", paint=flat(77), tags=(1, 1, 2, code))
        frames, info, _ = read(film(tmp_path / f"{code}.mkv", video))
        assert info.format.full_range == (code == 2)
        assert near(frames[0].y, np.asarray(77), most=0)


# ---- colour ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "matrix", "full"),
    [
        ((1, 1, 1, 1), "bt709", False),
        ((6, 6, 6, 1), "bt601", False),
        ((5, 6, 5, 2), "bt601", True),
        ((9, 16, 9, 1), "bt2020", False),
        ((9, 18, 9, 1), "bt2020", False),
    ],
)
def test_matrix_and_range_come_from_the_tags(
    tmp_path: Path, tags: tuple[int, int, int, int], matrix: str, full: bool
) -> None:
    info = info_of(film(tmp_path / "a.mp4", Video(2, tags=tags)))
    assert (info.format.color_matrix, info.format.full_range) == (matrix, full)
    found = info.tags
    assert (found.primaries, found.transfer, found.matrix, found.range) == tags
    assert info.notes == ()


@pytest.mark.parametrize(
    ("size", "matrix", "number"),
    [((720, 576), "bt601", 6), ((64, 720), "bt709", 1), ((1280, 16), "bt709", 1)],
)
def test_the_matrix_of_an_untagged_film_is_guessed_by_its_size_and_said(
    tmp_path: Path, size: tuple[int, int], matrix: str, number: int
) -> None:
    info = info_of(film(tmp_path / "a.mp4", Video(1, size)))
    assert info.format.color_matrix == matrix
    assert (info.tags.primaries, info.tags.transfer, info.tags.matrix) == (number,) * 3
    assert any(matrix in note for note in info.notes)


def test_a_tag_that_is_there_stands_beside_the_guessed_ones(tmp_path: Path) -> None:
    tags = info_of(film(tmp_path / "a.mp4", Video(1, tags=(5, 2, 2, 1)))).tags
    assert (tags.primaries, tags.transfer, tags.matrix, tags.range) == (5, 6, 6, 1)


@pytest.mark.parametrize("matrix", [4, 7, 8, 10])
def test_a_film_with_a_rare_matrix_is_read_and_keeps_its_tag(tmp_path: Path, matrix: int) -> None:
    frames, info, _ = read(film(tmp_path / "a.mkv", Video(2, tags=(1, 1, matrix, 1))))
    assert len(frames) == 2
    assert info.tags.matrix == matrix


@pytest.mark.parametrize("place", ["left", "center", "topleft"])
def test_chroma_lies_where_the_stream_says(tmp_path: Path, place: str) -> None:
    path = film(tmp_path / "a.mp4", Video(2, chroma_location=place))
    assert info_of(path).format.chroma_location == place


@pytest.mark.parametrize(
    ("codec", "tags", "place"),
    [
        ("libx264", (1, 1, 1, 1), "left"),
        ("libx265", (9, 16, 9, 1), "left"),
        ("libsvtav1", (9, 16, 9, 1), "topleft"),
        ("mpeg1video", (2, 2, 2, 0), "center"),
        ("mjpeg", (2, 2, 2, 0), "center"),
    ],
)
def test_chroma_lies_where_its_kind_of_film_has_it_unless_said(
    tmp_path: Path, codec: str, tags: tuple[int, int, int, int], place: str
) -> None:
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = film(tmp_path / "a.mkv", Video(2, codec=codec, tags=tags, pix_fmt=pix_fmt))
    assert info_of(path).format.chroma_location == place


def test_hdr10_metadata_is_read(tmp_path: Path) -> None:
    words = (
        "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
        ":max-cll=1000,400:log-level=none"
    )
    video = Video(
        2,
        codec="libx265",
        pix_fmt="yuv420p10le",
        tags=(9, 16, 9, 1),
        options={"x265-params": words},
    )
    hdr = info_of(film(tmp_path / "a.mp4", video)).hdr
    assert hdr.content_light == (1000, 400)
    assert hdr.mastering is not None
    assert [float(x) for x in hdr.mastering[:2]] == [0.68, 0.32]
    assert [float(x) for x in hdr.mastering[-2:]] == [0.005, 1000]


# ---- shape ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 1), (161, 121)])
def test_odd_and_tiny_sizes_are_read(tmp_path: Path, size: tuple[int, int]) -> None:
    frames, info, _ = read(film(tmp_path / "a.mkv", Video(2, size, codec="ffv1")))
    assert [frame.y.shape for frame in frames] == [size[::-1]] * 2
    assert frames[0].uv is not None
    assert frames[0].uv.shape == (2, -(-size[1] // 2), -(-size[0] // 2))
    assert (info.format.width, info.format.height) == size


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_rotation_is_told_and_the_pictures_stay_as_stored(tmp_path: Path, degrees: int) -> None:
    frames, info, _ = read(film(tmp_path / "a.mp4", Video(2, rotation=degrees)))
    assert info.rotation % 360 == degrees % 360
    assert info.display_matrix is not None
    assert frames[0].y.shape == (48, 64)


def test_a_mirrored_film_keeps_its_matrix(tmp_path: Path) -> None:
    matrix = (-65536, 0, 0, 0, 65536, 0, 64 << 16, 0, 1 << 30)
    assert info_of(film(tmp_path / "a.mp4", Video(2, matrix=matrix))).display_matrix == matrix


def test_a_film_without_rotation_has_no_matrix(tmp_path: Path) -> None:
    info = info_of(film(tmp_path / "a.mp4"))
    assert (info.display_matrix, info.rotation) == (None, 0)


def test_the_sample_aspect_ratio_is_told(tmp_path: Path) -> None:
    assert info_of(film(tmp_path / "a.mp4", Video(2, sar=Fraction(16, 11)))).sar == Fraction(16, 11)
    assert info_of(film(tmp_path / "b.mkv", Video(2, codec="ffv1"))).sar in (None, 1)


def test_the_frame_rate_is_the_average_and_never_a_containers_tick(tmp_path: Path) -> None:
    assert info_of(film(tmp_path / "a.mp4", Video(10))).rate == 25
    pts = [0, 33, 67, 100, 133, 167, 200, 233]
    video = Video(8, pts=pts, time_base=MS, rate=Fraction(1000))
    rate = info_of(film(tmp_path / "b.mkv", video)).rate
    assert rate is None or rate < 200


# ---- interlaced film ------------------------------------------------------------------------

TALL = (64, 240)


def test_a_flagged_film_is_deinterlaced_frame_by_frame(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", Video(20, TALL, paint=woven("tff"), fields="tff"))
    frames, info, _ = read(path)
    assert info.interlaced
    assert "interlaced by its flags" in info.notes
    assert seconds(frames, info) == [40 * n * MS for n in range(20)]
    woven_frames, plain, _ = read(path, "off")
    assert not plain.interlaced
    assert combing(frames[9].y) < combing(woven_frames[9].y) / 3


def combing(y: Array) -> float:
    """How much neighbouring lines differ."""
    return float(np.abs(np.diff(y.astype(int), axis=0)).mean())


def test_fields_become_frames_at_half_steps(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", Video(12, TALL, paint=woven("tff"), fields="tff"))
    frames, info, _ = read(path, "field")
    assert seconds(frames, info) == [20 * n * MS for n in range(24)]
    assert info.rate == 50


def test_fields_of_uneven_frames_lie_halfway_to_the_next(tmp_path: Path) -> None:
    pts = [0, 40, 100, 140, 180, 300, 340, 380, 420, 460]
    video = Video(10, TALL, paint=woven("tff"), fields="tff", pts=pts, time_base=MS)
    frames, info, _ = read(film(tmp_path / "a.mkv", video), "field")
    want = sorted([*pts, *((a + b) / 2 for a, b in pairwise(pts)), 480])
    assert [float(t * 1000) for t in seconds(frames, info)] == want


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
@pytest.mark.parametrize("first", ["tff", "bff"])
def test_fields_come_out_in_the_order_in_which_they_were_taken(
    tmp_path: Path, first: str, codec: str
) -> None:
    video = Video(12, TALL, codec=codec, paint=woven(first), fields=first)
    path = film(tmp_path / "a.mkv", video)
    frames, _, _ = read(path, "field")
    truth = [fast(n, *TALL)[0] for n in range(24)]
    for number in range(4, 20):
        right = np.abs(frames[number].y.astype(int) - truth[number]).mean()
        wrong = np.abs(frames[number].y.astype(int) - truth[number + 1]).mean()
        assert right < wrong


def test_a_flagged_film_whose_pictures_are_whole_is_left_alone(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", Video(36, TALL, paint=moving, fields="tff"))
    frames, info, _ = read(path)
    assert not info.interlaced
    assert any("progressive" in note for note in info.notes)
    assert np.array_equal(frames[5].y, frames_of(path)[5].to_ndarray()[:240])


@pytest.mark.parametrize("first", ["tff", "bff"])
def test_a_film_woven_without_a_flag_is_found_out(tmp_path: Path, first: str) -> None:
    path = film(tmp_path / "a.mp4", Video(36, TALL, paint=woven(first)))
    frames, info, _ = read(path)
    assert info.interlaced
    assert any(f"woven ({first})" in note for note in info.notes)
    assert len(frames) == 36
    assert combing(frames[9].y) < combing(frames_of(path)[9].to_ndarray()[:240]) / 3


def test_a_progressive_film_of_a_television_height_is_left_alone(tmp_path: Path) -> None:
    info = info_of(film(tmp_path / "a.mp4", Video(36, TALL, paint=moving)))
    assert not info.interlaced
    assert not any("interlaced" in note or "woven" in note for note in info.notes)


def tilting(speed: float) -> Paint:
    """Fine texture under a camera that tilts by so many lines a frame."""

    def paint(number: int, width: int, height: int) -> Planes:
        x, y = np.arange(width)[None, :], np.arange(height)[:, None] - speed * number
        luma = 120 + 40 * np.sin(x / 3 + 0.8 * y) + 40 * np.sin(1.6 * y)
        gray = np.full((height, width), 128, np.uint8)
        return luma.astype(np.uint8), gray, gray

    return paint


@pytest.mark.parametrize("fields", [None, "tff"])
@pytest.mark.parametrize("speed", [-1.5, -0.5, 1.5, 2.5])
def test_a_tilting_camera_is_not_taken_for_fields(
    tmp_path: Path, speed: float, fields: str | None
) -> None:
    """FFmpeg's idet takes some of these for bottom field first."""
    path = film(tmp_path / "a.mp4", Video(20, TALL, paint=tilting(speed), fields=fields))
    assert not info_of(path).interlaced


@pytest.mark.parametrize("speed", [-1, 1])
def test_a_tilt_by_a_line_a_frame_leaves_it_to_the_flags(tmp_path: Path, speed: float) -> None:
    path = film(tmp_path / "a.mp4", Video(20, TALL, paint=tilting(speed)))
    assert not info_of(path).interlaced


@pytest.mark.parametrize("fields", [None, "bff"])
def test_where_nothing_moves_the_flags_decide(tmp_path: Path, fields: str | None) -> None:
    path = film(tmp_path / "a.mp4", Video(36, TALL, paint=still, fields=fields))
    assert info_of(path).interlaced == (fields is not None)


def test_deinterlacing_that_is_asked_for_is_done(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", Video(6, paint=woven("tff")))
    assert info_of(path).interlaced is False
    frames, info, _ = read(path, "frame")
    assert info.interlaced
    assert len(frames) == 6


def test_a_deinterlaced_film_loses_none_of_its_first_and_last_frames(tmp_path: Path) -> None:
    for count in (1, 2, 3):
        path = film(tmp_path / f"{count}.mp4", Video(count, TALL, fields="tff"))
        for mode, frames in (("frame", count), ("field", 2 * count)):
            assert len(read(path, mode)[0]) == frames  # type: ignore[arg-type]


# ---- damage ---------------------------------------------------------------------------------


def damaged(path: Path, begin: float, end: float) -> Path:
    """The film with a part of its bytes spoiled."""
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(5).integers(0, 256, len(data), np.uint8)
    where = slice(int(begin * len(data)), int(end * len(data)))
    data[where] = noise[where].tobytes()
    spoiled = path.with_stem("spoiled")
    spoiled.write_bytes(data)
    return spoiled


def test_damaged_pictures_are_counted_and_told_with_their_time(tmp_path: Path) -> None:
    path = film(tmp_path / "a.ts", Video(40, (128, 96), options={"g": "5"}))
    frames, _, report = read(damaged(path, 0.45, 0.55))
    assert report.damaged_packets + report.damaged_frames > 0
    assert report.first_problems
    assert " s" in report.first_problems[0]
    assert 25 <= len(frames) <= 40


def test_frames_before_and_after_a_damaged_one_are_untouched(tmp_path: Path) -> None:
    def spoil(number: int, packet: Packet[Stream]) -> bool:
        if number == 3:
            np.frombuffer(packet, np.uint8)[:] = 0  # type: ignore[call-overload]
        return True

    path = film(tmp_path / "a.mkv", Video(8, codec="mpeg4", options={"g": "1"}, times=spoil))
    frames, info, report = read(path)
    assert report.damaged_packets + report.damaged_frames == 1
    times = seconds(frames, info)
    assert [t for t in times if t != 120 * MS] == [40 * n * MS for n in range(8) if n != 3]


@pytest.mark.parametrize("threads", [1, 5])
@pytest.mark.parametrize("bad", [5, 17, 19])
def test_damage_costs_one_frame_and_none_of_those_that_threads_still_hold(
    tmp_path: Path, bad: int, threads: int
) -> None:
    def spoil(number: int, packet: Packet[Stream]) -> bool:
        if number == bad:
            np.frombuffer(packet, np.uint8)[:] = 0  # type: ignore[call-overload]
        return True

    video = Video(20, codec="mpeg4", options={"g": "1"}, times=spoil)
    with Reader(film(tmp_path / "a.mkv", video), threads=threads) as reader:
        times = seconds(list(reader.frames()), reader.info)
        report = reader.report
    assert times == [40 * n * MS for n in range(20) if n != bad]
    assert report.damaged_packets + report.without_picture == 1


def test_a_whole_film_has_no_packet_without_a_picture(tmp_path: Path) -> None:
    for codec in ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "mpeg4", "mpeg2video"):
        options = {"bf": "2"} if codec.startswith("mpeg") else {}
        path = film(tmp_path / f"{codec}.mkv", Video(20, codec=codec, options=options))
        assert read(path)[2].without_picture == 0


def test_a_truncated_film_gives_what_is_left_and_says_so(tmp_path: Path) -> None:
    path = film(
        tmp_path / "a.mp4",
        Video(100, (128, 96), options={"g": "10"}),
        options={"movflags": "+faststart"},
    )
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames, _, report = read(cut)
    assert 20 < len(frames) < 80
    assert report.first_problems


def test_a_film_that_begins_between_keyframes_begins_at_the_next(tmp_path: Path) -> None:
    def late(number: int, _: Packet[Stream]) -> bool:
        return number > 0

    video = Video(12, options={"g": "4", "sc_threshold": "0", "bf": "0"}, times=late)
    frames, info, report = read(film(tmp_path / "a.mkv", video))
    assert seconds(frames, info)[-8:] == [40 * n * MS for n in range(4, 12)]
    assert len(frames) == 8 or report.damaged_packets + report.damaged_frames > 0


def test_a_change_of_size_is_refused_with_its_time(tmp_path: Path) -> None:
    small = film(tmp_path / "a.ts", Video(6, (64, 48)))
    large = film(tmp_path / "b.ts", Video(6, (128, 96)))
    both = tmp_path / "c.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(MediaError, match=r"size changes from 64x48 to 128x96 at \d+\.\d+ s"):
        read(both)


# ---- no film --------------------------------------------------------------------------------


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        Reader(tmp_path / "none.mp4")


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(InputError, match="empty"):
        Reader(tmp_path / "a.mp4")


def test_a_text_with_a_films_name_is_no_film(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("a letter to the editor\n" * 100)
    with pytest.raises(InputError, match="not a film"):
        Reader(tmp_path / "a.mp4")


def test_a_directory_is_no_film(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="directory"):
        Reader(tmp_path)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.png", "png"), ("a.jpg", "mjpeg"), ("a.bmp", "bmp")]
)
def test_a_single_picture_is_no_film(tmp_path: Path, name: str, codec: str) -> None:
    pix_fmt = {"png": "rgb24", "bmp": "bgr24", "mjpeg": "yuvj420p"}[codec]
    film(tmp_path / name, Video(1, codec=codec, pix_fmt=pix_fmt), container="image2")
    with pytest.raises(InputError, match="single picture"):
        Reader(tmp_path / name)


def test_sound_alone_is_no_film(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no video"):
        Reader(film(tmp_path / "a.m4a", Sound("aac"), container="mp4"))


def test_sound_with_a_cover_is_no_film(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no video"):
        Reader(film(tmp_path / "a.m4a", Sound("aac"), Cover(png()), container="mp4"))


def test_a_video_stream_without_pictures_is_said_to_be_empty(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", Video(3, times=lambda *_: False), Sound("flac"))
    with pytest.raises(MediaError, match="no picture"):
        Reader(path)


def test_of_several_video_streams_the_larger_is_worked_on(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", Video(3, (32, 32)), Video(3, (64, 48)))
    with Reader(path) as reader:
        assert reader.stream.index == 1


# ---- clips ----------------------------------------------------------------------------------


def long_film(path: Path) -> Path:
    """Two seconds, a keyframe every 0.4, sound and subtitles along it."""
    return film(
        path,
        Video(50, options={"g": "10", "bf": "2", "sc_threshold": "0", "preset": "fast"}),
        Sound("flac", seconds=Fraction(2)),
        Text(lines=[(n * 100, 100, f"line {n}") for n in range(20)]),
    )


def test_a_clip_starts_at_its_first_frame_and_counts_from_there(tmp_path: Path) -> None:
    path = long_film(tmp_path / "a.mkv")
    whole, _, _ = read(path)
    with Reader(path, clip=Clip(start=Fraction(3, 4))) as reader:
        assert reader.origin == Fraction(76, 100)
        frames = list(reader.frames())
        assert seconds(frames, reader.info) == [40 * n * MS for n in range(31)]
    assert np.array_equal(frames[0].y, whole[19].y)


def test_a_clip_ends_before_its_end(tmp_path: Path) -> None:
    path = long_film(tmp_path / "a.mkv")
    assert times_read(path, Clip(end=Fraction(4, 10))) == [40 * n * MS for n in range(10)]
    part = times_read(path, Clip(start=Fraction(4, 10), end=Fraction(8, 10)))
    assert part == [40 * n * MS for n in range(10)]


@pytest.mark.parametrize("count", [1, 7, 50, 80])
def test_a_clip_has_as_many_frames_as_asked_for(tmp_path: Path, count: int) -> None:
    path = long_film(tmp_path / "a.mkv")
    assert len(times_read(path, Clip(frames=count))) == min(count, 50)


def test_a_clip_without_a_start_keeps_the_films_own_times(tmp_path: Path) -> None:
    pts = [500 + 40 * n for n in range(10)]
    path = film(tmp_path / "a.mkv", Video(10, pts=pts, time_base=MS))
    assert times_read(path, Clip(frames=3)) == [p * MS for p in pts[:3]]


def test_a_clips_times_count_from_the_films_beginning(tmp_path: Path) -> None:
    pts = [3_600_000 + 40 * n for n in range(20)]
    path = film(tmp_path / "a.mkv", Video(20, pts=pts, time_base=MS, options={"g": "5"}))
    assert len(times_read(path, Clip(start=Fraction(4, 10)))) == 10
    assert len(times_read(path, Clip(end=Fraction(4, 10)))) == 10


def test_a_clip_behind_the_films_end_has_no_frames(tmp_path: Path) -> None:
    path = long_film(tmp_path / "a.mkv")
    assert times_read(path, Clip(start=Fraction(50))) == []


def test_a_clip_of_an_interlaced_film_is_deinterlaced_from_its_first_frame(tmp_path: Path) -> None:
    """By means of the frame before it, as in the whole film."""
    path = film(tmp_path / "a.mp4", Video(20, TALL, paint=woven("tff", moving), fields="tff"))
    whole, _, _ = read(path, "frame")
    clip = Clip(start=Fraction(4, 10), frames=3)
    frames, info, _ = read(path, "frame", clip)
    assert seconds(frames, info) == [0, 40 * MS, 80 * MS]
    assert np.array_equal(frames[0].y, whole[10].y)
    assert len(read(path, "field", replace(clip, frames=5))[0]) == 5


def test_packets_of_other_streams_gather_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = long_film(tmp_path / "a.mkv")
    with av.open(str(path)) as source:
        want = [(p.stream_index, p.pts) for p in source.demux() if p.size and p.stream_index != 0]
    with Reader(path) as reader:
        for _ in reader.frames():
            pass
        assert [(p.stream_index, p.pts) for p in reader.others] == want


def test_the_sound_of_a_clip_is_read_to_its_end(tmp_path: Path) -> None:
    path = long_film(tmp_path / "a.mkv")
    with Reader(path, clip=Clip(frames=20)) as reader:
        for _ in reader.frames():
            pass
        assert reader.end == 800 * MS
        sound = [p for p in reader.others if p.stream.type == "audio"]
        last = sound[-1]
        assert last.pts is not None
        assert (last.pts + (last.duration or 0)) * last.time_base >= 800 * MS


def test_a_closed_reader_can_be_closed_again(tmp_path: Path) -> None:
    reader = Reader(film(tmp_path / "a.mp4"))
    reader.close()
    reader.close()


def test_builders_paint_what_they_say() -> None:
    first, second = moving(0, 64, 48), moving(1, 64, 48)
    assert not np.array_equal(first[0], second[0])
    assert np.array_equal(still(3, 64, 48)[0], first[0])
    assert near(to_picture(flat(9, 99, 199)(0, 4, 4), "yuv420p").to_ndarray()[:4], np.asarray(9), 0)
