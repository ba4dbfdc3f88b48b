"""The arithmetic on every sample, as loops that numba compiles.

A loop does all there is to do for a sample, where operations on arrays would carry every step's
result through memory, and it runs beside Python's other threads. The first run on a machine
compiles for some seconds; what is compiled is kept.

Both work on the rows from `first` to before `last`, so that several threads can share a plane.

Shapes: planes (h, w), flows (h, w, 2).
Units: codes; pixels.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vsr.pipeline.temporal.interpolate import SHIFT

Values = NDArray[np.float32]
F = np.float32


def compiled(loop: Any) -> Any:
    """The loop, compiled when it is first run, and kept where there is a place for that."""
    how: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **how)(loop)
    except RuntimeError:  # neither here nor in the user's cache can anything be written
        return njit(**how)(loop)


@compiled
def add_differences(
    plane: NDArray[Any],
    samples: Values,
    flow: Values,
    right: float,
    down: float,
    share: Values,
    tolerance: float,
    change: Values,
    first: int,
    last: int,
) -> None:
    """Add to `change` what a neighbour would have each sample of `plane` changed by.

    The difference of both, times the share, counts less the larger it is, and nothing from the
    tolerance on, so that what is another thing does not shine through. A sample goes the way of the
    nearest small pixel, whose flow leads `right` and `down` as many samples for each of its own.

    Source: Tukey's biweight, as in Holland and Welsch, "Robust regression using iteratively
    reweighted least-squares" (1977), for the falling weight of differences.
    """
    height, width = plane.shape
    small_height, small_width, _ = flow.shape
    nearest = (np.arange(width) * small_width // width).astype(np.uint32)
    flat, line = samples.ravel(), np.uint32(width)
    last_left, last_above = np.int32(max(width - 2, 0)), np.int32(max(height - 2, 0))
    next_x, next_y = np.uint32(min(1, width - 1)), np.uint32(line * min(1, height - 1))
    x, y, fetched = np.empty(width, F), np.empty(width, F), np.empty(width, F)
    for row in range(first, last):
        ways = flow[row * small_height // height]
        for column in range(width):
            way = ways[nearest[column]]
            x[column] = F(column) + way[0] * F(right) - F(SHIFT)
            y[column] = F(row) + way[1] * F(down) - F(SHIFT)
        for column in range(width):
            inner_x = min(max(x[column], F(0)), F(width - 1))
            inner_y = min(max(y[column], F(0)), F(height - 1))
            left = min(np.int32(inner_x), last_left)
            above = min(np.int32(inner_y), last_above)
            along, across = inner_x - F(left), inner_y - F(above)
            place = np.uint32(above) * line + np.uint32(left)
            a, b = flat[place], flat[place + next_x]
            c, d = flat[place + next_y], flat[place + next_y + next_x]
            upper, lower = a + (b - a) * along, c + (d - c) * along
            fetched[column] = upper + (lower - upper) * across
        for column in range(width):
            difference = fetched[column] - F(plane[row, column])
            weight = max(F(1) - (difference / F(tolerance)) ** 2, F(0))
            change[row, column] += difference * weight * weight * share[row, column]


@compiled
def add_change(
    plane: NDArray[Any],
    change: Values,
    detail: float,
    rest: float,
    limit: float,
    top: float,
    result: NDArray[Any],
    first: int,
    last: int,
) -> None:
    """Fill `result` with the plane and so much of the change's detail and of its rest, no sample
    further than the limit, rounded to codes up to `top`. The rest is what a binomial filter of 3x3
    lets through."""
    height, width = plane.shape
    smooth = np.empty(width, F)
    for row in range(first, last):
        above, below = around(row, height)
        for column in range(width):
            lines = change[above, column] + F(2) * change[row, column] + change[below, column]
            smooth[column] = lines * F(0.25)
        for column in range(width):
            left, right = around(column, width)
            mean = (smooth[left] + F(2) * smooth[column] + smooth[right]) * F(0.25)
            part = F(detail) * change[row, column] + F(rest - detail) * mean
            code = F(plane[row, column]) + min(max(part, F(-limit)), F(limit)) + F(0.5)
            result[row, column] = plane.dtype.type(min(max(code, F(0)), F(top + 0.5)))


@compiled
def around(index: int, length: int) -> tuple[int, int]:
    """The indices before and after; beyond the ends a line is mirrored, its last not repeated."""
    return min(abs(index - 1), length - 1), max(length - 1 - abs(length - 2 - index), 0)
