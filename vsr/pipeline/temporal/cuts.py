"""Where one shot ends and another begins."""

import cv2

from vsr.pipeline.temporal.motion import Luma

CUT = 27.0
"""The mean change of luma from frame to frame that makes a cut, codes of 8 bits.

Source: PySceneDetect's ContentDetector, whose measure is the mean change of hue, saturation and
brightness, and whose default threshold this is; here of luma alone, as its option luma_only has it.
A flash is a cut on both its sides.
"""


def is_cut(earlier: Luma, later: Luma) -> bool:
    """Whether neighbouring frames belong to different shots, by their brightness alone.

    A cut between alike shots is not seen here: then motion explains next to nothing of it, which
    `find_weights` judges.
    """
    return bool(cv2.norm(earlier, later, cv2.NORM_L1) / earlier.size > CUT)
