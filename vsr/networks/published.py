"""The networks that others have published: what is known of their files, and where they lie."""

import tomllib
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import platformdirs

WHOLE_DIGEST = 64
"""Hexadecimal digits of a SHA-256."""


@dataclass(frozen=True)
class PublishedFile:
    """One file of weights; an entry of `published.toml`, which says where its facts come from."""

    name: str
    scales: tuple[int, ...]
    architecture: str
    channels: int
    """1: luma; 3: RGB."""
    url: str
    sha256: str
    """Of the file; where nobody has stated it whole, its beginning, of 8 digits at least."""
    licence: str
    source: str
    """The page of who published it."""
    description: str
    size: int | None = None
    """In bytes; None where it is not known."""

    @property
    def path(self) -> Path:
        """Where the file lies once it is pulled."""
        return models_folder() / self.url.rpartition("/")[2]

    @property
    def pulled(self) -> bool:
        return self.path.is_file()

    @property
    def spoken_size(self) -> str:
        return "size not known" if self.size is None else f"{self.size / 1e6:.1f} MB"

    @property
    def spoken_check(self) -> str:
        """How far the file's content is checked, for people."""
        digits = len(self.sha256)
        how = "" if digits == WHOLE_DIGEST else f" (checked against the first {digits} digits only)"
        return f"SHA-256 {self.sha256}{how}"


def published(name: str | None = None) -> list[PublishedFile]:
    """The published files, or those of the network of this name; smaller scales first."""
    entries = tomllib.loads(catalogue().read_text())["file"]
    files = [PublishedFile(**{**entry, "scales": tuple(entry["scales"])}) for entry in entries]
    wanted = (file for file in files if name in (None, file.name))
    return sorted(wanted, key=lambda file: (file.name, file.scales))


def catalogue() -> Traversable:
    return resources.files("vsr.networks") / "published.toml"


def models_folder() -> Path:
    """Where pulled files lie, for this user."""
    return Path(platformdirs.user_data_dir("vsr")) / "models"
