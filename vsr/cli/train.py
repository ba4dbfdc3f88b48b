"""vsr train"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from vsr.cli.options import Style
from vsr.errors import Interrupted, MissingPackageError, UsageError

if TYPE_CHECKING:
    from vsr.train.loop import Progress
    from vsr.train.recipe import Recipe

SHOWN = 24
"""Films on a contact sheet."""


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe, a TOML file.")],
    data: Annotated[Path, typer.Option(help="The folder that the recipe's patterns are below.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Checkpoints, metrics, network and card go here.")
    ] = Path("build/train"),
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another value, as network.blocks=3; repeatable."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int, typer.Option(help="Processor threads; 0: as many as cores.")] = 0,
    sheet: Annotated[
        Path | None, typer.Option(help="Only draw what it trains on: a contact sheet, a PNG file.")
    ] = None,
    progress: Annotated[Style, typer.Option(help="How to show progress.")] = Style.auto,
) -> None:
    """Train a network by a recipe; interrupted, it goes on from its last checkpoint."""
    if find_spec("torch") is None:
        raise MissingPackageError("torch", "train")
    from vsr.train.loop import train as run
    from vsr.train.loop import train_int8
    from vsr.train.recipe import read_recipe
    from vsr.train.ship import ship

    read = read_recipe(recipe, changes or [])
    if sheet is not None:
        show_films(read, data, sheet)
        return
    int8 = None
    with Display(read.name, progress) as display:
        net = run(read, data, out, device, threads, display.show)
    if read.int8 is not None:
        with Display(f"{read.name} int8", progress) as display:
            int8 = train_int8(net, read, data, out, device, display.show)
    card = ship(net, int8, read, data, out)
    print(f"{out / read.name / read.name}.onnx: {card.weights} weights, {card.quality}")


def show_films(recipe: Recipe, data: Path, sheet: Path) -> None:
    """Draw the first films that the recipe trains on."""
    from vsr.report.sheet import draw_sheet
    from vsr.train.data import Films, read_pairs

    films = read_pairs(recipe, data)
    if not isinstance(films, Films):
        raise UsageError(f"{recipe.name} trains on bicubic reductions: there is no film to show")
    truths = [films.truth(number) for number in range(SHOWN)]
    draw_sheet(truths, recipe.scale, films.settings, sheet, SHOWN, recipe.seed)
    print(sheet)


class Display:
    """A bar with loss, PSNR and the share of time spent waiting for data; or lines of JSON."""

    def __init__(self, name: str, style: Style) -> None:
        self.name, self.style = name, style
        self.bar: Any = None
        self.kept = 0

    def show(self, progress: Progress) -> None:
        self.kept = progress.look.step if progress.look else 0
        if self.style is Style.json:
            line = {"event": "progress", "recipe": self.name, **asdict(progress)}
            print(json.dumps(line), file=sys.stderr, flush=True)
        elif self.style is not Style.none:
            self.draw(progress)

    def draw(self, progress: Progress) -> None:
        from tqdm import tqdm

        if self.bar is None:
            done = max(0, progress.step - 20)
            self.bar = tqdm(total=progress.steps, initial=done, desc=self.name, unit="step")
        words = {"loss": f"{progress.loss:.5f}", "waiting": f"{progress.waiting:.0%}"}
        if progress.look:
            words["psnr"] = f"{progress.look.psnr:.2f}"
        self.bar.set_postfix(words, refresh=False)
        self.bar.update(progress.step - self.bar.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self.bar is not None:
            self.bar.close()
        if isinstance(error, Interrupted):
            words = f"interrupted; the same command goes on from step {self.kept}"
            if self.style is Style.json:
                words = json.dumps({"event": "error", "message": words, "exit_code": 130})
            else:
                words = f"vsr: {words}"
            print(words, file=sys.stderr)
            sys.exit(130)
