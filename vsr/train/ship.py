"""A trained network -> the ONNX file and the model card that the package carries."""

import hashlib
import json
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import onnx
from torch import nn

from vsr.backends.select import build_engine
from vsr.frame import Frame, FrameFormat
from vsr.networks.catalog import ModelCard
from vsr.networks.export import export
from vsr.networks.network import Network
from vsr.settings import EngineSettings, Precision
from vsr.train.data import Luma
from vsr.train.evaluate import Upscale, evaluate, read_set
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


def measure(network: Network, folder: Path, precision: Precision = "fp32") -> dict[str, float]:
    """PSNR and SSIM on a benchmark by the standard protocol, of the network as it runs."""
    quality = evaluate(engine_upscaler(network, precision), network.scale, read_set(folder))
    return {"psnr": round(quality.psnr, 3), "ssim": round(quality.ssim, 4)}


def engine_upscaler(network: Network, precision: Precision = "fp32") -> Upscale:
    """The network, run by a backend, as a function from a plane to a larger one."""

    def upscale(plane: Luma) -> Luma:
        form = FrameFormat(plane.shape[1], plane.shape[0], chroma="gray", full_range=True)
        with build_engine(network, form, EngineSettings(precision=precision)) as engine:
            return engine.start(Frame(plane, None, 0)).result().y

    return upscale
