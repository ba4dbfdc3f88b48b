"""A trained network -> the ONNX file and the model card that the package carries."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import onnx
from torch import nn

from vsr.evaluate.protocol import measure
from vsr.networks.catalog import Int8Card, ModelCard
from vsr.networks.export import export
from vsr.networks.network import Network
from vsr.train.recipe import Recipe, as_json

BENCHMARKS = ("Set5", "Set14")


def ship(
    net: nn.Module, int8: nn.Module | None, recipe: Recipe, data: Path, out: Path
) -> ModelCard:
    """Export `net` and its 8-bit twin, evaluate the files, and write them and their card.

    All goes to `out`/NAME.
    """
    plain = getattr(net, "collapsed", lambda: net)()
    network = export(plain, recipe.family, recipe.colors)
    file = out / recipe.name / f"{recipe.name}.onnx"
    card = ModelCard(
        name=recipe.family,
        scale=network.scale,
        description=recipe.description,
        weights=sum(weight.numel() for weight in plain.parameters()),
        licence=recipe.licence,
        sha256=write(network, file),
        quality=judge(network, data),
        recipe=as_json(recipe),
    )
    if int8 is not None:
        twin = export(int8, recipe.family, recipe.colors, int8=True)
        digest = write(twin, file.with_suffix(".int8.onnx"))
        card = replace(card, int8=Int8Card(digest, judge(twin, data, rounded=True)))
    file.with_suffix(".json").write_text(json.dumps(asdict(card), indent=2) + "\n")
    return card


def write(network: Network, file: Path) -> str:
    """Write the network; returns the file's SHA-256."""
    onnx.save(network.model, file)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def judge(network: Network, data: Path, rounded: bool = False) -> dict[str, dict[str, float]]:
    return {name: measure(network, data / "eval" / name, rounded=rounded) for name in BENCHMARKS}
