"""The other streams' packets, held until the pictures have come as far."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator
from fractions import Fraction

import av
from av.stream import Stream

from vsr.media.reader import Reader

NANO = 10**9
BEFORE_ALL = -(10**9) * NANO
"""The moment of a packet that has none; it goes on at once."""


class Pace:
    """Takes what the reader sets aside, and gives it out in step with the pictures.

    Streams wait for themselves alone: one that runs ahead holds no other one up.
    """

    def __init__(self, reader: Reader, without: Container[int]) -> None:
        self.reader, self.without = reader, without
        self.waiting: dict[int, deque[tuple[int, av.Packet[Stream]]]] = {}
        """Index of the stream -> its packets and their moments, the earliest first."""
        self.bases: dict[int, tuple[int, int]] = {}
        """Index of the stream -> its time base in nanoseconds, as numerator and denominator."""
        self.origin = int(reader.origin * NANO)
        self.cut = bool(reader.clip)

    def due(self, until: Fraction | None) -> Iterator[av.Packet[Stream]]:
        """The packets up to a time of the result, or all, in order, but for those out of the
        clip and those of the streams left out."""
        self.take()
        last = None if until is None else int(until * NANO)
        while heads := [(q[0][0], index) for index, q in self.waiting.items() if q]:
            moment, index = min(heads)
            if last is not None and moment > last:
                return
            _, packet = self.waiting[index].popleft()
            if moment == BEFORE_ALL or not self.cut or self.in_clip(packet):
                yield packet

    def take(self) -> None:
        others = self.reader.others
        while others:
            packet = others.popleft()
            if packet.stream_index not in self.without:
                waiting = self.waiting.setdefault(packet.stream_index, deque())
                waiting.append((self.moment(packet), packet))

    def moment(self, packet: av.Packet[Stream]) -> int:
        """A packet's time in the result, nanoseconds: whole numbers, as there are many of them."""
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None:
            return BEFORE_ALL
        index = packet.stream_index
        if index not in self.bases:
            base = packet.time_base * NANO
            self.bases[index] = base.numerator, base.denominator
        above, below = self.bases[index]
        return time * above // below - self.origin

    def in_clip(self, packet: av.Packet[Stream]) -> bool:
        time = packet.pts if packet.pts is not None else packet.dts or 0
        return self.reader.in_clip(time * packet.time_base - self.reader.origin)
