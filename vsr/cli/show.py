"""vsr info"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vsr.frame import Hdr, VideoInfo


def info(
    film: Annotated[str, typer.Argument(help="A film; - is standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """What a film holds, and how vsr would read it."""
    from vsr.cli.progress import plain
    from vsr.media.carry import describe, other_streams
    from vsr.media.reader import Reader

    with Reader(film) as reader:
        video = reader.info
        others = [describe(s) for s in other_streams(reader.container, reader.stream)]
        chapters = len(reader.container.chapters())
    if as_json:
        facts = {**asdict(video), "other_streams": others, "chapters": chapters}
        print(json.dumps(facts, default=plain))
        return
    rows = {
        **picture_rows(video),
        "chapters": f"{chapters}",
        "other streams": "; ".join(others) or "none",
    }
    for name, value in rows.items():
        print(f"{name + ':':15}{value}")
    for note in video.notes:
        print(f"note: {note}")


def picture_rows(video: VideoInfo) -> dict[str, str]:
    """What there is to say of the pictures."""
    from av.video.reformatter import ColorTrc

    form = video.format
    frames = [f"{video.frames}" if video.frames else "number unknown"]
    if video.rate:
        frames.append(f"{float(video.rate):.3f} a second")
    if video.duration:
        frames.append(f"{video.duration:.2f} s")
    sampling = form.chroma if form.is_gray else f"chroma {form.chroma} {form.chroma_location}"
    colour = [
        form.color_matrix,
        f"transfer {ColorTrc(video.tags.transfer).name.lower()}",
        "full range" if form.full_range else "limited range",
        sampling,
        f"{form.depth} bits",
    ]
    return {
        "size": f"{form.width}x{form.height}{shown_size(video)}",
        "codec": f"{video.codec}, {video.source_pix_fmt}",
        "frames": ", ".join(frames),
        "time base": f"{video.time_base}",
        "colour": ", ".join(colour),
        "pixel shape": f"{video.sar}" if video.sar else "not said",
        "rotation": f"{video.rotation} degrees counter-clockwise" if video.rotation else "none",
        "interlaced": "yes" if video.interlaced else "no",
        "HDR10": hdr_words(video.hdr),
    }


def shown_size(video: VideoInfo) -> str:
    """The size on a screen, where it is another than the stored one."""
    across, down = round(video.format.width * (video.sar or 1)), video.format.height
    if video.rotation % 180:
        across, down = down, across
    stored = video.format.width, video.format.height
    return "" if (across, down) == stored else f", shown as {across}x{down}"


def hdr_words(hdr: Hdr) -> str:
    words = []
    if hdr.mastering is not None:
        low, high = (float(light) for light in hdr.mastering[-2:])
        words.append(f"mastered at {low:g} to {high:g} cd/m2")
    if hdr.content_light is not None:
        brightest, average = hdr.content_light
        words.append(f"MaxCLL {brightest}, MaxFALL {average} cd/m2")
    return ", ".join(words) or "no"
