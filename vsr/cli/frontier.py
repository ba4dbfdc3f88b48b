"""vsr frontier"""

import json
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from vsr.cli.options import parse_size
from vsr.errors import MissingPackageError, UsageError


def frontier(
    models: Annotated[
        list[str], typer.Argument(help="As for upscale's -m; NAME@int8 picks a precision.")
    ],
    data: Annotated[
        Path, typer.Option(help="Benchmarks are the folders of pictures in DATA/eval.")
    ],
    scale: Annotated[int, typer.Option("-x", "--scale", help="The factor.")] = 2,
    size: Annotated[str, typer.Option(help="Of the small frames that are timed.")] = "640x360",
    backend: Annotated[str, typer.Option(help="As for upscale; what is timed.")] = "auto",
    device: Annotated[str, typer.Option(help="As for upscale; what is timed.")] = "auto",
    runs: Annotated[int, typer.Option(help="How often every model has its turn.")] = 9,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the results here, JSON lines.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw them here, a PNG file.")] = None,
) -> None:
    """Quality against time: which models are worth their time."""
    width, height = parse_size(size)
    if runs < 1:
        raise UsageError(f"{runs} runs is nothing to measure")
    if plot is not None and find_spec("matplotlib") is None:
        raise MissingPackageError("matplotlib", "eval")
    for file in (json_file, plot):
        if file is not None and not file.parent.is_dir():
            raise UsageError(f"{file}: there is no folder {file.parent}")
    from vsr.frame import FrameFormat
    from vsr.report.frontier import find_benchmarks, find_candidates, find_frontier, table

    benchmarks = find_benchmarks(data)
    candidates = find_candidates(models, scale, backend, device)
    results = find_frontier(candidates, benchmarks, FrameFormat(width, height), runs)
    print(f"x{scale}, {size}, {runs} runs in turn; the frontier is by {next(iter(benchmarks))}\n")
    print(table(results))
    if json_file is not None:
        json_file.write_text("".join(json.dumps(asdict(result)) + "\n" for result in results))
    if plot is not None:
        from vsr.report.frontier_plot import draw_frontier

        draw_frontier(results, f"x{scale}, {size}").savefig(plot)
