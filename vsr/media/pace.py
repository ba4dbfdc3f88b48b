"""The other streams' packets, held until the pictures have come as far."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator
from fractions import Fraction

import av
from av.stream import Stream

from vsr.media.reader import Reader

BEFORE_ALL = Fraction(-(10**9))
"""The moment of a packet that has none; it goes on at once."""


class Pace:
    """Takes what the reader sets aside, and gives it out in step with the pictures.

    Streams wait for themselves alone: one that runs ahead holds no other one up.
    """

    def __init__(self, reader: Reader, without: Container[int]) -> None:
        self.reader, self.without = reader, without
        self.waiting: dict[int, deque[av.Packet[Stream]]] = {}
        """Index of the stream -> its packets, the earliest first."""

    def due(self, until: Fraction | None) -> Iterator[av.Packet[Stream]]:
        """The packets up to a time of the result, or all, in order, but for those out of the
        clip and those of the streams left out."""
        self.take()
        while heads := [(self.moment(q[0]), index) for index, q in self.waiting.items() if q]:
            time, index = min(heads)
            if until is not None and time > until:
                return
            packet = self.waiting[index].popleft()
            if time == BEFORE_ALL or self.reader.in_clip(time):
                yield packet

    def take(self) -> None:
        others = self.reader.others
        while others:
            packet = others.popleft()
            if packet.stream_index not in self.without:
                self.waiting.setdefault(packet.stream_index, deque()).append(packet)

    def moment(self, packet: av.Packet[Stream]) -> Fraction:
        """A packet's time in the result, seconds."""
        time = packet.pts if packet.pts is not None else packet.dts
        return BEFORE_ALL if time is None else time * packet.time_base - self.reader.origin
