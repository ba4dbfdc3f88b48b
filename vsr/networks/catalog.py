"""The networks that come with this package, and how a name or a path becomes a Network."""

import json
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import onnx

from vsr.errors import UsageError
from vsr.networks.cascade import cascade
from vsr.networks.classical import NAMES as CLASSICAL
from vsr.networks.classical import classical
from vsr.networks.network import Network, check_network, read_network

LARGEST_SCALE = 16


@dataclass(frozen=True)
class ModelCard:
    """What is known of a bundled network; `vsr/weights/NAME_xSCALE.json` beside its ONNX file."""

    name: str
    scale: int
    description: str
    weights: int
    """How many numbers were trained."""
    licence: str
    sha256: str
    """Of the ONNX file."""
    quality: dict[str, dict[str, float]]
    """Benchmark -> {"psnr": dB, "ssim": 0 to 1}, luma, standard protocol."""
    recipe: dict[str, object]
    """All that decided the weights: data, steps, seed ..."""


def weights_folder() -> Traversable:
    return resources.files("vsr") / "weights"


def cards() -> list[ModelCard]:
    """The cards of all bundled networks."""
    files = (file for file in weights_folder().iterdir() if file.name.endswith(".json"))
    read = [ModelCard(**json.loads(file.read_text())) for file in files]
    return sorted(read, key=lambda card: (card.name, card.scale))


def find_network(model: str, factor: Fraction) -> Network:
    """The network to enlarge by at least `factor`: the smallest scale that reaches it.

    `model` is a bundled network's name, a classical kernel's, or the path of an ONNX file. Where
    no scale reaches `factor`, the largest is applied repeatedly. Raises UsageError for no such
    model.
    """
    if model in CLASSICAL:
        return classical(model, max(1, -(-factor.numerator // factor.denominator)))
    scales = [card.scale for card in cards() if card.name == model]
    if not scales and (model.endswith(".onnx") or Path(model).is_file()):
        return reaching(read_network(Path(model)), factor)
    if not scales:
        names = ", ".join(sorted({card.name for card in cards()} | set(CLASSICAL)))
        raise UsageError(f"no model '{model}'; there is {names}, or the path of an ONNX file")
    scale = min((s for s in scales if s >= factor), default=max(scales))
    return reaching(bundled(model, scale), factor)


def bundled(name: str, scale: int) -> Network:
    """A bundled network."""
    file = weights_folder() / f"{name}_x{scale}.onnx"
    model = onnx.load_model_from_string(file.read_bytes())
    return check_network(model, name, f"bundled network {name} x{scale}")


def reaching(network: Network, factor: Fraction) -> Network:
    """The network, applied as often as it takes to reach `factor`."""
    times = 1
    while network.scale > 1 and network.scale**times < factor:
        times += 1
    if network.scale**times < factor or network.scale**times > LARGEST_SCALE:
        raise UsageError(f"{network.name} enlarges by {network.scale}, not by {float(factor):g}")
    return cascade(network, times) if times > 1 else network
