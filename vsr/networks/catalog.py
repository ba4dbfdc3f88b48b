"""The networks there are, and how a name or a path becomes a Network."""

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import onnx

from vsr.errors import InputError, UsageError
from vsr.networks.cascade import best_scale, cascade, passes
from vsr.networks.classical import NAMES as CLASSICAL
from vsr.networks.classical import classical
from vsr.networks.foreign import CHECKPOINTS, read_foreign
from vsr.networks.network import Network, check_network
from vsr.networks.published import published

LARGEST_SCALE = 16


@dataclass(frozen=True)
class Int8Card:
    """What is known of a bundled network's quantised twin, `vsr/weights/NAME_xSCALE.int8.onnx`."""

    sha256: str
    """Of the ONNX file."""
    quality: dict[str, dict[str, float]]
    """As in ModelCard, but from luma rounded to 8 bits, as in films."""


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
    int8: Int8Card | None = None
    """Its quantised twin, where there is one."""


def weights_folder() -> Traversable:
    return resources.files("vsr") / "weights"


def cards() -> list[ModelCard]:
    """The cards of all bundled networks."""
    files = (file for file in weights_folder().iterdir() if file.name.endswith(".json"))
    read = [read_card(file.read_text()) for file in files]
    return sorted(read, key=lambda card: (card.name, card.scale))


def read_card(text: str) -> ModelCard:
    """The card that a JSON text holds."""
    fields = json.loads(text)
    if fields.get("int8") is not None:
        fields["int8"] = Int8Card(**fields["int8"])
    return ModelCard(**fields)


def find_network(model: str, factor: Fraction) -> Network:
    """The network to enlarge by at least `factor`, where need be applied again and again.

    `model` is the name of a bundled network, of a classical kernel or of a published network, or
    the path of an ONNX file; `best_scale` says which of its scales is taken.
    Raises UsageError for no such model, and for one that is published but not pulled.
    """
    if model in CLASSICAL:
        return classical(model, max(1, -(-factor.numerator // factor.denominator)))
    scales = [card.scale for card in cards() if card.name == model]
    if scales:
        return reaching(bundled(model, best_scale(scales, factor)), factor)
    if published(model):
        return reaching(pulled(model, factor), factor)
    path = Path(model)
    if path.is_file() or path.suffix.lower() in (".onnx", *CHECKPOINTS):
        return reaching(read_foreign(path, factor), factor)
    names = ", ".join(sorted({card.name for card in cards()} | set(CLASSICAL)))
    raise UsageError(
        f"no model '{model}'; there is {names}, what vsr models list shows, "
        "or the path of an ONNX file"
    )


def bundled(name: str, scale: int) -> Network:
    """A bundled network, with its quantised twin where it has one.

    Raises InputError where a file is damaged, or the twin is another network's.
    """
    where = f"bundled network {name} x{scale}"
    network = read_bundled(weights_folder() / f"{name}_x{scale}.onnx", name, where)
    file = weights_folder() / f"{name}_x{scale}.int8.onnx"
    if not file.is_file():
        return network
    twin = read_bundled(file, name, f"{where}, int8")
    if contract(twin) != contract(network):
        raise InputError(f"{where}: its int8 twin is not the same network in 8 bits; reinstall vsr")
    return replace(network, int8=twin.model)


def read_bundled(file: Traversable, name: str, where: str) -> Network:
    return check_network(onnx.load_model_from_string(file.read_bytes()), name, where)


def contract(network: Network) -> tuple[int | None, ...]:
    """What a network and its twin have in common."""
    return network.scale, network.channels, network.multiple, network.reach


def pulled(name: str, factor: Fraction) -> Network:
    """A published network. Raises UsageError where its file has not been pulled."""
    scale = best_scale([scale for file in published(name) for scale in file.scales], factor)
    file = next(file for file in published(name) if scale in file.scales)
    if not file.pulled:
        raise UsageError(
            f"'{name}' x{scale} is not on this machine; vsr models pull {name} --scale {scale} "
            f"fetches it ({file.spoken_size}, {file.licence})"
        )
    return read_foreign(file.path, factor)


def reaching(network: Network, factor: Fraction) -> Network:
    """The network, applied as often as it takes to reach `factor`."""
    times = passes(network.scale, factor)
    if network.scale**times < factor or network.scale**times > LARGEST_SCALE:
        raise UsageError(f"{network.name} enlarges by {network.scale}, not by {float(factor):g}")
    return cascade(network, times) if times > 1 else network
