"""What is the case with every film of an archive: to be done, done, refused ..., and why.

Done is what is recorded as done, where the output is still the file that was verified then, and the
source and the settings are those of then. Neither is decoded for that, nor is an engine built.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vsr import __version__
from vsr.media.chunk import sha256_of
from vsr.media.container import KEPT
from vsr.pipeline.identity import (
    MTIME,
    differences,
    network_digest,
    settings_words,
    source_words,
)
from vsr.pipeline.store import CANCELLED, DONE, FAILED, Job, Outcome, spoken
from vsr.remaster.folders import Folders
from vsr.remaster.plan import Film, output_name
from vsr.settings import UpscaleSettings

if TYPE_CHECKING:
    from vsr.remaster.look import Look


class State(Enum):
    """The case with a film."""

    TO_DO = "to do"
    DONE = DONE
    FAILED = FAILED
    REFUSED = "refused"
    CANCELLED = CANCELLED
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Standing:
    """A film of an archive, and the case with it."""

    path: str
    """Of the source, below the archive."""
    state: State
    settings: UpscaleSettings
    film: Film | None = None
    """Where its output is known."""
    reason: str = ""
    """Why it is not done, or has to be done again."""
    look: Look | None = None
    """Where it is to be done."""
    job: Job | None = None
    amended: tuple[Mapping[str, str], Outcome] | None = None
    """The job's plan and outcome, where only times of files are others than recorded."""


Record = Mapping[str, tuple[Job, Outcome | None]]
"""As `vsr.remaster.record.on_record` gives it."""


@dataclass(frozen=True)
class Standings:
    """Finds the case with films, by the record of an earlier run."""

    archive: str
    out: str
    template: str
    folders: Folders
    record: Record
    check: bool = False
    """Whether every output that is done is read, and held against its SHA-256."""

    def of(self, path: str) -> Standing:
        """Of a film by its path below the archive. Raises UsageError for a vsr.toml."""
        folder = self.folders.of(os.path.dirname(path))
        bare = Standing(path, State.TO_DO, folder.settings)
        if folder.skip:
            return replace(bare, state=State.SKIPPED, reason="its vsr.toml says so")
        found = self.recorded(path, folder.settings)
        if found is None:
            return bare
        job, outcome, film = found
        known = replace(bare, job=job, film=film)
        if outcome is None:
            return known
        if outcome.state == CANCELLED:
            return replace(known, state=State.CANCELLED)
        try:
            return self.judged(known, job, outcome, film)
        except OSError as error:
            return replace(known, state=State.FAILED, reason=f"cannot be read: {error.strerror}")

    def recorded(
        self, path: str, settings: UpscaleSettings
    ) -> tuple[Job, Outcome | None, Film] | None:
        """What is on record of a source, under one of the names that its output may have."""
        source = os.path.join(self.archive, path)
        for ending in dict.fromkeys((os.path.splitext(path)[1], *KEPT)):
            name = output_name(self.template, path, ending, settings)
            job, outcome = self.record.get(spoken(name), (None, None))
            if job is not None and f"/{job.source}".endswith(f"/{spoken(path)}"):
                return job, outcome, Film(source, os.path.join(self.out, name), settings, name)
        return None

    def judged(self, known: Standing, job: Job, outcome: Outcome, film: Film) -> Standing:
        """A film that has an outcome, by what has changed since."""
        now = {**source_words(film.source), **settings_words(film.settings)}
        changed = differences(comparable(job.plan), comparable(now | network_words(job, film)))
        touched = now[MTIME] != job.plan.get(MTIME) and outcome.source_sha256 is not None
        if touched and not changed and sha256_of(Path(film.source)) != outcome.source_sha256:
            changed = ["the source was another"]
        if outcome.state == FAILED:
            again = changed or not outcome.lasting or job.plan.get("vsr") != __version__
            state = State.TO_DO if again else State.FAILED
            return replace(known, state=state, reason="" if again else outcome.error or "")
        problem = self.output_problem(film.output, outcome)
        if problem == MISSING:
            return replace(known, reason="its output is missing: done again")
        if problem or changed:
            if film.settings.overwrite:
                return replace(known, reason="done again")
            why = problem or f"it was done otherwise: {'; '.join(changed)}"
            reason = f"{why}; --overwrite does it again"
            return replace(known, state=State.REFUSED, reason=reason)
        done = replace(known, state=State.DONE)
        mtime = os.stat(film.output).st_mtime_ns
        if mtime == outcome.mtime_ns and now[MTIME] == job.plan.get(MTIME):
            return done
        amended = {**job.plan, MTIME: now[MTIME]}, replace(outcome, mtime_ns=mtime)
        return replace(done, amended=amended)

    def output_problem(self, output: str, outcome: Outcome) -> str:
        """Why the output is not the file that was verified; "" where it is."""
        try:
            state = os.stat(output)
        except OSError:
            return MISSING
        same = state.st_size == outcome.size
        if same and (self.check or state.st_mtime_ns != outcome.mtime_ns):
            same = sha256_of(Path(output)) == outcome.sha256
        return "" if same else f"{output} is not what was written: it was changed, or is damaged"


MISSING = "missing"


def comparable(words: Mapping[str, str]) -> dict[str, str]:
    """What of a job's plan a film that is done is held against."""
    names = ("size.", "clip.", "encoder.", "temporal", "deinterlace", "network", "engine.precision")
    of_source = ("source's bytes", "source's ends, sha256")
    return {name: word for name, word in words.items() if name.startswith((*names, *of_source))}


def network_words(job: Job, film: Film) -> dict[str, str]:
    """The network that the film would be enlarged by now, as far as the record tells.

    Of those by a name alone the name is compared: to come with a newer vsr is no reason to do an
    archive again. Files are read, and compared.
    """
    name, _, scale = job.plan.get("network", "").rpartition(" x")
    same: dict[str, str] = {k: v for k, v in job.plan.items() if k.startswith("network")}
    if name == film.settings.model or not scale.isdigit():
        return same
    from vsr.networks.catalog import find_network

    network = find_network(film.settings.model, Fraction(scale))
    words = {"network": f"{network.name} x{network.scale}"}
    return words | {"network's sha256": network_digest(network)}


def told_apart(standings: Sequence[Standing]) -> list[Standing]:
    """The standings; those to be done whose output another film gets, too, are refused."""
    sharing: dict[str, list[str]] = {}
    for standing in standings:
        if standing.film is not None:
            sharing.setdefault(standing.film.name, []).append(standing.path)
    return [
        refused(standing, sharing[standing.film.name])
        if standing.film is not None and standing.state is State.TO_DO
        else standing
        for standing in standings
    ]


def refused(standing: Standing, sharing: Sequence[str]) -> Standing:
    """The standing, to be done only where it does not share its output's name."""
    others = " and ".join(path for path in sharing if path != standing.path)
    if not others:
        return standing
    reason = (
        f"{others} would get the same output, {standing.film.name if standing.film else ''}; "
        "--name '{source}{suffix}' tells them apart"
    )
    return replace(standing, state=State.REFUSED, reason=reason)
