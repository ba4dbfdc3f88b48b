"""Everything that is in an archive, and the case with it, before any work."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from vsr.remaster.find import Search, Trouble
from vsr.remaster.folders import Folders
from vsr.remaster.plan import (
    SAME_NAME,
    Film,
    check_folders,
    check_template,
    output_name,
    reason_of,
)
from vsr.remaster.states import Record, Standing, Standings, State, told_apart
from vsr.settings import UpscaleSettings


@dataclass(frozen=True)
class Archive:
    """A tree of films, and what is to come of it."""

    folder: str
    out: str
    settings: UpscaleSettings
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    name: str = SAME_NAME
    """The template of outputs' names."""
    check: bool = False
    """Whether what is done is read, and held against its SHA-256."""


@dataclass(frozen=True)
class Stock:
    """What there is."""

    standings: Sequence[Standing]
    troubles: Sequence[Trouble]
    notes: Sequence[str]

    def by(self, state: State) -> list[Standing]:
        return [standing for standing in self.standings if standing.state is state]

    @property
    def to_do(self) -> list[Standing]:
        return self.by(State.TO_DO)

    @property
    def bad(self) -> list[Trouble]:
        """All that cannot be done, with the reasons, by their paths."""
        states = (State.FAILED, State.REFUSED)
        bad = [Trouble(s.path, s.reason) for s in self.standings if s.state in states]
        return sorted([*self.troubles, *bad], key=lambda trouble: trouble.path)


@dataclass
class Result:
    """What a run came to."""

    done: int = 0
    cancelled: int = 0
    left: int = 0
    """Films that were not finished because the run was to end."""
    bad: list[Trouble] = field(default_factory=list)
    """Sources, and why they could not be finished."""


OnLook = Callable[[int, int], None]
"""Told how many films have been looked at, of how many."""


def take_stock(archive: Archive, record: Record, on_look: OnLook | None = None) -> Stock:
    """Find all films, and look at those that are to be done; `record` is what earlier runs left.

    Raises: InputError for folders that cannot be what they are to be, UsageError for settings that
    make no sense, those in a vsr.toml with the file and the key.
    """
    check_folders(archive.folder, archive.out)
    check_template(archive.name)
    root, out = os.path.abspath(archive.folder), os.path.abspath(archive.out)
    found = Search(root, out, archive.include, archive.exclude).run()
    folders = Folders(root, archive.settings)
    states = Standings(root, out, archive.name, folders, record, archive.check)
    standings = [opened(states.of(path), root, out, archive.name) for path in found.films]
    if any(standing.state is State.TO_DO for standing in standings):
        folders.check()
        with tempfile.TemporaryDirectory(prefix="vsr-") as empty:
            for number, each in enumerate(standings):
                if on_look is not None:
                    on_look(number, len(standings))
                standings[number] = looked_at(each, root, out, archive.name, empty)
    return Stock(told_apart(standings), found.troubles, found.notes)


def opened(standing: Standing, root: str, out: str, template: str) -> Standing:
    """The standing, failed where the film is to be done, but is none: its first picture tells that,
    before anything large is loaded."""
    from vsr.media.reader import Reader

    if standing.state is not State.TO_DO:
        return standing
    source = os.path.join(root, standing.path)
    try:
        Reader(source, deinterlace="off").close()
    except KeyboardInterrupt:
        raise
    except Exception as error:  # noqa: BLE001 (whatever it is, the others can be done)
        return unreadable(standing, source, out, template, error)
    return standing


def unreadable(
    standing: Standing, source: str, out: str, template: str, error: Exception
) -> Standing:
    """The standing of a film that cannot be done; where its output would be, its name tells."""
    ending = os.path.splitext(standing.path)[1]
    name = output_name(template, standing.path, ending, standing.settings)
    film = Film(source, os.path.join(out, name), standing.settings, name)
    return replace(standing, state=State.FAILED, film=film, reason=reason_of(error, film))


def looked_at(standing: Standing, root: str, out: str, template: str, empty: str) -> Standing:
    """The standing of a film that is to be done, with its output's name, if it can be done."""
    from vsr.remaster.look import LargeEnoughError, look

    if standing.state is not State.TO_DO:
        return standing
    source = os.path.join(root, standing.path)
    settings = standing.settings
    fixed = "" if "{suffix}" in template else output_name(template, standing.path, "", settings)
    try:
        seen = look(source, settings, os.path.basename(fixed), empty)
    except LargeEnoughError as error:
        reason = str(error).removeprefix(f"{source}: ")
        return replace(standing, state=State.SKIPPED, reason=reason)
    except KeyboardInterrupt:
        raise
    except Exception as error:  # noqa: BLE001 (whatever it is, the others can be done)
        return unreadable(standing, source, out, template, error)
    name = output_name(template, standing.path, seen.ending, settings)
    film = Film(source, os.path.join(out, name), settings, name)
    job = standing.job if standing.film is not None and standing.film.name == name else None
    known = replace(standing, film=film, look=seen, job=job)
    if os.path.lexists(film.output) and not settings.overwrite:
        reason = f"{film.output} exists already, and is not on record; --overwrite replaces it"
        return replace(known, state=State.REFUSED, reason=reason)
    return known
