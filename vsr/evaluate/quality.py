"""How like the truth a luma plane is, by published measures that need no weights.

Planes are 8-bit codes. Where a measure looks through a window, only the places count at which the
window fits.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vsr.media.pictures import Luma

Values = NDArray[np.float64]
Measure = Callable[[Luma, Luma], float]

LEAST = 16
"""Side of the smallest plane that all of these can judge."""


@dataclass(frozen=True)
class Quality:
    """Means over a set of pictures."""

    psnr: float
    """Peak signal-to-noise ratio, dB."""
    ssim: float
    """Structural similarity, at most 1."""


def psnr(a: Luma, b: Luma) -> float:
    """Peak signal-to-noise ratio of two planes, dB."""
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(a: Luma, b: Luma) -> float:
    """Structural similarity of two planes; 1 for equal ones.

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural
    Similarity" (2004), section III.B: 11x11 Gaussian window, sigma 1.5, K1 0.01, K2 0.03.
    """
    x, y = a.astype(np.float64), b.astype(np.float64)
    mean_x, mean_y = smooth(x), smooth(y)
    var_x, var_y = smooth(x * x) - mean_x**2, smooth(y * y) - mean_y**2
    covariance = smooth(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = likeness(mean_x, mean_y, c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return float((luminance * structure).mean())


def smooth(plane: Values) -> Values:
    """The plane under SSIM's Gaussian window."""
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window /= window.sum()
    across: Values = sliding_window_view(plane, 11, axis=1) @ window
    down: Values = sliding_window_view(across, 11, axis=0) @ window
    return down


def gmsd(a: Luma, b: Luma) -> float:
    """Gradient magnitude similarity deviation: 0 for equal planes, more for worse ones.

    Source: Xue et al., "Gradient Magnitude Similarity Deviation" (2014), section II, equations 1
    to 6: Prewitt's gradients of the plane halved by averaging, c = 170.
    """
    similarity = likeness(gradient(halved(a)), gradient(halved(b)), 170)
    return float(similarity.std())


def gradient(plane: Values) -> Values:
    """How steep the plane is, by Prewitt's operator."""
    lines, columns = box(plane, 3, 1), box(plane, 1, 3)
    across = (lines[:, 2:] - lines[:, :-2]) / 3
    down = (columns[2:] - columns[:-2]) / 3
    return np.hypot(across, down)


def sharpness(a: Luma, b: Luma) -> float:
    """How steep plane a is beside the truth b: 1 is as steep; less is blurred, more is oversharp,
    or noisy. Whether what is steep is right it does not tell.

    Source: Krotkov, "Focusing" (1988), for squared gradients as a measure of sharpness; here by
    Prewitt's operator, and with one code squared added to both means, for planes with next to none.
    """
    steep, truth = (np.mean(gradient(plane.astype(np.float64)) ** 2) + 1 for plane in (a, b))
    return float(steep / truth)


def haarpsi(a: Luma, b: Luma) -> float:
    """Haar wavelet-based perceptual similarity index: 1 for equal planes, less for worse ones.

    Source: Reisenhofer et al., "A Haar Wavelet-Based Perceptual Similarity Index for Image Quality
    Assessment" (2018), section 2, on planes halved by averaging, C = 30, alpha = 4.2.
    """
    alpha = 4.2
    x, y = halved(a), halved(b)
    total = weights = 0.0
    for turned_x, turned_y in ((x, y), (x.T, y.T)):
        fine_x, middle_x, coarse_x = haar(turned_x)
        fine_y, middle_y, coarse_y = haar(turned_y)
        similarity = (likeness(fine_x, fine_y, 30) + likeness(middle_x, middle_y, 30)) / 2
        weight = np.maximum(coarse_x, coarse_y)
        total += float((weight / (1 + np.exp(-alpha * similarity))).sum())
        weights += float(weight.sum())
    if weights == 0:  # both are of one colour all over
        return 1.0
    mean = total / weights
    return float((np.log(mean / (1 - mean)) / alpha) ** 2)


def haar(plane: Values) -> list[Values]:
    """The magnitudes of the Haar wavelets 2, 4 and 8 samples wide, all around the same places."""
    found = []
    for size in (2, 4, 8):
        halves = box(plane, size, size // 2) / size
        wavelet = np.abs(halves[:, size // 2 :] - halves[:, : -(size // 2)])
        margin = (8 - size) // 2
        found.append(wavelet[margin : len(wavelet) - margin, margin : wavelet.shape[1] - margin])
    return found


def likeness(x: Values, y: Values, constant: float) -> Values:
    """Place by place: 1 where both are equal, less where they are not."""
    return (2 * x * y + constant) / (x * x + y * y + constant)


def halved(plane: Luma) -> Values:
    """The means of 2x2 samples."""
    h, w = (side // 2 * 2 for side in plane.shape)
    quads = plane[:h, :w].astype(np.float64).reshape(h // 2, 2, w // 2, 2)
    means: Values = quads.mean(axis=(1, 3))
    return means


def box(plane: Values, height: int, width: int) -> Values:
    """The sums over boxes of this size, wherever one fits."""
    sums: Values = sliding_window_view(plane, (height, width)).sum(axis=(2, 3))
    return sums


MEASURES: dict[str, Measure] = {
    "psnr": psnr,
    "ssim": ssim,
    "gmsd": gmsd,
    "haarpsi": haarpsi,
    "sharpness": sharpness,
}
