"""How far each pixel of a neighbour can be trusted to show the same thing, from small frames."""

from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np

from vsr.pipeline.temporal.compiled import Values
from vsr.pipeline.temporal.motion import Flow, Luma, Search, fetch, places, soft
from vsr.pipeline.temporal.weight_loops import compare, halve, judge, weigh
from vsr.pipeline.temporal.workspace import Workspace

TRUSTED = 50.0
"""The squared difference that halves a weight, codes of 8 bits squared: chosen on real films,
compressed and as they were, so that compression's errors are averaged away and detail is kept."""
SHIFT = 4.0
"""How much more a difference counts that has one sign all around: something else is shown, or in
another light. Noise has none."""
LIGHT = 8.0
"""What a sample's difference counts at most where the light of two frames is compared, codes."""
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
    halves = list(pool.map(halved_flow, flows))
    spaces = (search.space for search in searches)
    onward, back = pool.map(find_weights, here, there, flows, halves, halves[::-1], spaces)
    if min(float(each.weight.mean()) for each in (onward, back)) < LEAST_SHARE:
        return None
    return onward, back


def find_weights(
    here: Luma, there: Luma, flow: Flow, onward: Flow, back: Flow, space: Workspace
) -> Neighbour:
    """The neighbour `there` as `here` sees it: weights from what is left of the difference once
    motion is undone, from whether the way there leads back, and from how even it is.

    The weight is v / (v + excess), the form of Wiener's filter: v is what difference there may be
    (TRUSTED, more where there is noise), excess what the noise does not explain. `onward` and
    `back` are the flow and that from there to here, halved.
    """
    moved = fetch(there, places(flow, space), space.array("moved small", here.shape, here.dtype))
    size = onward.shape[:2]
    energy, shift = space.array("energy", size), space.array("shift", size)
    diagonal = space.array("diagonal", size)
    brighter = compare(here, moved, energy, shift, diagonal, LIGHT)
    noise = white_noise(diagonal)
    allowed = max(0.0, min(noise, 6.0) - 0.5) ** 2
    weight = explained(onward, back, space)
    weight *= np.float32(same_light(brighter))
    bounds = 1.6 * allowed, 0.25 * noise, TRUSTED + 2 * allowed
    weigh(around(energy, 3), around(shift, 5), *bounds, SHIFT, weight)
    return Neighbour(flow, weight, noise)


def explained(onward: Flow, back: Flow, space: Workspace) -> Values:
    """1 where the way there leads back to within 0.15 pixels and is even, 0 where it misses by 0.5
    (on long ways by more), where it varies much around, and where it leads out of the picture.

    Source: Sundaram et al., "Dense Point Trajectories by GPU-accelerated Large Displacement
    Optical Flow" (2010), section 3, for the way back; softer, and with numbers of our own.
    """
    there = fetch(back, places(onward, space), space.array("there", back.shape))
    found = np.empty(onward.shape[:2], np.float32)
    judge(onward, there, around(onward, 3), around(onward * onward, 3), found)
    return found


def same_light(brighter: float) -> float:
    """1 where the picture as a whole is as bright as its neighbour, 0 from 1.5 codes on: fades and
    weak flashes, of which each pixel alone looks harmless."""
    return float(np.clip(1.5 - abs(brighter), 0, 1))


def white_noise(diagonal: Values) -> float:
    """The standard deviation of the noise in two frames, codes: what has no structure at all in
    the quietest quarter of blocks of 8x8.

    Shapes: `diagonal` as `compare` fills it.
    Source: Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage" (1994), for
    taking it from the finest diagonal wavelets.
    """
    rows, columns = (side // 4 for side in diagonal.shape)
    if not (rows and columns):
        return 0.0
    blocks = diagonal[: 4 * rows, : 4 * columns]
    energy = cv2.resize(blocks, (columns, rows), interpolation=cv2.INTER_AREA)
    return float(np.sqrt(np.quantile(energy, 0.25)) / 2 / 1.25)


def halved_flow(flow: Flow) -> Flow:
    """For areas of 2x2, in pixels twice as large."""
    height, width, _ = flow.shape
    result = np.empty((-(-height // 2), -(-width // 2), 2), np.float32)
    halve(flow, result)
    return result


def around(values: Values, side: int) -> Values:
    """The means over squares of this side."""
    means = cv2.boxFilter(values, -1, (side, side), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(means, np.float32)
