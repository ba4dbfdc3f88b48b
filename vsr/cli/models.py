"""vsr models: the networks there are"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from vsr.cli.options import Style
from vsr.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from vsr.networks.catalog import ModelCard
    from vsr.networks.published import PublishedFile

models = typer.Typer(name="models", rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@models.callback(invoke_without_command=True)
def root(context: typer.Context, as_json: AsJson = False) -> None:
    """The networks that are at hand, and those that can be fetched."""
    if context.invoked_subcommand is None:
        show_all(as_json)
    elif as_json:
        raise UsageError("--json stands behind the command: vsr models list --json")


@models.command("list")
def show_all(as_json: AsJson = False) -> None:
    """All networks: those at hand, and those that can be fetched."""
    from vsr.networks.catalog import cards
    from vsr.networks.classical import NAMES as CLASSICAL
    from vsr.networks.published import published

    bundled, files = cards(), published()
    if as_json:
        facts = [{"kind": "bundled", **asdict(card)} for card in bundled]
        print(json.dumps(facts + [{"kind": "published", **facts_of(file)} for file in files]))
        return
    wide = max(len(name) for name in [card.name for card in bundled] + [f.name for f in files])
    print(f"{'name':{wide}} {'scale':6} {'weights':>8}  {'Set5':>6} {'Set14':>6} int8  description")
    for card in bundled:
        print(
            f"{card.name:{wide}} x{card.scale:<5} {card.weights:>8}  {decibels(card, 'Set5'):>6} "
            f"{decibels(card, 'Set14'):>6} {'yes' if card.int8 else 'no':4}  {card.description}"
        )
    print(f"{', '.join(CLASSICAL)}: classical resampling by any whole factor")
    print("any path of an ONNX file: 1 or 3 channels, values in [0, 1], a whole factor")
    print("\npublished by others; vsr models pull NAME fetches one:")
    print(f"{'name':{wide}} {'scale':8} {'size':>14}  {'here':4} {'licence':12}  description")
    for file in files:
        print(
            f"{file.name:{wide}} {scales_of(file):8} {file.spoken_size:>14}  "
            f"{'yes' if file.pulled else 'no':4} {file.licence:12}  {file.description}"
        )


@models.command()
def info(name: Annotated[str, typer.Argument(help="A network's name.")]) -> None:
    """All that is known of one network."""
    from vsr.networks.catalog import cards
    from vsr.networks.classical import NAMES as CLASSICAL

    if name in CLASSICAL:
        print_rows(
            {"name": name, "scale": "any whole factor", "description": "classical resampling"}
        )
    found = [card_rows(card) for card in cards() if card.name == name]
    if not found and name not in CLASSICAL:
        found = [file_rows(file) for file in files_of(name)]
    for number, rows in enumerate(found):
        print("\n" if number else "", end="")
        print_rows(rows)


@models.command()
def pull(
    name: Annotated[str, typer.Argument(help="The name of a published network.")],
    scale: Annotated[int | None, typer.Option(help="Only the file of this scale.")] = None,
    progress: Annotated[Style, typer.Option(help="How progress is shown.")] = Style.auto,
) -> None:
    """Fetch a network that others have published, and check it."""
    from vsr.cli.pulling import make_pull_display
    from vsr.networks.pull import pull as fetch

    files = [file for file in files_of(name) if scale is None or scale in file.scales]
    if not files:
        scales = ", ".join(scales_of(file) for file in files_of(name))
        raise UsageError(f"no x{scale} of '{name}'; there is {scales}")
    display = make_pull_display(progress)
    try:
        for file in files:
            display.started(file)
            display.finished(file, fetch(file, display.progressed))
    except Interrupted:
        display.interrupted()
        sys.exit(130)
    finally:
        display.close()


def files_of(name: str) -> list[PublishedFile]:
    """The files of a published network. Raises UsageError where there is none of this name."""
    from vsr.networks.catalog import cards
    from vsr.networks.classical import NAMES as CLASSICAL
    from vsr.networks.published import published

    files = published(name)
    if name in CLASSICAL or name in {card.name for card in cards()}:
        raise UsageError(f"'{name}' comes with vsr: there is nothing to pull")
    if not files:
        raise UsageError(f"no network '{name}'; vsr models list shows which there are")
    return files


def card_rows(card: ModelCard) -> dict[str, str]:
    """What there is to say of a bundled network."""
    rows = {
        "name": card.name,
        "scale": f"x{card.scale}",
        "description": card.description,
        "licence": card.licence,
        "weights": f"{card.weights}",
        "quality": quality_words(card.quality),
        "SHA-256": card.sha256,
    }
    if card.int8 is not None:
        rows |= {
            "quality, int8": quality_words(card.int8.quality),
            "SHA-256, int8": card.int8.sha256,
        }
    recipe = {f"  {key}": words(value) for key, value in card.recipe.items() if key not in rows}
    return {**rows, "trained with": "", **recipe}


def file_rows(file: PublishedFile) -> dict[str, str]:
    """What there is to say of a published file."""
    return {
        "name": file.name,
        "scale": scales_of(file),
        "description": file.description,
        "architecture": f"{file.architecture}, {'luma' if file.channels == 1 else 'RGB'}",
        "licence": file.licence,
        "published at": file.source,
        "file": file.url,
        "size": file.spoken_size,
        "check": file.spoken_check,
        "here": str(file.path) if file.pulled else f"no: vsr models pull {file.name}",
    }


def facts_of(file: PublishedFile) -> dict[str, object]:
    """The same for machines."""
    return {**asdict(file), "path": str(file.path), "pulled": file.pulled}


def print_rows(rows: dict[str, str]) -> None:
    for name, value in rows.items():
        print(f"{name + ':':16} {value}".rstrip())


def scales_of(file: PublishedFile) -> str:
    return " ".join(f"x{scale}" for scale in file.scales)


def decibels(card: ModelCard, benchmark: str) -> str:
    measured = card.quality.get(benchmark)
    return f"{measured['psnr']:.2f}" if measured else "-"


def quality_words(quality: dict[str, dict[str, float]]) -> str:
    each = (f"{name} {m['psnr']:.2f} dB, SSIM {m['ssim']:.4f}" for name, m in quality.items())
    return "; ".join(each) or "not measured"


def words(value: object) -> str:
    """A value of a recipe, which is TOML."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {words(part)}" for key, part in value.items())
    return ", ".join(map(words, value)) if isinstance(value, list) else str(value)
