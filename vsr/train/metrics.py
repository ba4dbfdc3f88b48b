"""What a training reports as it goes: a line of JSON for every look, and a plot of them all."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vsr.errors import MissingPackageError


@dataclass(frozen=True)
class Look:
    """The state of a training at one look at the validation set."""

    step: int
    loss: float
    """Mean since the look before."""
    psnr: float
    """Of the averaged network on the validation set, luma, dB."""
    ssim: float
    learning_rate: float
    waiting: float
    """Share of the time that was spent waiting for data, 0 to 1."""
    seconds: float
    """Since this run began."""


class Metrics:
    """A training's looks, in a file of its folder."""

    def __init__(self, folder: Path, step: int) -> None:
        """Looks later than `step`, which an interrupted run left behind, are removed."""
        self.file = folder / "metrics.jsonl"
        self.looks: list[Look] = []
        if self.file.exists():
            lines = self.file.read_text().splitlines()
            looks = (Look(**json.loads(line)) for line in lines)
            self.looks = [look for look in looks if look.step <= step]
        self.write()

    def add(self, look: Look) -> None:
        self.looks.append(look)
        self.write()

    def write(self) -> None:
        self.file.write_text("".join(json.dumps(asdict(look)) + "\n" for look in self.looks))

    def plot(self, title: str) -> None:
        """Draw loss and PSNR over the steps into `metrics.png`, beside the file."""
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise MissingPackageError("matplotlib", "train") from error
        figure = Figure(figsize=(8, 4), layout="constrained")
        left = figure.add_subplot(title=title, xlabel="step", ylabel="loss")
        right = left.twinx()
        steps = [look.step for look in self.looks]
        left.plot(steps, [look.loss for look in self.looks], color="tab:gray")
        left.set_yscale("log")
        right.plot(steps, [look.psnr for look in self.looks], color="tab:blue")
        right.set_ylabel("PSNR, dB", color="tab:blue")
        figure.savefig(self.file.with_suffix(".png"))
