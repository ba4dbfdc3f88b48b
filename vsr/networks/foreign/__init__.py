"""Other people's networks: files of weights, converted to ONNX once and kept.

A converted file is known by its content, so that it is not converted again, and torch is not needed
any more, wherever it lies and whatever it is called.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from vsr.errors import InputError, MissingPackageError, StoreError
from vsr.networks.cascade import best_scale
from vsr.networks.network import Network, read_network

if TYPE_CHECKING:
    from vsr.networks.foreign.checkpoint import Checkpoint

CHECKPOINTS = (".pth", ".pt", ".safetensors")
"""How the names of files end that are converted; all others are taken for ONNX."""

VERSION = 1
"""Of the conversion: one more whenever its result changes, so that no older result is used."""


def read_foreign(path: Path, factor: Fraction) -> Network:
    """The network in a file; where it has several scales, the one that suits `factor`.

    Raises InputError, with what was found, where it is no network that is known;
    MissingPackageError where a checkpoint is to be converted and torch is not installed; StoreError
    where the result cannot be kept.
    """
    if path.suffix.lower() not in CHECKPOINTS:
        return read_network(path)
    folder = cache_folder() / content_key(path)
    checkpoint = None
    known = folder / "scales.json"
    if not known.exists():
        checkpoint = load(path)
        keep(known, json.dumps(checkpoint.scales).encode())
    scales: list[int] = json.loads(known.read_text())
    scale = best_scale(scales, factor)
    file = folder / f"x{scale}.onnx"
    if not file.exists():
        checkpoint = checkpoint or load(path)
        keep(file, checkpoint.convert(scale).SerializeToString())
    return replace(read_network(file), name=path.stem)


def cache_folder() -> Path:
    """Where converted networks are kept; all of it can be deleted at any time."""
    return Path(platformdirs.user_cache_dir("vsr")) / "networks"


def content_key(path: Path) -> str:
    """What tells this file's network from all others: its bytes, the factor in its name (which
    some weights need to be understood), and the version of the conversion."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return f"{digest}-{scale_in_name(path) or 0}-{VERSION}"


def scale_in_name(path: Path) -> int | None:
    """The factor that the file's name states, as in fsrcnn_x2.pth or 4x_sharp.pth."""
    words = path.stem.lower().replace("-", "_").replace(".", "_").split("_")
    stated = [int(word.strip("x")) for word in words if word in STATED]
    return stated[0] if stated else None


STATED = {form for n in (1, 2, 3, 4, 8) for form in (f"x{n}", f"{n}x")}


def load(path: Path) -> "Checkpoint":
    try:
        from vsr.networks.foreign.checkpoint import load_checkpoint
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "torch", "train") from error
    return load_checkpoint(path)


def keep(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise StoreError(f"{path}: cannot be written ({error.strerror})") from error
