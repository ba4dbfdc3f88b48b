"""The times of pictures and packets, mended where the source has none or impossible ones."""

from __future__ import annotations

import heapq
from fractions import Fraction
from typing import Any

import av

TICK = Fraction(1, 1000)
"""Seconds, at least, by which a frame comes after the one before."""

REORDERED = 32
"""Frames by which B-frames can be out of order, and more."""

BACK = Fraction(1, 2)
"""Seconds by which the clock of a stream has to go back to be taken for another recording's."""

NEAR = 2
"""Seconds that the streams of a recording may be apart in the file."""


class FrameTimes:
    """Gives each decoded picture its time: the source's own wherever that can be.

    A picture without one comes one frame after its predecessor. One that does not come after its
    predecessor comes a tick after it, but at least a millisecond. AVI has no times of showing, and
    what libav concludes is out of order where there are B-frames: of the times that were read, the
    earliest goes to the next picture.
    """

    def __init__(self, time_base: Fraction, guessed: bool) -> None:
        self.tick = max(1, -int(-TICK // time_base))
        self.guessed = guessed
        """Whether the container has no times of showing."""
        self.ahead: list[int] = []
        self.last: int | None = None
        self.step = 1

    def read(self, packet: av.Packet[Any]) -> None:
        """Take note of a packet that goes to the decoder."""
        if self.guessed and packet.pts is not None:
            heapq.heappush(self.ahead, packet.pts)

    def lose(self) -> None:
        """The next picture will not come: the decoder refused it."""
        if self.ahead:
            heapq.heappop(self.ahead)

    def give(self, picture: av.VideoFrame) -> bool:
        """Set the picture's pts; whether that had to be mended."""
        pts = self.earliest(picture) if self.ahead else picture.pts
        mended = pts is None or (self.last is not None and pts <= self.last)
        if pts is None:
            pts = 0 if self.last is None else self.last + self.step
        elif self.last is not None and mended:
            pts = self.last + self.tick
        if picture.duration:
            self.step = picture.duration
        elif self.last is not None:
            self.step = max(1, pts - self.last)
        picture.pts = self.last = pts
        return mended

    def earliest(self, picture: av.VideoFrame) -> int:
        """The earliest time that is left; those of pictures that never came are passed over."""
        pts = heapq.heappop(self.ahead)
        reach = REORDERED * (picture.duration or self.step)
        while self.ahead and picture.pts is not None and pts < picture.pts - reach:
            pts = heapq.heappop(self.ahead)
        return pts


class Joins:
    """Broadcasts that were cut together: where the clock of a stream goes back, all that follows
    is moved to follow on, every stream by the same time."""

    def __init__(self) -> None:
        self.shifts: dict[int, Fraction] = {}
        """Index of a stream -> seconds that its packets are moved by now."""
        self.newest = Fraction(0)
        self.ends: dict[int, Fraction] = {}
        """Index of a stream -> seconds, after moving, at which its last packet ends."""

    def follow(self, packet: av.Packet[Any]) -> Fraction | None:
        """Move the packet where it must; seconds at which a new recording begins with it."""
        stream, base = packet.stream_index, packet.time_base
        raw = packet.dts if packet.dts is not None else packet.pts
        if raw is None:
            return None
        shift, joined = self.shifts.get(stream, self.newest), None
        if packet.stream.type in ("subtitle", "data"):
            now = max(self.ends.values(), default=Fraction(0))
            shift = min((shift, self.newest), key=lambda s: abs(raw * base + s - now))
        else:
            end = self.ends.get(stream)
            if end is not None and raw * base + shift < end - BACK:
                if shift == self.newest or abs(raw * base + self.newest - end) > NEAR:
                    joined = max(self.ends.values())
                    self.newest = joined - raw * base
                shift = self.newest
            self.ends[stream] = (raw + (packet.duration or 0)) * base + shift
        self.shifts[stream] = shift
        if shift:
            move = round(shift / base)
            packet.pts = None if packet.pts is None else packet.pts + move
            packet.dts = None if packet.dts is None else packet.dts + move
        return joined
