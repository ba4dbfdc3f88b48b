"""Build recipes: TOML files that name engines to be built ahead of a job.

    network = "fast-video"                   # as for vsr upscale -m
    scale = 2
    precision = "fp16"                       # or fp32
    sizes = ["640x360", "1920x1080"]         # of the films, or
    tile = 256                               # the side of a tile, for films of any size
    batch = 1                                # frames computed together
    optimization_level = 3                   # 0 to 5: how long TensorRT searches
    workspace = 0                            # GiB that one layer may use; 0: all there is
    depth = 8                                # bits; this and the following are the films'
    chroma = "420"
    color_matrix = "bt709"
    full_range = false
    chroma_location = "left"

Only network, scale and one of sizes and tile have to be there; the rest are as shown or, for
precision, auto.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

from vsr.errors import InputError, UsageError
from vsr.frame import SUBSAMPLING, FrameFormat
from vsr.settings import EngineSettings, Precision

OF_FILMS: dict[str, tuple[object, ...]] = {
    "depth": (8, 10, 12, 14, 16),
    "chroma": (*SUBSAMPLING, "gray"),
    "color_matrix": ("bt601", "bt709", "bt2020"),
    "full_range": (False, True),
    "chroma_location": ("left", "center", "topleft"),
}
"""Word of a film's format -> what it may be."""


KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "network": ((str,), "a text"),
    **dict.fromkeys(("scale", "tile", "batch", "optimization_level"), ((int,), "a whole number")),
    "workspace": ((int, float), "a number"),
}
"""Word -> the types that it may have, and how to say that."""


@dataclass(frozen=True)
class Recipe:
    """What engines to build; the fields are the words of the file."""

    network: str
    scale: int
    precision: Precision = "auto"
    sizes: tuple[str, ...] = ()
    tile: int = 0
    batch: int = 0
    optimization_level: int | None = None
    workspace: float | None = None
    film: tuple[tuple[str, Any], ...] = ()
    """The words of the films' format that are given."""

    @property
    def formats(self) -> list[FrameFormat]:
        """Of the frames, or tiles, to build for."""
        sizes = self.sizes or (f"{self.tile}x{self.tile}",)
        return [FrameFormat(*parse_size(size), **dict(self.film)) for size in sizes]

    def settings(self, device: str) -> EngineSettings:
        return EngineSettings(
            "tensorrt",
            device,
            self.precision,
            batch=self.batch,
            optimization_level=self.optimization_level,
            workspace=self.workspace,
        )


def read_recipe(path: Path) -> Recipe:
    """The recipe in a file. Raises InputError, naming file and word, where it is none."""
    try:
        words = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file ({error})") from error
    try:
        return checked(words)
    except UsageError as error:
        raise InputError(f"{path}: {error}") from error


def checked(words: dict[str, Any]) -> Recipe:
    """Raises UsageError."""
    known = {field.name for field in fields(Recipe)} - {"film"} | set(OF_FILMS)
    for word in words:
        if word not in known:
            raise UsageError(f"it says '{word}'; a recipe has {', '.join(sorted(known))}")
    for word in ("network", "scale"):
        if word not in words:
            raise UsageError(f"it does not say '{word}'")
    for word, (kinds, spoken) in KINDS.items():
        if word in words and type(words[word]) not in kinds:
            raise UsageError(f"'{word}' is {words[word]!r}, not {spoken}")
    for word, allowed in {**OF_FILMS, "precision": get_args(Precision)}.items():
        if word in words and words[word] not in allowed:
            choices = ", ".join(str(choice).lower() for choice in allowed)
            raise UsageError(f"'{word}' is {words[word]!r}; it may be {choices}")
    sizes = words.get("sizes", [])
    if not isinstance(sizes, list) or bool(sizes) == bool(words.get("tile")):
        raise UsageError('it needs either sizes = ["640x360", ...] or tile = 256')
    for size in sizes:
        parse_size(size)
    film = tuple((word, words.pop(word)) for word in OF_FILMS if word in words)
    recipe = Recipe(**{**words, "sizes": tuple(sizes)}, film=film)
    replace(recipe.settings("auto"), tile=recipe.tile)  # raises what is wrong
    return recipe


def parse_size(size: object) -> tuple[int, int]:
    """(width, height) of "640x360". Raises UsageError."""
    width, _, height = str(size).partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise UsageError(f"'{size}' is no size; say 640x360")
    return int(width), int(height)
