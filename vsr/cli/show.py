"""vsr info, vsr models, vsr doctor"""

import json
import platform
import sys
from dataclasses import asdict
from typing import Annotated

import typer


def info(
    film: Annotated[str, typer.Argument(help="A film.")],
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """What a film holds, and how vsr would read it."""
    from vsr.cli.progress import plain
    from vsr.media.carry import describe, other_streams
    from vsr.media.reader import Reader

    with Reader(film) as reader:
        video = reader.info
        others = [describe(s) for s in other_streams(reader.container, reader.stream)]
        chapters = len(reader.container.chapters())
    if as_json:
        facts = {**asdict(video), "other_streams": others, "chapters": chapters}
        print(json.dumps(facts, default=plain))
        return
    form = video.format
    rows = {
        "size": f"{form.width}x{form.height}",
        "codec": f"{video.codec}, {video.source_pix_fmt}",
        "frames": f"{video.frames or 'unknown'}"
        + (f", {float(video.rate):.3f} a second" if video.rate else "")
        + (f", {video.duration:.2f} s" if video.duration else ""),
        "time base": f"{video.time_base}",
        "colour": f"{form.color_matrix}, {'full' if form.full_range else 'limited'} range, "
        f"chroma {form.chroma} {form.chroma_location}, {form.depth} bits",
        "pixel shape": f"{video.sar or 'not said'}",
        "rotation": f"{video.rotation} degrees",
        "interlaced": "yes" if video.interlaced else "no",
        "HDR10": "yes" if video.hdr.mastering or video.hdr.content_light else "no",
        "chapters": f"{chapters}",
        "other streams": "; ".join(others) or "none",
    }
    for name, value in rows.items():
        print(f"{name + ':':15}{value}")
    for note in video.notes:
        print(f"note: {note}")


def models(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """The networks that are at hand."""
    from vsr.networks.catalog import cards
    from vsr.networks.classical import NAMES as CLASSICAL

    found = cards()
    if as_json:
        print(json.dumps([asdict(card) for card in found]))
        return
    print(f"{'name':10} {'scale':6} {'weights':>8}  {'Set5':>6} {'Set14':>6}  description")
    for card in found:
        set5, set14 = (card.quality[name]["psnr"] for name in ("Set5", "Set14"))
        print(
            f"{card.name:10} x{card.scale:<5} {card.weights:>8}  {set5:6.2f} {set14:6.2f}  "
            f"{card.description}"
        )
    print(f"{', '.join(CLASSICAL)}: classical resampling by any whole factor")
    print("any path of an ONNX file: 1 or 3 channels, values in [0, 1], a whole factor")


def doctor() -> None:
    """What this machine can run, and what would be used."""
    import av
    import psutil

    from vsr import __version__
    from vsr.backends.select import nvidia_gpus, reports
    from vsr.media.encoder import CODEC_NAMES

    gib = psutil.virtual_memory().total / 2**30
    print(f"vsr {__version__}, Python {platform.python_version()}, {sys.platform}")
    print(f"processor: {psutil.cpu_count()} cores, {gib:.1f} GiB of memory")
    for gpu in nvidia_gpus():
        print(f"GPU: {gpu}: not used, no backend of this version runs on it")
    used = False
    for report in reports():
        state = "usable" if report.usable else "not usable"
        print(f"backend {report.name}: {state}; {report.reason}")
        for device in report.devices:
            print(f"  {device}")
        if report.usable and not used:
            print("  this is what --backend auto uses")
            used = True
    able = [name for name, encoder in CODEC_NAMES.items() if encoder in av.codecs_available]
    print(f"PyAV {av.__version__}; encoders: {', '.join([*able, 'ffv1'])}")
