"""What finishes films: in this process, or anywhere else by the same protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from vsr.backends.base import Building
from vsr.errors import VsrError
from vsr.pipeline.progress import Progress, Start, UpscaleReport
from vsr.pipeline.store import Store
from vsr.pipeline.upscale import upscale
from vsr.remaster.plan import Film

Finished = tuple[Film, UpscaleReport | Exception]
"""A film, and what became of it."""


class CancelledError(VsrError):
    """Somebody has cancelled the film."""


class StoppedError(VsrError):
    """The work is to end, and the running chunk is recorded."""


class Watch(Protocol):
    """Who looks on while films are finished."""

    def built(self, film: Film, building: Building) -> None:
        """How far an engine is that has to be built first."""
        ...

    def started(self, film: Film, start: Start) -> None: ...

    def progressed(self, film: Film, progress: Progress) -> None: ...

    @property
    def stopping(self) -> bool:
        """Whether chunks that are at work are to be finished, and no others begun."""


class Runner(Protocol):
    """Finishes films, and records in its store what is done of them."""

    def finish(self, films: Iterable[Film], watch: Watch) -> Iterator[Finished]:
        """Every film as soon as it is finished or has failed; none that was broken off because
        `watch` says that it is stopping. A film is taken from `films` when its turn comes."""


class InProcess:
    """One film after the other, here."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def finish(self, films: Iterable[Film], watch: Watch) -> Iterator[Finished]:
        for film in films:
            if watch.stopping:
                return
            try:
                yield film, self.finish_one(film, watch)
            except StoppedError:
                return
            except KeyboardInterrupt:
                raise
            except Exception as error:  # noqa: BLE001 (whatever it is, the next film has its turn)
                yield film, error

    def finish_one(self, film: Film, watch: Watch) -> UpscaleReport:
        def go_on() -> None:
            if self.store.cancelled(film.name):
                raise CancelledError(f"{film.source}: cancelled")
            if watch.stopping:
                raise StoppedError(f"{film.source}: stopped")

        go_on()
        return upscale(
            film.source,
            film.output,
            settings=film.settings,
            on_start=lambda start: watch.started(film, start),
            on_progress=lambda progress: watch.progressed(film, progress),
            on_build=lambda building: watch.built(film, building),
            on_chunk=go_on,
            store=self.store,
        )
