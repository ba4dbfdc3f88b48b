"""From what was asked for to the size that is written; and a picture that stays in its place."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from films import Array, Paint, Planes, Video, film, frames_of, settings
from hypothesis import given
from hypothesis import strategies as st

from vsr.errors import InputError, UsageError
from vsr.frame import ColorTags, FrameFormat, VideoInfo
from vsr.media.encoder import needs_even
from vsr.media.reader import Reader
from vsr.pipeline.sizes import factors, final_sar, final_size
from vsr.pipeline.upscale import upscale
from vsr.settings import Size

ANY, EVEN = (False, False), (True, True)


def info(
    width: int = 640, height: int = 360, rotation: int = 0, sar: Fraction | None = None
) -> VideoInfo:
    return VideoInfo(
        format=FrameFormat(width, height),
        codec="h264",
        source_pix_fmt="yuv420p",
        time_base=Fraction(1, 25),
        rate=Fraction(25),
        tags=ColorTags(),
        sar=sar,
        rotation=rotation,
    )


# ---- numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "want"),
    [
        (Size(Fraction(2)), (1280, 720)),
        (Size(Fraction(3, 2)), (960, 540)),
        (Size(Fraction(4, 3)), (853, 480)),
        (Size(Fraction(4)), (2560, 1440)),
        (Size(Fraction(1)), (640, 360)),
        (Size(height=1080), (1920, 1080)),
        (Size(width=1920), (1920, 1080)),
        (Size(width=1000), (1000, 562)),
        (Size(width=1440, height=1080), (1440, 1080)),
        (Size(height=361), (642, 361)),
        (Size(), (1280, 720)),
    ],
)
def test_the_size_is_the_one_asked_for(size: Size, want: tuple[int, int]) -> None:
    assert final_size(info(), size, ANY) == want


def test_an_encoder_that_needs_even_sizes_gets_the_nearest() -> None:
    assert final_size(info(), Size(Fraction(4, 3)), EVEN) == (854, 480)
    assert final_size(info(161, 121), Size(Fraction(3)), EVEN) == (484, 364)
    assert final_size(info(161, 121), Size(Fraction(3)), (True, False)) == (484, 363)
    assert final_size(info(161, 121), Size(Fraction(3)), ANY) == (483, 363)
    assert final_size(info(1, 1), Size(Fraction(1)), EVEN) == (2, 2)
    assert final_size(info(1, 1), Size(Fraction(1)), ANY) == (1, 1)


@pytest.mark.parametrize("rotation", [90, -90, 270])
def test_a_turned_films_height_is_the_one_that_is_shown(rotation: int) -> None:
    turned = info(640, 360, rotation)
    assert final_size(turned, Size(height=1280), EVEN) == (1280, 720)
    assert final_size(turned, Size(width=720), EVEN) == (1280, 720)
    assert final_size(turned, Size(width=720, height=1280), EVEN) == (1280, 720)
    assert final_size(turned, Size(Fraction(2)), EVEN) == (1280, 720)
    assert final_size(info(640, 360, 180), Size(height=720), EVEN) == (1280, 720)


def test_the_networks_factor_follows_the_longer_stretch() -> None:
    assert factors(info(), Size(width=1440, height=1080)) == (Fraction(9, 4), Fraction(3))
    assert factors(info(), Size(height=1080)) == (Fraction(3), Fraction(3))


def test_the_shape_of_pixels_stays_when_both_sides_grow_alike() -> None:
    dv = info(720, 576, sar=Fraction(16, 11))
    assert final_sar(dv, Size(Fraction(2))) == Fraction(16, 11)
    assert final_sar(dv, Size(height=1152)) == Fraction(16, 11)
    assert final_sar(info(), Size(Fraction(2))) is None


def test_the_shape_of_pixels_makes_up_for_uneven_growth() -> None:
    dv = info(720, 576, sar=Fraction(16, 11))
    size = Size(width=2048, height=1152)
    assert final_size(dv, size, EVEN) == (2048, 1152)
    shown_before = Fraction(720, 576) * Fraction(16, 11)
    sar = final_sar(dv, size)
    assert sar is not None
    assert Fraction(2048, 1152) * sar == shown_before


@given(
    st.integers(2, 4000),
    st.integers(2, 4000),
    st.fractions(Fraction(1), Fraction(16), max_denominator=1000),
    st.booleans(),
)
def test_no_size_is_further_off_than_rounding_makes_it(
    width: int, height: int, scale: Fraction, even: bool
) -> None:
    found = final_size(info(width, height), Size(scale), (even, even))
    for side, got in zip((width, height), found, strict=True):
        assert abs(got - side * scale) <= (1 if even else Fraction(1, 2))
        assert not (even and got % 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Size(Fraction(1, 2)),
        lambda: Size(Fraction(17)),
        lambda: Size(Fraction(2), width=100),
        lambda: Size(height=1),
        lambda: Size(width=100_000),
    ],
)
def test_sizes_that_make_no_sense_are_refused(make: object) -> None:
    with pytest.raises(UsageError):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "want"),
    [
        ("libx264", "yuv420p", (True, True)),
        ("libx264", "yuv422p", (True, False)),
        ("libx264", "yuv444p", (False, False)),
        ("libx265", "yuv420p", (True, True)),
        ("ffv1", "yuv420p", (False, False)),
        ("libvpx-vp9", "yuv420p", (False, False)),
    ],
)
def test_encoders_are_asked_which_sizes_they_take(
    codec: str, pix_fmt: str, want: tuple[bool, bool]
) -> None:
    assert needs_even(codec, pix_fmt) == want


# ---- films ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "want"),
    [
        (Size(Fraction(3, 2)), (96, 72)),
        (Size(Fraction(4, 3)), (86, 64)),
        (Size(Fraction(5, 2)), (160, 120)),
        (Size(height=100), (134, 100)),
        (Size(width=100, height=120), (100, 120)),
    ],
)
def test_films_come_out_in_the_size_asked_for(
    tmp_path: Path, size: Size, want: tuple[int, int]
) -> None:
    source = film(tmp_path / "in.mp4", Video(3))
    report = upscale(source, tmp_path / "out.mp4", settings=settings("bicubic", size))
    assert (report.width, report.height) == want
    picture = frames_of(tmp_path / "out.mp4")[0]
    assert (picture.width, picture.height) == want
    assert report.psnr is not None
    assert report.psnr > 30


def test_uneven_growth_is_told_to_the_player(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", Video(3))
    size = Size(width=128, height=192)
    upscale(source, tmp_path / "out.mp4", settings=settings("bicubic", size))
    with Reader(tmp_path / "out.mp4") as reader:
        assert reader.info.sar == 2
        assert (reader.info.format.width, reader.info.format.height) == (128, 192)


def test_a_turned_film_gets_the_height_that_is_shown(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", Video(3, rotation=90))
    upscale(source, tmp_path / "out.mp4", settings=settings("bicubic", Size(height=128)))
    with Reader(tmp_path / "out.mp4") as reader:
        assert (reader.info.format.width, reader.info.format.height) == (128, 96)
        assert reader.info.rotation % 180 == 90


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "ffv1", "libvpx-vp9"])
def test_odd_films_come_out_of_every_encoder(tmp_path: Path, codec: str) -> None:
    source = film(tmp_path / "in.mkv", Video(2, (65, 47), codec="ffv1"))
    job = settings("bicubic", Size(Fraction(3)), codec=codec)
    report = upscale(source, tmp_path / "out.mkv", settings=job)
    even = [2 * round(n / 2) for n in (195, 141)]
    assert (report.width, report.height) in ((195, 141), tuple(even))
    assert report.psnr is not None
    assert report.psnr > 30


def test_a_size_below_the_films_own_is_refused(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", Video(2))
    with pytest.raises(InputError, match="smaller"):
        upscale(source, tmp_path / "out.mp4", settings=settings(size=Size(height=20)))


# ---- place ----------------------------------------------------------------------------------


def centred(_: int, width: int, height: int) -> Planes:
    """A bright and coloured spot in the middle of the picture, on a plain ground."""
    x, y = np.arange(width) + 0.5 - width / 2, np.arange(height)[:, None] + 0.5 - height / 2
    spot = np.exp(-(x**2 + y**2) / 60)
    return tuple(
        np.asarray(base + rise * spot).round().astype(np.uint8)
        for base, rise in ((60, 150), (110, 80), (150, -90))
    )


def middle(plane: Array) -> tuple[float, float]:
    """Where the spot lies, in parts of the plane's width and height."""
    weight = np.abs(plane.astype(float) - float(np.median(plane)))
    weight[weight < 4] = 0
    height, width = plane.shape
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    total = weight.sum()
    return float((weight.sum(0) * x).sum() / total), float((weight.sum(1) * y).sum() / total)


def planes_of(picture: av.VideoFrame) -> list[Array]:
    found = []
    for plane in picture.planes:
        rows = np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, -1)
        found.append(rows[:, : plane.width])
    return found


PLACES = {"left": (0.5, 0), "center": (0, 0), "topleft": (0.5, 0.5)}
"""How far a chroma sample lies to the left of and above the middle of its luma samples."""


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "size", [Size(Fraction(2)), Size(Fraction(3, 2)), Size(Fraction(5, 3)), Size(width=170)]
)
def test_luma_and_chroma_stay_in_the_middle(tmp_path: Path, place: str, size: Size) -> None:
    """Chroma's middle lies where its samples' place puts it, before and after."""
    video = Video(2, codec="ffv1", paint=sited(place), tags=(1, 1, 1, 1), chroma_location=place)
    source = film(tmp_path / "in.mkv", video)
    job = settings("bicubic", size, codec="ffv1")
    upscale(source, tmp_path / "out.mkv", settings=job)
    with Reader(tmp_path / "out.mkv") as reader:
        assert reader.info.format.chroma_location == place
    for path in (source, tmp_path / "out.mkv"):
        y, u, v = planes_of(frames_of(path)[0])
        height, width = y.shape
        assert middle(y) == pytest.approx((0.5, 0.5), abs=0.1 / width)
        left, above = PLACES[place]
        want = 0.5 + left / width, 0.5 + above / height
        for plane in (u, v):
            assert middle(plane) == pytest.approx(want, abs=0.15 / width)


def sited(place: str) -> Paint:
    """The centred spot, chroma moved so that it lies in the middle once it is sampled there."""
    left, above = PLACES[place]

    def paint(_: int, width: int, height: int) -> Planes:
        x = np.arange(width) + 0.5 - width / 2
        y = np.arange(height)[:, None] + 0.5 - height / 2
        luma = centred(0, width, height)[0]
        spot = np.exp(-((x - left) ** 2 + (y - above) ** 2) / 60)
        u, v = (
            np.asarray(base + rise * spot).round().astype(np.uint8)
            for base, rise in ((110, 80), (150, -90))
        )
        return luma, u, v

    return paint
