"""SRCNN: three convolutions that refine a bicubic enlargement.

Source: Dong et al., "Image Super-Resolution Using Deep Convolutional Networks" (2016), section 3.1;
the sizes are those of its best network, 9-5-5, section 4.3.3.
"""

from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from vsr.networks.architectures.layers import Enlarge, conv


class SRCNN(nn.Module):
    """The paper's network, padded so that it keeps the picture's size.

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values in [0, 1].
    """

    def __init__(
        self,
        scale: int,
        channels: Sequence[int] = (64, 32),
        kernels: Sequence[int] = (9, 5, 5),
        colors: int = 1,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.base = Enlarge("bicubic", scale, colors)
        self.extract = conv(colors, channels[0], kernels[0])
        self.map = conv(channels[0], channels[1], kernels[1])
        self.reconstruct = conv(channels[1], colors, kernels[2])

    def forward(self, x: Tensor) -> Tensor:
        features = F.relu(self.extract(self.base(x)))
        return self.reconstruct(F.relu(self.map(features)))
