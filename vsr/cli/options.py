"""The command line's words that can be chosen from."""

import re
from enum import Enum

from vsr.errors import UsageError


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


def parse_size(word: str) -> tuple[int, int]:
    """Width and height. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", word)
    if found is None or not all(2 <= int(side) <= 16384 for side in found.groups()):
        raise UsageError(f"'{word}' is no size; say 640x360")
    return int(found[1]), int(found[2])
