"""Pairs of small and large frames -> large frames that agree with their neighbours."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from vsr.errors import UsageError
from vsr.frame import Frame, FrameFormat, Plane
from vsr.pipeline.enlarge import Enlarged
from vsr.pipeline.temporal.amounts import amounts
from vsr.pipeline.temporal.blend import blend_frame
from vsr.pipeline.temporal.cuts import is_cut
from vsr.pipeline.temporal.interpolate import Samples, samples_of
from vsr.pipeline.temporal.motion import LEAST, Luma, Search
from vsr.pipeline.temporal.weights import Neighbour, look_both_ways
from vsr.pipeline.temporal.workspace import Workspace

THREADS = 4
"""At most. Not measured with more than two."""


@dataclass
class Seen:
    """A frame in the window, and what is known of it."""

    small: Luma
    """In 8 bits."""
    large: Frame
    samples: Samples
    cut: bool
    """Whether a shot begins with it."""
    repeated: bool
    """Whether it is the picture of the frame before."""
    neighbours: dict[int, Neighbour | None] = field(default_factory=dict)
    """Distance in frames -> that frame as this one sees it; None where nothing is alike."""


def steady(
    pairs: Iterable[Enlarged],
    form: FrameFormat,
    scale: int,
    strength: float,
    radius: int = 1,
    threads: int = 0,
) -> Iterator[Frame]:
    """The large frames, blended with those up to `radius` frames before and after.

    `form` is the small frames' format; `strength` is from 0 to 1; `threads` share the work, 0: as
    many as there are processors, up to THREADS. A result depends on its frame and
    those within the radius, on no earlier result, so that work can begin anywhere. Frames at a cut
    are not blended across it. A picture that is shown more than once stands still already, and is
    left as it is. At most 2 * radius + 1 pairs are held.
    """
    if max(form.width, form.height) < LEAST:
        raise UsageError(
            f"{form.width}x{form.height} is too small to find motion in; leave --temporal out"
        )
    threads = min(THREADS, threads or len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(threads, "steady") as pool:
        window = Window(form, scale, strength, radius, pool)
        for pair in pairs:
            window.add(pair)
            if len(window.frames) - window.place > radius:
                yield window.next()
        while window.place < len(window.frames):
            yield window.next()


class Window:
    """The frames within the radius of the one at `place`, whose turn it is."""

    def __init__(
        self, form: FrameFormat, scale: int, strength: float, radius: int, pool: Executor
    ) -> None:
        self.form = replace(form, width=form.width * scale, height=form.height * scale)
        self.scale, self.strength, self.radius = scale, strength, radius
        self.searches = Search(refine=radius > 1), Search(refine=radius > 1)
        self.space, self.pool = Workspace(), pool
        self.frames: deque[Seen] = deque()
        self.place = self.pictures = 0

    def add(self, pair: Enlarged) -> None:
        """Make room for a frame, and take it in."""
        if self.place > self.radius:
            self.frames.popleft()
            self.place -= 1
        before = self.frames[-1] if self.frames else None
        small = eight_bits(pair.small.y, self.form.depth)
        repeated = before is not None and pair.large.y is before.large.y
        cut = before is not None and is_cut(before.small, small)
        if before is not None and repeated:
            samples = before.samples
        else:  # the frame that had the name before is out of sight
            self.pictures += 1
            name = str(self.pictures % (2 * self.radius + 1))
            samples = samples_of(pair.large, name, self.space, self.pool)
        self.frames.append(Seen(small, pair.large, samples, cut, repeated))

    def next(self) -> Frame:
        """The large frame whose turn it is, blended with the others."""
        here, frames = self.place, self.frames
        self.place += 1
        large = frames[here].large
        if frames[here].repeated or (here + 1 < len(frames) and frames[here + 1].repeated):
            return large
        first, last = max(here - self.radius, 0), min(here + self.radius, len(frames) - 1)
        found = [
            (frames[there].samples, seen)
            for there in range(first, last + 1)
            if there != here and (seen := self.neighbour(here, there)) is not None
        ]
        if not found:
            return large
        others, seen_all = zip(*found, strict=True)
        noise = float(np.mean([seen.noise for seen in seen_all]))
        how = amounts(self.strength, noise)
        inner = self.form, self.scale, how, self.pool
        y, uv = blend_frame(large, others, seen_all, *inner)
        return replace(large, y=y, uv=uv)

    def neighbour(self, here: int, there: int) -> Neighbour | None:
        """The frame at `there` as that at `here` sees it; None where it shows another shot, or the
        same picture as the one nearer to `here`."""
        frames, distance = self.frames, there - here
        first, last = min(here, there), max(here, there)
        if any(frames[place].cut for place in range(first + 1, last + 1)):
            return None
        if frames[there if distance > 0 else there + 1].repeated:
            return None
        frame, other = frames[here], frames[there]
        if distance not in frame.neighbours:
            ways = look_both_ways(frame.small, other.small, self.searches, self.pool)
            frame.neighbours[distance] = ways and ways[0]
            other.neighbours[-distance] = ways and ways[1]
        return frame.neighbours[distance]


def eight_bits(luma: Plane, depth: int) -> Luma:
    """Luma codes cut to 8 bits, in one block of memory."""
    return np.ascontiguousarray(luma if depth == 8 else luma >> (depth - 8), np.uint8)
