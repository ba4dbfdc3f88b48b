"""Shimmer as a picture: one column of a film's pixels, frame after frame, side by side."""

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
from vsr.media.reader import Reader
from vsr.media.recode import recode
from vsr.networks.catalog import find_network
from vsr.pipeline.enlarge import EnlargeReport, enlarge
from vsr.report.compare import shrink, side_by_side
from vsr.settings import Clip, EngineSettings

FRAMES = 48
ZOOM = 4
"""Side of a pixel in the picture."""


def draw_slices(
    film: Path,
    model: str,
    scale: int,
    at: Fraction,
    column: int,
    rows: slice,
    crf: int | None,
    strength: float,
    out: Path,
) -> None:
    """Write a PNG of a column of luma over FRAMES frames from `at` seconds on, time to the right:
    enlarged by the model, the same with neighbouring frames made to agree, and the truth.

    The film is first made smaller by `scale` and, with `crf`, compressed by H.264. What stands
    still is drawn in even lines; what shimmers, in rough ones. `column` and `rows` are pixels of
    the truth.
    """
    from vsr.pipeline.temporal.stage import steady

    with Reader(film, clip=Clip(start=at, frames=FRAMES)) as reader:
        form = reader.info.format
        frames = list(reader.frames())
    if len(frames) < 2:
        raise MediaError(film, f"has no two frames from {float(at):g} s on")
    small_form = shrink(frames[0], form, scale)[0]
    small = [shrink(frame, form, scale)[1] for frame in frames]
    if not 0 <= column < small_form.width * scale or rows.start >= small_form.height * scale:
        raise UsageError(f"column {column} from row {rows.start} on lies outside the picture")
    if crf is not None:
        small = compressed(small, small_form, crf)
    network = find_network(model, Fraction(scale))
    if network.scale != scale:
        raise UsageError(f"{model} does not enlarge by {scale}")
    with build_engine(network, small_form, EngineSettings()) as engine:
        pairs = list(enlarge(small, engine, EnlargeReport()))
    steadied = list(steady(pairs, small_form, scale, strength))
    films = [[pair.large for pair in pairs], steadied, frames]
    write_png(out, side_by_side([slice_of(each, column, rows) for each in films]))


def compressed(frames: Sequence[Frame], form: FrameFormat, crf: int) -> list[Frame]:
    """The frames' luma after H.264, gray; `form` is theirs."""
    if form.depth != 8:
        raise UsageError("--crf needs a film of 8 bits")
    planes = np.full((len(frames), 3, form.height, form.width), 128, np.uint8)
    planes[:, 0] = [frame.y for frame in frames]
    luma = recode(planes, "libx264", {"crf": str(crf)})[:, 0]
    return [replace(frame, y=y) for frame, y in zip(frames, luma, strict=True)]


def slice_of(frames: Sequence[Frame], column: int, rows: slice) -> NDArray[np.uint8]:
    """(rows, frames, 3), both enlarged by ZOOM; deeper codes are scaled to 8 bits."""
    lines = np.stack([frame.y[rows, column] for frame in frames], axis=1)
    top = 255 if lines.dtype == np.uint8 else max(int(lines.max()), 1)
    gray = (lines.astype(np.float32) * (255 / top)).astype(np.uint8)
    return gray.repeat(ZOOM, 0).repeat(ZOOM, 1)[..., None].repeat(3, 2)
