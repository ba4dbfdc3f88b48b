"""A look before a long job: one frame, enlarged by several models, side by side."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsr.backends.select import build_engine
from vsr.errors import MediaError, UsageError
from vsr.frame import Frame, FrameFormat
from vsr.media.pictures import write_png
from vsr.media.planes import to_frame, to_picture, to_rgb
from vsr.media.reader import Reader
from vsr.media.recode import recode
from vsr.networks.catalog import find_network
from vsr.settings import Clip, EngineSettings

COMPRESSED = 8
"""Frames that are compressed together."""
GAP = 4
"""White pixels between the pictures."""


def compare(
    film: Path,
    models: Sequence[str],
    scale: int,
    at: Fraction,
    crop: tuple[int, int, int, int] | None,
    truth: bool,
    crf: int | None,
    out: Path,
) -> None:
    """Write a PNG with the frame at `at` seconds as each model enlarges it, left to right.

    `crop` is (x, y, width, height) in the large picture. With `truth` the frame is first made
    smaller by `scale`, and stands at the right end as it was; with `crf` the small frames from
    there on are compressed by H.264, of which the last is shown.
    """
    with Reader(film, clip=Clip(start=at, frames=1 if crf is None else COMPRESSED)) as reader:
        form = reader.info.format
        frames = list(reader.frames())
    if not frames:
        raise MediaError(film, f"has no frame at {float(at):g} s")
    pictures = []
    frame = frames[-1]
    small_form, small = shrink(frame, form, scale) if truth else (form, frame)
    if crf is not None:
        small = compress([shrink(f, form, scale)[1] for f in frames], small_form, crf)
    for model in models:
        network = find_network(model, Fraction(scale))
        if network.scale != scale:
            raise UsageError(f"{model} does not enlarge by {scale}")
        with build_engine(network, small_form, EngineSettings()) as engine:
            large = engine.start(small).result()
        size = small_form.width * scale, small_form.height * scale
        pictures.append(to_rgb(large, replace(small_form, width=size[0], height=size[1])))
    if truth:
        pictures.append(to_rgb(frame, form)[: size[1], : size[0]])
    x, y, width, height = crop or (0, 0, *size)
    write_png(out, side_by_side([p[y : y + height, x : x + width] for p in pictures]))


def shrink(frame: Frame, form: FrameFormat, factor: int) -> tuple[FrameFormat, Frame]:
    """The frame made smaller by swscale's bicubic."""
    small = replace(
        form, width=form.width // factor // 2 * 2, height=form.height // factor // 2 * 2
    )
    source = replace(form, width=small.width * factor, height=small.height * factor)
    picture = to_picture(cut(frame, source), source).reformat(
        width=small.width, height=small.height, interpolation="BICUBIC"
    )
    return small, to_frame(picture, small, 0, 0)


def compress(frames: Sequence[Frame], form: FrameFormat, crf: int) -> Frame:
    """The last of the frames after H.264 at this constant rate factor."""
    if (form.depth, form.chroma, form.full_range) != (8, "420", False):
        raise UsageError("--crf needs a film of 8 bits, 4:2:0, limited range")
    whole = [np.stack([f.y, *np.asarray(f.uv).repeat(2, 1).repeat(2, 2)]) for f in frames]
    y, *uv = recode(np.stack(whole), "libx264", {"crf": str(crf)})[-1]
    return replace(frames[-1], y=y, uv=np.stack(uv)[:, ::2, ::2])


def cut(frame: Frame, form: FrameFormat) -> Frame:
    """The top left of a frame, of the size of `form`."""
    y = frame.y[: form.height, : form.width]
    if frame.uv is None or form.uv_shape is None:
        return replace(frame, y=y)
    return replace(frame, y=y, uv=frame.uv[:, : form.uv_shape[1], : form.uv_shape[2]])


def side_by_side(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    height = pictures[0].shape[0]
    gap = np.full((height, GAP, 3), 255, np.uint8)
    row = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(row[:-1], axis=1)
