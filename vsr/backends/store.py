"""Built engines on disk: found by all that decides their bytes, built once, checked before use.

In one folder lie, for each engine, its plan (NAME.plan), what is known of it (NAME.json) and the
file by which processes take turns (NAME.lock). A plan holds code that will be run, so none is
loaded but what this store wrote: of the size and SHA-256 that were written down, in a file that is
the user's own and no link.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import platformdirs

from vsr.backends.base import OutOfMemoryError
from vsr.backends.plan_file import EngineKey as EngineKey
from vsr.backends.plan_file import Entry, Unusable, read_manifest, read_plan, slug, write
from vsr.errors import BackendError, StoreError

FOLDER_VARIABLE = "VSR_ENGINES"
"""An environment variable with the folder to use instead of the user's cache."""

T = TypeVar("T")
Load = Callable[[bytes], T | None]
Tell = Callable[[str], None]


class EngineStore:
    """A folder of built engines; by default the one that VSR_ENGINES names, or the user's cache.

    It is made when it is first needed. Raises StoreError where it cannot be used.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    def load_or_build(
        self,
        key: EngineKey,
        build: Callable[[], bytes],
        load: Load[T],
        tell: Tell = lambda words: None,
    ) -> T:
        """The engine of this key, loaded; built first where there is none that is any good, by one
        process while the others that want it wait.

        `load` gives None or raises BackendError for a plan that its runtime does not take; that,
        and everything else that makes a plan be built again, is told. What `build` raises, and
        OutOfMemoryError of `load`, goes on to the caller.
        """
        with suppress(Unusable):  # whether it is only being replaced shows when the lock is had
            return self.load(key, load)
        with self.locked(key, tell):
            try:
                return self.load(key, load)
            except Unusable as reason:
                if str(reason):
                    tell(f"engine {key.stem}: {reason}; it is built again")
            began = time.monotonic()
            plan = build()
            try:
                write(self.folder / f"{key.stem}.plan", key, plan, time.monotonic() - began)
            except OSError as error:
                tell(
                    f"engine {key.stem} cannot be kept in {self.folder} ({error.strerror}), and is "
                    f"used this once; {FOLDER_VARIABLE} names another folder"
                )
            try:
                return loaded(key, plan, load)
            except Unusable as reason:
                raise BackendError(f"engine {key.stem}, just built: {reason}") from reason

    def load(self, key: EngineKey, load: Load[T]) -> T:
        """Raises Unusable."""
        entry = self.find(key)
        engine = loaded(key, read_plan(entry), load)
        with suppress(OSError):  # a folder that may only be read does as well
            os.utime(entry.plan)
        return engine

    def find(self, key: EngineKey) -> Entry:
        """The entry of this key, its plan not looked at. Raises Unusable."""
        manifest = self.folder / f"{key.stem}.json"
        if not manifest.exists():
            plan = manifest.with_suffix(".plan")
            raise Unusable("nothing says where its plan comes from" if plan.exists() else "")
        entry = read_manifest(manifest)
        if entry.key != key:
            raise Unusable("it is another engine's")
        return entry

    @contextmanager
    def locked(self, key: EngineKey, tell: Tell) -> Iterator[None]:
        """Nobody else builds or removes the engine meanwhile. The kernel ends the lock of a process
        that dies; the lock's file stays, since others may be waiting at it."""
        path = self.folder / f"{key.stem}.lock"
        with translated(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = path.open("w")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tell(f"engine {key.stem}: another process is building it; waiting for that")
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:
                pass  # files cannot be locked here; at worst it is built twice
            yield

    def built_as(
        self, key: EngineKey, optimization_level: int | None, workspace: int | None
    ) -> EngineKey:
        """The key of the engine that does for this one, whatever the builder was told where None
        is given here: of those there are, the one of the highest level, the newest; else `key`."""
        there = [
            entry
            for entry in self.entries()
            if replace(entry.key, optimization_level=0, workspace=0)
            == replace(key, optimization_level=0, workspace=0)
            and optimization_level in (None, entry.key.optimization_level)
            and workspace in (None, entry.key.workspace)
        ]
        best = max(there, key=lambda e: (e.key.optimization_level, e.built), default=None)
        return key if best is None else best.key

    def entries(self) -> list[Entry]:
        """All engines with a manifest that can be read, by name."""
        found = []
        for manifest in sorted(self.folder.glob("*.json")):
            with suppress(Unusable, OSError):
                entry = read_manifest(manifest)
                entry.plan.stat()
                found.append(entry)
        return found

    def prune(
        self,
        older_than: timedelta | None = None,
        runtime_not: str | None = None,
        device: str | None = None,
    ) -> list[Entry]:
        """Remove the engines to which all that is given applies: not loaded for so long, of
        another runtime or version, for this GPU. Returns what was removed."""
        now = datetime.now(UTC)
        removed = []
        for entry in self.entries():
            if (
                (older_than is None or now - entry.used > older_than)
                and (runtime_not is None or entry.key.runtime != runtime_not)
                and (device is None or entry.key.device == device)
            ):
                with self.locked(entry.key, lambda words: None), translated(entry.plan):
                    entry.plan.unlink(missing_ok=True)
                    entry.manifest.unlink(missing_ok=True)
                removed.append(entry)
        return removed

    def timing_cache(self, runtime: str, device: str) -> Path:
        """Where a runtime keeps what it has measured on a GPU, of use to later builds; whoever
        writes it replaces it whole."""
        return self.folder / f"{slug(f'{runtime} {device}')}.timing"


def default_folder() -> Path:
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_cache_dir("vsr")) / "engines"


def loaded(key: EngineKey, plan: bytes, load: Load[T]) -> T:
    """The engine in a plan. Raises Unusable where its runtime does not take it."""
    try:
        engine = load(plan)
    except OutOfMemoryError:
        raise
    except BackendError as error:
        raise Unusable(str(error)) from error
    if engine is None:
        raise Unusable(f"{key.runtime} does not take it")
    return engine


@contextmanager
def translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror or error}; {FOLDER_VARIABLE} names another folder for engines"
        ) from error
