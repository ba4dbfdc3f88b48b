"""Films and folders of frames, judged by their frames and by how they move."""

import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
from films import Video, film, flat
from numpy.typing import NDArray
from runs import vsr_here

from vsr.errors import InputError, MissingPackageError, UsageError
from vsr.evaluate.motion import find_flow, visible, warp
from vsr.evaluate.scores import FLAWLESS, Scores
from vsr.evaluate.sequences import find_sequences, judge_sequences, read_sequence
from vsr.evaluate.temporal import find_motion, flicker, tof, warping_error
from vsr.evaluate.upscalers import Picture, Small, Upscaler, find_upscalers
from vsr.media.pictures import to_rgb, to_ycc, write_png
from vsr.shrink import bicubic_shrink, to_codes

needs_opencv = pytest.mark.skipif(
    find_spec("cv2") is None, reason="OpenCV is not installed: pip install 'vsr[eval]'"
)

Codes = NDArray[np.uint8]

STEP = (1, 2)
"""How far the scene moves down and to the right from frame to frame, pixels."""
BORDER = 2


def pan(frames: int = 6, height: int = 72, width: int = 96, step: tuple[int, int] = STEP) -> Codes:
    """The luma of a soft scene that moves evenly, (n, h, w)."""
    y, x = np.mgrid[: height + 40, : width + 40]
    rng = np.random.default_rng(0)
    scene = 125 + sum(
        16 * np.sin(a * x + b * y + c) for a, b, c in rng.uniform(-1, 1, (7, 3)) * (0.5, 0.5, 3)
    )
    codes: Codes = scene.clip(16, 235).astype(np.uint8)
    down, right = step
    return np.stack(
        [
            codes[20 - down * t : 20 - down * t + height, 20 - right * t : 20 - right * t + width]
            for t in range(frames)
        ]
    )


def flickering(frames: Codes, strength: int = 4) -> Codes:
    """Every other frame brighter."""
    result = frames.copy()
    result[1::2] += np.uint8(strength)
    return result


def write_frames(folder: Path, frames: Codes, names: Sequence[str] = ()) -> Path:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        name = names[number] if names else f"{number:04}.png"
        write_png(folder / name, frame[..., None].repeat(3, axis=2))
    return folder


# Motion.


@needs_opencv
def test_the_flow_of_a_pan_is_its_step() -> None:
    a, b = pan(2)
    inner = np.s_[12:-12, 12:-12]
    there, back = find_flow(a, b), find_flow(b, a)
    assert np.abs(there[inner] - STEP[::-1]).mean() < 0.1
    assert np.abs(back[inner] + STEP[::-1]).mean() < 0.1


def test_warping_fetches_from_where_the_flow_leads() -> None:
    picture = np.random.default_rng(0).random((9, 12)).astype(np.float32)
    flow = np.zeros((9, 12, 2), np.float32)
    np.testing.assert_allclose(warp(picture, flow), picture)
    flow[...] = 2, -1
    np.testing.assert_allclose(warp(picture, flow)[1:, :-2], picture[:-1, 2:], rtol=1e-6)
    flow[...] = 0.25, 0.5
    between = picture[:, :-1] * 0.75 + picture[:, 1:] * 0.25
    expected = (between[:-1] + between[1:]) / 2
    np.testing.assert_allclose(warp(picture, flow)[:-1, :-1], expected, rtol=1e-6)
    flow[...] = 100, 100
    np.testing.assert_allclose(warp(picture, flow), picture[-1, -1])


def test_what_came_into_the_picture_or_does_not_lead_back_was_not_visible() -> None:
    there, back = np.zeros((9, 12, 2), np.float32), np.zeros((9, 12, 2), np.float32)
    there[...], back[...] = (3, 0), (-3, 0)
    seen = visible(there, back)
    assert seen[:, :9].all()
    assert not seen[:, 9:].any()  # from beyond the right edge
    back[4, 6] = 0, 0
    assert not visible(there, back)[4, 3]
    assert visible(there, back).sum() == seen.sum() - 1


@needs_opencv
def test_what_enters_with_the_later_frame_does_not_count() -> None:
    seen = find_motion(pan(2, step=(0, 6)))[0].visible
    assert not seen[:, :5].any()  # the scene moves to the right
    assert seen[:, -5:].mean() > 0.9


@needs_opencv
def test_an_even_pan_has_next_to_no_warping_error_and_flicker_has() -> None:
    truth = pan()
    motions = find_motion(truth)
    quiet = warping_error(motions, truth, BORDER)
    assert len(quiet) == len(truth) - 1
    assert max(quiet) < (1 / 255) ** 2  # less than a code
    restless = warping_error(motions, flickering(truth), BORDER)
    np.testing.assert_allclose(restless, (4 / 255) ** 2, rtol=0.15)


@needs_opencv
def test_flicker_is_seen_where_the_truth_stands_still() -> None:
    still, moving = pan(step=(0, 0)), pan()
    motions = find_motion(still)
    assert flicker(motions, still, still, BORDER) == [0] * 5
    assert flicker(motions, still, still + np.uint8(9), BORDER) == [0] * 5
    assert flicker(motions, still, flickering(still), BORDER) == [4] * 5
    assert flicker(find_motion(moving), moving, flickering(moving), BORDER) == [0] * 5


@needs_opencv
def test_tof_is_0_at_equality_and_the_error_of_a_result_that_moves_otherwise() -> None:
    truth = pan()
    motions = find_motion(truth)
    assert tof(motions, truth, BORDER) == [0] * 5
    slower = tof(motions, pan(step=(1, 1)), BORDER)
    np.testing.assert_allclose(slower, 1, atol=0.2)  # of a pixel


@needs_opencv
def test_without_texture_nothing_moves() -> None:
    gray = np.full((3, 40, 40), 100, np.uint8)
    motions = find_motion(gray)
    assert tof(motions, gray, BORDER) == [0, 0]
    assert warping_error(motions, gray, BORDER) == [0, 0]


def test_without_opencv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingPackageError, match=r"vsr\[eval\]"):
        find_motion(pan(2))


# Sequences.


def test_sequences_are_folders_of_frames_and_films(tmp_path: Path) -> None:
    write_frames(tmp_path / "b", pan(2))
    film(tmp_path / "a.mkv", Video(frames=2))
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("nothing to see")
    assert find_sequences(tmp_path) == {"a.mkv": tmp_path / "a.mkv", "b": tmp_path / "b"}
    assert find_sequences(tmp_path / "b") == {"b": tmp_path / "b"}
    assert find_sequences(tmp_path / "a.mkv") == {"a.mkv": tmp_path / "a.mkv"}
    for nothing in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(UsageError, match="holds no films, nor folders of numbered frames"):
            find_sequences(nothing)


def test_frames_come_by_their_numbers_and_are_cut_for_420(tmp_path: Path) -> None:
    frames = pan(3, 75, 98)
    folder = write_frames(tmp_path / "s", frames, ["frame10.png", "frame2.png", "frame1.png"])
    found = read_sequence(folder, 2, frames=60)
    assert found.shape == (3, 3, 72, 96)
    for got, frame in zip(found, frames[::-1], strict=True):
        np.testing.assert_array_equal(got, to_ycc(frame[:72, :96, None].repeat(3, axis=2)))
    assert len(read_sequence(folder, 2, frames=2)) == 2


def test_a_film_is_read_in_its_own_colours(tmp_path: Path) -> None:
    path = film(tmp_path / "red.mkv", Video(frames=3, paint=flat(81, 90, 240)))
    found = read_sequence(path, 2, frames=2)
    assert found.shape[:2] == (2, 3)
    np.testing.assert_allclose(found[0, :, 20, 20], (81, 90, 240), atol=2)


def test_what_is_no_sequence_is_told_why(tmp_path: Path) -> None:
    single = write_frames(tmp_path / "single", pan(1))
    with pytest.raises(InputError, match="single: 1 frame is no sequence; there have to be two"):
        read_sequence(single, 2, frames=60)
    tiny = write_frames(tmp_path / "tiny", pan(2)[:, :18, :40])
    with pytest.raises(InputError, match="tiny: too small a sequence"):
        read_sequence(tiny, 2, frames=60)
    mixed = write_frames(tmp_path / "mixed", pan(1))
    write_png(mixed / "0001.png", pan(1)[0, :60, :90, None].repeat(3, axis=2))
    with pytest.raises(InputError, match="different sizes, 90x60 and 96x72"):
        read_sequence(mixed, 2, frames=60)


# Judging.


def judge(folder: Path, upscalers: Sequence[Upscaler], crfs: Sequence[int] = ()) -> list[Scores]:
    return list(judge_sequences(upscalers, find_sequences(folder), 2, crfs, frames=60))


@needs_opencv
def test_the_truth_itself_is_flawless(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "pan", pan())
    truth = read_sequence(folder, 2, frames=60)[:, 0]
    [scores] = judge(folder, [Upscaler("oracle", 1, lambda _: list(truth))])
    assert (scores.model, scores.item, scores.condition) == ("oracle", "pan", "clean")
    values = scores.values
    assert values["psnr"] == [FLAWLESS] * 6
    assert values["ssim"] == pytest.approx([1] * 6)
    assert values["tof"] == [0] * 5
    assert values["warping"] == values["truth_warping"]


@needs_opencv
def test_flicker_shows_between_the_frames_and_blur_in_them(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "pan", pan())
    truth = read_sequence(folder, 2, frames=60)[:, 0]
    soft = np.mean([np.roll(truth, x, axis=2) for x in range(-4, 5)], axis=0)
    even, restless, blurred = judge(
        folder,
        [
            Upscaler("brighter", 1, lambda _: list(truth + np.uint8(4))),
            Upscaler("flickering", 1, lambda _: list(flickering(truth))),
            Upscaler("blurred", 1, lambda _: list(soft.astype(np.uint8))),
        ],
    )
    assert np.mean(restless.values["psnr"]) > np.mean(even.values["psnr"])
    assert min(restless.values["warping"]) > 5 * max(even.values["warping"])
    assert max(blurred.values["warping"]) < min(restless.values["warping"])
    assert max(blurred.values["psnr"]) < min(even.values["psnr"])


@needs_opencv
def test_compressed_films_are_harder_and_the_more_so_the_smaller(tmp_path: Path) -> None:
    write_frames(tmp_path / "all" / "pan", pan())
    film(tmp_path / "all" / "bar.mkv", Video(frames=4))
    upscalers = find_upscalers(["bicubic", "nearest"], 2, "fp32")
    found = judge(tmp_path / "all", upscalers, crfs=[23, 40])
    conditions = ("clean", "H.264 crf 23", "H.264 crf 40")
    assert [(s.item, s.condition, s.model) for s in found] == [
        (item, condition, model)
        for item in ("bar.mkv", "pan")
        for condition in conditions
        for model in ("bicubic", "nearest")
    ]
    of_pan = [np.mean(s.values["psnr"]) for s in found if s.item == "pan"]
    clean, light, heavy = of_pan[::2]
    assert clean > light + 0.5 > heavy + 1
    assert clean > of_pan[1] + 3  # the nearest neighbour


@needs_opencv
def test_an_rgb_network_gets_rgb_made_of_the_small_frames(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "pan", pan(3))
    given: list[Small] = []

    def doubled(pictures: Sequence[Small]) -> list[Picture]:
        given.extend(pictures)
        return [to_codes(small).repeat(2, axis=0).repeat(2, axis=1) for small in pictures]

    [rgb] = judge(folder, [Upscaler("doubled", 3, doubled)])
    truth = read_sequence(folder, 2, frames=60)
    np.testing.assert_array_equal(np.stack(given), to_rgb(bicubic_shrink(truth, 2)))
    [luma] = judge(folder, find_upscalers(["nearest"], 2, "fp32"))
    assert rgb.values["psnr"] == pytest.approx(luma.values["psnr"], abs=0.05)


@needs_opencv
def test_a_model_is_judged_again_with_its_frames_made_to_agree(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "still", pan(step=(0, 0)))
    sequences, models = find_sequences(folder), find_upscalers(["bicubic"], 2, "fp32")
    found = list(judge_sequences(models, sequences, 2, [], 60, temporal=1.0, noise=4.0))
    assert [(s.model, s.condition) for s in found] == [
        ("bicubic", "clean"),
        ("bicubic, temporal 1", "clean"),
        ("bicubic", "noise, sigma 4"),
        ("bicubic, temporal 1", "noise, sigma 4"),
    ]
    clean, steady_clean, noisy, steady_noisy = (s.values for s in found)
    assert clean["psnr"] == steady_clean["psnr"]  # a still stays as it is
    assert np.mean(steady_noisy["psnr"]) > np.mean(noisy["psnr"]) + 1
    assert np.mean(steady_noisy["flicker"]) < 0.7 * np.mean(noisy["flicker"])


# The command.


@needs_opencv
def test_eval_of_sequences_keeps_every_frame(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    write_frames(tmp_path / "all" / "pan", pan())
    write_frames(tmp_path / "all" / "still", pan(step=(0, 0)))
    out, plot = tmp_path / "out.jsonl", tmp_path / "out.png"
    files = ("--json", out, "--plot", plot)
    words = ("--video", "--crf", "28", "--frames", "4", "--data", tmp_path / "all")
    ran = vsr_here("eval", "bicubic", "nearest", *words, *files)
    assert ran.code == 0, ran.err
    lines = ran.words.splitlines()
    assert lines[0] == "all, x2: 2 sequences, at most 4 frames of each"
    assert lines[2].endswith("| tOF, pixels | warping error, 1e-4 | truth's, 1e-4 |")
    assert [line.split(" | ")[:2] for line in lines[4:8]] == [
        ["| bicubic", "clean"],
        ["| nearest", "clean"],
        ["| bicubic", "H.264 crf 28"],
        ["| nearest", "H.264 crf 28"],
    ]
    printed = [json.loads(line) for line in lines[-4:]]
    written = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(written) == 8
    for each in written:
        assert len(each["values"]["psnr"]) == 4
        assert len(each["values"]["tof"]) == 3
    of_first = [
        np.mean(each["values"]["psnr"])
        for each in written
        if (each["model"], each["condition"]) == ("bicubic", "clean")
    ]
    assert printed[0]["psnr"] == pytest.approx(np.mean(of_first))
    with av.open(str(plot)) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert shown.shape == (500, 900, 3)


@needs_opencv
def test_eval_shows_what_temporal_does(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    folder, plot = write_frames(tmp_path / "pan", pan()), tmp_path / "out.png"
    words = ("--noise", "3", "--temporal", "0.5", "--frames", "4", "--plot", plot)
    ran = vsr_here("eval", "nearest", "--video", "--data", folder, *words)
    assert ran.code == 0, ran.err
    assert [line.split(" | ")[:2] for line in ran.words.splitlines()[4:8]] == [
        ["| nearest", "clean"],
        ["| nearest, temporal 0.5", "clean"],
        ["| nearest", "noise, sigma 3"],
        ["| nearest, temporal 0.5", "noise, sigma 3"],
    ]
    with av.open(str(plot)) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert shown.shape == (500, 900, 3)  # a row for PSNR, one for flicker


@pytest.mark.parametrize("words", [("--temporal", "1"), ("--noise", "3")])
def test_eval_of_pictures_refuses_what_is_for_sequences(
    tmp_path: Path, words: tuple[str, str]
) -> None:
    ran = vsr_here("eval", "bicubic", "--data", tmp_path, *words)
    assert (ran.code, ran.out) == (2, b"")
    assert ran.err == f"vsr: {words[0]} is for sequences; say --video as well\n"


def test_eval_of_a_folder_without_sequences_says_so(tmp_path: Path) -> None:
    ran = vsr_here("eval", "bicubic", "--video", "--data", tmp_path)
    assert (ran.code, ran.out) == (2, b"")
    assert ran.err.startswith(f"vsr: {tmp_path}: holds no films, nor folders of numbered frames")
