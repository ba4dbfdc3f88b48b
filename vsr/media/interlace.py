"""Whether a film is interlaced: its flags, and `idet` where those leave a doubt."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Literal

import av

from vsr.media.filters import FilterChain

PROBE_FRAMES = 32
"""Frames that idet looks at."""

TELEVISION_HEIGHTS = {240, 288, 480, 486, 512, 576, 608, 1080, 1088}
PROGRESSIVE_ONLY = {"vp8", "vp9", "av1", "gif", "png", "mjpeg", "apng", "webp"}


@dataclass(frozen=True)
class Fields:
    """What was found out about a film's fields."""

    interlaced: bool
    parity: Literal["tff", "bff", "auto"] = "auto"
    """Which field comes first; "auto": as each frame's own flag says."""
    note: str = ""


def in_doubt(codec: str, pictures: list[av.VideoFrame]) -> bool:
    """Whether idet should look: flagged interlaced, or of a shape that television has."""
    flagged = any(picture.interlaced_frame for picture in pictures)
    television = pictures[0].height in TELEVISION_HEIGHTS and codec not in PROGRESSIVE_ONLY
    return flagged or television


def find_fields(pictures: list[av.VideoFrame]) -> Fields:
    """Judge by the flags, overruled by idet where it is sure of the opposite.

    idet is sure when it decided on at least 8 frames and nine in ten of them agree.
    """
    flagged = any(picture.interlaced_frame for picture in pictures)
    counts = count_fields(pictures)
    decided = sum(counts.values())
    sure = decided >= 8
    if flagged:
        if sure and counts["progressive"] >= 0.9 * decided:
            return Fields(False, note="flagged interlaced, but its pictures are progressive")
        return Fields(True, note="interlaced by its flags")
    woven = counts["tff"] + counts["bff"]
    if sure and woven >= 0.9 * decided:
        first: Literal["tff", "bff"] = "tff" if counts["tff"] > counts["bff"] else "bff"
        return Fields(True, first, f"flagged progressive, but its pictures are woven ({first})")
    return Fields(False)


def count_fields(pictures: list[av.VideoFrame]) -> dict[str, int]:
    """How many pictures idet takes for top field first, bottom field first and progressive."""
    idet = FilterChain(pictures[0], Fraction(1, 25), "idet")
    judged = list(chain.from_iterable(idet.push(picture) for picture in (*pictures, None)))
    words = judged[-1].metadata if judged else {}
    kinds = ("tff", "bff", "progressive")
    return {kind: int(float(words.get(f"lavfi.idet.multiple.{kind}", 0))) for kind in kinds}
