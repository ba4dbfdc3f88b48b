"""How far each pixel of a neighbour can be trusted to show the same thing, from small frames."""

from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np

from vsr.pipeline.temporal.motion import Flow, Luma, Search, Values, fetch, places, soft
from vsr.pipeline.temporal.workspace import Workspace

TRUSTED = 50.0
"""The squared difference that halves a weight, codes of 8 bits squared: chosen on real films,
compressed and as they were, so that compression's errors are averaged away and detail is kept."""
SHIFT = 4.0
"""How much more a difference counts that has one sign all around: something else is shown, or in
another light. Noise has none."""
LEAST_SHARE = 0.1
"""Of a frame's weights on average; less means that motion does not explain it: a cut."""


@dataclass(frozen=True)
class Neighbour:
    """A frame as another one sees it."""

    flow: Flow
    """From each small pixel to the same thing in the neighbour, small pixels."""
    weight: Values
    """0, nothing alike, to 1, the same thing; half as high and wide as the small frame."""
    noise: float
    """The white noise of the two, a standard deviation in codes of 8 bits."""


def look_both_ways(
    a: Luma, b: Luma, searches: tuple[Search, Search], pool: Executor
) -> tuple[Neighbour, Neighbour] | None:
    """Frame b as a sees it, and a as b sees it; None where motion explains next to nothing."""
    here, there = (a, b), (b, a)
    smooth = soft(a), soft(b)
    flows = list(pool.map(Search.flow, searches, smooth, smooth[::-1]))
    spaces = (search.space for search in searches)
    onward, back = pool.map(find_weights, here, there, flows, flows[::-1], spaces)
    if min(float(each.weight.mean()) for each in (onward, back)) < LEAST_SHARE:
        return None
    return onward, back


def find_weights(here: Luma, there: Luma, onward: Flow, back: Flow, space: Workspace) -> Neighbour:
    """The neighbour `there` as `here` sees it: weights from what is left of the difference once
    motion is undone, from whether the way there leads back, and from how even it is.

    The weight is v / (v + excess), the form of Wiener's filter: v is what difference there may be
    (TRUSTED, more where there is noise), excess what the noise does not explain.
    """
    moved = fetch(there, places(onward, space), space.array("moved small", here.shape, here.dtype))
    residual = np.subtract(moved, here, out=space.array("residual", here.shape), dtype=np.float32)
    noise = white_noise(residual)
    allowed = max(0.0, min(noise, 6.0) - 0.5) ** 2
    energy = around(halved(np.square(residual, out=space.array("squares", here.shape))), 3)
    shift = np.abs(around(halved(residual), 5)) - np.float32(0.25 * noise)
    excess = np.maximum(energy - np.float32(1.6 * allowed), 0)
    excess += np.float32(SHIFT) * np.maximum(shift, 0) ** 2
    trusted = np.float32(TRUSTED + 2 * allowed)
    weight: Values = trusted / (trusted + excess)
    weight *= explained(halved_flow(onward), halved_flow(back), space)
    weight *= np.float32(same_light(residual))
    return Neighbour(onward, weight, noise)


def explained(onward: Flow, back: Flow, space: Workspace) -> Values:
    """1 where the way there leads back to within 0.15 pixels and is even, 0 where it misses by 0.5
    (on long ways by more), where it varies much around, and where it leads out of the picture.

    Source: Sundaram et al., "Dense Point Trajectories by GPU-accelerated Large Displacement
    Optical Flow" (2010), section 3, for the way back; softer, and with numbers of our own.
    """
    height, width, _ = onward.shape
    where = places(onward, space)
    there = fetch(back, where, space.array("there", back.shape))
    ways, ways_back, (x, y) = parts(onward), parts(there), parts(where)
    long = cv2.magnitude(*ways)
    missed = cv2.magnitude(*map(np.add, ways, ways_back)) - np.float32(0.02) * long
    returning = falling(missed, 0.15, 0.5, np.float32(0.03) * long)
    spread = np.add.reduce([around(way * way, 3) - around(way, 3) ** 2 for way in ways])
    even = falling(np.sqrt(np.maximum(spread, 0)), 0.15, 0.75)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    found: Values = returning * even * inside
    return found


def same_light(residual: Values) -> float:
    """1 where the picture as a whole is as bright as its neighbour, 0 from 1.5 codes on: fades and
    weak flashes, of which each pixel alone looks harmless."""
    change = abs(float(np.clip(residual, -8, 8).mean()))
    return float(np.clip(1.5 - change, 0, 1))


def white_noise(residual: Values) -> float:
    """The standard deviation of the noise in two frames, codes: what has no structure at all in
    the quietest quarter of blocks of 8x8.

    Source: Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage" (1994), for
    taking it from the finest diagonal wavelets.
    """
    h, w = (side // 8 * 8 for side in residual.shape)
    if not (h and w):
        return 0.0
    quads = residual[:h, :w]
    diagonal = quads[::2, ::2] - quads[1::2, ::2] - quads[::2, 1::2] + quads[1::2, 1::2]
    energy = cv2.resize(diagonal * diagonal, (w // 8, h // 8), interpolation=cv2.INTER_AREA)
    return float(np.sqrt(np.quantile(energy, 0.25)) / 2 / 1.25)


def halved(values: Values) -> Values:
    """The means over areas of about 2x2; half as many rows and columns, rounded up."""
    size = -(-values.shape[1] // 2), -(-values.shape[0] // 2)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def halved_flow(flow: Flow) -> Flow:
    """In pixels twice as large."""
    return halved(flow) * np.float32(0.5)


def parts(flow: Flow) -> list[Values]:
    """To the right, and down."""
    return [np.asarray(part, np.float32) for part in cv2.split(flow)]


def around(values: Values, side: int) -> Values:
    """The means over squares of this side."""
    means = cv2.boxFilter(values, -1, (side, side), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(means, np.float32)


def falling(values: Values, low: float, high: float, more: Values | float = 0.0) -> Values:
    """1 up to `low`, 0 from `high` + `more` on, a straight line between."""
    share = (np.float32(high) + more - values) / (np.float32(high - low) + more)
    bounded: Values = np.clip(share, 0, 1)
    return bounded
