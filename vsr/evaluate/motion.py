"""Where things move from one frame to the next, as OpenCV finds it."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from vsr.errors import MissingPackageError
from vsr.media.pictures import Luma

Flow = NDArray[np.float32]
"""(h, w, 2): how far to the right and down."""
Mask = NDArray[np.bool_]


def find_flow(source: Luma, target: Luma) -> Flow:
    """For every pixel of `source`, the way to the same thing in `target`.

    Source: Kroeger et al., "Fast Optical Flow using Dense Inverse Search" (2016).
    Raises: MissingPackageError without OpenCV.
    """
    try:
        import cv2
    except ImportError as error:
        raise MissingPackageError("OpenCV (opencv-python-headless)", "eval") from error
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    a, b = np.ascontiguousarray(source), np.ascontiguousarray(target)
    nothing_known = cast(Flow, None)
    return np.asarray(search.calc(a, b, nothing_known), np.float32)


def warp(picture: NDArray[np.float32], flow: Flow) -> NDArray[np.float32]:
    """The picture, (h, w) or (h, w, c), fetched from where `flow` leads, between the pixels by
    linear interpolation; beyond the edges the edge is repeated."""
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width]
    x = np.clip(x + flow[..., 0], 0, width - 1)
    y = np.clip(y + flow[..., 1], 0, height - 1)
    left = np.minimum(x.astype(int), width - 2)
    top = np.minimum(y.astype(int), height - 2)
    right_share, lower_share = x - left, y - top
    if picture.ndim == 3:
        right_share, lower_share = right_share[..., None], lower_share[..., None]
    upper = picture[top, left] * (1 - right_share) + picture[top, left + 1] * right_share
    lower = picture[top + 1, left] * (1 - right_share) + picture[top + 1, left + 1] * right_share
    result: NDArray[np.float32] = (upper * (1 - lower_share) + lower * lower_share).astype(
        np.float32
    )
    return result


def visible(there: Flow, back: Flow) -> Mask:
    """Where a pixel's way there lies within the picture, and leads back to where it began.

    Source: Sundaram et al., "Dense Point Trajectories by GPU-accelerated Large Displacement
    Optical Flow" (2010), section 3, equation 5.
    """
    height, width = there.shape[:2]
    y, x = np.mgrid[:height, :width]
    x, y = x + there[..., 0], y + there[..., 1]
    within = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    returned = warp(back, there)
    missed = ((there + returned) ** 2).sum(axis=-1)
    length = (there**2).sum(axis=-1) + (returned**2).sum(axis=-1)
    return cast(Mask, within & (missed <= 0.01 * length + 0.5))
