"""Pictures and films -> batches of training patches, each decided by seed and step alone."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.errors import InputError
from vsr.kernels import Array
from vsr.media.pictures import Planes, find_pictures, luma_of, read_rgb, to_rgb, to_ycc
from vsr.media.runs import read_runs
from vsr.shrink import bicubic_reduction, bicubic_resize, bicubic_shrink
from vsr.train.camera import moving
from vsr.train.film import FilmDecay, decay
from vsr.train.recipe import Data, Recipe

Pair = tuple[Planes, Planes]
"""A small picture, (c, h, w), and the truth, (c, h * scale, w * scale); uint8."""
Judged = tuple[Planes | Array, Planes]
"""The same to judge by: the small luma has fractions of codes, as in the benchmarks."""

FILM_SIDE = 384
"""Side of the decayed films' truths, pixels: a multiple of 2 * scale for every scale."""
FILM_FRAMES = 5


class Pairs(Protocol):
    """Where patches are cut from."""

    def pick(self, step: int, rng: np.random.Generator) -> Pair:
        """Any pair there is at this step."""


class Stills:
    """Pictures and their bicubic reductions; the larger ones are picked more often."""

    def __init__(self, pictures: Iterable[Planes], scale: int, least: int) -> None:
        """Pictures with a side below `least` are left out."""
        self.pairs = [
            (bicubic_shrink(truth, scale), truth)
            for truth in pictures
            if min(truth.shape[1:]) >= least
        ]
        area = np.array([lr.size for lr, _ in self.pairs], dtype=np.float64)
        self.chance = area / area.sum()

    def pick(self, step: int, rng: np.random.Generator) -> Pair:
        return self.pairs[int(rng.choice(len(self.pairs), p=self.chance))]


class Films:
    """Short decayed films; ever new ones, of which the latest are kept to pick from.

    Film n is decided by the seed and n, so that a training which goes on sees what one that was
    never interrupted sees.
    """

    first = 32
    """Films there are at step 0."""
    renewal = 4
    """Steps between two new films."""
    kept = 512

    def __init__(
        self,
        pictures: Sequence[Planes],
        runs: Sequence[NDArray[np.uint8]],
        scale: int,
        colors: int,
        settings: FilmDecay,
        seed: int,
    ) -> None:
        """`pictures` (3, h, w), which a camera is moved over, and `runs` of real films' frames,
        (n, 3, h, w), are Y'CbCr."""
        self.pictures = [p for p in pictures if min(p.shape[1:]) >= FILM_SIDE]
        self.runs = runs
        self.scale, self.colors, self.settings, self.seed = scale, colors, settings, seed
        self.films: dict[int, tuple[Planes, Planes]] = {}

    def pick(self, step: int, rng: np.random.Generator) -> Pair:
        newest = self.first + step // self.renewal
        oldest = max(0, newest - self.kept)
        number = int(rng.integers(oldest, newest))
        if number not in self.films:
            self.films = {n: film for n, film in self.films.items() if n >= oldest}
            self.films[number] = self.make(number)
        lr, truth = self.films[number]
        frame = int(rng.integers(len(lr)))
        return lr[frame], truth[frame]

    def make(self, number: int) -> tuple[Planes, Planes]:
        """Film `number`: small frames and true ones, (n, colors, h, w)."""
        truth = self.truth(number)
        rng = np.random.default_rng([self.seed, number, 1])
        lr, _ = decay(truth, self.scale, rng, self.settings)
        return in_colors(lr, self.colors), in_colors(truth, self.colors)

    def truth(self, number: int) -> Planes:
        """Film `number` before its decay, (n, 3, h, w), Y'CbCr."""
        rng = np.random.default_rng([self.seed, number])
        which = int(rng.integers(len(self.pictures) + len(self.runs)))
        if which < len(self.pictures):
            picture = crop(self.pictures[which], FILM_SIDE + 64, rng)
            return crop(moving(picture, FILM_FRAMES, rng), FILM_SIDE, rng)
        return crop(self.runs[which - len(self.pictures)], FILM_SIDE, rng)


def crop(planes: Planes, side: int, rng: np.random.Generator) -> Planes:
    """A random square of (..., h, w), or all of it along an axis that is shorter."""
    y, x = (int(rng.integers(max(1, length - side + 1))) for length in planes.shape[-2:])
    return planes[..., y : y + side, x : x + side]


class Batches:
    """Random aligned patches, turned and mirrored.

    Shapes: lr (batch, colors, patch, patch), hr the same times scale; float32 in [0, 1].
    """

    def __init__(self, pairs: Pairs, recipe: Recipe) -> None:
        self.pairs, self.recipe = pairs, recipe

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """The batch of this step."""
        rng = np.random.default_rng([self.recipe.seed, step, 1])
        patches = [self.cut(step, rng) for _ in range(self.recipe.data.batch)]
        lr, hr = (np.stack(planes) for planes in zip(*patches, strict=True))
        return to_tensor(lr), to_tensor(hr)

    def draw_all(self, steps: range) -> Iterator[tuple[Tensor, Tensor]]:
        return map(self.draw, steps)

    def cut(self, step: int, rng: np.random.Generator) -> Pair:
        """A patch at the same random place of both pictures of a pair, turned and mirrored alike.

        Of several, the one with the most detail: most of most pictures teaches little.
        """
        tries = [self.place(step, rng) for _ in range(self.recipe.data.tries)]
        lr, hr = max(tries, key=lambda patch: detail(patch[0])) if len(tries) > 1 else tries[0]
        turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
        return turn(lr, turns, mirror), turn(hr, turns, mirror)

    def place(self, step: int, rng: np.random.Generator) -> Pair:
        """A patch at any place of any pair."""
        lr, hr = self.pairs.pick(step, rng)
        side, scale = self.recipe.data.patch, self.recipe.scale
        y, x = (int(rng.integers(length - side + 1)) for length in lr.shape[1:])
        small = lr[:, y : y + side, x : x + side]
        y, x, side = y * scale, x * scale, side * scale
        return small, hr[:, y : y + side, x : x + side]


def detail(planes: Planes) -> float:
    """The mean difference between neighbours across, in codes."""
    return float(np.abs(np.diff(planes.astype(np.int16), axis=-1)).mean())


def turn(planes: Planes, turns: int, mirror: bool) -> Planes:
    planes = np.rot90(planes, turns, axes=(1, 2))
    return planes[:, :, ::-1] if mirror else planes


def to_tensor(planes: Planes | Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(planes)).float() / 255


def find_files(patterns: list[str], exclude: list[str], data: Path) -> list[Path]:
    """What the patterns find below the data folder, in a fixed order. Raises InputError for a
    pattern that finds nothing."""
    left_out = {path for pattern in exclude for path in data.glob(pattern)}
    chosen: set[Path] = set()
    for pattern in patterns:
        found = {path for path in data.glob(pattern) if path.is_file()}
        if not found:
            raise InputError(f"{data}: nothing in it is called {pattern}, which the recipe names")
        chosen |= found
    return sorted(chosen - left_out)


def read_pairs(recipe: Recipe, data: Path) -> Pairs:
    """What the recipe trains on."""
    wanted: Data = recipe.data
    found = find_files(wanted.pictures, wanted.exclude, data)
    pictures = [read_rgb(path) for path in find_pictures(data) if path in set(found)]
    scale, least = recipe.scale, wanted.patch * recipe.scale
    if wanted.decay == "film":
        settings = FilmDecay.from_table(wanted.film)
        films = find_files(wanted.videos, wanted.exclude, data)
        runs = [run for film in films for run in read_runs(film, FILM_FRAMES, 2 * scale)]
        return Films(
            [to_ycc(p) for p in pictures], runs, scale, recipe.colors, settings, recipe.seed
        )
    planes = [luma_of(p)[None] if recipe.colors == 1 else np.moveaxis(p, -1, 0) for p in pictures]
    return Stills((bicubic_resize(p, size) for size in wanted.sizes for p in planes), scale, least)


def read_validation(recipe: Recipe, data: Path) -> list[Judged]:
    """Pairs to judge progress by: the validation pictures, reduced as the recipe says."""
    pictures = [read_rgb(path) for path in find_pictures(data / recipe.data.validation)]
    if not pictures:
        raise InputError(f"{data / recipe.data.validation}: holds no pictures to validate with")
    scale, colors = recipe.scale, recipe.colors
    if recipe.data.decay == "bicubic":
        planes = (luma_of(p)[None] if colors == 1 else np.moveaxis(p, -1, 0) for p in pictures)
        whole = [p[:, : p.shape[1] // scale * scale, : p.shape[2] // scale * scale] for p in planes]
        shrink = bicubic_reduction if colors == 1 else bicubic_shrink
        return [(shrink(truth, scale), truth) for truth in whole]
    settings = FilmDecay.from_table(recipe.data.film)
    pairs: list[Judged] = []
    for number, picture in enumerate(pictures):
        rng = np.random.default_rng(number)
        truth = moving(to_ycc(picture), FILM_FRAMES, rng)
        h, w = (side // (2 * scale) * 2 * scale for side in truth.shape[2:])
        truth = truth[..., :h, :w]
        lr, _ = decay(truth, scale, rng, settings)
        pairs.append((in_colors(lr[2], colors), in_colors(truth[2], colors)))
    return pairs


def in_colors(ycc: Planes, colors: int) -> Planes:
    """(..., 3, h, w) Y'CbCr as the network takes it: luma alone, or R'G'B'."""
    return ycc[..., :1, :, :] if colors == 1 else np.moveaxis(to_rgb(ycc), -1, -3)
