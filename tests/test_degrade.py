"""How training data decays: reproducibly, within its ranges, and at most as hard as told."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from vsr.errors import UsageError
from vsr.shrink import bicubic_shrink
from vsr.train.camera import moving
from vsr.train.damage import blur_matrix, deinterlace, grain, shrink, weave
from vsr.train.film import FilmDecay, decay

Pictures = NDArray[np.uint8]

NOTHING = FilmDecay(clean=0, blur=0, grain=0, interlaced=0, compressed=0, subsampled=0)
"""A chain in which no step happens but reduction; the tests switch on one at a time."""


def picture(height: int = 96, width: int = 144, seed: int = 0) -> Pictures:
    """Soft blobs and some texture, (3, h, w)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [120 + 50 * np.sin(x / a) * np.cos(y / b) for a, b in rng.uniform(4, 15, (3, 2))]
    return (np.array(planes) + rng.normal(0, 4, (3, height, width))).clip(16, 235).astype(np.uint8)


def film(frames: int = 3) -> Pictures:
    return moving(picture(), frames, np.random.default_rng(0), speed=4)


def decayed(settings: FilmDecay, seed: int = 0, scale: int = 2) -> tuple[Pictures, str]:
    return decay(film(), scale, np.random.default_rng(seed), settings)


def psnr(a: Pictures, b: Pictures) -> float:
    return float(10 * np.log10(255**2 / ((a.astype(float) - b) ** 2).mean()))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_clean_film_is_the_benchmarks_bicubic_of_every_plane(scale: int) -> None:
    lr, words = decayed(FilmDecay(clean=1), scale=scale)
    assert words == "clean"
    for small, large in zip(lr.reshape(-1, *lr.shape[2:]), film().reshape(-1, *film().shape[2:])):
        np.testing.assert_array_equal(small, bicubic_shrink(large, scale))


def test_one_seed_gives_one_film() -> None:
    for seed in range(12):
        (once, words), (again, same) = decayed(FilmDecay(), seed), decayed(FilmDecay(), seed)
        assert words == same
        np.testing.assert_array_equal(once, again)


def test_seeds_draw_many_kinds_of_films() -> None:
    lr, words = zip(*(decayed(FilmDecay(), seed) for seed in range(60)))
    assert len(set(words)) > 30
    for kind in ("clean", "libx264", "mpeg", "grain", "blur", "lanczos"):
        assert any(kind in each for each in words), kind
    assert {each.shape for each in lr} == {(3, 3, film().shape[2] // 2, film().shape[3] // 2)}


@pytest.mark.parametrize(
    ("step", "low", "high"),
    [
        ({"blur": 1}, 30, 60),
        ({"grain": 1}, 39, 53),
        ({"compressed": 1, "codecs": {"libx264": 1}}, 24, 45),
        ({"compressed": 1, "codecs": {"mpeg2video": 1}}, 24, 45),
        ({"compressed": 1, "codecs": {"mpeg4": 1}}, 24, 45),
        ({"interlaced": 1}, 20, 50),
        ({"kernels": {"area": 1}}, 35, 55),
    ],
)
def test_every_step_does_some_harm_and_not_too_much(
    step: dict[str, float], low: float, high: float
) -> None:
    clean, nothing = decayed(NOTHING)
    assert nothing == "bicubic"
    for seed in range(5):
        lr, words = decayed(replace(NOTHING, **step), seed)  # type: ignore[arg-type]
        assert words != "bicubic"
        assert low < psnr(lr[:, 0], clean[:, 0]) < high


def test_subsampling_alone_leaves_luma_alone() -> None:
    clean, _ = decayed(NOTHING)
    lr, words = decayed(replace(NOTHING, subsampled=1))
    assert words == "bicubic, 4:2:0"
    np.testing.assert_array_equal(lr[:, 0], clean[:, 0])
    assert (lr[:, 1:] != clean[:, 1:]).any()


def test_a_crf_decides_how_much_is_lost() -> None:
    clean, _ = decayed(NOTHING)
    h264 = replace(NOTHING, compressed=1, codecs={"libx264": 1})
    found = [psnr(decayed(replace(h264, crf=(crf, crf)))[0], clean) for crf in (16, 24, 32)]
    assert found == sorted(found, reverse=True)


def test_blur_is_gaussian_and_keeps_brightness() -> None:
    matrix = blur_matrix(41, 2.0)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    offsets = np.arange(41) - 20
    assert (matrix[20] * offsets**2).sum() == pytest.approx(4, rel=0.05)
    np.testing.assert_array_equal(blur_matrix(5, 0), np.eye(5))


def test_area_reduction_is_the_mean_of_every_block() -> None:
    planes = picture()[None]
    for scale in (2, 3, 4):
        h, w = planes.shape[2] // scale, planes.shape[3] // scale
        blocks = planes.reshape(1, 3, h, scale, w, scale).mean(axis=(3, 5))
        np.testing.assert_allclose(shrink(planes, scale, "area", (0, 0)), blocks, rtol=1e-5)


def test_grain_is_as_strong_as_told_new_in_every_frame_and_smooth() -> None:
    rng = np.random.default_rng(0)
    fine, coarse = (grain((4, 3, 60, 80), 2.0, size, rng) for size in (0, 0.8))
    for noise in (fine, coarse):
        assert noise[:, 0].std() == pytest.approx(2, rel=0.25)
        assert noise[:, 1:].std() == pytest.approx(noise[:, 0].std() / 2, rel=0.1)
        assert abs(np.corrcoef(noise[0, 0].ravel(), noise[1, 0].ravel())[0, 1]) < 0.1
    neighbours = [
        np.corrcoef(n[..., 1:].ravel(), n[..., :-1].ravel())[0, 1] for n in (fine, coarse)
    ]
    assert abs(neighbours[0]) < 0.05
    assert neighbours[1] > 0.5


def test_interlacing_weaves_two_moments_and_deinterlacing_keeps_one() -> None:
    frames = np.zeros((2, 3, 6, 4), np.uint8)
    frames[1] = 100
    woven = weave(frames)
    assert woven[1, 0, :, 0].tolist() == [100, 0] * 3
    assert deinterlace(woven, blend=False)[1, 0, :, 0].tolist() == [100] * 6
    assert deinterlace(woven, blend=True)[1, 0, :, 0].tolist() == [100, 50] * 3


def test_a_table_says_what_a_recipe_wants() -> None:
    settings = FilmDecay.from_table({"clean": 0.5, "crf": [20, 30], "codecs": {"libx264": 1}})
    assert settings == FilmDecay(clean=0.5, crf=(20, 30), codecs={"libx264": 1})


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"craf": [1, 2]}, "no 'craf'; there is clean, blur"),
        ({"clean": 1.5}, "clean = 1.5 is no chance"),
        ({"crf": [30, 20]}, r"crf = \[30, 20\] is no range"),
        ({"crf": 30}, "crf = 30 is no range"),
        ({"codecs": {"h265": 1}}, "weights of libx264, mpeg2video, mpeg4"),
        ({"kernels": {"bicubic": 0}}, "weights of bicubic, area"),
    ],
)
def test_what_a_table_cannot_say_is_refused(table: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        FilmDecay.from_table(table)


def test_sizes_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="46x48 is not a multiple of 4"):
        decay(film()[:, :, :48, :46], 2, np.random.default_rng(0), FilmDecay())


def test_a_moving_camera_sees_the_picture_itself() -> None:
    """Without zoom every frame is a part of the picture, and neighbours are near each other."""
    still = picture()
    places = np.lib.stride_tricks.sliding_window_view(still[0], (4, 4))
    kinds = set()
    for seed in range(20):
        shots = moving(still, 4, np.random.default_rng(seed), speed=4)
        assert shots.shape == (4, 3, 72, 96)
        found = [np.argwhere((places == shot[0, :4, :4]).all(axis=(2, 3))) for shot in shots]
        if not all(len(place) == 1 for place in found):
            kinds.add("zooming")
            continue
        path = np.array(found)[:, 0]
        for shot, (y, x) in zip(shots, path, strict=True):
            np.testing.assert_array_equal(shot, still[:, y : y + 72, x : x + 96])
        moves = np.abs(np.diff(path, axis=0))
        assert moves.max() <= 5
        kinds.add("moving" if moves.any() else "still")
    assert kinds == {"zooming", "moving", "still"}


def test_a_zoom_stays_inside_the_picture_and_sharp() -> None:
    ramp = np.tile(np.arange(144, dtype=np.uint8), (3, 96, 1))
    for seed in range(20):
        shots = moving(ramp, 4, np.random.default_rng(seed), speed=4).astype(float)
        steps = np.diff(shots[:, 0, 0, 4:-4], axis=1).mean(axis=1)
        assert ((steps > 0.98) & (steps < 1.12)).all()


def test_a_picture_too_small_to_move_over_is_refused() -> None:
    with pytest.raises(ValueError, match="too small for 5 frames"):
        moving(picture(40, 60), 5, np.random.default_rng(0))
