"""PSNR and SSIM by the protocol of the super-resolution papers.

Luma only (BT.601 studio range, 8 bits), the small picture made by MATLAB's bicubic, a border as
wide as the scale left out. Protocol: Timofte et al., "A+" (2014), section 4, as followed since.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vsr.backends.select import build_engine
from vsr.frame import Frame, FrameFormat
from vsr.media.pictures import Luma, find_pictures, read_luma
from vsr.networks.network import Network
from vsr.settings import EngineSettings, Precision
from vsr.train.degrade import bicubic_shrink

Upscale = Callable[[Luma], Luma]


@dataclass(frozen=True)
class Quality:
    """Means over a set of pictures."""

    psnr: float
    """Peak signal-to-noise ratio, dB."""
    ssim: float
    """Structural similarity, at most 1."""


def psnr(a: Luma, b: Luma) -> float:
    """Peak signal-to-noise ratio of two 8-bit planes, dB."""
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(a: Luma, b: Luma) -> float:
    """Structural similarity of two 8-bit planes.

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural
    Similarity" (2004), section III.B: 11x11 Gaussian window, sigma 1.5, K1 0.01, K2 0.03.
    """
    x, y = a.astype(np.float64), b.astype(np.float64)
    mean_x, mean_y = smooth(x), smooth(y)
    var_x, var_y = smooth(x * x) - mean_x**2, smooth(y * y) - mean_y**2
    covariance = smooth(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    )
    return float(similarity.mean())


def smooth(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """The plane under SSIM's Gaussian window, only where the window fits."""
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window /= window.sum()
    across: NDArray[np.float64] = sliding_window_view(plane, 11, axis=1) @ window
    down: NDArray[np.float64] = sliding_window_view(across, 11, axis=0) @ window
    return down


def evaluate(upscale: Upscale, scale: int, truths: Iterable[Luma]) -> Quality:
    """How well `upscale` restores each of `truths` from its bicubic reduction."""
    scores = []
    for truth in truths:
        h, w = (side - side % scale for side in truth.shape)
        truth = truth[:h, :w]
        result = upscale(bicubic_shrink(truth, scale))
        inside = np.s_[scale:-scale, scale:-scale]
        scores.append((psnr(result[inside], truth[inside]), ssim(result[inside], truth[inside])))
    means = np.mean(scores, axis=0)
    return Quality(psnr=float(means[0]), ssim=float(means[1]))


def read_set(folder: Path) -> list[Luma]:
    """The luma of every picture in a benchmark's folder."""
    return [read_luma(path) for path in find_pictures(folder)]


def measure(network: Network, folder: Path, precision: Precision = "fp32") -> dict[str, float]:
    """PSNR and SSIM on a benchmark by the standard protocol, of the network as it runs."""
    quality = evaluate(engine_upscaler(network, precision), network.scale, read_set(folder))
    return {"psnr": round(quality.psnr, 3), "ssim": round(quality.ssim, 4)}


def engine_upscaler(network: Network, precision: Precision = "fp32") -> Upscale:
    """The network, run by a backend, as a function from a plane to a larger one."""

    def upscale(plane: Luma) -> Luma:
        form = FrameFormat(plane.shape[1], plane.shape[0], chroma="gray", full_range=True)
        with build_engine(network, form, EngineSettings(precision=precision)) as engine:
            return engine.start(Frame(plane, None, 0)).result().y

    return upscale
