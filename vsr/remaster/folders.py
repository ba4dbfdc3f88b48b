"""vsr.toml: settings for the films of a folder, and of those below it.

Of several on the way down to a film the nearest wins, key by key, and all of them before the
command line, which is for the whole archive. A codec begins anew: what was said above of crf,
preset, pixel format and options was said of another. So does a size.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from vsr.errors import InputError, UsageError
from vsr.settings import Deinterlace, EncoderSettings, Size, UpscaleSettings, parse_scale

FILE = "vsr.toml"

NUMBER = (int, float)
TYPES: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "scale": (*NUMBER, str),
    "height": (int,),
    "width": (int,),
    "codec": (str,),
    "crf": NUMBER,
    "preset": (str,),
    "pix-fmt": (str,),
    "encoder-opt": (dict,),
    "container": (str,),
    "deinterlace": (str,),
    "temporal": NUMBER,
    "temporal-radius": (int,),
    "skip": (bool,),
}
"""The command line's long options, and the kinds of their values."""

WORDS = {int: "a whole number", float: "a number", str: "text", dict: "a table", bool: "true/false"}


@dataclass(frozen=True)
class FolderSettings:
    """What holds for the films of a folder."""

    settings: UpscaleSettings
    skip: bool = False
    """Whether its films are left out."""


class Folders:
    """The settings of an archive's folders. Raises UsageError with file and key, InputError."""

    def __init__(self, archive: str, settings: UpscaleSettings) -> None:
        self.archive = archive
        self.known: dict[str, FolderSettings] = {}
        self.above = FolderSettings(settings)
        self.steps: list[tuple[str, UpscaleSettings]] = []
        """What was read in turn: "FILE: KEY", and the settings with it."""

    def of(self, folder: str) -> FolderSettings:
        """For a folder by its path below the archive."""
        if folder not in self.known:
            above = self.of(os.path.dirname(folder)) if folder else self.above
            self.known[folder] = self.read(os.path.join(self.archive, folder), above)
        return self.known[folder]

    def read(self, folder: str, above: FolderSettings) -> FolderSettings:
        path = os.path.join(folder, FILE)
        try:
            with open(path, "rb") as file:
                words = tomllib.load(file)
        except FileNotFoundError:
            return above
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: not TOML: {error}") from error
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error
        check_types(path, words)
        model = words.get("model", "")
        if os.path.isfile(os.path.join(folder, model)):
            words["model"] = os.path.join(folder, model)
        settings = above.settings
        for keys in groups(words):
            try:
                settings = applied(settings, {key: words[key] for key in keys})
            except UsageError as error:
                raise UsageError(f"{path}: {' and '.join(keys)}: {error}") from error
            self.steps.append((f"{path}: {' and '.join(keys)}", settings))
        return FolderSettings(settings, words.get("skip", above.skip))

    def check(self) -> None:
        """Raise UsageError for what reads well, but cannot be had: an unknown model, an option that
        the encoder refuses."""
        from vsr.remaster.look import check_rest, check_settings

        check_settings(self.above.settings)
        for where, settings in self.steps:
            try:
                check_settings(settings) if where.endswith(": model") else check_rest(settings)
            except UsageError as error:
                raise UsageError(f"{where}: {error}") from error


def check_types(path: str, words: Mapping[str, Any]) -> None:
    """Raise UsageError for a key that is none, and for a value of another kind than its key's."""
    for key, value in words.items():
        if key not in TYPES:
            raise UsageError(f"{path}: no key '{key}'; there is {', '.join(TYPES)}")
        kinds = TYPES[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(WORDS[kind] for kind in kinds if kind is not int or len(kinds) < 2)
            raise UsageError(f"{path}: {key} = {value!r}: has to be {wanted}")


def groups(words: Mapping[str, Any]) -> list[list[str]]:
    """The keys to apply, those together that mean one thing, the codec before what it is told."""
    size = [key for key in ("scale", "height", "width") if key in words]
    rest = [key for key in words if key not in (*size, "codec", "skip")]
    alone = [["codec"]] * ("codec" in words) + [[key] for key in rest]
    return ([size] if size else []) + alone


def applied(settings: UpscaleSettings, words: Mapping[str, Any]) -> UpscaleSettings:
    """The settings with a group of keys in them."""
    encoder = settings.encoder
    for key, value in words.items():
        match key:
            case "scale" | "height" | "width":
                scale = parse_scale(str(words["scale"])) if "scale" in words else None
                size = Size(scale, words.get("width"), words.get("height"))
                return replace(settings, size=size)
            case "codec":
                encoder = EncoderSettings(value, threads=encoder.threads)
            case "crf" | "preset" | "pix-fmt":
                encoder = replace(encoder, **{key.replace("-", "_"): value})
            case "encoder-opt":
                options = {name: str(word) for name, word in value.items()}
                encoder = replace(encoder, options=options)
            case "deinterlace":
                if value not in get_args(Deinterlace):
                    raise UsageError(f"no '{value}'; there is {', '.join(get_args(Deinterlace))}")
                return replace(settings, deinterlace=value)
            case _:
                return replace(settings, **{key.replace("-", "_"): value})
    return replace(settings, encoder=encoder)
