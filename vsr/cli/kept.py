"""What is said of a job that was interrupted: how much of it is kept."""

from dataclasses import dataclass


@dataclass
class Kept:
    """What outlasts an interruption."""

    frames: int = 0
    """Of the films at work."""
    total: int | None = None
    """An estimate; None where nothing tells."""
    films: tuple[int, int] | None = None
    """Of an archive: how many films have had their turn, of how many."""

    def set(self, frames: int, total: int | None) -> None:
        self.frames, self.total = frames, total

    def clear(self) -> None:
        """Nothing is at work any more."""
        self.set(0, None)
        self.films = None

    def words(self) -> str:
        done = "{} of {} films are dealt with".format(*self.films) if self.films else ""
        if not self.frames and not self.films:
            return "interrupted; no unfinished file was left"
        number = f"{self.frames} of {self.total}" if self.total else f"{self.frames}"
        frames = f"{number} frames{' of others' if done else ''} are kept" if self.frames else ""
        said = ", ".join(filter(None, (done, frames)))
        return f"interrupted; {said}; the same command goes on from there"


kept = Kept()
"""Of this process: what a signal's handler can reach."""
