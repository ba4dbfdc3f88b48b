"""What was measured, and what is made of it for people and for machines."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

FLAWLESS = 100.0
"""dB for what is equal to the truth, such as a black frame, so that means stay finite."""

CLEAN = "clean"
"""The condition of what was made small and nothing else."""


@dataclass(frozen=True)
class Scores:
    """What was measured of one model on one picture or sequence."""

    model: str
    item: str
    """The picture's or sequence's name."""
    condition: str
    """What happened to the small pictures."""
    values: dict[str, list[float]]
    """Measure -> its value for every frame, or for every pair of neighbours."""


@dataclass(frozen=True)
class Row:
    """Means over all pictures or sequences."""

    model: str
    condition: str
    means: dict[str, float]
    """Of the sequences' means, so that every sequence counts alike."""


COLUMNS = {
    "psnr": ("PSNR, dB", "{:.2f}", 1.0),
    "ssim": ("SSIM", "{:.4f}", 1.0),
    "gmsd": ("GMSD", "{:.4f}", 1.0),
    "haarpsi": ("HaarPSI", "{:.4f}", 1.0),
    "sharpness": ("sharpness", "{:.2f}", 1.0),
    "lpips": ("LPIPS", "{:.4f}", 1.0),
    "flicker": ("flicker, codes", "{:.3f}", 1.0),
    "tof": ("tOF, pixels", "{:.3f}", 1.0),
    "warping": ("warping error, 1e-4", "{:.2f}", 1e4),
    "truth_warping": ("truth's, 1e-4", "{:.2f}", 1e4),
}
"""Measure -> its heading, the form of its numbers, and what they are multiplied by."""


def rows(scores: Iterable[Scores]) -> list[Row]:
    """A row for every model under every condition, in the order in which they were met."""
    groups: dict[tuple[str, str], list[Scores]] = {}
    for each in scores:
        groups.setdefault((each.model, each.condition), []).append(each)
    return [
        Row(model, condition, {name: mean(name, group) for name in group[0].values})
        for (model, condition), group in groups.items()
    ]


def mean(name: str, group: Sequence[Scores]) -> float:
    return float(np.mean([np.mean(each.values[name]) for each in group]))


def table(found: Sequence[Row]) -> str:
    """The rows as Markdown."""
    columns = [COLUMNS[name] for name in found[0].means]
    lines = [
        f"| model | input | {' | '.join(heading for heading, _, _ in columns)} |",
        f"|---|---|{'---|' * len(columns)}",
    ]
    for row in found:
        numbers = (
            form.format(value * factor)
            for (_, form, factor), value in zip(columns, row.means.values(), strict=True)
        )
        lines.append(f"| {row.model} | {row.condition} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def row_line(row: Row, data: str, scale: int) -> str:
    """A row as a line of JSON."""
    facts = {"name": row.model, "data": data, "scale": scale, "condition": row.condition}
    return json.dumps({**facts, **row.means})


def scores_line(scores: Scores, data: str, scale: int) -> str:
    """One model on one picture or sequence, frame by frame, as a line of JSON."""
    return json.dumps({"data": data, "scale": scale, **asdict(scores)})
