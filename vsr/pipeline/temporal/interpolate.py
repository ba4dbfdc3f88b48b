"""Samples between samples: about as sharp as cubic interpolation, at the price of linear.

A straight line between two samples is too low on a hill and too high in a valley, which blurs. The
lines here are drawn between other samples, a little off the true ones' places, and made so that the
lines pass through the true ones: then the errors of hills and valleys nearly cancel.

Source: Blu, Thevenaz and Unser, "Linear interpolation revitalized" (2004); the best shift found
there, (1 - sqrt(1/3)) / 2, rounded to 32nds, and the recursive filter cut off after TAPS.
"""

from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vsr.frame import Frame, Plane
from vsr.pipeline.temporal.workspace import Workspace

Values = NDArray[np.float32]

SHIFT = 7 / 32
"""How far to the right and down of the true samples the others lie, samples."""
TAPS = 7
"""The filter's next value would be 0.0001."""


def filter_values() -> Values:
    """What makes the other samples of the true ones: the last value is for the sample itself, those
    before for its neighbours on the left, or above."""
    pole = -SHIFT / (1 - SHIFT)
    values = pole ** np.arange(TAPS)[::-1]
    return np.asarray(values / values.sum(), np.float32)


FILTER = filter_values()


@dataclass(frozen=True)
class Samples:
    """A frame's samples to draw lines between."""

    y: Values
    uv: Values | None
    """(2, h, w)"""


def samples_of(frame: Frame, name: str, space: Workspace, pool: Executor) -> Samples:
    """Of a frame; they stay until the name is used again."""
    y = space.array(f"y {name}", frame.y.shape)
    uv = None if frame.uv is None else space.array(f"uv {name}", frame.uv.shape)
    planes, results = [frame.y], [y]
    if frame.uv is not None and uv is not None:
        planes, results = [frame.y, *frame.uv], [y, *uv]
    list(pool.map(shift, planes, results))
    return Samples(y, uv)


def shift(plane: Plane, result: Values) -> None:
    """Fill `result` with a plane's samples to draw lines between."""
    edge, beyond = TAPS - 1, cv2.BORDER_REPLICATE
    cv2.sepFilter2D(
        plane, cv2.CV_32F, FILTER, FILTER, dst=result, anchor=(edge, edge), borderType=beyond
    )
