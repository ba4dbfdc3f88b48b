"""A large frame and its neighbours, moved to it -> the blended frame's planes."""

from collections.abc import Sequence

import cv2
import numpy as np

from vsr.frame import Frame, FrameFormat, Plane
from vsr.pipeline.temporal.amounts import Amounts
from vsr.pipeline.temporal.interpolate import Samples, Values
from vsr.pipeline.temporal.loops import add_change, add_differences
from vsr.pipeline.temporal.weights import Neighbour
from vsr.pipeline.temporal.workspace import Workspace

TOLERANCE = 64.0
"""The difference from which a neighbour's sample counts nothing, codes of 8 bits."""
LIMIT = 8.0
"""How far blending may take a sample, codes of 8 bits."""


def blend_frame(
    large: Frame,
    others: Sequence[Samples],
    seen: Sequence[Neighbour],
    form: FrameFormat,
    scale: int,
    how: Amounts,
    space: Workspace,
) -> tuple[Plane, Plane | None]:
    """The planes of a large frame, blended with its neighbours as its small frame sees them.

    Each sample is changed by the sum of its neighbours' differences, each times its share; what of
    that is detail, and what the rest, by `how`. Where no neighbour has a share it stays as it is.

    `form` is the large frames' format.
    """
    total = np.add.reduce([each.weight for each in seen])
    less = np.float32((1 - how.own) / len(seen))
    shares = [each.weight / (1 + total - less * total) for each in seen]
    unit = 2.0 ** (form.depth - 8)

    def blended(planes: Plane, theirs: Sequence[Values], right: float, down: float) -> Plane:
        """Planes of one size, with `right` and `down` samples for each small pixel."""
        wide = [
            cv2.resize(share, planes.shape[:0:-1], dst=space.array(f"share {n}", planes.shape[1:]))
            for n, share in enumerate(shares)
        ]
        result = np.empty_like(planes)
        for plane, samples, into in zip(planes, zip(*theirs, strict=True), result, strict=True):
            change = space.array("change", plane.shape)
            change[:] = 0
            for their, each, share in zip(samples, seen, wide, strict=True):
                way = each.flow, right, down
                add_differences(plane, their, *way, share, TOLERANCE * unit, change)
            add_change(plane, change, how.detail, how.rest, LIMIT * unit, 256 * unit - 1, into)
        return result

    y = blended(large.y[None], [other.y for other in others], scale, scale)[0]
    if large.uv is None:
        return y, None
    across, down = form.subsampling
    colors = [other.uv for other in others if other.uv is not None]
    return y, blended(large.uv, colors, scale / across, scale / down)
