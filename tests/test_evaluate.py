"""The measure of quality, and that the bundled networks have the quality that is claimed."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vsr.errors import BackendError
from vsr.networks.catalog import ModelCard, bundled, cards
from vsr.networks.classical import NAMES as CLASSICAL
from vsr.networks.classical import classical
from vsr.settings import Precision
from vsr.train.degrade import bicubic_shrink, shrink_matrix
from vsr.train.evaluate import evaluate, measure, psnr, ssim

BENCHMARKS = Path(__file__).parents[2] / "shared" / "data" / "eval"

needs_benchmarks = pytest.mark.skipif(
    not BENCHMARKS.is_dir(), reason=f"the benchmark pictures are not here: {BENCHMARKS}"
)

Luma = NDArray[np.uint8]


def picture(height: int, width: int, seed: int = 0) -> Luma:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


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

    def wrong_at_the_border(small: Luma) -> Luma:
        result = truth[: small.shape[0] * 3, : small.shape[1] * 3].copy()
        result[:3] = result[-3:] = result[:, :3] = result[:, -3:] = 0
        return result

    quality = evaluate(wrong_at_the_border, 3, [truth])
    assert (quality.psnr, quality.ssim) == (float("inf"), 1)


@cache
def on_set5(name: str, scale: int, precision: Precision = "fp32") -> dict[str, float]:
    network = classical(name, scale) if name in CLASSICAL else bundled(name, scale)
    return measure(network, BENCHMARKS / "Set5", precision)


each_card = pytest.mark.parametrize("card", cards(), ids=lambda card: f"{card.name}_x{card.scale}")


@needs_benchmarks
def test_bicubic_scores_on_set5_as_in_the_papers() -> None:
    found = on_set5("bicubic", 2)
    assert found["psnr"] == pytest.approx(33.66, abs=0.04)
    assert found["ssim"] == pytest.approx(0.9299, abs=0.001)


@needs_benchmarks
@each_card
def test_bundled_networks_have_the_quality_on_their_cards(card: ModelCard) -> None:
    found = on_set5(card.name, card.scale)
    assert found["psnr"] == pytest.approx(card.quality["Set5"]["psnr"], abs=0.01)
    assert found["ssim"] == pytest.approx(card.quality["Set5"]["ssim"], abs=0.0002)
    assert found["psnr"] > on_set5("bicubic", card.scale)["psnr"] + 1


@needs_benchmarks
@each_card
def test_bf16_costs_no_visible_quality(card: ModelCard) -> None:
    try:
        fast = on_set5(card.name, card.scale, "bf16")
    except BackendError as error:
        pytest.skip(str(error))
    assert fast["psnr"] == pytest.approx(on_set5(card.name, card.scale)["psnr"], abs=0.03)
