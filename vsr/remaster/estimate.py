"""How long an archive will take, and how much room: from some frames that are really enlarged."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from vsr.pipeline.identity import settings_words
from vsr.pipeline.progress import Start
from vsr.pipeline.store import spoken
from vsr.pipeline.upscale import upscale
from vsr.remaster.look import Look
from vsr.remaster.plan import Film
from vsr.remaster.states import Standing
from vsr.settings import Clip

LONGEST = 2
"""Seconds of film in a sample."""
PATIENCE = 15.0
"""Seconds that a sample should take at most."""
FIRST = 4
"""Frames of the first, short sample, which tells how long the second may be."""
MOST = 4
"""Samples; kinds of films beyond that are reckoned by their pixels."""


@dataclass(frozen=True)
class Sample:
    """Some frames of a film, enlarged."""

    path: str
    frames: int
    width: int
    """Of the result."""
    height: int
    seconds_per_pixel: float
    """Of the result."""
    bytes_per_pixel: float

    @property
    def fps(self) -> float:
        return 1 / (self.seconds_per_pixel * self.width * self.height)


@dataclass(frozen=True)
class Estimate:
    """What is still to be done of an archive."""

    films: int
    seconds: float
    """On this machine alone."""
    sizes: Mapping[str, int]
    """A film's name -> bytes of its output."""
    samples: tuple[Sample, ...]

    @property
    def size(self) -> int:
        """Bytes of all outputs."""
        return sum(self.sizes.values())


def film_seconds(to_do: Iterable[Standing]) -> float:
    """How long the films are that are to be done, as far as is known."""
    return sum(standing.look.seconds for standing in to_do if standing.look is not None)


def estimate(to_do: Iterable[Standing], done: Mapping[str, int]) -> Estimate | None:
    """The estimate, by samples of films of the kinds of which there is most; nothing is left of
    them. `done` are frames that are done already, by the films' names on record.

    None where no sample could be made.
    """
    kinds = grouped(to_do)
    largest = sorted(kinds.values(), key=lambda kind: -sum(look.pixels for _, _, look in kind))
    samples: dict[str, Sample] = {}
    for kind in largest[:MOST]:
        sample = first_sample(kind)
        if sample is not None:
            samples[kind_of(kind[0][1], kind[0][2])] = sample
    if not samples:
        return None
    seconds, sizes = 0.0, {}
    for name, kind in kinds.items():
        sample = samples.get(name) or next(iter(samples.values()))
        for _, film, look in kind:
            frame = look.width * look.height
            left = max(0, look.pixels - done.get(spoken(film.name), 0) * frame)
            seconds += left * sample.seconds_per_pixel
            sizes[film.name] = round(look.pixels * sample.bytes_per_pixel)
    return Estimate(len(sizes), seconds, sizes, tuple(samples.values()))


Member = tuple[str, Film, Look]
"""A film's path below the archive, and what is known of it."""


def grouped(to_do: Iterable[Standing]) -> dict[str, list[Member]]:
    """The films by their kinds: sizes, rate, and settings."""
    kinds: dict[str, list[Member]] = {}
    for standing in to_do:
        if standing.film is not None and standing.look is not None:
            member = standing.path, standing.film, standing.look
            kinds.setdefault(kind_of(standing.film, standing.look), []).append(member)
    return kinds


def kind_of(film: Film, look: Look) -> str:
    small, rate = look.info.format, look.info.rate or 0
    sizes = f"{small.width}x{small.height} {look.width}x{look.height} {float(rate):.0f}"
    return f"{sizes} {small.pix_fmt} {film.settings.model} {settings_words(film.settings)}"


def first_sample(kind: list[Member]) -> Sample | None:
    """Of the longest film of a kind, or of the next where that cannot be read."""
    for path, film, look in sorted(kind, key=lambda member: -member[2].pixels)[:3]:
        for sample in sampled(path, film, look):
            return sample
    return None


def sampled(path: str, film: Film, look: Look) -> Iterator[Sample]:
    """One sample, or none where the film fails."""
    longest = round(LONGEST * (look.info.rate or 25))
    try:
        one = take(path, film, look, min(FIRST, longest))
        per_frame = one.seconds_per_pixel * look.width * look.height
        frames = min(longest, round(PATIENCE / per_frame))
        yield take(path, film, look, frames) if frames > 2 * FIRST else one
    except KeyboardInterrupt:
        raise
    except Exception:  # noqa: BLE001 (the run will tell)
        return


def take(path: str, film: Film, look: Look, frames: int) -> Sample:
    """Enlarge some frames from a third of the film on."""
    start = Fraction(look.seconds / 3).limit_denominator(1000) if look.info.duration else 0
    settings = replace(film.settings, clip=Clip(start=Fraction(start), frames=frames))
    began = time.monotonic()

    def started(_: Start) -> None:
        nonlocal began
        began = time.monotonic()

    with tempfile.TemporaryDirectory(prefix="vsr-") as folder:
        output = os.path.join(folder, f"sample{look.ending}")
        report = upscale(film.source, output, settings=settings, on_start=started)
        seconds, size = time.monotonic() - began, os.path.getsize(output)
    pixels = report.frames * look.width * look.height
    return Sample(path, report.frames, look.width, look.height, seconds / pixels, size / pixels)
