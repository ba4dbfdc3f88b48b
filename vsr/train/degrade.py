"""How large pictures are made small for training and for the benchmarks."""

import numpy as np
from numpy.typing import NDArray

from vsr.kernels import cubic


def shrink_matrix(length: int, factor: int) -> NDArray[np.float64]:
    """The matrix that shrinks a line of `length` samples by `factor`, as MATLAB's imresize does.

    Shapes: (length // factor, length); rows sum to 1. Beyond its ends a line is mirrored.
    """
    rows = length // factor
    centre = (np.arange(rows) + 0.5) * factor - 0.5
    reach = 2 * factor
    taps = np.floor(centre - reach)[:, None] + np.arange(2 * reach + 2)
    weights = cubic((taps - centre[:, None]) / factor)
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = np.concatenate([np.arange(length), np.arange(length)[::-1]])
    columns = mirrored[taps.astype(int) % (2 * length)]
    matrix = np.zeros((rows, length))
    np.add.at(matrix, (np.arange(rows)[:, None], columns), weights)
    return matrix


def bicubic_shrink(plane: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """The plane shrunk by `factor` with MATLAB's antialiased bicubic, the benchmarks' definition.

    Shapes: (h, w) -> (h // factor, w // factor).
    """
    rows = shrink_matrix(plane.shape[0], factor)
    columns = shrink_matrix(plane.shape[1], factor)
    small = rows @ plane.astype(np.float64) @ columns.T
    return np.clip(np.floor(small + 0.5), 0, 255).astype(np.uint8)
