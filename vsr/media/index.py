"""Where a film's frames lie, known without decoding: so that a worker can begin in its middle.

Not every film has such an index. Its frames are told from its packets, so every packet has to have
a time of its own; and a film that is deinterlaced, or whose clock jumps, is read from its start.
What the index says is held against what is decoded, picture for picture.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.video.frame import PictureType

from vsr.errors import VerificationError
from vsr.media.opening import best_video, open_input


@dataclass(frozen=True)
class FilmIndex:
    """The times of all frames, in the film's time base."""

    name: str
    pts: tuple[int, ...]
    keyframes: tuple[int, ...]
    """Of those that can be decoded without any other."""
    first: int = 0
    """Number of the frame that `pts` begins with."""

    def keyframe_before(self, number: int) -> int:
        """The pts of the last keyframe from which frame `number` can be reached."""
        place = bisect.bisect_right(self.keyframes, self.pts[number - self.first]) - 1
        return self.keyframes[max(0, place)]

    def part(self, start: int, end: int) -> FilmIndex:
        """What is needed of it to decode frames [start, end); the film may end before."""
        key = self.keyframe_before(start)
        place = bisect.bisect_left(self.pts, key)
        pts = self.pts[place : max(0, end - self.first)]
        return FilmIndex(self.name, pts, (key,), self.first + place)

    def checked(
        self, pictures: Iterator[av.VideoFrame], key: int, number: int
    ) -> Iterator[av.VideoFrame]:
        """The pictures from frame `number` on, of those that are decoded from a keyframe on.

        Raises VerificationError where they are not exactly those of the index.
        """
        place = begin = bisect.bisect_left(self.pts, key)
        for picture in pictures:
            if place == begin and (picture.pts is None or picture.pts < key):
                continue  # shown before the keyframe, and predicted from what was not decoded
            whole = place > begin or picture.pict_type == PictureType.I
            if not whole or place == len(self.pts) or picture.pts != self.pts[place]:
                raise VerificationError(
                    f"{self.name}: decoding from the middle does not give frame "
                    f"{self.first + place} of the whole; read it from its start"
                )
            if place >= number - self.first:
                yield picture
            place += 1


def index_of(path: str) -> FilmIndex | None:
    """The index of a film, by reading it once; None where its packets do not tell its frames.

    Raises InputError where there is no film to be read.
    """
    with open_input(path, None) as container:
        stream = best_video(container, path)
        times, keyframes = [], []
        for packet in container.demux(stream):
            if not packet.size or packet.is_discard:
                continue
            if packet.pts is None:
                return None
            times.append(packet.pts)
            if packet.is_keyframe:
                keyframes.append(packet.pts)
    if len(set(times)) < len(times) or not keyframes or min(times) not in keyframes:
        return None
    return FilmIndex(path, tuple(sorted(times)), tuple(sorted(keyframes)))
