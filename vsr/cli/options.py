"""The command line's words that can be chosen from."""

from enum import Enum


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
