"""How much blending may do, from the strength and the noise."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Amounts:
    """How much of the change is made."""

    detail: float
    """0 to 1, of what a binomial filter of 3x3 takes away: where networks shimmer."""
    rest: float
    """0 to 1, of the rest, which in a clean film is the film itself: its grain, its light."""
    own: float = 1.0
    """What the frame itself weighs, 0 to 1, where its neighbours show the same and weigh 1; where
    they weigh nothing, it weighs 1."""


def amounts(strength: float, noise: float) -> Amounts:
    """Detail by the strength; the rest by its power of 2.5, and like detail where white noise, in
    codes of 8 bits, is far above what clean films have. At full strength a frame weighs half as
    much as a neighbour: what compression has done to it is best averaged away."""
    rest = strength**2.5
    noisy = float(np.clip((noise - 1.2) / (2.2 - 1.2), 0, 1))
    return Amounts(strength, rest + (strength - rest) * noisy, 1 - strength**4 / 2)
