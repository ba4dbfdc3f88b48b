"""vsr eval"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsr.cli.options import Precision
from vsr.errors import MissingPackageError, UsageError
from vsr.settings import UpscaleSettings

if TYPE_CHECKING:
    from vsr.evaluate.quality import Measure
    from vsr.evaluate.scores import Scores
    from vsr.evaluate.upscalers import Upscaler


def evaluate(
    models: Annotated[list[str], typer.Argument(help="As for upscale's -m.")],
    data: Annotated[
        Path, typer.Option(help="A folder of pictures, such as Set5; with --video, of sequences.")
    ],
    video: Annotated[
        bool, typer.Option("--video", help="Judge films, or folders of numbered frames.")
    ] = False,
    crf: Annotated[
        str | None, typer.Option(help="With --video: also after H.264 at these, as in 23,28,33.")
    ] = None,
    frames: Annotated[
        int, typer.Option(help="With --video: of each sequence, so many from its beginning.")
    ] = 60,
    noise: Annotated[
        float, typer.Option(help="With --video: also with white noise of so many codes.")
    ] = 0.0,
    temporal: Annotated[
        float, typer.Option(help="With --video: also with so much --temporal, as for upscale.")
    ] = 0.0,
    temporal_radius: Annotated[int, typer.Option(help="As for upscale.")] = 1,
    scale: Annotated[int, typer.Option("-x", "--scale", help="The factor.")] = 2,
    rounded: Annotated[
        bool,
        typer.Option(
            "--rounded",
            help="Round small luma to 8 bits, as in films; the papers' is finer. Always so in less "
            "than fp32.",
        ),
    ] = False,
    precision: Annotated[Precision, typer.Option(help="As for upscale.")] = Precision.fp32,
    lpips: Annotated[
        list[Path] | None,
        typer.Option(
            help="Also LPIPS, by these weights: torchvision's AlexNet or VGG-16 and the published "
            "linear layers, in one file or, said twice, in two."
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write every frame's values here.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw PSNR here, a PNG file.")] = None,
    opencv_model: Annotated[
        Path | None, typer.Option(help="Also judge OpenCV's dnn_superres with this KIND_x2.pb.")
    ] = None,
) -> None:
    """How near to the truth models come, by the protocol of the papers: on pictures, or on
    sequences, where steadiness counts, too."""
    rounded = rounded or precision is not Precision.fp32
    crfs = parse_crfs(crf, video)
    for word, value in (("--temporal", temporal), ("--noise", noise)):
        if value and not video:
            raise UsageError(f"{word} is for sequences; say --video as well")
    if not 0 <= noise <= 100:
        raise UsageError(f"--noise {noise:g} is not between 0 and 100")
    UpscaleSettings(temporal=temporal, temporal_radius=temporal_radius)  # raises what is wrong
    if frames < 2:
        raise UsageError(f"{frames} frame is no sequence; say --frames 2 or more")
    check_files(json_file, plot)
    measures = find_measures(lpips or [])
    upscalers = find_upscalers(models, scale, precision, opencv_model)
    if video:
        scores = judge_sequences(
            upscalers, data, scale, crfs, frames, measures, temporal, temporal_radius, noise
        )
    else:
        scores = judge_pictures(upscalers, data, scale, measures, rounded)
    count = len({each.item for each in scores})
    what = f"sequences, at most {frames} frames of each" if video else "pictures"
    if rounded and not video:
        what += ", small luma rounded to 8 bits"
    print(f"{data.name}, x{scale}: {count} {what}\n")
    report(scores, data, scale, json_file)
    if plot is not None:
        from vsr.evaluate.plot import draw_pictures, draw_sequences

        shown = ("psnr", "flicker") if temporal else ("psnr",)
        figure = draw_sequences(scores, shown) if video else draw_pictures(scores)
        figure.savefig(plot)


def parse_crfs(words: str | None, video: bool) -> list[int]:
    """23,28,33 as numbers. Raises UsageError."""
    if words is None:
        return []
    if not video:
        raise UsageError("--crf compresses sequences; say --video as well")
    crfs = [int(word) for word in words.split(",") if word.strip().isdecimal()]
    if len(crfs) != len(words.split(",")) or max(crfs) > 51:
        raise UsageError(f"'{words}' is no list of H.264's CRFs, 0 to 51; say 23,28,33")
    return crfs


def check_files(json_file: Path | None, plot: Path | None) -> None:
    """Raises UsageError or MissingPackageError for what could not be written in the end."""
    for file in (json_file, plot):
        if file is not None and not file.parent.is_dir():
            raise UsageError(f"{file}: there is no folder {file.parent}")
    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError(f"{plot}: plots are PNG files; say {plot.stem}.png")
    if plot is not None and find_spec("matplotlib") is None:
        raise MissingPackageError("matplotlib", "eval")


def find_measures(weights: list[Path]) -> dict[str, Measure]:
    """All that need no weights, and LPIPS where its weights are given."""
    from vsr.evaluate.quality import MEASURES

    if not weights:
        return MEASURES
    if find_spec("torch") is None:
        raise MissingPackageError("torch", "train")
    from vsr.evaluate.lpips import read_lpips

    return {**MEASURES, "lpips": read_lpips(weights)}


def find_upscalers(
    models: list[str], scale: int, precision: Precision, opencv_model: Path | None
) -> list[Upscaler]:
    from vsr.evaluate.upscalers import Upscaler
    from vsr.evaluate.upscalers import find_upscalers as find

    found = find(list(dict.fromkeys(models)), scale, precision.value)
    if opencv_model is not None:
        from vsr.report.rivals import opencv_rival
        from vsr.shrink import to_codes

        rival = opencv_rival(opencv_model)
        found.append(
            Upscaler(
                rival.name, 1, lambda planes: [rival.upscale_luma(to_codes(p)) for p in planes]
            )
        )
    return found


def judge_pictures(
    upscalers: list[Upscaler],
    data: Path,
    scale: int,
    measures: dict[str, Measure],
    rounded: bool,
) -> list[Scores]:
    from tqdm import tqdm

    from vsr.evaluate.protocol import judge_pictures as judge
    from vsr.media.pictures import find_pictures

    pictures = {path.relative_to(data).as_posix(): path for path in find_pictures(data)}
    if not pictures:
        raise UsageError(f"{data}: holds no pictures")
    shown = tqdm(
        judge(upscalers, pictures, scale, measures, rounded),
        total=len(upscalers) * len(pictures),
        unit="picture",
        file=sys.stderr,
        disable=None,
    )
    return list(shown)


def judge_sequences(
    upscalers: list[Upscaler],
    data: Path,
    scale: int,
    crfs: list[int],
    frames: int,
    measures: dict[str, Measure],
    temporal: float,
    radius: int,
    noise: float,
) -> list[Scores]:
    from tqdm import tqdm

    from vsr.evaluate.sequences import find_sequences
    from vsr.evaluate.sequences import judge_sequences as judge

    sequences = find_sequences(data)
    conditions = 1 + len(crfs) + bool(noise)
    shown = tqdm(
        judge(upscalers, sequences, scale, crfs, frames, measures, temporal, radius, noise),
        total=len(upscalers) * len(sequences) * conditions * (1 + bool(temporal)),
        unit="sequence",
        file=sys.stderr,
        disable=None,
    )
    return list(shown)


def report(scores: Sequence[Scores], data: Path, scale: int, json_file: Path | None) -> None:
    """A table and JSON lines on standard output, and every frame's values in a file."""
    from vsr.evaluate.scores import row_line, rows, scores_line, table

    means = rows(scores)
    print(table(means), end="\n\n")
    for row in means:
        print(row_line(row, data.name, scale))
    if json_file is not None:
        lines = [scores_line(each, data.name, scale) for each in scores]
        json_file.write_text("".join(f"{line}\n" for line in lines))
