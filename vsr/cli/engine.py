"""vsr engine: engines built ahead of a job, and what lies in the cache"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from dataclasses import asdict, replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsr.errors import BackendError, UsageError
from vsr.settings import EngineSettings

if TYPE_CHECKING:
    from vsr.backends.base import Building
    from vsr.backends.plan_file import Entry

engine = typer.Typer(
    name="engine",
    rich_markup_mode=None,
    no_args_is_help=True,
    help="TensorRT engines: build them ahead of a job, list them, remove them.",
)

AsJson = Annotated[bool, typer.Option("--json", help="For machines: one object a line.")]
Into = Annotated[
    Path | None, typer.Option(help="The folder of engines. [$VSR_ENGINES, or the user's cache]")
]


@engine.command()
def build(
    recipes: Annotated[list[Path], typer.Argument(help="Recipes, such as engines/*.toml.")],
    device: Annotated[str, typer.Option(help="cuda:N, or a GPU's UUID.")] = "auto",
    optimization_level: Annotated[
        int | None, typer.Option(help="0 to 5: how long TensorRT searches. [the recipe's, or 3]")
    ] = None,
    workspace: Annotated[
        float | None,
        typer.Option(help="GiB that a layer may use; 0: all. [the recipe's, or all]"),
    ] = None,
    into: Into = None,
    as_json: AsJson = False,
) -> None:
    """Build the engines of some recipes; what is there already is not built again."""
    from vsr.backends.recipes import read_recipe
    from vsr.networks.catalog import find_network

    EngineSettings(
        optimization_level=optimization_level, workspace=workspace
    )  # raises what is wrong
    wanted = [read_recipe(path) for path in recipes]
    networks = [find_network(recipe.network, Fraction(recipe.scale)) for recipe in wanted]
    prepare = tensorrt().prepare
    use(into)
    show = Line(as_json)
    for recipe, network in zip(wanted, networks, strict=True):
        for form in recipe.formats:
            began = time.monotonic()
            settings = recipe.settings(device)
            if optimization_level is not None:
                settings = replace(settings, optimization_level=optimization_level)
            if workspace is not None:
                settings = replace(settings, workspace=workspace)
            try:
                key = prepare(network, form, settings, on_build=show.built)
            finally:
                show.close()
            show.done(key.stem, time.monotonic() - began)


def tensorrt() -> Any:
    """TensorRT's backend. Raises BackendError where it cannot be imported."""
    import importlib

    from vsr.backends.select import BACKENDS, why_not_imported

    try:
        return importlib.import_module(BACKENDS["tensorrt"][0])
    except ImportError as error:
        why = why_not_imported("tensorrt", error)
        raise BackendError(f"engines are built by TensorRT, which is not here: {why}") from error


class Line:
    """Shows what is built: lines for people, on a terminal with a bar, or for machines."""

    def __init__(self, as_json: bool) -> None:
        from tqdm import tqdm

        from vsr.cli.building import BuildDisplay

        self.as_json = as_json
        self.people = BuildDisplay(sys.stderr.isatty(), tqdm.write)

    def built(self, building: Building) -> None:
        if not self.as_json:
            self.people.show(building)
        elif building.note or building.share in (0, 1):
            print(json.dumps({"event": "build", **asdict(building)}), flush=True)

    def close(self) -> None:
        self.people.close()

    def done(self, stem: str, seconds: float) -> None:
        facts = {"event": "ready", "engine": stem, "seconds": round(seconds, 1)}
        print(json.dumps(facts) if self.as_json else f"{stem}: ready after {seconds:.1f} s")


def use(folder: Path | None) -> None:
    """Let this process keep its engines in a folder."""
    from vsr.backends.store import FOLDER_VARIABLE

    if folder is not None:
        os.environ[FOLDER_VARIABLE] = str(folder)


@engine.command("list")
def show_all(into: Into = None, as_json: AsJson = False) -> None:
    """The engines that are built."""
    from vsr.backends.store import EngineStore

    store = EngineStore(into)
    entries = store.entries()
    if as_json:
        for entry in entries:
            print(json.dumps(facts_of(entry)))
        return
    print(f"{len(entries)} engines, {sum(e.size for e in entries) / 1e6:.1f} MB in {store.folder}")
    for entry in entries:
        print(f"{entry.plan.stem}  {entry.size / 1e6:.1f} MB, used {entry.used:%Y-%m-%d}")


@engine.command()
def info(
    name: Annotated[str, typer.Argument(help="The beginning of an engine's name.")],
    into: Into = None,
    as_json: AsJson = False,
) -> None:
    """All that is known of one engine."""
    from vsr.backends.store import EngineStore

    found = [entry for entry in EngineStore(into).entries() if entry.plan.stem.startswith(name)]
    if not found:
        raise UsageError(f"no engine '{name}'; vsr engine list shows which there are")
    for entry in found:
        facts = facts_of(entry)
        if as_json:
            print(json.dumps(facts))
            continue
        for word, value in facts.items():
            print(f"{word.replace('_', ' ') + ':':20}{value}")


@engine.command()
def prune(
    older_than: Annotated[
        str | None, typer.Option(help="Not loaded for so long: 30d, 12h, 15m.")
    ] = None,
    runtime_not: Annotated[
        str | None, typer.Option(help="Of any other runtime than this: 'tensorrt 11.4.0.106'.")
    ] = None,
    gpu: Annotated[str | None, typer.Option(help="For the GPU of this name.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Whatever it is.")] = False,
    into: Into = None,
    as_json: AsJson = False,
) -> None:
    """Remove the engines to which all that is said applies."""
    from vsr.backends.store import EngineStore

    if everything == any(word is not None for word in (older_than, runtime_not, gpu)):
        raise UsageError("say which: --older-than 30d, --runtime-not, --gpu, or --all alone")
    age = None if older_than is None else parse_age(older_than)
    removed = EngineStore(into).prune(age, runtime_not, gpu)
    for entry in removed:
        print(json.dumps(facts_of(entry)) if as_json else f"removed {entry.plan.stem}")
    if not as_json:
        print(f"{sum(entry.size for entry in removed) / 1e6:.1f} MB freed")


def parse_age(word: str) -> timedelta:
    """Of "30d", "12h" or "15m"."""
    found = re.fullmatch(r"(\d+)([dhm])", word)
    if found is None:
        raise UsageError(f"'{word}' is no age; say 30d, 12h or 15m")
    unit = {"d": "days", "h": "hours", "m": "minutes"}[found[2]]
    return timedelta(**{unit: int(found[1])})


def facts_of(entry: Entry) -> dict[str, object]:
    """A manifest's facts, flat."""
    return {
        "name": entry.plan.stem,
        **asdict(entry.key),
        "size": entry.size,
        "sha256": entry.sha256,
        "built": entry.built.isoformat(),
        "build_seconds": entry.build_seconds,
        "vsr": entry.vsr,
    }
