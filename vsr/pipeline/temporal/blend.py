"""A large frame and its neighbours, moved to it -> the blended frame's planes."""

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from vsr.frame import Frame, FrameFormat, Plane
from vsr.pipeline.temporal.amounts import Amounts
from vsr.pipeline.temporal.blend_loops import add_change, add_differences
from vsr.pipeline.temporal.compiled import Values
from vsr.pipeline.temporal.interpolate import Samples
from vsr.pipeline.temporal.motion import Flow
from vsr.pipeline.temporal.parts import in_parts
from vsr.pipeline.temporal.weights import Neighbour

TOLERANCE = 64.0
"""The difference from which a neighbour's sample counts nothing, codes of 8 bits."""
LIMIT = 8.0
"""How far blending may take a sample, codes of 8 bits."""


@dataclass(frozen=True)
class Moving:
    """A neighbour's planes, on their way to where they show the same."""

    samples: Values
    """(n, h, w), to draw lines between."""
    flow: Flow
    right: float
    down: float
    """Samples for each of the flow's pixels."""
    share: Values
    """What of each difference counts; as wide as the planes, of any height."""


def blend_frame(
    large: Frame,
    others: Sequence[Samples],
    seen: Sequence[Neighbour],
    form: FrameFormat,
    scale: int,
    how: Amounts,
    pool: Executor,
) -> tuple[Plane, Plane | None]:
    """The planes of a large frame, blended with its neighbours as its small frame sees them.

    `form` is the large frames' format.
    """
    total = np.add.reduce([each.weight for each in seen])
    less = np.float32((1 - how.own) / len(seen))
    shares = [each.weight / (1 + total - less * total) for each in seen]
    unit = 2.0 ** (form.depth - 8)
    work: list[Future[None]] = []

    def begin(planes: Plane, theirs: Sequence[Values], right: float, down: float) -> Plane:
        _, height, width = planes.shape
        neighbours = [
            Moving(samples, each.flow, right, down, widened(share, width))
            for samples, each, share in zip(theirs, seen, shares, strict=True)
        ]
        planes = np.ascontiguousarray(planes)
        result = np.empty_like(planes)
        work.extend(
            in_parts(pool, height, partial(blend_rows, planes, neighbours, how, unit, result))
        )
        return result

    y = begin(large.y[None], [other.y for other in others], scale, scale)[0]
    uv = None
    if large.uv is not None:
        colors = [other.uv for other in others if other.uv is not None]
        across, down = form.subsampling
        uv = begin(large.uv, colors, scale / across, scale / down)
    for part in work:
        part.result()
    return y, uv


def blend_rows(
    planes: Plane,
    neighbours: Sequence[Moving],
    how: Amounts,
    unit: float,
    result: Plane,
    first: int,
    last: int,
) -> None:
    """Fill the rows from `first` to before `last` of `result` with planes of one size, blended
    with their neighbours'.

    Each sample is changed by the sum of the differences, each times its share; what of that is
    detail, and what the rest, by `how`. Where no neighbour has a share it stays as it is.

    Shapes: `planes` and `result` (n, h, w).
    Units: `unit` is a code of 8 bits in the planes' codes.
    """
    count, height, width = planes.shape
    begin, end = max(first - 1, 0), min(last + 1, height)
    change = np.zeros((count, end - begin, width), np.float32)
    for each in neighbours:
        way = each.flow, each.right, each.down
        counting = each.share, TOLERANCE * unit
        add_differences(planes, each.samples, *way, *counting, change, begin, end)
    amount = how.detail, how.rest, LIMIT * unit, 256 * unit - 1
    add_change(planes, change, *amount, result, first, last)


def widened(share: Values, width: int) -> Values:
    """As wide as a plane, and as high as it is."""
    return np.asarray(cv2.resize(share, (width, share.shape[0])), np.float32)
