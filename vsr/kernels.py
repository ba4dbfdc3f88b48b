"""Interpolation kernels, and their polyphase form for enlarging by a whole number.

A line is enlarged by `scale` with one small filter per phase: output sample scale * m + p is the
filter p applied around input sample m. All phases share one window of taps, so that a plane is
enlarged by a single convolution and a depth-to-space.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def box(x: Array) -> Array:
    """Nearest neighbour."""
    return np.where((x >= -0.5) & (x < 0.5), 1.0, 0.0)


def triangle(x: Array) -> Array:
    """Linear interpolation."""
    return np.where(np.abs(x) < 1, 1 - np.abs(x), 0.0)


def cubic(x: Array) -> Array:
    """Cubic convolution with a = -0.5 (Catmull-Rom).

    Source: R. Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981), eq. 15.
    """
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def lanczos(x: Array) -> Array:
    """Sinc under a sinc window of three lobes.

    Source: C. Duchon, "Lanczos Filtering in One and Two Dimensions" (1979), eq. 15.
    """
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


KERNELS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "nearest": (box, 0.5),
    "bilinear": (triangle, 1),
    "bicubic": (cubic, 2),
    "lanczos": (lanczos, 3),
}
"""Name -> the kernel and its radius in input samples."""


def polyphase(kernel: str, scale: int, shift: float = 0.0) -> tuple[Array, int]:
    """The filters that enlarge a line by `scale`, and how far their window reaches to the left.

    `shift` moves the sampling points, in input samples, away from the centre-aligned ones.

    Shapes: filters (scale, taps), each summing to 1; output scale * m + p is
    sum over t of filters[p, t] * input[m - left + t].
    """
    function, radius = KERNELS[kernel]
    centre = (np.arange(scale) + 0.5) / scale - 0.5 + shift
    first = int(np.floor(centre.min() - radius)) + 1
    last = int(np.ceil(centre.max() + radius)) - 1
    first, last = min(first, 0), max(last, 0)
    weights = function(np.arange(first, last + 1) - centre[:, None])
    weights /= weights.sum(axis=1, keepdims=True)
    return weights, -first


def chroma_shift(subsampling: int, scale: int, cosited: bool) -> float:
    """The shift that keeps chroma where it belongs when a plane pair is enlarged by `scale`.

    A chroma sample lies in the middle of the luma samples it stands for, or on the first of
    them (`cosited`); it must lie there again in the larger picture.

    Units: chroma samples of the small picture.
    Source: positions from ITU-T H.273, section 8.7 (chroma sample location type).
    """
    offset = 0.5 if cosited else subsampling / 2
    return offset / subsampling * (1 / scale - 1) - 0.5 * (1 / scale - 1)
