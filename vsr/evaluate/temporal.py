"""How steadily a result moves, held against how the truth moves."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vsr.evaluate.motion import Flow, Mask, find_flow, visible, warp

Lumas = NDArray[np.uint8]
"""(n, h, w): the luma of consecutive frames."""


@dataclass(frozen=True)
class Motion:
    """The truth's motion between two neighbours, an earlier and a later frame."""

    onward: Flow
    """From the earlier to the later."""
    back: Flow
    """From the later to the earlier."""
    visible: Mask
    """What of the later frame can be seen in the earlier one."""


def find_motion(truth: Lumas) -> list[Motion]:
    """The motion between all neighbours. Raises MissingPackageError without OpenCV."""
    found = []
    for earlier, later in pairwise(truth):
        onward, back = find_flow(earlier, later), find_flow(later, earlier)
        found.append(Motion(onward, back, visible(back, onward)))
    return found


def tof(motions: list[Motion], result: Lumas, border: int) -> list[float]:
    """For all neighbours, the mean difference between the result's optical flow and the truth's.

    Units: pixels, the differences across and down added (L1).
    Source: Chu et al., "Learning Temporal Coherence via Self-Supervision for GAN-based Video
    Generation" (TecoGAN, 2020), section 5, with another flow algorithm (their program also takes
    the Euclidean length of the difference instead of L1), so only figures made here compare.
    """
    inside = np.s_[border:-border, border:-border]
    return [
        float(np.abs(find_flow(earlier, later) - motion.onward)[inside].sum(axis=-1).mean())
        for motion, (earlier, later) in zip(motions, pairwise(result), strict=True)
    ]


STILL = 0.1
"""Pixels that a thing may move from frame to frame and still stand."""


def flicker(motions: list[Motion], truth: Lumas, result: Lumas, border: int) -> list[float]:
    """For all neighbours, how much the result's error changes on average where the truth stands
    still: what is seen as shimmer there.

    Units: codes of 8 bits. Where nothing stands still it is 0.
    """
    inside = np.s_[border:-border, border:-border]
    errors = result.astype(np.int16) - truth
    found = []
    for motion, (earlier, later) in zip(motions, pairwise(errors), strict=True):
        still = (motion.visible & (np.hypot(*np.moveaxis(motion.back, 2, 0)) < STILL))[inside]
        change = np.abs(later - earlier)[inside][still]
        found.append(float(change.mean()) if still.any() else 0.0)
    return found


def warping_error(motions: list[Motion], result: Lumas, border: int) -> list[float]:
    """For all neighbours, the mean squared difference between the result and its earlier frame
    warped to it by the truth's flow, where the truth's earlier frame shows the same things.

    A film's own noise and change of light count, so that the truth's figure is not 0, and what is
    blurred has a smaller one than the truth.

    Units: luma from 0 to 1, squared.
    Source: Lai et al., "Learning Blind Video Temporal Consistency" (2018), section 4.2, on luma
    and without their mask of motion boundaries.
    """
    inside = np.s_[border:-border, border:-border]
    errors = []
    for motion, (earlier, later) in zip(motions, pairwise(result), strict=True):
        warped = warp(earlier.astype(np.float32), motion.back)
        squared = ((later - warped) / 255)[inside] ** 2
        seen = motion.visible[inside]
        errors.append(float(squared[seen].mean()) if seen.any() else 0.0)
    return errors
