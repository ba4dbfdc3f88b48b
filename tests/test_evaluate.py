"""The measures of quality, and that the bundled networks have the quality that is claimed."""

import json
import sys
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from reference import run_onnx
from runs import vsr_here
from small_networks import random_network

from vsr.errors import BackendError, InputError
from vsr.evaluate.protocol import evaluate, measure, read_set
from vsr.evaluate.quality import MEASURES, Measure, gmsd, haarpsi, psnr, sharpness, ssim
from vsr.evaluate.scores import Row, Scores, rows, table
from vsr.evaluate.upscalers import Small, engine_upscaler, find_upscalers
from vsr.media.pictures import luma_of, write_png
from vsr.networks.catalog import ModelCard, bundled, cards
from vsr.networks.classical import NAMES as CLASSICAL
from vsr.networks.classical import classical
from vsr.networks.foreign import read_foreign
from vsr.settings import Precision
from vsr.shrink import bicubic_shrink, shrink_matrix, to_codes

SHARED = Path(__file__).parents[2] / "shared" / "data"
BENCHMARKS = SHARED / "eval"
CARN_M = SHARED / "checkpoints" / "carn_m" / "carn_m.pth"

needs_benchmarks = pytest.mark.skipif(
    not BENCHMARKS.is_dir(), reason=f"the benchmark pictures are not here: {BENCHMARKS}"
)

needs_carn = pytest.mark.skipif(not CARN_M.is_file(), reason=f"CARN-M is not here: {CARN_M}")

Luma = NDArray[np.uint8]


def picture(height: int, width: int, seed: int = 0) -> Luma:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def natural(height: int, width: int, seed: int = 0) -> Luma:
    """Soft waves with some noise, R'G'B'."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [120 + 70 * np.sin(x / a) * np.cos(y / b) for a, b in rng.uniform(3, 9, (3, 2))]
    noisy = np.stack(waves, -1) + rng.normal(0, 3, (height, width, 3))
    return noisy.clip(0, 255).astype(np.uint8)


# The measures.


def test_psnr_of_one_code_everywhere_is_48_decibels() -> None:
    a = picture(9, 9) // 2
    assert psnr(a, a + np.uint8(1)) == pytest.approx(48.1308, abs=1e-4)
    assert psnr(a, a) == float("inf")


def test_ssim_is_what_the_paper_says_window_by_window() -> None:
    a, b = picture(13, 14, 1), picture(13, 14, 2)
    x = np.arange(-5, 6)
    window = np.exp(-(x**2 + x[:, None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    scores = []
    for row in range(3):
        for column in range(4):
            p, q = (s[row : row + 11, column : column + 11].astype(float) for s in (a, b))
            mean_p, mean_q = (window * p).sum(), (window * q).sum()
            var_p, var_q = (window * (p - mean_p) ** 2).sum(), (window * (q - mean_q) ** 2).sum()
            covariance = (window * (p - mean_p) * (q - mean_q)).sum()
            luminance = (2 * mean_p * mean_q + 2.55**2) / (mean_p**2 + mean_q**2 + 2.55**2)
            structure = (2 * covariance + 7.65**2) / (var_p + var_q + 7.65**2)
            scores.append(luminance * structure)
    assert ssim(a, b) == pytest.approx(np.mean(scores), abs=1e-12)
    assert ssim(a, a) == 1


def halved(plane: Luma) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.array(
        [
            [plane[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean() for x in range(plane.shape[1] // 2)]
            for y in range(plane.shape[0] // 2)
        ]
    )
    return found


def alike(a: float, b: float, constant: float) -> float:
    return (2 * a * b + constant) / (a * a + b * b + constant)


def test_gmsd_is_what_the_paper_says_place_by_place() -> None:
    a, b = picture(17, 20, 1), picture(17, 20, 2)
    prewitt = np.array([[1, 0, -1]] * 3) / 3
    similarities = []
    for y in range(8 - 2):
        for x in range(10 - 2):
            p, q = (halved(plane)[y : y + 3, x : x + 3] for plane in (a, b))
            steep_p, steep_q = (
                np.sqrt((window * prewitt).sum() ** 2 + (window * prewitt.T).sum() ** 2)
                for window in (p, q)
            )
            similarities.append(alike(steep_p, steep_q, 170))
    mean = sum(similarities) / len(similarities)
    deviation = np.sqrt(sum((s - mean) ** 2 for s in similarities) / len(similarities))
    assert gmsd(a, b) == pytest.approx(deviation, abs=1e-12)
    assert gmsd(a, a) == 0


def test_haarpsi_is_what_the_paper_says_place_by_place() -> None:
    a, b = picture(21, 24, 3), picture(21, 24, 4)
    total = weights = 0.0
    for y in range(10 - 7):
        for x in range(12 - 7):
            p, q = (halved(plane)[y : y + 8, x : x + 8] for plane in (a, b))
            for u, v in ((p, q), (p.T, q.T)):
                coefficients: list[tuple[float, float]] = []
                for size in (2, 4, 8):
                    wavelet = np.ones((size, size)) / size
                    wavelet[:, size // 2 :] *= -1
                    place = np.s_[4 - size // 2 : 4 + size // 2]
                    of_a, of_b = (abs((w[place, place] * wavelet).sum()) for w in (u, v))
                    coefficients.append((of_a, of_b))
                fine, middle, coarse = coefficients
                similarity = (alike(*fine, 30) + alike(*middle, 30)) / 2
                total += max(coarse) / (1 + np.exp(-4.2 * similarity))
                weights += max(coarse)
    mean = total / weights
    expected = (np.log(mean / (1 - mean)) / 4.2) ** 2
    assert haarpsi(a, b) == pytest.approx(expected, abs=1e-12)
    assert haarpsi(a, a) == pytest.approx(1, abs=1e-12)
    assert haarpsi(0 * a, 0 * a) == 1  # nothing to be seen


def test_sharpness_falls_with_blur_and_grows_with_contrast() -> None:
    truth = np.random.default_rng(0).integers(100, 150, (40, 48), np.uint8)
    blurred = np.asarray((truth[:, :-1].astype(int) + truth[:, 1:]) / 2, np.uint8)
    steeper = np.asarray(truth.astype(int) * 2 - 100, np.uint8)
    assert sharpness(truth, truth) == 1
    assert sharpness(steeper, truth) == pytest.approx(4, rel=0.01)
    assert sharpness(blurred, truth[:, :-1]) < 0.7
    assert sharpness(0 * truth, 0 * truth) == 1


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "sharpness"])
def test_every_measure_finds_more_noise_worse(name: str) -> None:
    measure: Measure = MEASURES[name]
    truth = luma_of(natural(48, 64))
    noise = np.random.default_rng(1).normal(0, 1, truth.shape)
    scores = [
        measure((truth + strength * noise).clip(0, 255).astype(np.uint8), truth)
        for strength in (2, 6, 18)
    ]
    assert scores == sorted(scores, reverse=name != "gmsd")
    assert len(set(scores)) == 3


# The protocol.


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_shrinking_keeps_constants_and_ramps(factor: int) -> None:
    matrix = shrink_matrix(60, factor)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    ramp = matrix @ np.arange(60)
    middles = (np.arange(60 // factor) + 0.5) * factor - 0.5
    np.testing.assert_allclose(ramp[3:-3], middles[3:-3], atol=1e-9)


def test_shrinking_mirrors_the_picture_at_its_edges() -> None:
    matrix = shrink_matrix(32, 2)
    beyond = np.concatenate([np.arange(8)[::-1], np.arange(32), np.arange(24, 32)[::-1]])
    inner = shrink_matrix(48, 2)[4:-4]
    line = np.random.default_rng(0).random(32)
    np.testing.assert_allclose(matrix @ line, inner @ line[beyond], atol=1e-12)


def test_shrinking_by_two_weighs_eight_samples_as_imresize_does() -> None:
    half = np.array([0.43359375, 0.11328125, -0.03515625, -0.01171875])
    np.testing.assert_allclose(shrink_matrix(32, 2)[8, 12:22], [0, *half[::-1], *half, 0])
    stripes = np.tile(np.array([0, 255], np.uint8), (16, 8))
    assert set(bicubic_shrink(stripes, 2)[:, 3:-3].ravel()) == {128}  # 127.5, half up


def test_a_border_as_wide_as_the_scale_does_not_count() -> None:
    truth = picture(41, 42)

    def wrong_at_the_border(small: Small) -> Luma:
        result = truth[: small.shape[0] * 3, : small.shape[1] * 3].copy()
        result[:3] = result[-3:] = result[:, :3] = result[:, -3:] = 0
        return result

    quality = evaluate(wrong_at_the_border, 3, [truth])
    assert (quality.psnr, quality.ssim) == (float("inf"), 1)


def test_an_rgb_network_gets_rgb_and_is_judged_by_luma(tmp_path: Path) -> None:
    truth = natural(33, 40)
    write_png(tmp_path / "truth.png", truth)
    [read] = read_set(tmp_path, channels=3)
    np.testing.assert_array_equal(read, truth)
    given = []

    def nearly(small: Small) -> Luma:
        given.append(small)
        result = truth[:32].copy()
        result[2:-2, 2:-2, 2] ^= 1  # blue, by one code
        return result

    quality = evaluate(nearly, 2, [read])
    for channel in range(3):
        expected = bicubic_shrink(np.ascontiguousarray(truth[:32, :, channel]), 2)
        np.testing.assert_array_equal(given[0][..., channel], expected)
    changed = luma_of(truth[:32] ^ np.array([0, 0, 1], np.uint8))
    wrong = (luma_of(truth[:32]) != changed)[2:-2, 2:-2]
    assert quality.psnr == pytest.approx(10 * np.log10(255**2 / wrong.mean()))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_is_judged_by_what_it_computes_itself(channels: int) -> None:
    network = random_network(channels, 2)
    rgb = (3 * (natural(20, 26).astype(int) - 80)).clip(0, 255).astype(np.uint8)
    small = rgb if channels == 3 else rgb[..., 0]
    large = engine_upscaler(network)(small)
    x = small.reshape(20, 26, channels).transpose(2, 0, 1)[None].astype(np.float32) / 255
    y = run_onnx(network.model, {"x": x})[0][0].clip(0, 1) * 255
    expected = np.floor(y + 0.5).transpose(1, 2, 0).reshape(large.shape)
    assert (y.min(), y.max()) == (0, 255)  # some of it had to be clipped
    assert large.dtype == np.uint8
    assert (large != expected).mean() < 0.01  # halves, which float32 may round either way
    assert np.abs(large - expected).max() <= 1


def test_fractions_of_codes_reach_a_luma_network() -> None:
    small = 100 + np.linspace(0, 1, 24 * 32).reshape(24, 32)
    large = engine_upscaler(classical("nearest", 2))(small)
    np.testing.assert_array_equal(large, to_codes(small).repeat(2, axis=0).repeat(2, axis=1))


def test_luma_is_judged_with_fractions_of_codes_unless_it_is_to_be_rounded() -> None:
    truth = picture(32, 40)
    given: list[Small] = []

    def kept(small: Small) -> Luma:
        given.append(small)
        return truth

    evaluate(kept, 2, [truth])
    evaluate(kept, 2, [truth], rounded=True)
    fine, rounded = given
    assert fine.dtype == np.float64
    np.testing.assert_array_equal(rounded, bicubic_shrink(truth, 2))
    assert 0.2 < np.abs(fine - rounded).mean() < 0.3  # evenly spread over -0.5..0.5
    assert np.abs(fine - rounded).max() <= 0.5


def test_files_are_named_without_their_folders_where_that_tells_them_apart(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a/net.onnx", "b/net.onnx", "b/other.onnx")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        onnx.save(random_network().model, path)
    found = find_upscalers(["bicubic", *map(str, paths)], 2, "fp32")
    names = [upscaler.name for upscaler in found]
    assert names == ["bicubic", str(paths[0]), str(paths[1]), "other.onnx"]


@cache
def on_set5(
    name: str, scale: int, precision: Precision = "fp32", rounded: bool = False
) -> dict[str, float]:
    network = classical(name, scale) if name in CLASSICAL else bundled(name, scale)
    return measure(network, BENCHMARKS / "Set5", precision, rounded)


@needs_benchmarks
@needs_carn
def test_carn_m_reaches_its_published_quality() -> None:
    pytest.importorskip("torch", reason="needs torch")
    found = measure(read_foreign(CARN_M, Fraction(2)), BENCHMARKS / "Set5")
    assert 37.53 < found["psnr"] < 37.65  # CARN (2018), table 1: 37.53 dB, 0.9583
    assert found["ssim"] == pytest.approx(0.9583, abs=0.001)


each_card = pytest.mark.parametrize("card", cards(), ids=lambda card: f"{card.name}_x{card.scale}")


@needs_benchmarks
@pytest.mark.parametrize(
    ("scale", "psnr", "ssim"), [(2, 33.66, 0.9299), (3, 30.39, 0.8682), (4, 28.42, 0.8104)]
)
def test_bicubic_scores_on_set5_as_in_the_papers(scale: int, psnr: float, ssim: float) -> None:
    found = on_set5("bicubic", scale)  # VDSR (2016), table 3
    assert found["psnr"] == pytest.approx(psnr, abs=0.005)
    assert found["ssim"] == pytest.approx(ssim, abs=0.0001)


@needs_benchmarks
@each_card
def test_bundled_networks_have_the_quality_on_their_cards(card: ModelCard) -> None:
    found = on_set5(card.name, card.scale)
    assert found["psnr"] == pytest.approx(card.quality["Set5"]["psnr"], abs=0.01)
    assert found["ssim"] == pytest.approx(card.quality["Set5"]["ssim"], abs=0.0002)
    assert found["psnr"] > on_set5("bicubic", card.scale)["psnr"] + 1


@needs_benchmarks
@pytest.mark.parametrize("card", [card for card in cards() if card.int8], ids=lambda c: c.name)
def test_8_bit_twins_have_the_quality_on_their_cards(card: ModelCard) -> None:
    assert card.int8 is not None
    try:
        found = on_set5(card.name, card.scale, "int8")
    except BackendError as error:
        pytest.skip(str(error))
    assert found["psnr"] == pytest.approx(card.int8.quality["Set5"]["psnr"], abs=0.03)
    assert found["psnr"] > on_set5(card.name, card.scale, rounded=True)["psnr"] - 0.1


@needs_benchmarks
@each_card
def test_bf16_costs_no_visible_quality(card: ModelCard) -> None:
    try:
        fast = on_set5(card.name, card.scale, "bf16", rounded=True)
    except BackendError as error:
        pytest.skip(str(error))
    exact = on_set5(card.name, card.scale, rounded=True)
    assert fast["psnr"] == pytest.approx(exact["psnr"], abs=0.03)


# What is made of it.


def test_a_row_is_the_mean_of_means_and_the_table_says_so() -> None:
    scores = [
        Scores("a", "one", "clean", {"psnr": [30, 32], "warping": [2e-4]}),
        Scores("a", "two", "clean", {"psnr": [40], "warping": [2e-4]}),
        Scores("b", "one", "clean", {"psnr": [20.123], "warping": [0]}),
        Scores("a", "one", "H.264 crf 28", {"psnr": [25], "warping": [0]}),
    ]
    found = rows(scores)
    assert found[0] == Row("a", "clean", {"psnr": 35.5, "warping": 2e-4})
    assert table(found).splitlines() == [
        "| model | input | PSNR, dB | warping error, 1e-4 |",
        "|---|---|---|---|",
        "| a | clean | 35.50 | 2.00 |",
        "| b | clean | 20.12 | 0.00 |",
        "| a | H.264 crf 28 | 25.00 | 0.00 |",
    ]


# LPIPS, with weights that mean nothing: the real ones are the user's.

ALEXNET = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
VGG = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
VGG_NUMBERS = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]


def backbone(name: str) -> dict[str, Any]:
    torch = pytest.importorskip("torch", reason="needs torch")
    torch.manual_seed(0)
    shapes = ALEXNET
    if name == "vgg":
        before = [3, *VGG[:-1]]
        shapes = {n: (out, inn, 3) for n, out, inn in zip(VGG_NUMBERS, VGG, before, strict=True)}
    state = {"classifier.6.bias": torch.zeros(1000)}
    for number, (out, inn, side) in shapes.items():
        state[f"features.{number}.weight"] = torch.randn(out, inn, side, side) / (inn * side)
        state[f"features.{number}.bias"] = torch.randn(out) / 9
    return state


def linear_layers(name: str) -> dict[str, Any]:
    torch = pytest.importorskip("torch", reason="needs torch")
    widths = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}[name]
    return {f"lin{n}.model.1.weight": torch.rand(1, w, 1, 1) for n, w in enumerate(widths)}


@pytest.mark.parametrize("name", ["alex", "vgg"])
def test_lpips_is_0_at_equality_and_grows(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs torch")
    from vsr.evaluate.lpips import read_lpips

    weights, linear = backbone(name), linear_layers(name)
    torch.save(weights, tmp_path / "backbone.pth")
    torch.save(linear, tmp_path / "linear.pth")
    torch.save(weights | linear, tmp_path / "both.pth")
    lpips = read_lpips([tmp_path / "backbone.pth", tmp_path / "linear.pth"])
    truth = luma_of(natural(48, 64))
    noise = np.random.default_rng(1).normal(0, 1, truth.shape)
    near, far = ((truth + n * noise).clip(0, 255).astype(np.uint8) for n in (3, 30))
    assert lpips(truth, truth) == 0
    assert 0 < lpips(near, truth) < lpips(far, truth)
    assert lpips(near, truth) == read_lpips([tmp_path / "both.pth"])(near, truth)


def test_lpips_is_what_the_paper_says() -> None:
    torch = pytest.importorskip("torch", reason="needs torch")
    from vsr.evaluate.lpips import BACKBONES, Lpips

    state = backbone("alex") | linear_layers("alex")
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 64, 11, stride=4, padding=2),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(3, 2),
        torch.nn.Conv2d(64, 192, 5, padding=2),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(3, 2),
        torch.nn.Conv2d(192, 384, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(384, 256, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(256, 256, 3, padding=1),
        torch.nn.ReLU(),
    )
    net.load_state_dict(
        {k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")}
    )
    pair = torch.rand(2, 3, 70, 80)
    x = (2 * pair - 1 - torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1)) / torch.tensor(
        [0.458, 0.448, 0.450]
    ).view(3, 1, 1)  # as the published program normalises
    expected, level = 0.0, 0
    with torch.inference_mode():
        for number, layer in enumerate(net):
            x = layer(x)
            if number in (1, 4, 7, 9, 11):
                a, b = x / x.norm(dim=1, keepdim=True)
                weight = state[f"lin{level}.model.1.weight"][0]
                expected += float(((a - b) ** 2 * weight).sum(dim=0).mean())
                level += 1
    assert Lpips(BACKBONES["AlexNet"], state).distance(pair) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kept", ["backbone", "linear", "other linear"])
def test_what_is_not_lpips_is_refused(kept: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs torch")
    from vsr.evaluate.lpips import read_lpips

    states = {
        "backbone": backbone("alex"),
        "linear": linear_layers("alex"),
        "other linear": backbone("alex") | linear_layers("vgg"),
    }
    file = tmp_path / "weights.pth"
    torch.save(states[kept], file)
    with pytest.raises(InputError, match="not LPIPS; give torchvision's AlexNet or VGG-16"):
        read_lpips([file])


# The command.


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "Two"
    folder.mkdir()
    for number in range(2):
        write_png(folder / f"{number}.png", natural(48, 56, number))
    return folder


def test_eval_prints_a_table_and_a_json_line_for_every_model(
    pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    ran = vsr_here("eval", "bicubic", "nearest", "bicubic", "--data", pictures, "--json", out)
    assert ran.code == 0, ran.err
    lines = ran.words.splitlines()
    assert lines[0] == "Two, x2: 2 pictures"
    assert lines[2] == "| model | input | PSNR, dB | SSIM | GMSD | HaarPSI | sharpness |"
    printed = [json.loads(line) for line in lines[-2:]]
    assert [line["name"] for line in printed] == ["bicubic", "nearest"]
    expected = evaluate(engine_upscaler(classical("bicubic", 2)), 2, read_set(pictures))
    assert (printed[0]["psnr"], printed[0]["ssim"]) == (expected.psnr, expected.ssim)
    assert printed[0]["psnr"] > printed[1]["psnr"]
    assert lines[4].startswith(f"| bicubic | clean | {expected.psnr:.2f} | ")
    written = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(each["model"], each["item"]) for each in written] == [
        ("bicubic", "0.png"),
        ("nearest", "0.png"),
        ("bicubic", "1.png"),
        ("nearest", "1.png"),
    ]
    assert np.mean([written[n]["values"]["psnr"][0] for n in (0, 2)]) == printed[0]["psnr"]


@pytest.mark.parametrize("words", [["--rounded"], ["--precision", "auto"]])
def test_eval_says_where_luma_is_rounded(pictures: Path, words: list[str]) -> None:
    ran = vsr_here("eval", "bicubic", "--data", pictures, *words)
    assert ran.code == 0, ran.err
    lines = ran.words.splitlines()
    assert lines[0] == "Two, x2: 2 pictures, small luma rounded to 8 bits"
    upscale = engine_upscaler(classical("bicubic", 2))
    expected = evaluate(upscale, 2, read_set(pictures), rounded=True)
    assert json.loads(lines[-1])["psnr"] == pytest.approx(expected.psnr, abs=0.02)
    assert expected != evaluate(upscale, 2, read_set(pictures))


def test_eval_draws_a_bar_for_every_picture(pictures: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    plot = tmp_path / "out.png"
    ran = vsr_here("eval", "bicubic", "nearest", "--data", pictures, "--plot", plot)
    assert ran.code == 0, ran.err
    with av.open(str(plot)) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert shown.shape == (500, 1200, 3)
    assert shown.std() > 10


def test_eval_takes_lpips_where_its_weights_are_given(pictures: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs torch")
    torch.save(backbone("alex"), tmp_path / "alex.pth")
    torch.save(linear_layers("alex"), tmp_path / "linear.pth")
    weights = ("--lpips", tmp_path / "alex.pth", "--lpips", tmp_path / "linear.pth")
    ran = vsr_here("eval", "bicubic", "--data", pictures, *weights)
    assert ran.code == 0, ran.err
    assert json.loads(ran.words.splitlines()[-1])["lpips"] > 0


def test_eval_without_torch_names_the_extra(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    ran = vsr_here("eval", "bicubic", "--data", pictures, "--lpips", "weights.pth")
    assert (ran.code, ran.err) == (1, "vsr: this needs torch: pip install 'vsr[train]'\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--crf", "28"], "--crf compresses sequences; say --video as well"),
        (["--video", "--crf", "23;28"], "'23;28' is no list of H.264's CRFs, 0 to 51"),
        (["--video", "--crf", "52"], "'52' is no list of H.264's CRFs, 0 to 51"),
        (["--video", "--frames", "1"], "1 frame is no sequence; say --frames 2 or more"),
        (["--json", "no/out.jsonl"], "no/out.jsonl: there is no folder no"),
        (["--plot", "out.pdf"], "out.pdf: plots are PNG files; say out.png"),
        (["fast", "-x", "7"], "fast enlarges by "),
    ],
)
def test_wrong_words_are_answered_in_one_line(pictures: Path, words: list[str], line: str) -> None:
    ran = vsr_here("eval", "bicubic", *words, "--data", pictures)
    assert (ran.code, ran.out) == (2, b"")
    assert ran.err.startswith(f"vsr: {line}")
    assert ran.err.count("\n") == 1


def test_eval_of_an_empty_folder_says_so(tmp_path: Path) -> None:
    ran = vsr_here("eval", "bicubic", "--data", tmp_path)
    assert (ran.code, ran.err) == (2, f"vsr: {tmp_path}: holds no pictures\n")


def test_eval_of_a_tiny_picture_names_it(tmp_path: Path) -> None:
    write_png(tmp_path / "tiny.png", natural(20, 50))
    ran = vsr_here("eval", "bicubic", "--data", tmp_path)
    assert (ran.code, ran.out) == (1, b"")
    assert ran.err == f"vsr: {tmp_path / 'tiny.png'}: too small a picture to judge models by\n"
