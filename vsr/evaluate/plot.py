"""What was measured, as a picture."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vsr.errors import MissingPackageError
from vsr.evaluate.scores import COLUMNS, Scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_pictures(scores: Sequence[Scores]) -> "Figure":
    """PSNR of every picture, a bar for each model."""
    figure = new_figure(12, 5)
    axes = figure.add_subplot(ylabel="PSNR, dB")
    models, items = names(s.model for s in scores), names(s.item for s in scores)
    width = 0.8 / len(models)
    for number, model in enumerate(models):
        heights = [s.values["psnr"][0] for s in scores if s.model == model]
        places = np.arange(len(items)) + (number - (len(models) - 1) / 2) * width
        axes.bar(places, heights, width, label=model)
    axes.set_xticks(np.arange(len(items)), items, rotation=30, ha="right")
    axes.set_ylim(bottom=min(s.values["psnr"][0] for s in scores) - 2)
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    return figure


def draw_sequences(scores: Sequence[Scores], measures: Sequence[str] = ("psnr",)) -> "Figure":
    """Measures of every frame: a row for each sequence and measure, a column for each condition, a
    curve for each model."""
    items, conditions = names(s.item for s in scores), names(s.condition for s in scores)
    rows = [(item, measure) for item in items for measure in measures]
    figure = new_figure(2 + 3.5 * len(conditions), 1 + 2 * len(rows))
    grid = figure.subplots(len(rows), len(conditions), squeeze=False, sharex="row", sharey="row")
    for row, (item, measure) in enumerate(rows):
        for column, condition in enumerate(conditions):
            axes = grid[row, column]
            for s in scores:
                if (s.item, s.condition) == (item, condition):
                    axes.plot(s.values[measure], label=s.model)
            axes.grid(alpha=0.3)
            if row == 0:
                axes.set_title(condition)
        grid[row, 0].set_ylabel(f"{item}\n{COLUMNS[measure][0]}")
    for axes in grid[-1]:
        axes.set_xlabel("frame")
    grid[0, 0].legend()
    return figure


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, inches. Raises MissingPackageError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError("matplotlib", "eval") from error
    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def names(words: Iterable[str]) -> list[str]:
    """Every one once, in order."""
    return list(dict.fromkeys(words))
