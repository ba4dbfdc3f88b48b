"""What is computed for every sample of a large frame.

Rows are those from `first` to before `last`, so that several threads can share planes.

Shapes: planes of one size (n, h, w), all in one block of memory; `change` (n, last - first, w).
Units: codes; pixels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsr.pipeline.temporal.compiled import F, U, Values, compiled
from vsr.pipeline.temporal.interpolate import SHIFT

RUN = 16
"""Samples of a row that are fetched together: where they come from nearly side by side, the
processor takes several at once."""


@compiled
def add_differences(
    planes: NDArray[Any],
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
    """Add to `change` what a neighbour would have each sample of these rows changed by.

    The difference of both, times the share, counts less the larger it is, and nothing from the
    tolerance on, so that what is another thing does not shine through. A sample goes the way of the
    nearest small pixel, whose flow leads `right` and `down` as many samples for each of its own.

    Shapes: `flow` (small h, small w, 2), `share` (any, w).
    Source: Tukey's biweight, as in Holland and Welsch, "Robust regression using iteratively
    reweighted least-squares" (1977), for the falling weight of differences.
    """
    count, height, width = planes.shape
    nearest = (np.arange(width) * flow.shape[1] // width).astype(np.uint32)
    x, y = np.empty(width, F), np.empty(width, F)
    fetched, weights = np.empty(width, F), np.empty(width, F)
    runs = width // RUN
    near = np.empty(runs, np.bool_)
    left, above = np.empty(runs, np.int64), np.empty(runs, np.int64)
    small_row = -1
    for row in range(first, last):
        if row * flow.shape[0] // height != small_row:
            small_row = row * flow.shape[0] // height
            lead(flow[small_row], nearest, right, down, x, y)
            survey(x, y, near, left, above)
        between_rows(share, row, height, weights)
        for plane in range(count):
            fetch(samples[plane], row, x, y, near, left, above, fetched)
            own, changed = planes[plane, row], change[plane, row - first]
            for column in range(width):
                difference = fetched[column] - F(own[column])
                counted = max(F(1) - (difference / F(tolerance)) ** 2, F(0))
                changed[column] += difference * counted * counted * weights[column]


@compiled
def lead(
    ways: Values, nearest: NDArray[np.uint32], right: float, down: float, x: Values, y: Values
) -> None:
    """Fill x and y with how far each sample of a row goes; `ways` are those of the small pixels."""
    for column in range(x.size):
        way = ways[nearest[column]]
        x[column] = way[0] * F(right) - F(SHIFT)
        y[column] = way[1] * F(down) - F(SHIFT)


@compiled
def survey(
    x: Values, y: Values, near: NDArray[np.bool_], left: NDArray[Any], above: NDArray[Any]
) -> None:
    """Fill in, for each RUN of samples, how far the leftmost and the uppermost go, whole samples
    and rounded down; and whether all go less than two samples further than that."""
    for run in range(U(near.size)):
        begin = run * U(RUN)
        x0, x1, y0, y1 = x[begin], x[begin], y[begin], y[begin]
        for column in range(begin, begin + U(RUN)):
            x0, x1 = min(x0, x[column]), max(x1, x[column])
            y0, y1 = min(y0, y[column]), max(y1, y[column])
        left[run], above[run] = np.int64(np.floor(x0)), np.int64(np.floor(y0))
        near[run] = x1 < F(left[run] + 2) and y1 < F(above[run] + 2)


@compiled
def between_rows(values: Values, row: int, height: int, result: Values) -> None:
    """Fill `result` with a row of `values` enlarged to `height` by linear interpolation."""
    place = min(max((row + 0.5) * values.shape[0] / height - 0.5, 0.0), values.shape[0] - 1.0)
    above = int(place)
    upper, lower = values[above], values[min(above + 1, values.shape[0] - 1)]
    part = F(place - above)
    for column in range(result.size):
        result[column] = upper[column] + (lower[column] - upper[column]) * part


@compiled
def fetch(
    samples: Values,
    row: int,
    x: Values,
    y: Values,
    near: NDArray[np.bool_],
    left: NDArray[Any],
    above: NDArray[Any],
    fetched: Values,
) -> None:
    """Fill in what the samples of a row are where x and y lead to, linearly interpolated.

    Of three samples side by side, and of three rows, one always counts nothing.
    """
    height, width = samples.shape
    flat = samples.ravel()
    for run in range(near.size):
        begin = run * RUN
        i, j = begin + left[run], row + above[run]
        if near[run] and 0 <= i < width - RUN - 1 and 0 <= j < height - 2:
            upper, x0, y0 = U(j * width + i), F(left[run]), F(above[run])
            middle, lower = upper + U(width), upper + U(2 * width)
            for k in range(U(RUN)):
                column = U(begin) + k
                u, v = x[column] - x0, y[column] - y0
                u0, v0 = max(F(1) - u, F(0)), max(F(1) - v, F(0))
                u2, v2 = max(u - F(1), F(0)), max(v - F(1), F(0))
                u1, v1 = F(1) - u0 - u2, F(1) - v0 - v2
                a, b, c = upper + k, middle + k, lower + k
                top = flat[a] * u0 + flat[a + U(1)] * u1 + flat[a + U(2)] * u2
                center = flat[b] * u0 + flat[b + U(1)] * u1 + flat[b + U(2)] * u2
                bottom = flat[c] * u0 + flat[c + U(1)] * u1 + flat[c + U(2)] * u2
                fetched[column] = top * v0 + center * v1 + bottom * v2
        else:
            fetch_each(samples, row, x, y, begin, begin + RUN, fetched)
    fetch_each(samples, row, x, y, near.size * RUN, width, fetched)


@compiled
def fetch_each(
    samples: Values, row: int, x: Values, y: Values, begin: int, end: int, fetched: Values
) -> None:
    """Fill it in for the columns from `begin` to before `end`, one by one; beyond the edges the
    edge is repeated."""
    height, width = samples.shape
    for column in range(begin, end):
        inner_x = min(max(F(column) + x[column], F(0)), F(width - 1))
        inner_y = min(max(F(row) + y[column], F(0)), F(height - 1))
        i, j = int(inner_x), int(inner_y)
        next_i, next_j = min(i + 1, width - 1), min(j + 1, height - 1)
        u, v = inner_x - F(i), inner_y - F(j)
        top = samples[j, i] + (samples[j, next_i] - samples[j, i]) * u
        bottom = samples[next_j, i] + (samples[next_j, next_i] - samples[next_j, i]) * u
        fetched[column] = top + (bottom - top) * v


@compiled
def add_change(
    planes: NDArray[Any],
    change: Values,
    detail: float,
    rest: float,
    limit: float,
    top: float,
    result: NDArray[Any],
    first: int,
    last: int,
) -> None:
    """Fill these rows of `result` with the planes and so much of the change's detail and of its
    rest, no sample further than the limit, rounded to codes up to `top`. The rest is what a
    binomial filter of 3x3 lets through.

    Shapes: `change` has one more row above and below where the planes have.
    """
    count, height, width = planes.shape
    begin = max(first - 1, 0)
    means = np.empty(width + 2, F)
    """Down each column, and of one more column on either side."""
    for plane in range(count):
        for row in range(first, last):
            own, codes, changed = planes[plane, row], result[plane, row], change[plane, row - begin]
            above = change[plane, mirrored(row - 1, height) - begin]
            below = change[plane, mirrored(row + 1, height) - begin]
            for column in range(width):
                lines = above[column] + F(2) * changed[column] + below[column]
                means[column + 1] = lines * F(0.25)
            means[0] = means[1 + mirrored(-1, width)]
            means[width + 1] = means[1 + mirrored(width, width)]
            for column in range(U(width)):
                lines = means[column] + F(2) * means[column + U(1)] + means[column + U(2)]
                part = F(detail) * changed[column] + F(rest - detail) * F(0.25) * lines
                code = F(own[column]) + min(max(part, F(-limit)), F(limit)) + F(0.5)
                codes[column] = planes.dtype.type(min(max(code, F(0)), F(top + 0.5)))


@compiled
def mirrored(index: int, length: int) -> int:
    """Beyond the ends a line is mirrored, its last not repeated."""
    index = abs(index)
    return max(min(index, 2 * (length - 1) - index), 0)
