"""How large a network is, and how much it computes, as the papers count."""

import copy
from typing import Any

import torch
from torch import nn

from vsr.networks.architectures.plain import PlainNet


def parameters(net: nn.Module, biases: bool = True) -> int:
    """How many numbers are trained; without `biases`, only the convolutions' weights, which some
    papers count."""
    return sum(p.numel() for p in net.parameters() if biases or p.dim() > 1)


def multiply_adds(
    net: nn.Module, scale: int, colors: int = 3, width: int = 1280, height: int = 720
) -> int:
    """Multiplications and additions, in pairs, for a result of about `width` x `height`.

    Every value that a convolution puts out counts as many as its kernel holds. Activations, biases,
    and what is not trained are left out; a plain network counts as it runs, collapsed.

    Source: Ahn et al., "CARN" (2018), section 4.3, whose results are 1280x720.
    """
    net = net.collapsed() if isinstance(net, PlainNet) else copy.deepcopy(net)
    net = net.to("meta").eval()
    total = 0

    def add(layer: Any, inputs: Any, output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.ConvTranspose2d):
            total += output.numel() * layer.weight[:, 0].numel()
        else:
            total += output.numel() * layer.weight[0].numel()

    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            layer.register_forward_hook(add)
    net(torch.empty(1, colors, -(-height // scale), -(-width // scale), device="meta"))
    return total
