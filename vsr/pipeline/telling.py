"""A frame of a film by which fp16 can be judged: the same for every run of a job, and on every
machine that has a part in it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from vsr.backends.guard import DETAIL
from vsr.backends.probe import find_tile
from vsr.errors import MediaError
from vsr.frame import Frame, VideoInfo
from vsr.media.reader import Reader
from vsr.networks.network import Network
from vsr.settings import Clip, UpscaleSettings

PLACES = (Fraction(1, 2), Fraction(1, 4), Fraction(3, 4))
"""Where in the film to look, one after the other, if it begins with nothing to be seen."""


def telling_frame(source: str, network: Network, settings: UpscaleSettings) -> Frame | None:
    """The first frame or, where that is plain, one from the middle of the film, and so on; where
    all are, the one with the most detail. None where none can be decoded."""
    most, telling = -1.0, None
    for frame, info in some_frames(source, settings):
        detail = find_tile(network, info.format, frame).detail
        if detail > most:
            most, telling = detail, frame
        if detail > DETAIL:
            break
    return telling


def some_frames(source: str, settings: UpscaleSettings) -> Iterator[tuple[Frame, VideoInfo]]:
    """The first of the film, or of the part that is worked on, and then those at PLACES."""
    clip = settings.clip
    first = frame_at(source, clip.start, settings)
    if first is None:
        return
    yield first
    length = first[1].duration
    if length is None or clip.frames is not None:
        return
    end = Fraction(length) if clip.end is None else min(clip.end, Fraction(length))
    for place in PLACES:
        found = frame_at(source, clip.start + (end - clip.start) * place, settings)
        if found is not None:
            yield found


def frame_at(
    source: str, start: Fraction, settings: UpscaleSettings
) -> tuple[Frame, VideoInfo] | None:
    """The frame at so many seconds; None where there is none that can be decoded, with which the
    job itself will have to deal."""
    try:
        with Reader(
            source, settings.deinterlace, Clip(max(start, Fraction(0)), frames=1)
        ) as reader:
            reader.drop_others()
            frame = next(reader.frames(), None)
            return None if frame is None else (frame, reader.info)
    except MediaError:
        return None
