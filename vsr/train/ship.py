"""A trained network -> the ONNX file and the model card that the package carries."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import onnx
from torch import nn

from vsr.networks.catalog import ModelCard
from vsr.networks.export import export
from vsr.train.evaluate import measure
from vsr.train.loop import Recipe

BENCHMARKS = ("Set5", "Set14")


def ship(net: nn.Module, recipe: Recipe, data: Path, out: Path) -> ModelCard:
    """Export `net`, evaluate the exported file, and write it and its card to `out`."""
    family = recipe.name.rpartition("_x")[0]
    network = export(net, family)
    file = out / f"{recipe.name}.onnx"
    onnx.save(network.model, file)
    card = ModelCard(
        name=family,
        scale=network.scale,
        description=recipe.description,
        weights=sum(p.numel() for p in net.parameters()),
        licence=recipe.licence,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        quality={name: measure(network, data / "eval" / name) for name in BENCHMARKS},
        recipe=asdict(recipe),
    )
    file.with_suffix(".json").write_text(json.dumps(asdict(card), indent=2) + "\n")
    return card
