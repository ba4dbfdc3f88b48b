"""Whether a film is interlaced: what its flags say, held against its pictures."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

from vsr.media.planes import plane_view

PROBE_FRAMES = 32
"""Frames that are looked at where there is a doubt."""

LEAST_FRAMES = 8
"""Frames that a judgement needs."""

TELEVISION_HEIGHTS = {240, 288, 480, 486, 512, 576, 608, 1080, 1088}
PROGRESSIVE_ONLY = {"vp8", "vp9", "av1", "gif", "png", "mjpeg", "apng", "webp"}

COLUMNS = 240
"""Columns that are looked at, evenly spread; the lines are what matters."""

MOVED = 6
"""Codes of 8 bits by which a pixel differs from the frame before where something moves."""

LEAST_MOVING = 0.002
"""The part of the pixels that has to move for a judgement."""

LEAST_TEETH = 0.5
"""Codes that the lines of moving pixels have to stick out on average: a camera that tilts by a
line a frame gives less, and means nothing. Woven films give 5 and more."""

SMOOTH = 0.3
"""Woven films have at least half as many teeth as the weaves that are compared."""

WOVEN, WHOLE = 0.75, 0.88
"""Measured ratios of `field_balance`: 0.43 to 0.50 for woven films, 0.94 to 1.00 for whole ones."""


@dataclass(frozen=True)
class Fields:
    """What was found out about a film's fields."""

    interlaced: bool
    parity: Literal["tff", "bff", "auto"] = "auto"
    """Which field comes first; "auto": as each frame's own flag says."""
    note: str = ""


def in_doubt(codec: str, pictures: list[av.VideoFrame]) -> bool:
    """Whether to look at more pictures: flagged interlaced, or of a height that television has."""
    flagged = any(picture.interlaced_frame for picture in pictures)
    television = pictures[0].height in TELEVISION_HEIGHTS and codec not in PROGRESSIVE_ONLY
    return flagged or television


def find_fields(codec: str, pictures: list[av.VideoFrame]) -> Fields:
    """Judge by the flags, overruled by the pictures where these are sure of the opposite."""
    flagged = any(picture.interlaced_frame for picture in pictures)
    balance = field_balance(pictures) if in_doubt(codec, pictures) else None
    ratio = None if balance is None else min(balance, 1 / balance)
    if flagged:
        if ratio is not None and ratio > WHOLE:
            return Fields(False, note="flagged interlaced, but its pictures are progressive")
        return Fields(True, note="interlaced by its flags")
    if balance is not None and ratio is not None and ratio < WOVEN:
        first: Literal["tff", "bff"] = "tff" if balance < 1 else "bff"
        return Fields(True, first, f"flagged progressive, but its pictures are woven ({first})")
    return Fields(False)


def field_balance(pictures: list[av.VideoFrame]) -> float | None:
    """How combed frames are that are woven of one's top lines and the bottom lines of the one
    before, divided by the same with top and bottom exchanged; None where too little moves.

    Fields of a progressive film are a whole frame apart either way: 1. In a woven film with the
    top field first they are half a frame apart the one way and one and a half the other: well
    below 1; and well above it with the bottom field first. A film whose frames have far fewer
    teeth than either weave is whole in any case.
    """
    form = pictures[0].format
    if len(pictures) < LEAST_FRAMES or form.is_rgb or form.name.endswith("be"):
        return None
    lines = [luma_lines(picture) for picture in pictures]
    own = first = second = 0.0
    moving, seen = 0, 0
    for before, now in pairwise(lines):
        moves = np.abs(now - before) > MOVED
        moving, seen = moving + int(moves.sum()), seen + moves.size
        own += combing(now, moves)
        first += combing(woven(now, before), moves)
        second += combing(woven(before, now), moves)
    less = min(first, second)
    if moving <= LEAST_MOVING * seen or less < LEAST_TEETH * moving:
        return None
    return 1.0 if own < SMOOTH * less else first / second


def luma_lines(picture: av.VideoFrame) -> NDArray[Any]:
    """Some columns of the luma plane, as if of 8 bits."""
    depth = picture.format.components[0].bits
    view = plane_view(picture, 0, np.uint8 if depth <= 8 else np.uint16)
    lines: NDArray[Any] = view[:, :: max(1, picture.width // COLUMNS)].astype(np.float32)
    return lines / np.float32(2.0 ** (depth - 8))


def woven(top: NDArray[Any], bottom: NDArray[Any]) -> NDArray[Any]:
    """The lines 0, 2, 4 ... of one picture and 1, 3, 5 ... of another."""
    frame: NDArray[Any] = top.copy()
    frame[1::2] = bottom[1::2]
    return frame


def combing(y: NDArray[Any], where: NDArray[Any]) -> float:
    """By how much lines stick out of both their neighbours, on one side."""
    above, below = y[1:-1] - y[:-2], y[1:-1] - y[2:]
    teeth = np.minimum(np.abs(above), np.abs(below)) * (above * below > 0)
    return float((teeth * where[1:-1]).sum())
