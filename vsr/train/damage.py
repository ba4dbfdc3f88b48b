"""What happens to the frames of a film, one function each."""

import numpy as np
from numpy.typing import NDArray

from vsr.kernels import Array
from vsr.shrink import shrink_matrix

Pictures = NDArray[np.uint8]
Values = NDArray[np.float32]

REDUCTIONS = {"bicubic": "bicubic", "area": "nearest", "bilinear": "bilinear", "lanczos": "lanczos"}
"""Name -> the kernel that is widened: a box as wide as a small pixel is the mean of its area."""


def shrink(truth: Pictures, scale: int, kernel: str, sigma: tuple[float, float]) -> Values:
    """The frames blurred by `sigma` (vertical, horizontal; small pixels) and made small.

    Both are linear and work on either axis by itself, so they are one matrix for each.
    """
    rows, columns = (
        (shrink_matrix(length, scale, REDUCTIONS[kernel]) @ blur_matrix(length, s * scale)).astype(
            np.float32
        )
        for length, s in zip(truth.shape[2:], sigma, strict=True)
    )
    small: Values = rows @ truth.astype(np.float32) @ columns.T
    return small


def blur_matrix(length: int, sigma: float) -> Array:
    """The matrix that blurs a line by a Gaussian, with the ends repeated; sigma 0 does nothing."""
    if sigma == 0:
        return np.eye(length)
    reach = int(np.ceil(3 * sigma))
    offsets = np.arange(-reach, reach + 1)
    window = np.exp(-(offsets**2) / (2 * sigma**2))
    matrix = np.zeros((length, length))
    columns = np.clip(np.arange(length)[:, None] + offsets, 0, length - 1)
    np.add.at(matrix, (np.arange(length)[:, None], columns), window / window.sum())
    return matrix


def grain(shape: tuple[int, ...], strength: float, size: float, rng: np.random.Generator) -> Values:
    """Gaussian noise of deviation `strength` in luma, half that in chroma, smoothed by `size`."""
    noise: Values = rng.standard_normal(shape, np.float32)
    if size > 0:
        rows, columns = (blur_matrix(length, size).astype(np.float32) for length in shape[2:])
        noise = (rows @ noise @ columns.T).astype(np.float32)
    shares = np.array([[[1]], [[0.5]], [[0.5]]], np.float32)
    return noise * shares * np.float32(strength / noise.std())


def weave(frames: Pictures) -> Pictures:
    """Every other line from the moment before, as an interlaced camera takes a picture."""
    woven = frames.copy()
    woven[1:, :, 1::2] = frames[:-1, :, 1::2]
    return woven


def deinterlace(frames: Pictures, blend: bool) -> Pictures:
    """The lines of the other moment replaced by their neighbours' mean, or blended with it."""
    result = frames.copy()
    above = frames[:, :, 0::2].astype(np.uint16)
    below = np.concatenate([above[:, :, 1:], above[:, :, -1:]], axis=2)
    between = (above + below + 1) // 2
    if blend:
        between = (between + frames[:, :, 1::2] + 1) // 2
    result[:, :, 1::2] = between
    return result
