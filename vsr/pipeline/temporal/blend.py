"""The arithmetic on large planes: a plane and its neighbours, moved to it -> the blended plane."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vsr.frame import Frame, FrameFormat, Plane
from vsr.pipeline.temporal.motion import Values, fetch, places
from vsr.pipeline.temporal.weights import Neighbour
from vsr.pipeline.temporal.workspace import Workspace

TOLERANCE = 40.0
"""The difference from which a neighbour's sample counts nothing, codes of 8 bits."""
LIMIT = 8.0
"""How far blending may take a sample, codes of 8 bits."""
SMOOTH = np.array([0.25, 0.5, 0.25], np.float32)
"""The filter that parts what changes in detail from what changes all around."""
BAND = 24
"""Rows that are blended at once, so that it is done in the processor's cache."""


@dataclass(frozen=True)
class Amounts:
    """How much of the change is made."""

    detail: float
    """0 to 1, of what is finer than SMOOTH lets through: where networks shimmer."""
    rest: float
    """0 to 1, of the rest, which in a clean film is the film itself: its grain, its light."""


def amounts(strength: float, noise: float) -> Amounts:
    """Detail by the strength; the rest by its square, and like detail where white noise, in codes
    of 8 bits, is far above what clean films have."""
    rest = strength**2
    noisy = float(np.clip((noise - 1.2) / (2.2 - 1.2), 0, 1))
    return Amounts(strength, rest + (strength - rest) * noisy)


def blend_frame(
    large: Frame,
    others: Sequence[Frame],
    seen: Sequence[Neighbour],
    form: FrameFormat,
    scale: int,
    how: Amounts,
    space: Workspace,
) -> tuple[Plane, Plane | None]:
    """The planes of a large frame, blended with its neighbours as its small frame sees them.

    `form` is the large frames' format. What is moved is rounded to codes before it is blended.
    """
    unit = 2.0 ** (form.depth - 8)
    total = np.add.reduce([each.weight for each in seen])
    shares = [each.weight / (1 + total) for each in seen]
    form_size, factors = (form.width, form.height), (float(scale), float(scale))
    moved = []
    for number, (other, each) in enumerate(zip(others, seen, strict=True)):
        where = places(each.flow, form_size, factors, space)
        result = space.array(f"y {number}", other.y.shape, other.y.dtype)
        moved.append(fetch(other.y, where, result, cubic=True))
    y = blend(large.y, moved, shares, how, unit, space)
    if large.uv is None:
        return y, None
    across, down = form.subsampling
    size, factors = large.uv.shape[:0:-1], (scale / across, scale / down)
    pairs = []
    for number, (other, each) in enumerate(zip(others, seen, strict=True)):
        assert other.uv is not None
        where = places(each.flow, size, factors, space)
        result = space.array(f"uv {number}", other.uv.shape, other.uv.dtype)
        pairs.append([fetch(p, where, into) for p, into in zip(other.uv, result, strict=True)])
    uv = [
        blend(plane, moved, shares, how, unit, space)
        for plane, moved in zip(large.uv, zip(*pairs, strict=True), strict=True)
    ]
    return y, np.stack(uv)


def blend(
    plane: Plane,
    moved: Sequence[Plane],
    shares: Sequence[Values],
    how: Amounts,
    unit: float,
    space: Workspace,
) -> Plane:
    """A plane blended with its neighbours' planes that were moved to it.

    The change is the sum of the differences, each times its share, and counting less the larger it
    is, and nothing from TOLERANCE on, so that what is another thing does not shine through. Where
    no neighbour has a share the plane stays as it is.

    Shapes: planes (h, w); shares of any size, interpolated linearly.
    Units: `unit` is a code of 8 bits in the plane's codes.
    Source: Tukey's biweight, as in Holland and Welsch, "Robust regression using iteratively
    reweighted least-squares" (1977), for the falling weight of differences.
    """
    height, width = plane.shape
    spread = [
        cv2.resize(share, (width, height), dst=space.array(f"share {number}", plane.shape))
        for number, share in enumerate(shares)
    ]
    whole = np.add.reduce(shares)
    seen = space.array("seen", plane.shape)
    cv2.resize(whole, (width, height), dst=seen)
    result = np.empty_like(plane)
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        first, last = max(top - 1, 0), min(bottom + 1, height)  # rows that the filter reaches
        rows = slice(first, last)
        own, change, counted = (
            space.array(name, (BAND + 2, width))[: last - first]
            for name in ("own", "change", "counted")
        )
        own[:] = plane[rows]
        change[:] = 0
        for other, share in zip(moved, spread, strict=True):
            np.subtract(other[rows], own, out=counted)
            biweight(counted, TOLERANCE * unit, space.array("squares", (BAND + 2, width)))
            counted *= share[rows]
            change += counted
        amend(change, seen[rows], how, LIMIT * unit, counted)
        inner = slice(top - first, bottom - first)
        add(own[inner], counted[inner], result[top:bottom], 256 * unit - 1)
    return result


def biweight(difference: Values, tolerance: float, squares: Values) -> None:
    """Keep the difference where it is small, less of it where it is larger, and nothing from
    `tolerance` on."""
    squares = squares[: len(difference)]
    np.square(difference, out=squares)
    squares *= np.float32(-1 / tolerance**2)
    squares += np.float32(1)
    np.maximum(squares, 0, out=squares)
    np.square(squares, out=squares)
    difference *= squares


def amend(change: Values, seen: Values, how: Amounts, limit: float, result: Values) -> None:
    """So much of the change's detail and of its rest as is to be made, and no more than the limit;
    nothing where no neighbour was `seen`."""
    kernel = np.outer(SMOOTH, SMOOTH) * np.float32(how.rest - how.detail)
    kernel[1, 1] += np.float32(how.detail)
    cv2.filter2D(change, -1, kernel, dst=result, borderType=cv2.BORDER_REFLECT_101)
    result *= seen > 0
    np.clip(result, -limit, limit, out=result)


def add(own: Values, change: Values, result: Plane, top: float) -> None:
    """Fill `result` with the sum, rounded to codes."""
    change += own
    np.rint(change, out=change)
    np.clip(change, 0, top, out=change)
    result[:] = change
