"""Samples between samples: about as sharp as cubic interpolation, at the price of linear.

A straight line between two samples is too low on a hill and too high in a valley, which blurs. The
lines here are drawn between other samples, a little off the true ones' places, and made so that the
lines pass through the true ones: then the errors of hills and valleys nearly cancel.

Source: Blu, Thevenaz and Unser, "Linear interpolation revitalized" (2004); the best shift found
there, (1 - sqrt(1/3)) / 2, rounded to 32nds.
"""

from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsr.frame import Frame, Plane
from vsr.pipeline.temporal.compiled import F, U, Values, compiled
from vsr.pipeline.temporal.parts import in_parts
from vsr.pipeline.temporal.workspace import Workspace

SHIFT = 7 / 32
"""How far to the right and down of the true samples the others lie, samples."""
POLE = -SHIFT / (1 - SHIFT)
"""Each of the others is 1 - POLE times the true one and POLE times the other before it."""
TAPS = 7
"""After how many samples that is begun anew: the eighth would count 0.0001."""


def filter_values() -> Values:
    """What makes the other samples of the true ones: the last value is for the sample itself, those
    before for its neighbours on the left, or above."""
    values = POLE ** np.arange(TAPS)[::-1]
    return np.asarray(values / values.sum(), np.float32)


FILTER = filter_values()


@dataclass(frozen=True)
class Samples:
    """A frame's samples to draw lines between."""

    y: Values
    """(1, h, w)"""
    uv: Values | None
    """(2, h, w)"""


def samples_of(frame: Frame, name: str, space: Workspace, pool: Executor) -> Samples:
    """Of a frame; they stay until the name is used again."""
    work: list[Future[None]] = []

    def begin(planes: Plane, name: str) -> Values:
        result = space.array(name, planes.shape)
        planes = np.ascontiguousarray(planes)
        work.extend(in_parts(pool, planes.shape[1], partial(shift_rows, planes, FILTER, result)))
        return result

    y = begin(frame.y[None], f"y {name}")
    uv = None if frame.uv is None else begin(frame.uv, f"uv {name}")
    for part in work:
        part.result()
    return Samples(y, uv)


@compiled
def shift_rows(planes: NDArray[Any], values: Values, result: Values, first: int, last: int) -> None:
    """Fill the rows from `first` to before `last` of `result` with the planes' samples to draw
    lines between.

    Shapes: `planes`, `result` (n, h, w), `values` the FILTER.
    """
    count, _, width = planes.shape
    edge = TAPS - 1
    begin = max(first - edge, 0)
    line = np.empty(edge + width, F)
    for plane in range(count):
        line[edge:] = planes[plane, begin]
        for row in range(begin, last):
            own, made = planes[plane, row], result[plane, row]
            for column in range(U(width)):
                place = column + U(edge)
                line[place] = F(1 - POLE) * F(own[column]) + F(POLE) * line[place]
            if row >= first:
                line[:edge] = line[edge]
                for column in range(U(width)):
                    total = F(0)
                    for tap in range(U(TAPS)):
                        total += values[tap] * line[column + tap]
                    made[column] = total
