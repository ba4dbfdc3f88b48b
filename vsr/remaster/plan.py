"""A film of an archive, and what it is to become: the tree of sources, mirrored."""

from __future__ import annotations

import os
import string
from dataclasses import dataclass

from vsr.errors import InputError, UsageError, one_line
from vsr.remaster.find import is_within
from vsr.settings import Size, UpscaleSettings

SAME_NAME = "{stem}{suffix}"
FIELDS = ("stem", "suffix", "source", "size", "model")
"""What a template of names may have in braces: the source's name without its ending; the ending,
the source's own where such a file can hold the result, else .mkv or .mov; the source's whole name;
x2, 1080p or 1920w; the model's name."""


@dataclass(frozen=True)
class Film:
    """A film to be finished: plain values, which can be sent anywhere."""

    source: str
    output: str
    settings: UpscaleSettings
    name: str
    """The output's path below the folder of all outputs: its key in the record."""


def check_folders(archive: str, out: str) -> None:
    """Raise InputError unless the outputs can never be taken for sources."""
    if not os.path.isdir(archive):
        there = os.path.exists(archive)
        what = "not a folder; vsr upscale takes single films" if there else "no such folder"
        raise InputError(f"{archive}: {what}")
    if os.path.lexists(out) and not os.path.isdir(out):
        raise InputError(f"{out}: not a folder; the results need one")
    inner, outer = os.path.realpath(archive), os.path.realpath(out)
    if inner == outer:
        raise InputError(f"{out}: is the archive itself; the results need a folder of their own")
    if is_within(inner, outer):
        raise InputError(
            f"{out}: the archive lies in it, so results could be taken for sources; choose another"
        )


def check_template(template: str) -> None:
    """Raise UsageError unless a template of names can be used."""
    fields = ", ".join(f"{{{name}}}" for name in FIELDS)
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise UsageError(f"--name '{template}': {error}") from error
    for _, field, form, conversion in parts:
        if field is not None and (field not in FIELDS or form or conversion):
            raise UsageError(f"--name '{template}': no field {{{field}}}; there is {fields}")
    if "/" in template or template.startswith("."):
        raise UsageError(
            f"--name '{template}': a name, not a path, which does not begin with a dot"
        )
    if not any(field in ("stem", "source") for _, field, _, _ in parts):
        raise UsageError(
            f"--name '{template}': without {{stem}} or {{source}} all are called alike"
        )


def output_name(template: str, path: str, ending: str, settings: UpscaleSettings) -> str:
    """The output's path below the folder of all outputs, of a source's below the archive."""
    folder, source = os.path.split(path)
    name = template.format(
        stem=os.path.splitext(source)[0],
        suffix=ending,
        source=source,
        size=size_word(settings.size),
        model=os.path.splitext(os.path.basename(settings.model))[0],
    )
    return os.path.join(folder, name)


def size_word(size: Size) -> str:
    if size.scale is not None:
        return f"x{float(size.scale):g}"
    return f"{size.height}p" if size.height else f"{size.width}w"


def reason_of(error: Exception, film: Film) -> str:
    """Why a film failed, in one line, without its name."""
    return one_line(error).removeprefix(f"{film.source}: ")
