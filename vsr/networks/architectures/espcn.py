"""ESPCN: three convolutions at the small size and a depth-to-space.

Source: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
Convolutional Neural Network" (2016), sections 3 and 4.2; tanh: section 3.3.1.
"""

from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from vsr.networks.architectures.layers import conv


class ESPCN(nn.Module):
    """The paper's network.

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values in [0, 1].
    """

    def __init__(self, scale: int, channels: Sequence[int] = (64, 32), colors: int = 1) -> None:
        super().__init__()
        self.scale = scale
        self.extract = conv(colors, channels[0], 5)
        self.map = conv(channels[0], channels[1])
        self.reconstruct = conv(channels[1], colors * scale**2)

    def forward(self, x: Tensor) -> Tensor:
        features = self.map(self.extract(x).tanh()).tanh()
        return F.pixel_shuffle(self.reconstruct(features), self.scale)
