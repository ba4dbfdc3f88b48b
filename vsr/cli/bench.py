"""vsr bench, vsr compare"""

import json
from dataclasses import asdict
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsr.cli.options import Precision, TemporalRadius, parse_size
from vsr.errors import UsageError
from vsr.settings import DEFAULT_MODEL, EncoderSettings, EngineSettings, UpscaleSettings

if TYPE_CHECKING:
    from vsr.report.bench import BenchReport
    from vsr.report.rivals import Rival

SAMPLE = Path(__file__).parents[2] / "samples" / "scene.mkv"

Models = Annotated[
    list[str] | None,
    typer.Option("-m", "--model", help=f"As for upscale; repeatable. [{DEFAULT_MODEL}]"),
]
OpenCvModel = Annotated[
    Path | None, typer.Option(help="Also time OpenCV's dnn_superres with this KIND_x2.pb.")
]


def bench(
    clip: Annotated[Path, typer.Option(help="What to work on.")] = SAMPLE,
    models: Models = None,
    scale: Annotated[int, typer.Option("-x", "--scale", help="The factor.")] = 2,
    sizes: Annotated[
        list[str] | None,
        typer.Option("--size", help="Take the clip to this size first, 1280x720; repeatable."),
    ] = None,
    backends: Annotated[
        list[str] | None, typer.Option("--backend", help="As for upscale; repeatable. [auto]")
    ] = None,
    device: Annotated[str, typer.Option(help="As for upscale.")] = "auto",
    precision: Annotated[Precision, typer.Option(help="As for upscale.")] = Precision.auto,
    threads: Annotated[int, typer.Option(help="As for upscale.")] = 0,
    batch: Annotated[int, typer.Option(help="As for upscale.")] = 0,
    codec: Annotated[str, typer.Option(help="As for upscale.")] = "h264",
    crf: Annotated[float | None, typer.Option(help="As for upscale.")] = None,
    preset: Annotated[str | None, typer.Option(help="As for upscale.")] = None,
    temporal: Annotated[
        float, typer.Option(help="Also time the whole with so much --temporal, as for upscale.")
    ] = 0.0,
    temporal_radius: TemporalRadius = 1,
    frames: Annotated[int, typer.Option(help="Repeat the clip to this many frames.")] = 600,
    runs: Annotated[int, typer.Option(help="Medians over so many runs.")] = 3,
    opencv_model: OpenCvModel = None,
    torch: Annotated[
        bool, typer.Option(help="Also time a plain torch loop; in fp16 where there is CUDA.")
    ] = False,
    torch_compile: Annotated[
        bool, typer.Option("--torch-compile", help="Also the same through torch.compile.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build engines anew, to know how long that takes.")
    ] = False,
    floor: Annotated[
        bool,
        typer.Option("--floor", help="Also the least that a frame can take here; needs torch."),
    ] = False,
) -> None:
    """Time every stage alone, and the whole from file to file.

    Of several models, sizes or backends all combinations are timed, into one table.
    """
    if not clip.is_file():
        raise UsageError(f"{clip}: no such file; name a film with --clip")
    UpscaleSettings(temporal=temporal, temporal_radius=temporal_radius)  # raises what is wrong
    from vsr.report.bench import bench as measure

    encoder = EncoderSettings(codec, crf, preset)
    pixels = [parse_size(size) for size in sizes] if sizes else [None]
    reports = []
    for model, size, backend in product(models or [DEFAULT_MODEL], pixels, backends or ["auto"]):
        engine = EngineSettings(backend, device, precision.value, threads, batch=batch)
        rivals = make_rivals(model, scale, opencv_model, torch, torch_compile)
        report = measure(
            *(clip, model, engine, encoder, frames, runs, rivals),
            *(scale, size, rebuild, floor, temporal, temporal_radius),
        )
        reports.append(report)
        print_table(report)
    if len(reports) > 1:
        print_summary(reports)
    for report in reports:
        shares = {"share": report.share, "floor_share": report.floor_share}
        print(json.dumps({**asdict(report), **shares}))


def make_rivals(
    model: str, scale: int, opencv_model: Path | None, torch: bool, torch_compile: bool
) -> "list[Rival]":
    from vsr.report.rivals import opencv_rival, torch_rival

    rivals = []
    if opencv_model is not None:
        rivals.append(opencv_rival(opencv_model))
    if torch:
        rivals.append(torch_rival(model, scale))
    if torch_compile:
        rivals.append(torch_rival(model, scale, compiled=True))
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
    if report.steadied is not None:
        steadied = report.steadied
        change = f"{100 * (steadied.fps / report.whole_fps - 1):+.0f} %"
        times = steadied.processor_seconds / report.processor_seconds
        radius = " --temporal-radius 2" * (steadied.radius == 2)
        print(
            f"| the same with --temporal {steadied.temporal:g}{radius} | | {steadied.fps:.1f} "
            f"({change}; {times:.1f} times the processor time) |"
        )
    for rival in report.rivals:
        times = report.whole_fps / rival.fps
        print(f"| {rival.name}, file to file | | {rival.fps:.1f} (vsr: {times:.1f} times) |")
    print(
        f"\npeak memory {report.peak_memory_mib:.0f} MiB, "
        f"{report.processor_seconds:.1f} s of processor time for {report.frames} frames"
    )
    print(f"from the command to a file of one frame: {report.start_seconds:.2f} s")
    if report.build_seconds is not None:
        print(f"the engine was built in {report.build_seconds:.0f} s before")
    if report.gpu_busy is not None and report.gpu_memory_mib is not None:
        print(f"GPU: {report.gpu_busy:.0f} % busy, {report.gpu_memory_mib:.0f} MiB")
    if report.floor is not None and report.floor_share is not None:
        least = report.floor
        print(
            f"floor: {least.milliseconds:.2f} ms a frame, by {least.operations / 1e9:.1f} G "
            f"operations, {least.matmul_rate / 1e12:.2f} T/s and {least.copy_rate / 1e9:.0f} GB/s "
            f"as measured; the engine's speed is {100 * report.floor_share:.0f} % of that"
        )
    print()


def print_summary(reports: "list[BenchReport]") -> None:
    """One line for each that was measured."""
    print(
        "| network | size | engine | engine alone, frames/s | whole, frames/s | GPU busy | "
        "GPU memory, MiB | built in, s | start, s | of the floor |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for report in reports:
        share = report.floor_share
        facts = [
            *(report.network, report.size, report.engine),
            *(f"{report.engine_fps:.1f}", f"{report.whole_fps:.1f}"),
            "" if report.gpu_busy is None else f"{report.gpu_busy:.0f} %",
            "" if report.gpu_memory_mib is None else f"{report.gpu_memory_mib:.0f}",
            "" if report.build_seconds is None else f"{report.build_seconds:.0f}",
            f"{report.start_seconds:.2f}",
            "" if share is None else f"{100 * share:.0f} %",
        ]
        print(f"| {' | '.join(facts)} |")
    print()


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
