"""Frames for a container that knows no times, only so many frames a second."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from vsr.frame import Frame


def on_the_beat(
    frames: Iterator[Frame], base: Fraction, beat: Fraction, notes: list[str]
) -> Iterator[Frame]:
    """The frames, counted: pts 0, 1, 2 ... in `beat`, the seconds that each lasts.

    Where that changes their times, which are in `base`, a note says so.
    """
    first: int | None = None
    for number, frame in enumerate(frames):
        first = frame.pts if first is None else first
        late = (frame.pts - first) * base - number * beat
        if abs(late) > beat / 2 and not notes:
            notes.append(
                "the container knows no times: all frames follow one another at "
                f"{float(1 / beat):.5g} a second, unlike in the film from frame {number} on"
            )
        yield replace(frame, pts=number, duration=1)
