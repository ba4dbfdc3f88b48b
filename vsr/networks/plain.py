"""A plain convolutional network for real-time luma super-resolution.

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

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class CollapsibleConv2d(nn.Module):
    """A 3x3 convolution that trains as a wide 3x3 followed by a 1x1, and runs as one 3x3.

    The two linear layers are multiplied out at every call, so that training costs hardly more
    than training the small convolution, and gains the easier optimisation of the wide one. Where
    input and output have equally many channels, the identity is added.

    Shapes: (n, in_channels, h, w) -> (n, out_channels, h, w).
    Source: SESR, sections 3.1 and 3.3.
    """

    def __init__(self, in_channels: int, out_channels: int, expansion: int = 64) -> None:
        super().__init__()
        self.expand = nn.Parameter(torch.empty(expansion, in_channels, 3, 3))
        self.project = nn.Parameter(torch.empty(out_channels, expansion))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.residual = in_channels == out_channels
        nn.init.xavier_normal_(self.expand)
        nn.init.xavier_normal_(self.project)

    def collapse(self) -> Tensor:
        """The one 3x3 kernel that this block amounts to, (out_channels, in_channels, 3, 3)."""
        kernel = torch.einsum("om,mihw->oihw", self.project, self.expand)
        if self.residual:
            kernel = kernel + nn.init.dirac_(torch.empty_like(kernel))
        return kernel

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.collapse(), self.bias, padding=1)


class PlainNet(nn.Module):
    """`convs` collapsible convolutions of `channels` channels, luma in, luma out.

    Shapes: (n, 1, h, w) -> (n, 1, h * scale, w * scale), values nominally in [0, 1].
    """

    def __init__(self, scale: int = 2, channels: int = 16, convs: int = 8) -> None:
        super().__init__()
        self.scale = scale
        widths = [1, *[channels] * (convs - 1), scale**2]
        self.layers = nn.ModuleList(CollapsibleConv2d(a, b) for a, b in itertools.pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.layers[:-1]:
            y = F.relu(layer(y))
        return F.pixel_shuffle(self.layers[-1](y), self.scale) + nearest(x, self.scale)

    def collapsed(self) -> nn.Module:
        """The same function with every block collapsed to an ordinary convolution."""
        return CollapsedPlainNet(self)


class CollapsedPlainNet(nn.Module):
    """What a trained PlainNet is exported as: ordinary 3x3 convolutions and ReLU."""

    def __init__(self, trained: PlainNet) -> None:
        super().__init__()
        self.scale = trained.scale
        self.layers = nn.ModuleList()
        for block in trained.layers:
            assert isinstance(block, CollapsibleConv2d)
            kernel = block.collapse().detach()
            conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
            conv.weight.data.copy_(kernel)
            conv.bias.data.copy_(block.bias.detach())  # type: ignore[union-attr]
            self.layers.append(conv)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.layers[:-1]:
            y = F.relu(layer(y))
        return F.pixel_shuffle(self.layers[-1](y), self.scale) + nearest(x, self.scale)


def nearest(x: Tensor, scale: int) -> Tensor:
    """The nearest-neighbour enlargement.

    As copies and a depth-to-space: OpenVINO computes that in float32 even where it computes the
    convolutions in bf16, but a Resize it does not; and added behind the depth-to-space, not before,
    it saves reordering the features in memory.
    """
    return F.pixel_shuffle(torch.cat([x] * scale**2, dim=1), scale)
