"""Bundled networks as torch modules, to go on with: to time, to teach, to convert."""

from typing import Any, cast

import torch
from onnx import numpy_helper
from torch import nn

from vsr.errors import UsageError
from vsr.networks.architectures import build
from vsr.networks.catalog import bundled, cards


def load_bundled(name: str, scale: int) -> nn.Module:
    """The network as it runs, collapsed: built by its card's recipe, with its ONNX file's weights.

    Raises UsageError where there is no such bundled network.
    """
    found = [card for card in cards() if (card.name, card.scale) == (name, scale)]
    if not found:
        raise UsageError(f"no bundled network {name} x{scale}; see vsr models")
    recipe: dict[str, Any] = found[0].recipe
    net = build(scale=scale, colors=recipe["colors"], **recipe["network"])
    collapsed = cast(nn.Module, getattr(net, "collapsed", lambda: net)())
    weights = bundled(name, scale).model.graph.initializer
    arrays = {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in weights}
    collapsed.load_state_dict({name: torch.from_numpy(a) for name, a in arrays.items()})
    return collapsed.eval()
