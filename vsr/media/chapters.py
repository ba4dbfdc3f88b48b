"""A film's chapters, moved and cut as the clip is."""

from __future__ import annotations

from fractions import Fraction

from av.container import InputContainer

from vsr.media.reader import Reader


def shifted_chapters(source: InputContainer, reader: Reader) -> list[dict[str, object]]:
    """The chapters, moved and cut as the clip is."""
    last = clip_length(reader)
    chapters: list[dict[str, object]] = []
    for chapter in source.chapters():
        base = chapter["time_base"]
        if base is None:
            continue
        start = chapter["start"] * base - reader.origin
        end = chapter["end"] * base - reader.origin
        if end <= 0 or (last is not None and start >= last):
            continue
        start, end = max(start, Fraction(0)), end if last is None else min(end, last)
        times = {"start": round(start / base), "end": round(end / base)}
        chapters.append({**chapter, **times} if reader.clip else dict(chapter))
    return chapters


def clip_length(reader: Reader) -> Fraction | None:
    """Seconds, as far as can be told before its end is reached; None without an end."""
    clip, rate = reader.clip, reader.info.rate
    ends = []
    if clip.end is not None:
        ends.append(reader.first_time() + clip.end - reader.origin)
    if clip.frames is not None and rate:
        ends.append(clip.frames / rate)
    return min(ends, default=None)
