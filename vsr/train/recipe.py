"""A recipe: everything that decides a network's weights, in one TOML file."""

import dataclasses
import json
import tomllib
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from vsr.errors import InputError, UsageError

Table = TypeVar("Table")


@dataclass(frozen=True)
class Data:
    """What is trained on. Patterns are globs below the data folder."""

    pictures: list[str] = field(default_factory=list)
    videos: list[str] = field(default_factory=list)
    """Films; short runs of their frames are trained on, and only with the decay "film"."""
    exclude: list[str] = field(default_factory=list)
    """Files left out, for their licence or for standing in a benchmark."""
    validation: str = "eval/Set5"
    """Folder below the data folder that progress is judged on; never trained on."""
    decay: Literal["bicubic", "film"] = "bicubic"
    """How the small pictures came to be: as in the benchmarks, or as in real films."""
    film: dict[str, Any] = field(default_factory=dict)
    """Knobs of the decay "film", other than their defaults: fields of `film.FilmDecay`."""
    sizes: list[float] = field(default_factory=lambda: [1.0])
    """Each picture is taken at these fractions of its size; smaller ones hold more detail."""
    patch: int = 48
    """Side of a small patch, pixels."""
    batch: int = 16
    tries: int = 1
    """Places looked at for each patch; the one with the most detail is taken."""

    def __post_init__(self) -> None:
        if self.videos and self.decay != "film":
            raise UsageError('videos are only trained on with decay = "film"')
        if not self.sizes or not all(0 < size <= 1 for size in self.sizes):
            raise UsageError(f"sizes {self.sizes} are not fractions above 0 and up to 1")
        if self.sizes != [1.0] and self.decay == "film":
            raise UsageError('decay = "film" chooses the sizes itself; leave out sizes')


@dataclass(frozen=True)
class Schedule:
    """How long, and how fast."""

    steps: int = 200_000
    """Steps in which the learning rate falls to zero, along half a cosine."""
    stop: int | None = None
    """Steps after which training ends, if that is earlier."""
    optimizer: Literal["adam", "muon"] = "adam"
    """"muon" is for kernels, which learn several times faster with it; the rest gets Adam."""
    learning_rate: float = 1e-3
    """The optimizer's, at the start."""
    clip_norm: float | None = None
    """Gradients longer than this are cut to this length, so that no one batch can do damage."""
    ema: float = 0.999
    """Decay of the exponential moving average of the weights, which is what is shipped."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """What convolutions are computed in; weights, loss and optimizer stay float32."""
    start: str | None = None
    """Another recipe's name: its average is begun with, wherever the shapes agree."""
    validate_every: int = 2000
    """Steps between two looks at the validation set, each with a checkpoint."""


@dataclass(frozen=True)
class Loss:
    """What is made small: the weighted sum of what is weighted."""

    pixel: Literal["l1", "charbonnier"] = "l1"
    pixel_weight: float = 1.0
    perceptual_weight: float = 0.0
    """Of the distance of VGG-19 features; needs `vgg`."""
    vgg: str | None = None
    """File below the data folder: torchvision's VGG-19 state dict (vgg19-dcbb9e9d.pth)."""
    gradient_weight: float = 0.0
    """Of the L1 distance between the pictures' first differences."""
    structure_weight: float = 0.0
    """Of 1 - SSIM."""
    adversarial_weight: float = 0.0
    """Of the relativistic average adversarial loss."""
    discriminator: dict[str, Any] = field(default_factory=dict)
    """Its `kind` and hyper-parameters."""
    teacher: str | None = None
    """Another recipe's name, or a checkpoint below the data folder: its results are imitated."""
    teacher_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.perceptual_weight and not self.vgg:
            raise UsageError("a perceptual loss needs VGG-19's weights: set vgg to their file")
        if bool(self.teacher) != bool(self.teacher_weight):
            raise UsageError("teacher and teacher_weight only make sense together")


@dataclass(frozen=True)
class Int8:
    """How long, and how fast, the 8-bit twin is trained, beginning with the trained network."""

    steps: int = 4000
    learning_rate: float = 1e-4


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a network's weights."""

    name: str
    """FAMILY_xSCALE, as the shipped file is called."""
    description: str
    licence: str
    network: dict[str, Any]
    """Its `kind` and hyper-parameters: arguments of `vsr.networks.architectures.build`."""
    scale: int = 2
    colors: Literal[1, 3] = 1
    """1: luma; 3: RGB."""
    seed: int = 0
    data: Data = field(default_factory=Data)
    schedule: Schedule = field(default_factory=Schedule)
    loss: Loss = field(default_factory=Loss)
    int8: Int8 | None = None
    """Where given, an 8-bit twin is trained afterwards."""

    def __post_init__(self) -> None:
        if self.name.rpartition("_x")[2] != str(self.scale):
            raise UsageError(f"the name '{self.name}' has to end in _x{self.scale}, the scale")
        if "kind" not in self.network:
            raise UsageError("[network] says no kind")

    @property
    def int8_schedule(self) -> Schedule:
        """How the 8-bit twin is trained. Raises UsageError where the recipe wants none."""
        if self.int8 is None:
            raise UsageError(f"the recipe {self.name} has no [int8]")
        return replace(
            self.schedule,
            steps=self.int8.steps,
            learning_rate=self.int8.learning_rate,
            stop=None,
            start=None,
            precision="fp32",
        )

    @property
    def family(self) -> str:
        return self.name.rpartition("_x")[0]


def read_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """The recipe in a TOML file, with `changes` such as "network.blocks=3" made to it.

    Raises InputError, naming file and entry, where it is none.
    """
    try:
        words = tomllib.loads(path.read_text(encoding="utf-8"))
        for change in changes:
            apply(change, words)
        return make(Recipe, words, "")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:  # not TOML, or not a recipe
        raise InputError(f"{path}: {error}") from error


def apply(change: str, words: dict[str, Any]) -> None:
    """Set one entry, "table.name=value"; a value that is not TOML is a string."""
    entry, equals, value = change.partition("=")
    *tables, name = entry.strip().split(".")
    if not equals or not name:
        raise UsageError(f"'{change}' changes nothing; say entry=value, as network.blocks=3")
    for table in tables:
        words = words.setdefault(table, {})
        if not isinstance(words, dict):
            raise UsageError(f"'{change}': {table} is no table")
    try:
        words[name] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        words[name] = value


def make(kind: type[Table], words: dict[str, Any], where: str) -> Table:
    """A dataclass from a TOML table; every entry has to be known and of its field's type."""
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in words.items():
        if name not in hints:
            known = ", ".join(hints)
            raise UsageError(f"'{where}{name}' is not known; there is {known}")
        hint = hints[name]
        tables = [t for t in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(t)]
        if tables and isinstance(value, dict):
            values[name] = make(typing.cast(type, tables[0]), value, f"{name}.")
        elif suits(value, hint):
            values[name] = value
        else:
            raise UsageError(f"'{where}{name}' is {value!r}, which does not suit {spelled(hint)}")
    needed = [
        f.name
        for f in dataclasses.fields(kind)  # type: ignore[arg-type]
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    missing = [where + name for name in needed if name not in values]
    if missing:
        raise UsageError(f"{', '.join(missing)}: missing")
    return kind(**values)


def suits(value: Any, hint: Any) -> bool:
    """Whether a TOML value is one of a field's type."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return value in typing.get_args(hint)
    if hint is type(None):
        return value is None
    if origin in (types.UnionType, typing.Union):
        return any(suits(value, each) for each in typing.get_args(hint))
    if origin is list:
        return isinstance(value, list) and all(suits(v, typing.get_args(hint)[0]) for v in value)
    if origin is dict:
        return isinstance(value, dict)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def spelled(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint)).replace("typing.", "")


def difference(recipe: Recipe, other: dict[str, Any]) -> str | None:
    """The first entry in which a recipe differs from another one's `as_json`; None if in none.

    How long is trained, how often looked, and what is done afterwards may differ: that changes no
    step.
    """

    def flat(table: dict[str, Any], where: str = "") -> dict[str, Any]:
        entries: dict[str, Any] = {}
        for name, value in table.items():
            if isinstance(value, dict):
                entries |= flat(value, f"{where}{name}.")
            else:
                entries[where + name] = value
        return entries

    free = {"description", "licence", "schedule.stop", "schedule.validate_every"}
    ours, theirs = flat(as_json(recipe)), flat(other)
    for name in [*ours, *theirs]:
        if name not in free and not name.startswith("int8") and ours.get(name) != theirs.get(name):
            return f"{name} is {ours.get(name)!r}, and was {theirs.get(name)!r}"
    return None


def as_json(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain values, as checkpoints and model cards keep it."""
    return json.loads(json.dumps(dataclasses.asdict(recipe)))  # type: ignore[no-any-return]
