"""Where things move from one frame to another, and frames fetched from there."""

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from vsr.pipeline.temporal.workspace import Workspace

Luma = NDArray[np.uint8]
Values = NDArray[np.float32]
Flow = NDArray[np.float32]
"""(2, h, w): how far to the right and down, pixels."""
Places = tuple[Values, Values]

LEAST = 16
"""Pixels of the longer side of the smallest frame in which motion can be sought."""

SOFT = 1.0
"""The deviation of the blur through which motion is sought, pixels: what moves is seen, but not
how compression has broken it."""

STEPS = 32
"""Places to a pixel from which samples are fetched: as fine as OpenCV's remap is in all versions,
so that every version, and every other way to compute it, gives the same."""


class Search:
    """DIS optical flow at half resolution.

    Two variational steps refine its matches where time matters less: on films compressed at CRF 28
    they add 0.02 dB to what blending gains, and take half as long again.

    Source: Kroeger et al., "Fast Optical Flow using Dense Inverse Search" (2016).
    """

    def __init__(self, refine: bool = False) -> None:
        cv2.setNumThreads(1)  # the engine keeps the other processors busy
        self.search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self.search.setFinestScale(1)
        self.search.setPatchStride(5)
        self.search.setGradientDescentIterations(8)
        self.search.setVariationalRefinementIterations(2 if refine else 0)

    def flow(self, here: Luma, there: Luma) -> Flow:
        """For every pixel of `here`, the way to the same thing in `there`."""
        a, b = (cv2.GaussianBlur(luma, (5, 5), SOFT) for luma in (here, there))
        nothing_known = cast(Flow, None)
        found = self.search.calc(a, b, nothing_known)
        return np.ascontiguousarray(np.moveaxis(found, 2, 0), np.float32)


def places(
    flow: Flow, size: tuple[int, int], factors: tuple[float, float], space: Workspace
) -> Places:
    """Where a flow leads to: x and y of each pixel of a plane of this size, (width, height), which
    has `factors` times as many pixels across and down; each goes the way of the nearest one.
    """
    width, height = size
    x, y = (space.array(name, (height, width)) for name in ("x", "y"))
    for result, way, factor in zip((x, y), flow, factors, strict=True):
        steps = space.array("steps", way.shape)
        np.multiply(way, np.float32(factor * STEPS), out=steps)
        np.rint(steps, out=steps)
        steps *= np.float32(1 / STEPS)
        cv2.resize(steps, size, dst=result, interpolation=cv2.INTER_NEAREST)
    x += np.arange(width, dtype=np.float32)
    y += np.arange(height, dtype=np.float32)[:, None]
    return x, y


def fetch(
    plane: NDArray[Any], where: Places, result: NDArray[Any], cubic: bool = False
) -> NDArray[Any]:
    """`result`, filled with the plane's samples at these places, linearly or cubically (a = -0.75)
    interpolated; beyond the edges the edge is repeated. Codes are rounded."""
    kernel = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    cv2.remap(plane, *where, kernel, dst=result, borderMode=cv2.BORDER_REPLICATE)
    return result
