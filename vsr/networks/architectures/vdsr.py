"""VDSR: a deep plain network that refines a bicubic enlargement.

Source: Kim et al., "Accurate Image Super-Resolution Using Very Deep Convolutional Networks"
(2016), section 3.1.
"""

import itertools

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from vsr.networks.architectures.layers import Enlarge, conv


class VDSR(nn.Module):
    """`convs` convolutions at the large size, their result added to the bicubic enlargement.

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values in [0, 1].
    """

    def __init__(self, scale: int, channels: int = 64, convs: int = 20, colors: int = 1) -> None:
        super().__init__()
        self.scale = scale
        self.base = Enlarge("bicubic", scale, colors)
        widths = [colors, *[channels] * (convs - 1), colors]
        self.layers = nn.ModuleList(conv(a, b, bias=False) for a, b in itertools.pairwise(widths))
        for layer in self.layers:
            assert isinstance(layer, nn.Conv2d)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # section 5.1

    def forward(self, x: Tensor) -> Tensor:
        base = self.base(x)
        y = base
        for layer in self.layers[:-1]:
            y = F.relu(layer(y))
        return base + self.layers[-1](y)
