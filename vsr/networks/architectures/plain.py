"""A plain convolutional network for real-time super-resolution.

All layers are 3x3 convolutions at the small resolution, the last of which gives scale**2 values
per pixel for a depth-to-space; the result is added to the nearest-neighbour enlargement.
Between the layers stands nothing but ReLU, which every runtime fuses into its convolution.

Source: sub-pixel convolution from Shi et al., "Real-Time Single Image and Video Super-Resolution
Using an Efficient Sub-Pixel Convolutional Neural Network" (2016), section 3; training through
collapsible blocks from Bhardwaj et al., "Collapsible Linear Blocks for Super-Efficient Super
Resolution" (SESR, 2022), section 3; the nearest-neighbour anchor from Du et al., "Anchor-based
Plain Net for Mobile Image Super-Resolution" (2021), section 3.
"""

import itertools

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from vsr.errors import UsageError
from vsr.networks.architectures.layers import nearest
from vsr.networks.architectures.reparameterised import (
    CollapsibleConv2d,
    EdgeConv2d,
    ReparameterisedConv2d,
)

BLOCKS = {"collapsible": CollapsibleConv2d, "edge": EdgeConv2d}


class PlainNet(nn.Module):
    """`convs` re-parameterised convolutions of `channels` channels.

    `block` says what they train as: "collapsible" (SESR) or "edge" (ECBSR).

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values nominally in [0, 1].
    """

    def __init__(
        self,
        scale: int = 2,
        channels: int = 16,
        convs: int = 8,
        colors: int = 1,
        block: str = "collapsible",
    ) -> None:
        super().__init__()
        if block not in BLOCKS:
            raise UsageError(f"no block '{block}'; there is {', '.join(BLOCKS)}")
        self.scale = scale
        widths = [colors, *[channels] * (convs - 1), colors * scale**2]
        self.layers = nn.ModuleList(BLOCKS[block](a, b) for a, b in itertools.pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        return run(self.layers, x, self.scale)

    def collapsed(self) -> nn.Module:
        """The same function with every block collapsed to an ordinary convolution."""
        return CollapsedPlainNet(self)


class CollapsedPlainNet(nn.Module):
    """What a trained PlainNet is exported as: ordinary 3x3 convolutions and ReLU."""

    def __init__(self, trained: PlainNet) -> None:
        super().__init__()
        self.scale = trained.scale
        self.layers = nn.ModuleList()
        for layer in trained.layers:
            assert isinstance(layer, ReparameterisedConv2d)
            self.layers.append(layer.collapsed())

    def forward(self, x: Tensor) -> Tensor:
        return run(self.layers, x, self.scale)


def run(layers: nn.ModuleList, x: Tensor, scale: int) -> Tensor:
    """The layers one after the other, ReLU between, beside the nearest-neighbour enlargement."""
    y = x
    for layer in layers[:-1]:
        y = F.relu(layer(y))
    return F.pixel_shuffle(layers[-1](y), scale) + nearest(x, scale)
