"""Where things move from one frame to another, and frames fetched from there."""

from functools import lru_cache
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from vsr.pipeline.temporal.workspace import Workspace

Luma = NDArray[np.uint8]
Flow = NDArray[np.float32]
"""(h, w, 2): how far to the right and down, pixels."""
Places = NDArray[np.float32]
"""(h, w, 2): x and y, pixels."""

LEAST = 16
"""Pixels of the longer side of the smallest frame in which motion can be sought."""

SOFT = 1.0
"""The deviation of the blur through which motion is sought, pixels: what moves is seen, but not
how compression has broken it."""


class Search:
    """DIS optical flow, at half resolution. Thread: one.

    Where time matters less its patches are closer together and five variational steps refine it:
    on films compressed at CRF 28 blending over a radius of 2 then gains 0.15 dB. With patches five
    apart and no such steps it gained 0.13, and a search took 9 ms instead of 25 (640x360, one
    thread); at full resolution it gained no more, and took 54 ms or longer. Over a radius of 1,
    patches six apart instead of five save a fifth of a search, and cost 0.01 dB.

    Source: Kroeger et al., "Fast Optical Flow using Dense Inverse Search" (2016).
    """

    def __init__(self, refine: bool = False) -> None:
        cv2.setNumThreads(1)  # the threads of `steady` and the engine keep the processors busy
        self.space = Workspace()
        self.search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self.search.setFinestScale(1)
        self.search.setPatchStride(3 if refine else 6)
        self.search.setGradientDescentIterations(4 if refine else 6)
        self.search.setVariationalRefinementIterations(5 if refine else 0)

    def flow(self, here: Luma, there: Luma) -> Flow:
        """For every pixel of `here`, the way to the same thing in `there`; both as `soft` makes
        them."""
        nothing_known = cast(Flow, None)
        return np.asarray(self.search.calc(here, there, nothing_known), np.float32)


def soft(luma: Luma) -> Luma:
    """A frame to seek motion in."""
    return cast(Luma, cv2.GaussianBlur(luma, (5, 5), SOFT))


def places(flow: Flow, space: Workspace) -> Places:
    """Where a flow leads to."""
    result = space.array("places", flow.shape)
    np.add(flow, grid(*flow.shape[:2]), out=result)
    return result


@lru_cache(maxsize=4)
def grid(height: int, width: int) -> Places:
    """Every pixel's own place."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y], axis=-1).astype(np.float32)


def fetch(plane: NDArray[Any], where: Places, result: NDArray[Any]) -> NDArray[Any]:
    """`result`, filled with the plane's samples at these places, linearly interpolated; beyond the
    edges the edge is repeated. Codes are rounded."""
    edge = cv2.BORDER_REPLICATE
    cv2.remap(plane, where, None, cv2.INTER_LINEAR, dst=result, borderMode=edge)  # type: ignore[call-overload]
    return result
