"""Tells of a build while it goes on: how far it is, and what there is to say of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from vsr.backends.base import Building, OnBuild

ALMOST = 0.99
"""What a builder that is through has done: the engine has still to be kept and loaded."""


class BuildWatch:
    """Turns what is known of a build into `Building`s; without `on_build` nobody is told.

    `tell` gets what is said in words, whoever is told of the rest. Thread: any.
    """

    def __init__(
        self, engine: str, device: str, tell: Callable[[str], None], on_build: OnBuild | None
    ) -> None:
        self.engine, self.device = engine, device
        self.tell, self.on_build = tell, on_build
        self.began = time.monotonic()
        self.share: float | None = None

    def progress(self, share: float) -> None:
        """This share of it is done; the first time is when it is begun. Only `done` ends it."""
        if self.share is None:
            self.began = time.monotonic()
        self.share = min(share, ALMOST)
        self.show("")

    def say(self, words: str) -> None:
        self.tell(words)
        self.show(words)

    def done(self) -> None:
        """The engine is there, be it that another process has built it."""
        if self.share is not None:
            self.share = 1.0
            self.show("")

    def show(self, note: str) -> None:
        if self.on_build is not None:
            seconds = time.monotonic() - self.began
            share = self.share or 0.0
            self.on_build(Building(self.engine, self.device, share, seconds, note))
