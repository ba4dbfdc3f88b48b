"""A contact sheet of training data: what a network gets to see, beside what it is to restore."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsr.errors import MissingPackageError
from vsr.media.pictures import Planes, to_rgb
from vsr.train.film import FilmDecay, decay

COLUMNS = 4
INCHES = 4.2
"""Width of an example."""


def draw_sheet(
    films: Sequence[Planes],
    scale: int,
    settings: FilmDecay,
    out: Path,
    count: int = 24,
    seed: int = 0,
    side: int = 144,
) -> None:
    """Write a PNG of `count` examples: the truth and its decayed reduction, the latter enlarged by
    nearest neighbour to the same size, with what happened to it written beneath.

    `films` are used in turn; example n is decided by the seed and n. `side` is how much of them is
    shown, pixels of the truth.

    Shapes: films (n, 3, h, w) uint8, Y'CbCr 4:4:4, h and w multiples of 2 * scale.
    Raises: MissingPackageError without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError("matplotlib", "train") from error
    rows = -(-count // COLUMNS)
    figure = Figure(figsize=(COLUMNS * INCHES, rows * INCHES * 0.62), layout="constrained")
    places = np.ravel(figure.subplots(rows, COLUMNS, squeeze=False))
    for place in places:
        place.set_axis_off()
    for number, place in zip(range(count), places, strict=False):
        rng = np.random.default_rng([seed, number])
        picture, words = example(films[number % len(films)], scale, settings, rng, side)
        place.imshow(picture, interpolation="nearest")
        place.set_title("\n".join(wrapped(words)), y=-0.1, va="top", fontsize=8)
    figure.savefig(out, dpi=100)


def example(
    truth: Planes, scale: int, settings: FilmDecay, rng: np.random.Generator, side: int
) -> tuple[NDArray[np.uint8], str]:
    """Truth and enlarged reduction of a middle frame side by side, (h, w, 3); and the words."""
    lr, words = decay(truth, scale, rng, settings)
    side = min(side, *truth.shape[2:]) // scale * scale
    y, x = (int(rng.integers((length - side) // scale + 1)) for length in truth.shape[2:])
    small = to_rgb(lr[len(lr) // 2])[y : y + side // scale, x : x + side // scale]
    large = to_rgb(truth[len(truth) // 2])[y * scale :, x * scale :][:side, :side]
    gap = np.full((side, 4, 3), 255, np.uint8)
    return np.concatenate([large, gap, small.repeat(scale, 0).repeat(scale, 1)], axis=1), words


def wrapped(words: str, width: int = 56) -> list[str]:
    """The words in lines, broken behind commas."""
    lines = [""]
    for part in words.split(", "):
        joined = f"{lines[-1]}, {part}".removeprefix(", ")
        lines = [*lines[:-1], joined] if len(joined) <= width else [*lines, part]
    return lines
