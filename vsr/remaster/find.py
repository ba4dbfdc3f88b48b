"""The films of an archive, found in its tree, and what of it cannot be looked at.

Names that begin with a dot are passed over, and so are folders of results. A link to a folder
is followed where it leads out of the archive; what it leads to within is found in its own place.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field

from vsr.remaster.globs import matches
from vsr.remaster.record import record_of

ENDINGS = frozenset(
    {
        *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m2ts", ".m2v", ".m4v"),
        *(".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv"),
        *(".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
    }
)
"""Of the names that are taken for films'."""

EFFECTIVE = os.access in os.supports_effective_ids
"""Whether the system says what we may do now, not what who started us may."""


@dataclass(frozen=True)
class Trouble:
    """Something in the archive that is no film, or cannot be read."""

    path: str
    """Below the archive."""
    reason: str


@dataclass
class Found:
    """What there is in an archive; paths are below it, in the order of their names."""

    films: list[str] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


Identity = tuple[int, int]
"""Of a folder: its device and inode."""


class Search:
    """A walk through a tree.

    What `include` names are films, else what has a film's ending; of both without what `exclude`
    names, be it a folder with all that is in it.
    """

    def __init__(
        self, archive: str, out: str, include: Sequence[str] = (), exclude: Sequence[str] = ()
    ) -> None:
        self.archive, self.include, self.exclude = archive, include, exclude
        self.root = os.path.realpath(archive)
        self.out = identity_of(os.stat(out)) if os.path.isdir(out) else None
        self.seen: dict[Identity, str] = {}
        self.found = Found()

    def run(self) -> Found:
        self.folder("", identity_of(os.stat(self.archive)), ())
        return self.found

    def folder(self, path: str, identity: Identity, above: tuple[Identity, ...]) -> None:
        """Search a folder; `above` are those that it lies in."""
        self.seen[identity] = path
        try:
            names = sorted(os.listdir(os.path.join(self.archive, path)))
        except OSError as error:
            self.trouble(path or ".", f"cannot be searched: {error.strerror}")
            return
        for name in names:
            inner = f"{path}/{name}" if path else name
            if not name.startswith(".") and not matches(inner, self.exclude):
                self.entry(inner, (*above, identity))

    def entry(self, path: str, above: tuple[Identity, ...]) -> None:
        whole = os.path.join(self.archive, path)
        wanted = self.is_wanted(path)
        try:
            state = os.stat(whole)
        except OSError as error:
            if wanted or error.errno == errno.ELOOP:
                self.trouble(path, why_none(whole, error))
            return
        if stat.S_ISDIR(state.st_mode):
            if wanted:
                self.trouble(path, "a folder, not a film; what is in it is searched")
            self.inner_folder(path, whole, identity_of(state), above)
        elif wanted:
            self.film(path, whole, state)

    def inner_folder(
        self, path: str, whole: str, identity: Identity, above: tuple[Identity, ...]
    ) -> None:
        if identity == self.out:
            return
        if os.path.isfile(record_of(whole)):
            self.found.notes.append(f"{path}: holds results of vsr remaster; passed over")
            return
        place = os.path.realpath(whole)
        if identity in above or is_within(self.root, place):
            self.trouble(path, "a link to a folder that it lies in; not followed")
        elif os.path.islink(whole) and is_within(place, self.root):
            place = os.path.relpath(place, self.root)
            self.found.notes.append(f"{path}: a link to {place}, which is searched there")
        elif identity in self.seen:
            self.found.notes.append(f"{path}: the same folder as {self.seen[identity]}")
        else:
            self.folder(path, identity, above)

    def film(self, path: str, whole: str, state: os.stat_result) -> None:
        if not stat.S_ISREG(state.st_mode):
            self.trouble(path, "neither a file nor a folder")
        elif state.st_size == 0:
            self.trouble(path, "the file is empty")
        elif not os.access(whole, os.R_OK, effective_ids=EFFECTIVE):
            self.trouble(path, "no permission to read it")
        else:
            self.found.films.append(path)

    def is_wanted(self, path: str) -> bool:
        if self.include:
            return matches(path, self.include)
        return os.path.splitext(path)[1].lower() in ENDINGS

    def trouble(self, path: str, reason: str) -> None:
        self.found.troubles.append(Trouble(path, reason))


def why_none(path: str, error: OSError) -> str:
    """Why something cannot even be looked at."""
    if error.errno == errno.ELOOP:
        return "a link that leads in a circle"
    if error.errno == errno.ENOENT and os.path.islink(path):
        return f"a link to {os.readlink(path)}, which is not there"
    return f"cannot be looked at: {error.strerror}"


def identity_of(state: os.stat_result) -> Identity:
    return state.st_dev, state.st_ino


def is_within(path: str, folder: str) -> bool:
    """Whether a path is a folder's or below it; both without links."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
