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
    y = plane(large.y, [other.y for other in others], ways, seen, form, how, cubic=True)
    if large.uv is None:
        return replace(large, y=y)
    step = np.array(form.subsampling).reshape(2, 1, 1)
    ways = [way / step for way in ways]
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
    cubic: bool = False,
) -> NDArray[Any]:
    unit = 2 ** (form.depth - 8)
    height, width = own.shape
    weights = [each.weight.astype(np.float64) for each in seen]
    still = 1 - (1 - how.own) * sum(weights) / len(weights)
    shares = [weight / (still + sum(weights)) for weight in weights]
    change, known = np.zeros((height, width)), np.zeros((height, width))
    for other, way, share in zip(others, ways, shares, strict=True):
        for row in range(height):
            for column in range(width):
                small_row = row * way.shape[1] // height
                small_column = column * way.shape[2] // width
                right, down = (round(w * 32) / 32 for w in way[:, small_row, small_column])
                there = sample(other, row + down, column + right, cubic)
                there = min(max(round(there), 0), 256 * unit - 1)
                difference = there - float(own[row, column])
                part = enlarged(share, height, width, row, column)
                tolerance = 64 * unit
                if abs(difference) < tolerance:
                    difference *= (1 - (difference / tolerance) ** 2) ** 2
                    change[row, column] += part * difference
                known[row, column] += part
    result = np.empty_like(own)
    for row in range(height):
        for column in range(width):
            smooth = 0.0
            for i, across in zip((-1, 0, 1), (1, 2, 1), strict=True):
                for j, along in zip((-1, 0, 1), (1, 2, 1), strict=True):
                    at = mirrored(row + i, height), mirrored(column + j, width)
                    smooth += change[at] * across * along / 16
            amount = how.detail * (change[row, column] - smooth) + how.rest * smooth
            amount = min(max(amount, -8 * unit), 8 * unit) if known[row, column] > 0 else 0.0
            code = math.floor(float(own[row, column]) + amount + 0.5)
            result[row, column] = min(max(code, 0), 256 * unit - 1)
    return result


def mirrored(index: int, length: int) -> int:
    """Beyond the ends a line is mirrored, its last sample not repeated."""
    if index < 0:
        return -index
    return index if index < length else 2 * (length - 1) - index


def sample(picture: NDArray[Any], row: float, column: float, cubic: bool) -> float:
    """Between the samples; beyond the edges they are repeated."""
    height, width = picture.shape
    total = 0.0
    for i in range(math.floor(row) - 1, math.floor(row) + 3):
        for j in range(math.floor(column) - 1, math.floor(column) + 3):
            weight = kernel(row - i, cubic) * kernel(column - j, cubic)
            at = min(max(i, 0), height - 1), min(max(j, 0), width - 1)
            total += weight * float(picture[at])
    return total


def kernel(x: float, cubic: bool) -> float:
    x = abs(x)
    if not cubic:
        return max(1 - x, 0)
    a = -0.75  # OpenCV's and ONNX's
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def enlarged(values: Values, height: int, width: int, row: int, column: int) -> float:
    """The value at a pixel of a picture of this size, by linear interpolation."""
    y = (row + 0.5) * values.shape[0] / height - 0.5
    x = (column + 0.5) * values.shape[1] / width - 0.5
    return sample(values, y, x, cubic=False)
