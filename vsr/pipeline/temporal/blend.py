"""A large frame and its neighbours, moved to it -> the blended frame's planes."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np

from vsr.frame import Frame, FrameFormat, Plane
from vsr.pipeline.temporal.amounts import Amounts
from vsr.pipeline.temporal.interpolate import Samples, Values
from vsr.pipeline.temporal.loops import add_change, add_differences
from vsr.pipeline.temporal.motion import Flow
from vsr.pipeline.temporal.weights import Neighbour
from vsr.pipeline.temporal.workspace import Workspace

TOLERANCE = 64.0
"""The difference from which a neighbour's sample counts nothing, codes of 8 bits."""
LIMIT = 8.0
"""How far blending may take a sample, codes of 8 bits."""
PARTS = 4
"""Of a plane, which threads may do at the same time."""


def blend_frame(
    large: Frame,
    others: Sequence[Samples],
    seen: Sequence[Neighbour],
    form: FrameFormat,
    scale: int,
    how: Amounts,
    space: Workspace,
    pool: Executor,
) -> tuple[Plane, Plane | None]:
    """The planes of a large frame, blended with its neighbours as its small frame sees them.

    `form` is the large frames' format.
    """
    total = np.add.reduce([each.weight for each in seen])
    less = np.float32((1 - how.own) / len(seen))
    shares = [each.weight / (1 + total - less * total) for each in seen]
    flows = [each.flow for each in seen]
    unit = 2.0 ** (form.depth - 8)

    def blended(plane: Plane, theirs: Sequence[Values], right: float, down: float) -> Plane:
        neighbours = [
            Moving(samples, flow, right, down, share)
            for samples, flow, share in zip(theirs, flows, shares, strict=True)
        ]
        return blend(plane, neighbours, how, unit, space, pool)

    y = blended(large.y, [other.y for other in others], scale, scale)
    if large.uv is None:
        return y, None
    colors = [other.uv for other in others if other.uv is not None]
    across, down = form.subsampling
    uv = [
        blended(plane, theirs, scale / across, scale / down)
        for plane, *theirs in zip(large.uv, *colors, strict=True)
    ]
    return y, np.stack(uv)


@dataclass(frozen=True)
class Moving:
    """A neighbour's plane, on its way to where it shows the same."""

    samples: Values
    """(h, w), to draw lines between."""
    flow: Flow
    right: float
    down: float
    """Samples for each of the flow's pixels."""
    share: Values
    """What of each difference counts; of any size."""


def blend(
    plane: Plane,
    neighbours: Sequence[Moving],
    how: Amounts,
    unit: float,
    space: Workspace,
    pool: Executor,
) -> Plane:
    """A plane, blended with its neighbours'.

    Each sample is changed by the sum of the differences, each times its share; what of that is
    detail, and what the rest, by `how`. Where no neighbour has a share it stays as it is.

    Units: `unit` is a code of 8 bits in the plane's codes.
    """
    height, width = plane.shape
    change, result = space.array("change", plane.shape), np.empty_like(plane)
    shares = [space.array(f"share {number}", plane.shape) for number in range(len(neighbours))]
    rows = [height * part // PARTS for part in range(PARTS + 1)]

    def spread(neighbour: Moving, share: Values) -> None:
        cv2.resize(neighbour.share, (width, height), dst=share)

    def compare(first: int, last: int) -> None:
        change[first:last] = 0
        for each, share in zip(neighbours, shares, strict=True):
            way = each.flow, each.right, each.down
            part = change, first, last
            add_differences(plane, each.samples, *way, share, TOLERANCE * unit, *part)

    def finish(first: int, last: int) -> None:
        amount = how.detail, how.rest, LIMIT * unit, 256 * unit - 1
        add_change(plane, change, *amount, result, first, last)

    list(pool.map(spread, neighbours, shares))
    list(pool.map(compare, rows, rows[1:]))
    list(pool.map(finish, rows, rows[1:]))
    return result
