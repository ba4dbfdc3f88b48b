"""Options that several commands have, and what their words mean."""

import re
from enum import Enum
from fractions import Fraction
from typing import Annotated

import typer

from vsr.errors import UsageError
from vsr.settings import EncoderSettings, Size, parse_scale


class Deinterlace(str, Enum):
    auto = "auto"
    off = "off"
    frame = "frame"
    field = "field"


class Precision(str, Enum):
    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"
    int8 = "int8"


class Style(str, Enum):
    """How progress is shown."""

    auto = "auto"
    bar = "bar"
    json = "json"
    none = "none"


Scale = Annotated[
    str | None, typer.Option("-x", "--scale", help="Factor: 2, 3, 4, 1.5, 4/3 ... [2]")
]
Height = Annotated[int | None, typer.Option(help="Height as shown, instead of -x.")]
Width = Annotated[int | None, typer.Option(help="Width as shown, instead of -x.")]
Model = Annotated[
    str, typer.Option("-m", "--model", help="Name (see vsr models), ONNX file or checkpoint.")
]
Codec = Annotated[str, typer.Option(help="h264, hevc, av1, ffv1, prores, or any FFmpeg encoder.")]
Crf = Annotated[float | None, typer.Option(help="Quality, lower is better.")]
Preset = Annotated[str | None, typer.Option(help="The encoder's preset.")]
PixFmt = Annotated[str | None, typer.Option(help="Pixel format to encode.")]
EncoderOpt = Annotated[
    list[str] | None, typer.Option(help="Further encoder option, key=value; repeatable.")
]
DeinterlaceBy = Annotated[
    Deinterlace, typer.Option(help="auto, off, frame, or field (twice the rate).")
]
TemporalRadius = Annotated[
    int, typer.Option(help="With --temporal: frames to look at on each side, 1 or 2.")
]
Backend = Annotated[str, typer.Option(help="What computes; see vsr doctor.")]
Device = Annotated[str, typer.Option(help="Which of the backend's devices.")]
ComputeIn = Annotated[Precision, typer.Option(help="What it computes in.")]
Threads = Annotated[int, typer.Option(help="Processor threads; 0: all.")]
Tile = Annotated[int, typer.Option(help="Side of a tile; 0: as memory allows.")]
Batch = Annotated[int, typer.Option(help="Frames computed together on a GPU; 0: auto.")]
Hwaccel = Annotated[str, typer.Option(help="Decode on an NVIDIA GPU: cuda or cuda:N.")]
Restart = Annotated[
    bool, typer.Option("--restart", help="Throw away what an interrupted run has left.")
]
ChunkSeconds = Annotated[
    float, typer.Option(help="Of film, after which what is done is kept for good.")
]
ShownAs = Annotated[Style, typer.Option(help="auto, bar, json or none.")]


def size_of(scale: str | None, width: int | None, height: int | None) -> Size:
    """Twice the film's, if nothing is said. Raises UsageError."""
    usual = None if width or height else Fraction(2)
    return Size(parse_scale(scale) if scale else usual, width, height)


def encoder_of(
    codec: str, crf: float | None, preset: str | None, pix_fmt: str | None, words: list[str] | None
) -> EncoderSettings:
    """Raises UsageError where one of `words` is not of the form key=value."""
    options = {}
    for word in words or []:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise UsageError(f"encoder option '{word}' is not of the form key=value")
        options[key] = value
    return EncoderSettings(codec, crf, preset, pix_fmt, options)


def parse_size(word: str) -> tuple[int, int]:
    """Width and height. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", word)
    if found is None or not all(2 <= int(side) <= 16384 for side in found.groups()):
        raise UsageError(f"'{word}' is no size; say 640x360")
    return int(found[1]), int(found[2])
