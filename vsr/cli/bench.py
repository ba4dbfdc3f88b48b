"""vsr bench, vsr compare"""

import json
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsr.cli.options import Precision
from vsr.errors import UsageError
from vsr.settings import DEFAULT_MODEL, EncoderSettings, EngineSettings, UpscaleSettings

if TYPE_CHECKING:
    from vsr.report.bench import BenchReport
    from vsr.report.rivals import Rival

SAMPLE = Path(__file__).parents[2] / "samples" / "scene.mkv"

OpenCvModel = Annotated[
    Path | None, typer.Option(help="Also time OpenCV's dnn_superres with this KIND_x2.pb.")
]


def bench(
    clip: Annotated[Path, typer.Option(help="What to work on.")] = SAMPLE,
    model: Annotated[str, typer.Option("-m", "--model", help="As for upscale.")] = DEFAULT_MODEL,
    backend: Annotated[str, typer.Option(help="As for upscale.")] = "auto",
    device: Annotated[str, typer.Option(help="As for upscale.")] = "auto",
    precision: Annotated[Precision, typer.Option(help="As for upscale.")] = Precision.auto,
    threads: Annotated[int, typer.Option(help="As for upscale.")] = 0,
    batch: Annotated[int, typer.Option(help="As for upscale.")] = 0,
    codec: Annotated[str, typer.Option(help="As for upscale.")] = "h264",
    crf: Annotated[float | None, typer.Option(help="As for upscale.")] = None,
    preset: Annotated[str | None, typer.Option(help="As for upscale.")] = None,
    frames: Annotated[int, typer.Option(help="Repeat the clip to this many frames.")] = 600,
    runs: Annotated[int, typer.Option(help="Medians over so many runs.")] = 3,
    opencv_model: OpenCvModel = None,
    torch: Annotated[bool, typer.Option(help="Also time a plain torch loop.")] = False,
) -> None:
    """Time every stage alone, and the whole from file to file."""
    if not clip.is_file():
        raise UsageError(f"{clip}: no such file; name a film with --clip")
    from vsr.report.bench import bench as measure

    engine = EngineSettings(backend, device, precision.value, threads, batch=batch)
    encoder = EncoderSettings(codec, crf, preset)
    rivals = make_rivals(model, opencv_model, torch)
    report = measure(clip, model, engine, encoder, frames, runs, rivals)
    print_table(report)
    print(json.dumps({**asdict(report), "share": report.share}))


def make_rivals(model: str, opencv_model: Path | None, torch: bool) -> "list[Rival]":
    from vsr.report.rivals import opencv_rival, torch_rival

    rivals = []
    if opencv_model is not None:
        rivals.append(opencv_rival(opencv_model))
    if torch:
        rivals.append(torch_rival(model, 2))
    return rivals


def print_table(report: "BenchReport") -> None:
    """The README's speed table."""
    print(f"{report.clip}, {report.size}, {report.network} on {report.engine}, {report.encoder}\n")
    print("| stage | ms a frame | frames/s |")
    print("|---|---|---|")
    for stage in report.stages:
        print(f"| {stage.name} alone | {stage.milliseconds:.1f} | {stage.fps:.1f} |")
    print(f"| ideal: decode, engine, encode in turn | | {report.ideal_fps:.1f} |")
    share = f"{100 * report.share:.0f} % of ideal"
    print(f"| **whole, file to file** | | **{report.whole_fps:.1f}** ({share}) |")
    for rival in report.rivals:
        times = report.whole_fps / rival.fps
        print(f"| {rival.name}, file to file | | {rival.fps:.1f} (vsr: {times:.1f} times) |")
    print(
        f"\npeak memory {report.peak_memory_mib:.0f} MiB, "
        f"{report.processor_seconds:.1f} s of processor time for {report.frames} frames\n"
    )


def compare(
    film: Annotated[Path, typer.Argument(help="A film.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A PNG file.")],
    models: Annotated[
        list[str] | None,
        typer.Option("-m", "--model", help=f"Repeatable. [bicubic, {DEFAULT_MODEL}]"),
    ] = None,
    scale: Annotated[int, typer.Option("-x", "--scale", help="The factor.")] = 2,
    at: Annotated[str, typer.Option(help="Which frame: seconds or h:mm:ss.")] = "0",
    crop: Annotated[
        str | None, typer.Option(help="x,y,width,height in the large picture. [all of it]")
    ] = None,
    truth: Annotated[
        bool, typer.Option(help="Shrink the frame first, and show it at the right end.")
    ] = False,
    crf: Annotated[
        int | None, typer.Option(help="With --truth: compress the small film by H.264 at this CRF.")
    ] = None,
    column: Annotated[
        int | None,
        typer.Option(
            "--slice",
            help="With --truth: instead of a frame this column of pixels, frame after frame, by "
            "one model without and with --temporal.",
        ),
    ] = None,
    temporal: Annotated[float, typer.Option(help="With --slice: as for upscale.")] = 1.0,
) -> None:
    """A look before a long job: one frame by several models, side by side, as a picture."""
    from vsr.cli.upscale import parse_time
    from vsr.report.compare import compare as draw

    if crf is not None and not truth:
        raise UsageError("--crf compresses what --truth made small: give both")

    box = None
    if crop is not None:
        numbers = [int(word) for word in crop.split(",") if word.strip().isdigit()]
        if len(numbers) != 4:
            raise UsageError(f"'{crop}' is no crop; say x,y,width,height")
        box = (numbers[0], numbers[1], numbers[2], numbers[3])
    if column is not None:
        from vsr.report.slices import draw_slices

        if not truth or len(models or []) > 1:
            raise UsageError("--slice needs --truth, and one model at most")
        UpscaleSettings(temporal=temporal)  # raises what is wrong
        rows = slice(box[1], box[1] + box[3]) if box else slice(0, None)
        begin = parse_time(at) or Fraction(0)
        model = (models or [DEFAULT_MODEL])[0]
        draw_slices(film, model, scale, begin, column, rows, crf, temporal, output)
        print(output)
        return
    draw(
        film,
        models or ["bicubic", DEFAULT_MODEL],
        scale,
        parse_time(at) or Fraction(0),
        box,
        truth,
        crf,
        output,
    )
    print(output)
