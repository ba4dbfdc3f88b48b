"""An engine that is being built, as people see it: a bar on standard error, or two lines."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from vsr.backends.base import Building

FORM = "{desc}: {percentage:3.0f} % {bar} [{elapsed}<{remaining}]"


class BuildDisplay:
    """Shows builds one after the other; `say` prints a line, as long as no bar is shown."""

    def __init__(self, show_bar: bool, say: Callable[[str], None]) -> None:
        self.show_bar, self.say = show_bar, say
        self.bar: tqdm[Any] | None = None
        self.building: str | None = None

    def show(self, building: Building) -> None:
        if building.note:
            self.say(building.note)
            return
        if self.building is None:
            self.begin(building)
        if self.bar is not None:
            self.bar.update(max(0.0, building.share - self.bar.n))
        if building.share == 1:
            self.close()
            self.say(f"{building.engine} for {building.device}: built in {building.seconds:.0f} s")

    def begin(self, building: Building) -> None:
        self.building = f"building {building.engine} for {building.device}"
        if self.show_bar:
            self.bar = tqdm(
                total=1.0,
                desc=self.building,
                bar_format=FORM,
                file=sys.stderr,
                leave=False,
                dynamic_ncols=True,
            )
        else:
            self.say(f"{self.building}; that can take minutes, once")

    def close(self) -> None:
        """Take the bar away, be it that the build has failed."""
        if self.bar is not None:
            self.bar.close()
        self.bar = self.building = None
