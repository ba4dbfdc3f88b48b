"""What is computed for every sample of two small frames.

Shapes: frames (h, w), flows (h, w, 2); halved, where each sample stands for 2x2: (h / 2, w / 2),
rounded up. Where a frame ends within such an area, its last samples are repeated.
Units: codes of 8 bits; pixels.
"""

from typing import Any

import numpy as np

from vsr.pipeline.temporal.compiled import F, Values, compiled
from vsr.pipeline.temporal.motion import Luma


@compiled
def compare(
    here: Luma, moved: Luma, energy: Values, shift: Values, diagonal: Values, bound: float
) -> float:
    """Fill in, halved, what is left of the difference of two frames once motion is undone: the mean
    of its squares, its mean, and the squares of its finest diagonal wavelets. Returns the mean
    difference of the whole frames, none of which counts more than the bound."""
    height, width = here.shape
    total = 0.0
    for row in range(energy.shape[0]):
        upper, lower = 2 * row, min(2 * row + 1, height - 1)
        bounded: Any = F(0)
        for column in range(energy.shape[1]):
            left, right = 2 * column, min(2 * column + 1, width - 1)
            a = F(moved[upper, left]) - F(here[upper, left])
            b = F(moved[upper, right]) - F(here[upper, right])
            c = F(moved[lower, left]) - F(here[lower, left])
            d = F(moved[lower, right]) - F(here[lower, right])
            energy[row, column] = (a * a + b * b + c * c + d * d) * F(0.25)
            shift[row, column] = (a + b + c + d) * F(0.25)
            diagonal[row, column] = (a - b - c + d) ** 2
            bounded += between(a, -bound, bound) + between(b, -bound, bound)
            bounded += between(c, -bound, bound) + between(d, -bound, bound)
        total += bounded
    return total / (4 * energy.size)


@compiled
def halve(flow: Values, result: Values) -> None:
    """Fill `result` with a flow, halved, in pixels twice as large."""
    height, width, _ = flow.shape
    for row in range(result.shape[0]):
        upper, lower = 2 * row, min(2 * row + 1, height - 1)
        for column in range(result.shape[1]):
            left, right = 2 * column, min(2 * column + 1, width - 1)
            for way in range(2):
                above = flow[upper, left, way] + flow[upper, right, way]
                below = flow[lower, left, way] + flow[lower, right, way]
                result[row, column, way] = (above + below) * F(0.125)


@compiled
def judge(onward: Values, back: Values, means: Values, squares: Values, found: Values) -> None:
    """Fill in how far a flow explains each pixel, from 0 to 1: `back` is the flow that leads back
    from where it leads to; `means` and `squares` are of the flow and of its squares, around."""
    height, width, _ = onward.shape
    for row in range(height):
        for column in range(width):
            right, down = onward[row, column]
            back_right, back_down = back[row, column]
            x, y = F(column) + right, F(row) + down
            inside = F(0) <= x <= F(width - 1) and F(0) <= y <= F(height - 1)
            length = np.sqrt(right * right + down * down)
            missed = np.sqrt((right + back_right) ** 2 + (down + back_down) ** 2)
            slack = F(0.03) * length
            returning = (F(0.5) + slack + F(0.02) * length - missed) / (F(0.35) + slack)
            uneven = squares[row, column, 0] - means[row, column, 0] ** 2
            uneven += squares[row, column, 1] - means[row, column, 1] ** 2
            even = (F(0.75) - np.sqrt(max(uneven, F(0)))) / F(0.6)
            shares = between(returning, F(0), F(1)) * between(even, F(0), F(1))
            found[row, column] = shares if inside else F(0)


@compiled
def weigh(
    energy: Values,
    shift: Values,
    allowed: float,
    bias: float,
    tolerance: float,
    more: float,
    weight: Values,
) -> None:
    """Multiply the weights with v / (v + excess), v being the tolerance, and excess what of the
    energy is not allowed, and the shift beyond the bias, squared, `more` times."""
    for row in range(weight.shape[0]):
        for column in range(weight.shape[1]):
            one_sided = max(abs(shift[row, column]) - F(bias), F(0))
            excess = max(energy[row, column] - F(allowed), F(0)) + F(more) * one_sided**2
            weight[row, column] *= F(tolerance) / (F(tolerance) + excess)


@compiled
def between(value: Any, low: float, high: float) -> Any:
    return min(max(value, F(low)), F(high))
