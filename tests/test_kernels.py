"""Interpolation kernels and their polyphase form."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from vsr.kernels import KERNELS, Array, chroma_shift, cubic, lanczos, polyphase
from vsr.networks.classical import classical

KERNEL = st.sampled_from(sorted(KERNELS))
SCALE = st.integers(1, 4)
SHIFT = st.floats(-1, 1)


def enlarge(line: Array, kernel: str, scale: int, shift: float) -> tuple[Array, Array]:
    """The line enlarged where the window fits, and each result's place in samples of the line."""
    filters, left = polyphase(kernel, scale, shift)
    taps = filters.shape[1]
    middles = np.arange(left, len(line) - (taps - 1 - left))
    values = [filters @ line[m - left : m - left + taps] for m in middles]
    centre = (np.arange(scale) + 0.5) / scale - 0.5 + shift
    return np.concatenate(values), (middles[:, None] + centre).ravel()


@given(KERNEL, SCALE, SHIFT)
def test_every_phase_sums_to_one(kernel: str, scale: int, shift: float) -> None:
    filters, left = polyphase(kernel, scale, shift)
    assert filters.shape[0] == scale
    assert 0 <= left < filters.shape[1]
    np.testing.assert_allclose(filters.sum(axis=1), 1, atol=1e-12)


@given(KERNEL, SCALE, SHIFT)
def test_a_constant_stays_itself(kernel: str, scale: int, shift: float) -> None:
    values, _ = enlarge(np.full(16, 0.7), kernel, scale, shift)
    np.testing.assert_allclose(values, 0.7, atol=1e-12)


@given(st.sampled_from(["bilinear", "bicubic"]), SCALE, SHIFT)
def test_a_ramp_stays_the_same_ramp(kernel: str, scale: int, shift: float) -> None:
    values, places = enlarge(3 * np.arange(20.0) - 7, kernel, scale, shift)
    np.testing.assert_allclose(values, 3 * places - 7, atol=1e-9)


@given(SCALE, SHIFT)
def test_lanczos_keeps_a_ramp_to_a_thirtieth_of_its_step(scale: int, shift: float) -> None:
    values, places = enlarge(np.arange(20.0), "lanczos", scale, shift)
    np.testing.assert_allclose(values, places, atol=1 / 30)


def test_the_cubic_kernel_is_keys_with_a_of_minus_one_half() -> None:
    x = np.array([0, 0.5, 1, 1.5, 2, 3, -0.5, -1.5])
    np.testing.assert_allclose(cubic(x), [1, 0.5625, 0, -0.0625, 0, 0, 0.5625, -0.0625])


def test_lanczos_has_three_lobes_that_vanish_at_whole_samples() -> None:
    x = np.array([0, 1, 2, 3, 4, 0.5, -0.5])
    half = 6 / np.pi**2  # sinc(1/2) sinc(1/6) = 2/pi * 3/pi
    np.testing.assert_allclose(lanczos(x), [1, 0, 0, 0, 0, half, half], atol=1e-15)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_classical_networks_interpolate(kernel: str, scale: int) -> None:
    x = np.random.default_rng(scale).random((1, 1, 9, 7), np.float32)
    [large] = reference.run_onnx(classical(kernel, scale).model, {"x": x})
    np.testing.assert_allclose(large, reference.classical(kernel, scale)(x), atol=1e-6)


def test_chroma_between_luma_samples_needs_no_shift() -> None:
    for scale in (1, 2, 3, 4):
        assert chroma_shift(2, scale, cosited=False) == 0
        assert chroma_shift(1, scale, cosited=False) == 0


def test_cosited_chroma_shifts_towards_the_first_sample() -> None:
    # Doubled, sample 1 of chroma lies on large luma sample 2, that is 0.75 of a small luma sample
    # behind the first one's centre, and so at 0.375 of a chroma sample; unshifted it is at 0.25.
    assert chroma_shift(2, 2, cosited=True) == pytest.approx(0.125)
    assert chroma_shift(2, 1, cosited=True) == 0
