"""Quality against time as a picture."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vsr.errors import MissingPackageError
from vsr.report.frontier import Result, quality

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

STEPS = [(-6, 7), (-8, 0), (0, 9), (8, 0), (6, 7), (6, -7), (0, -9), (-6, -7)]
"""Where a name may stand beside its point, in 1/72 inch to the right and up, the best first: above
and to the left of the frontier there is nothing else."""

DISTANCES = (1, 2, 4, 7, 11, 16, 22)
"""Of a name from its point, in such steps."""

HORIZONTAL = {0: "center", 1: "left", -1: "right"}
VERTICAL = {0: "center", 1: "bottom", -1: "top"}
"""Sign of the step -> the side of the name that stands at its end."""

COLORS = {True: "tab:red", False: "tab:gray"}
"""On the frontier, or not."""


def draw_frontier(results: Sequence[Result], title: str) -> "Figure":
    """A figure: PSNR on the benchmark that decides against time, on a logarithmic axis and with
    its quartiles, and a line along the frontier. Raises MissingPackageError without matplotlib."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator, NullFormatter
    except ImportError as error:
        raise MissingPackageError("matplotlib", "eval") from error
    figure = Figure(figsize=(10, 6.5), dpi=110)
    axes = figure.add_axes((0.08, 0.09, 0.89, 0.84), xscale="log", title=title)
    axes.set(xlabel="milliseconds a frame", ylabel=f"PSNR on {next(iter(results[0].psnr))}, dB")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
    for result in results:
        x, (low, high) = result.milliseconds, result.quartiles
        color = COLORS[result.on_frontier]
        axes.errorbar(x, quality(result), xerr=([x - low], [high - x]), fmt="o", color=color)
    best = [result for result in results if result.on_frontier]
    axes.plot(*np.transpose([place(r) for r in best]), color=COLORS[True], drawstyle="steps-post")
    axes.margins(0.12)
    figure.draw_without_rendering()  # the axes take their limits
    write_names(axes, best + [result for result in results if not result.on_frontier])
    return figure


def place(result: Result) -> tuple[float, float]:
    return result.milliseconds, quality(result)


def write_names(axes: "Axes", results: Sequence[Result]) -> None:
    """Every model's name beside its point: where it covers nothing, or else the least."""
    taken = obstacles(axes, results)
    for result in results:
        name = axes.annotate(
            result.model, place(result), (0, 0), textcoords="offset points", fontsize=8
        )
        covered = {}
        for distance, step in itertools.product(DISTANCES, STEPS):
            box = move(name, step, distance)
            outside = 4 - axes.bbox.count_contains(box.corners())
            covered[distance, step] = len(taken) * outside + box.count_overlaps(taken)
            if not covered[distance, step]:
                break
        distance, step = min(covered, key=lambda way: covered[way])
        taken.append(move(name, step, distance))
        if distance > 1:
            line = {"arrowstyle": "-", "color": "gray", "linewidth": 0.5}
            axes.annotate(
                "", place(result), name.xyann, textcoords="offset points", arrowprops=line
            )


def move(name: "Annotation", step: tuple[int, int], distance: int) -> "Bbox":
    """Put a name at a distance from its point; returns what it covers."""
    right, up = step
    name.xyann = right * distance, up * distance
    name.set(ha=HORIZONTAL[np.sign(right)], va=VERTICAL[np.sign(up)])
    return name.get_window_extent()


def obstacles(axes: "Axes", results: Sequence[Result]) -> list["Bbox"]:
    """What names must not cover: the points, and the line along the frontier."""
    from matplotlib.transforms import Bbox

    spots = axes.transData.transform([place(result) for result in results])
    boxes = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in spots]
    best = [spot for spot, result in zip(spots, results, strict=True) if result.on_frontier]
    for (x, y), (next_x, next_y) in itertools.pairwise(best):
        boxes += [Bbox([(x, y), (next_x, y)]), Bbox([(next_x, y), (next_x, next_y)])]
    return boxes
