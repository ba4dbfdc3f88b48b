"""What is said of a job that was interrupted: how much of it is kept."""

from dataclasses import dataclass


@dataclass
class Kept:
    """Frames of the film at work that outlast an interruption."""

    frames: int = 0
    total: int | None = None
    """An estimate; None where nothing tells."""

    def set(self, frames: int, total: int | None) -> None:
        self.frames, self.total = frames, total

    def words(self) -> str:
        if not self.frames:
            return "interrupted; no unfinished file was left"
        number = f"{self.frames} of {self.total}" if self.total else f"{self.frames}"
        return f"interrupted; {number} frames are kept; the same command goes on from there"


kept = Kept()
"""Of this process: what a signal's handler can reach."""
