"""The arithmetic of temporal blending once more: slow, obvious, in float64, sample by sample.

Nothing of the arithmetic is shared with `vsr/pipeline/temporal/blend.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsr.frame import Frame, FrameFormat
from vsr.pipeline.temporal.amounts import Amounts
from vsr.pipeline.temporal.weights import Neighbour

Values = NDArray[np.float64]


def blended(
    large: Frame,
    others: Sequence[Frame],
    seen: Sequence[Neighbour],
    form: FrameFormat,
    scale: int,
    how: Amounts,
) -> Frame:
    """What `blend_frame` has to make of these."""
    ways = [each.flow.astype(np.float64) * scale for each in seen]
    y = plane(large.y, [other.y for other in others], ways, seen, form, how)
    if large.uv is None:
        return replace(large, y=y)
    ways = [way / np.array(form.subsampling) for way in ways]
    uv = [
        plane(large.uv[n], [o.uv[n] for o in others if o.uv is not None], ways, seen, form, how)
        for n in range(2)
    ]
    return replace(large, y=y, uv=np.stack(uv))


def plane(
    own: NDArray[Any],
    others: Sequence[NDArray[Any]],
    ways: Sequence[Values],
    seen: Sequence[Neighbour],
    form: FrameFormat,
    how: Amounts,
) -> NDArray[Any]:
    unit = 2 ** (form.depth - 8)
    height, width = own.shape
    weights = [each.weight.astype(np.float64) for each in seen]
    still = 1 - (1 - how.own) * sum(weights) / len(weights)
    shares = [weight / (still + sum(weights)) for weight in weights]
    change = np.zeros((height, width))
    for other, way, share in zip(others, ways, shares, strict=True):
        samples = between(other)
        for row in range(height):
            for column in range(width):
                small_row = row * way.shape[0] // height
                small_column = column * way.shape[1] // width
                right, down = way[small_row, small_column]
                there = sample(samples, row + down - 7 / 32, column + right - 7 / 32)
                difference = there - float(own[row, column])
                part = enlarged(share, height, width, row, column)
                tolerance = 64 * unit
                if abs(difference) < tolerance:
                    difference *= (1 - (difference / tolerance) ** 2) ** 2
                    change[row, column] += part * difference
    result = np.empty_like(own)
    for row in range(height):
        for column in range(width):
            smooth = 0.0
            for i, across in zip((-1, 0, 1), (1, 2, 1), strict=True):
                for j, along in zip((-1, 0, 1), (1, 2, 1), strict=True):
                    at = mirrored(row + i, height), mirrored(column + j, width)
                    smooth += change[at] * across * along / 16
            amount = how.detail * (change[row, column] - smooth) + how.rest * smooth
            amount = min(max(amount, -8 * unit), 8 * unit)
            code = math.floor(float(own[row, column]) + amount + 0.5)
            result[row, column] = min(max(code, 0), 256 * unit - 1)
    return result


def mirrored(index: int, length: int) -> int:
    """Beyond the ends a line is mirrored, its last sample not repeated."""
    if index < 0:
        return -index
    return index if index < length else 2 * (length - 1) - index


def between(picture: NDArray[Any]) -> Values:
    """What linear interpolation 7/32 of a sample off the true ones gives these back from, nearly:
    the recursion is begun anew six samples before each."""
    height, width = picture.shape
    across, both = np.empty((height, width)), np.empty((height, width))
    for row in range(height):
        for column in range(width):
            across[row, column] = recursion([picture[row, max(column - n, 0)] for n in range(7)])
    for row in range(height):
        for column in range(width):
            both[row, column] = recursion([across[max(row - n, 0), column] for n in range(7)])
    return both


def recursion(backwards: Sequence[float]) -> float:
    """The sample, of it and those before it."""
    powers = [(-7 / 25) ** n for n in range(7)]
    return sum(p * float(b) for p, b in zip(powers, backwards, strict=True)) / sum(powers)


def sample(picture: NDArray[Any], row: float, column: float) -> float:
    """Between the samples, on straight lines; beyond the edges they are repeated."""
    height, width = picture.shape
    total = 0.0
    for i in range(math.floor(row), math.floor(row) + 2):
        for j in range(math.floor(column), math.floor(column) + 2):
            weight = (1 - abs(row - i)) * (1 - abs(column - j))
            at = min(max(i, 0), height - 1), min(max(j, 0), width - 1)
            total += weight * float(picture[at])
    return total


def enlarged(values: Values, height: int, width: int, row: int, column: int) -> float:
    """The value at a pixel of a picture of this size, by linear interpolation."""
    y = (row + 0.5) * values.shape[0] / height - 0.5
    x = (column + 0.5) * values.shape[1] / width - 0.5
    return sample(values, y, x)
