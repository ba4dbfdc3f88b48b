"""A part of a frame that is computed by itself: where it may begin, and what of it is right."""

import math
from dataclasses import dataclass

from vsr.networks.network import Network

CHROMA_REACH = 8
"""How far the filters around a network reach, small luma pixels: three chroma samples and one."""


@dataclass(frozen=True)
class Cut:
    """One axis of a part, in small pixels: [start, stop) is computed, [keep, end) is kept."""

    start: int
    stop: int
    keep: int
    end: int


def places_of(network: Network) -> int:
    """What the places where parts begin are multiples of: chroma's sampling and the network's."""
    return math.lcm(2, network.multiple)


def round_up(length: int, places: int) -> int:
    return -(-length // places) * places
