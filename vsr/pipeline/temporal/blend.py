"""The arithmetic on large planes: a plane and its neighbours, moved to it -> the blended plane."""

from collections.abc import Sequence

import cv2
import numpy as np

from vsr.frame import Frame, FrameFormat, Plane
from vsr.pipeline.temporal.amounts import Amounts
from vsr.pipeline.temporal.motion import Values, fetch, places
from vsr.pipeline.temporal.weights import Neighbour
from vsr.pipeline.temporal.workspace import Workspace

TOLERANCE = 64.0
"""The difference from which a neighbour's sample counts nothing, codes of 8 bits; less than 128."""
LIMIT = 8.0
"""How far blending may take a sample, codes of 8 bits."""
SMOOTH = np.array([0.25, 0.5, 0.25], np.float32)
"""The filter that parts what changes in detail from what changes all around."""
BAND = 24
"""Rows that are blended at once, so that it is done in the processor's cache."""


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
    less = np.float32((1 - how.own) / len(seen))
    shares = [each.weight / (1 + total - less * total) for each in seen]
    size, factors = (form.width, form.height), (float(scale), float(scale))
    moved = []
    for number, (other, each) in enumerate(zip(others, seen, strict=True)):
        where = places(each.flow, size, factors, space)
        result = space.array(f"y {number}", other.y.shape, other.y.dtype)
        moved.append(fetch(other.y, where, result, cubic=True))
    y = blend(large.y, moved, spread(shares, large.y.shape, space), how, unit, space)
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
    wide = spread(shares, large.uv.shape[1:], space)
    uv = [
        blend(plane, moved, wide, how, unit, space)
        for plane, moved in zip(large.uv, zip(*pairs, strict=True), strict=True)
    ]
    return y, np.stack(uv)


def spread(shares: Sequence[Values], shape: tuple[int, ...], space: Workspace) -> list[Values]:
    """The shares at a plane's size, interpolated linearly."""
    wide = [space.array(f"share {number}", shape) for number in range(len(shares))]
    for share, result in zip(shares, wide, strict=True):
        cv2.resize(share, shape[::-1], dst=result)
    return wide


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

    Shapes: all (h, w).
    Units: `unit` is a code of 8 bits in the plane's codes.
    """
    height, width = plane.shape
    result = np.empty_like(plane)
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        first, last = max(top - 1, 0), min(bottom + 1, height)  # rows that the filter reaches
        rows, inner = slice(first, last), slice(top - first, bottom - first)
        change, counted, smooth = (
            space.array(name, (BAND + 2, width))[: last - first]
            for name in ("change", "counted", "smooth")
        )
        change[:] = 0
        for other, share in zip(moved, shares, strict=True):
            count(other[rows], plane[rows], unit, counted, space)
            cv2.accumulateProduct(counted, share[rows], change)
        if how.detail != how.rest:
            part(change, how, smooth)
            smooth *= sum(share[rows] for share in shares) > 0
            change = smooth
        elif how.detail != 1:
            change *= np.float32(how.detail)
        np.clip(change, -LIMIT * unit, LIMIT * unit, out=change)
        add(plane[top:bottom], change[inner], result[top:bottom], 256 * unit - 1)
    return result


def count(other: Plane, own: Plane, unit: float, result: Values, space: Workspace) -> None:
    """Fill `result` with what counts of each difference: all of small ones, less of larger ones,
    nothing from TOLERANCE on.

    Source: Tukey's biweight, as in Holland and Welsch, "Robust regression using iteratively
    reweighted least-squares" (1977), for the falling weight of differences.
    """
    if own.dtype == np.uint8:
        short = space.array("difference", own.shape, np.int8)  # beyond 127 it stays 127
        cv2.subtract(other, own, dst=short, dtype=cv2.CV_8S)
        cv2.LUT(short.view(np.uint8), COUNTED, dst=result)
        return
    cv2.subtract(other, own, dst=result, dtype=cv2.CV_32F)
    result *= biweight(result, TOLERANCE * unit)


def biweight(difference: Values, tolerance: float) -> Values:
    """How much a difference counts: 1 where there is none, 0 from the tolerance on."""
    left: Values = np.maximum(1 - (difference * np.float32(1 / tolerance)) ** 2, 0)
    return left * left


BYTES = np.arange(256).astype(np.int8).astype(np.float32)
COUNTED = BYTES * biweight(BYTES, TOLERANCE)
"""What counts of a difference of 8-bit codes, for each of its bytes."""


def part(change: Values, how: Amounts, result: Values) -> None:
    """Fill `result` with so much of the change's detail and of its rest as is to be made."""
    kernel = np.outer(SMOOTH, SMOOTH) * np.float32(how.rest - how.detail)
    kernel[1, 1] += np.float32(how.detail)
    cv2.filter2D(change, -1, kernel, dst=result, borderType=cv2.BORDER_REFLECT_101)


def add(own: Plane, change: Values, result: Plane, top: float) -> None:
    """Fill `result` with the sum, rounded to codes up to `top`."""
    kind = cv2.CV_8U if own.dtype == np.uint8 else cv2.CV_16U
    cv2.add(own, change, dst=result, dtype=kind)
    if top < np.iinfo(own.dtype).max:
        np.minimum(result, own.dtype.type(top), out=result)
