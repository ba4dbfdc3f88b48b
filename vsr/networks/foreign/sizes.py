"""An architecture's hyper-parameters, read from the shapes of its tensors."""

from collections.abc import Callable
from math import isqrt
from typing import Any

from torch import Tensor

State = dict[str, Tensor]

Sizes = tuple[tuple[int, ...], dict[str, Any]]
"""The factors that a network enlarges by (none: its tensors do not tell), and the rest."""


def read_sizes(kind: str, state: State) -> Sizes:
    """The hyper-parameters of a network of this kind, its tensors under our names.

    Raises KeyError, ValueError or IndexError where the tensors are not such a network's.
    """
    scales, sizes = READERS[kind](state)
    return scales, sizes


def count(state: State, prefix: str) -> int:
    """How many layers there are whose names begin so and go on with a number."""
    rests = (name.removeprefix(prefix) for name in state if name.startswith(prefix))
    return len({rest.split(".")[0] for rest in rests})


def convs(state: State, prefix: str) -> list[Tensor]:
    """The kernels of all convolutions whose names begin so, in order."""
    names = [name for name in state if name.startswith(prefix) and state[name].dim() == 4]
    names.sort(key=lambda name: int(name.removeprefix(prefix).split(".")[0]))
    return [state[name] for name in names]


def enlargement(state: State, prefix: str, channels: int) -> int:
    """The factor of an upsampler, which gives every pixel factor**2 times its channels."""
    scale = 1
    for kernel in convs(state, prefix):
        scale *= isqrt(len(kernel) // channels)
    return scale


def ends(state: State, head: str = "head.weight") -> dict[str, int]:
    """What the first convolution tells: features and colours."""
    channels, colors, *_ = state[head].shape
    return {"channels": channels, "colors": colors}


def srcnn(state: State) -> Sizes:
    layers = [state[f"{name}.weight"] for name in ("extract", "map", "reconstruct")]
    return (), {
        "channels": [len(layer) for layer in layers[:2]],
        "kernels": [layer.shape[2] for layer in layers],
        "colors": layers[0].shape[1],
    }


def fsrcnn(state: State) -> Sizes:
    layers = convs(state, "layers.")
    sizes = {"shrunk": len(layers[1]), "convs": len(layers) - 3}
    return (), ends(state, "layers.0.weight") | sizes


def espcn(state: State) -> Sizes:
    first, second, last = (state[f"{name}.weight"] for name in ("extract", "map", "reconstruct"))
    colors = first.shape[1]
    sizes = {"channels": [len(first), len(second)], "colors": colors}
    return (isqrt(len(last) // colors),), sizes


def vdsr(state: State) -> Sizes:
    return (2, 3, 4), ends(state, "layers.0.weight") | {"convs": count(state, "layers.")}


def residual(head: str) -> Callable[[State], Sizes]:
    """Of SRResNet, MSRResNet and EDSR."""

    def read(state: State) -> Sizes:
        sizes = ends(state, head) | {"blocks": count(state, "body.")}
        return (enlargement(state, "upsampler.", sizes["channels"]),), sizes

    return read


def edsr(state: State) -> Sizes:
    scales, sizes = residual("head.weight")(state)
    if sizes["channels"] >= 256:  # as published: the full network's, the baseline has none
        sizes["residual_scale"] = 0.1
    return scales, sizes


def multi_scale(state: State) -> tuple[int, ...]:
    """The factors of all upsamplers."""
    labels = {name.split(".")[1] for name in state if name.startswith("upsamplers.")}
    return tuple(sorted(int(label) for label in labels))


def mdsr(state: State) -> Sizes:
    return multi_scale(state), ends(state) | {"blocks": count(state, "body.")}


def carn(state: State) -> Sizes:
    sizes = ends(state)
    kernel = next(state[name] for name in state if name.startswith("upsamplers."))
    groups = sizes["channels"] // kernel.shape[1]
    return multi_scale(state), sizes | {"blocks": count(state, "body.units."), "groups": groups}


def rcan(state: State) -> Sizes:
    sizes = ends(state)
    squeezed = len(state["body.0.blocks.0.attention.squeeze.weight"])
    sizes |= {
        "groups": count(state, "body."),
        "blocks": count(state, "body.0.blocks."),
        "reduction": sizes["channels"] // squeezed,
    }
    return (enlargement(state, "upsampler.", sizes["channels"]),), sizes


def dbpn(state: State) -> Sizes:
    first = ends(state, "head.0.0.weight")
    channels, _, kernel, _ = state["ups.0.there.0.weight"].shape
    return (kernel - 4,), {
        "channels": channels,
        "first_channels": first["channels"],
        "stages": count(state, "ups."),
        "colors": first["colors"],
    }


def rrdb(state: State) -> Sizes:
    channels, depth, *_ = state["head.weight"].shape
    colors = len(state["end.weight"])
    unshuffle = isqrt(depth // colors)
    return (2 ** count(state, "upconvs.") // unshuffle,), {
        "channels": channels,
        "blocks": count(state, "body."),
        "growth": len(state["body.0.dense.0.convs.0.weight"]),
        "colors": colors,
        "unshuffle": unshuffle,
    }


def compact(state: State) -> Sizes:
    layers, sizes = convs(state, "body."), ends(state, "body.0.weight")
    scale = isqrt(len(layers[-1]) // sizes["colors"])
    return (scale,), sizes | {"convs": len(layers) - 2}


READERS: dict[str, Callable[[State], Sizes]] = {
    "srcnn": srcnn,
    "fsrcnn": fsrcnn,
    "espcn": espcn,
    "vdsr": vdsr,
    "srresnet": residual("head.0.weight"),
    "msrresnet": residual("head.weight"),
    "edsr": edsr,
    "mdsr": mdsr,
    "carn": carn,
    "carn_m": carn,
    "rcan": rcan,
    "dbpn": dbpn,
    "rrdb": rrdb,
    "compact": compact,
}
