"""How large pictures are made small for training and for the benchmarks, as MATLAB does it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsr.kernels import KERNELS, Array


def shrink_matrix(length: int, factor: int, kernel: str = "bicubic") -> Array:
    """The matrix that shrinks a line of `length` samples by `factor`, as MATLAB's imresize does.

    Shapes: (length // factor, length); rows sum to 1. Beyond its ends a line is mirrored.
    """
    return sampling_matrix(
        length, (np.arange(length // factor) + 0.5) * factor - 0.5, factor, kernel
    )


def sampling_matrix(
    length: int, centres: NDArray[Any], step: float, kernel: str = "bicubic"
) -> Array:
    """The matrix that samples a line of `length` at `centres`, which lie `step` >= 1 apart.

    `kernel` is a key of `vsr.kernels.KERNELS`, widened by `step` so that nothing is aliased.

    Shapes: (len(centres), length); rows sum to 1. Beyond its ends a line is mirrored.
    """
    function, radius = KERNELS[kernel]
    reach = int(np.ceil(radius * step))
    taps = np.floor(centres - reach)[:, None] + np.arange(2 * reach + 2)
    weights = function((taps - centres[:, None]) / step)
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = np.concatenate([np.arange(length), np.arange(length)[::-1]])
    columns = mirrored[taps.astype(int) % (2 * length)]
    matrix = np.zeros((len(centres), length))
    np.add.at(matrix, (np.arange(len(centres))[:, None], columns), weights)
    return matrix


def bicubic_reduction(plane: NDArray[np.uint8], factor: int) -> Array:
    """The plane shrunk by `factor` with MATLAB's antialiased bicubic, the benchmarks' definition.

    Shapes: (h, w) -> (h // factor, w // factor), or the same with any axes before them.
    """
    rows = shrink_matrix(plane.shape[-2], factor)
    columns = shrink_matrix(plane.shape[-1], factor)
    return rows @ plane.astype(np.float64) @ columns.T


def bicubic_shrink(plane: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """`bicubic_reduction`, rounded to 8 bits."""
    return to_codes(bicubic_reduction(plane, factor))


def bicubic_resize(planes: NDArray[np.uint8], size: float) -> NDArray[np.uint8]:
    """The planes at `size` <= 1 times their size, antialiased as by `bicubic_shrink`.

    Shapes: (..., h, w) -> (..., round(h * size), round(w * size)).
    """
    if size == 1:
        return planes
    rows, columns = (
        sampling_matrix(length, (np.arange(round(length * size)) + 0.5) / size - 0.5, 1 / size)
        for length in planes.shape[-2:]
    )
    return to_codes(rows @ planes.astype(np.float64) @ columns.T)


def to_codes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Rounded, half up, to 8 bits."""
    codes: NDArray[np.uint8] = np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)
    return codes
