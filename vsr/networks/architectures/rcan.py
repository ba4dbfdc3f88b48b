"""RCAN: residual groups of residual blocks, each weighing its channels by their means.

Source: Zhang et al., "Image Super-Resolution Using Very Deep Residual Channel Attention Networks"
(2018), section 3; sizes section 4.1.
"""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from vsr.networks.architectures.layers import MeanShift, Upsampler, conv, repeated


class ChannelAttention(nn.Module):
    """Every channel times a weight that all channels' means over the picture decide."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = conv(channels, channels // reduction, 1)
        self.excite = conv(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = F.adaptive_avg_pool2d(x, 1)
        return x * self.excite(F.relu(self.squeeze(mean))).sigmoid()


class AttentionBlock(nn.Module):
    """Two convolutions and channel attention, beside the identity."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.conv1 = conv(channels, channels)
        self.conv2 = conv(channels, channels)
        self.attention = ChannelAttention(channels, reduction)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attention(self.conv2(F.relu(self.conv1(x))))


class ResidualGroup(nn.Module):
    """Blocks and a convolution, beside the identity."""

    def __init__(self, channels: int, blocks: int, reduction: int) -> None:
        super().__init__()
        self.blocks = repeated(blocks, lambda: AttentionBlock(channels, reduction))
        self.end = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.end(self.blocks(x))


class RCAN(nn.Module):
    """`groups` residual groups of `blocks` blocks. Looks at the whole picture at once.

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values in [0, 1].
    """

    def __init__(
        self,
        scale: int,
        channels: int = 64,
        groups: int = 10,
        blocks: int = 20,
        reduction: int = 16,
        colors: int = 3,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.subtract_mean = MeanShift(colors, -1)
        self.head = conv(colors, channels)
        self.body = repeated(groups, lambda: ResidualGroup(channels, blocks, reduction))
        self.body_end = conv(channels, channels)
        self.upsampler = Upsampler(scale, channels)
        self.tail = conv(channels, colors)
        self.add_mean = MeanShift(colors, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(self.subtract_mean(x))
        features = features + self.body_end(self.body(features))
        return self.add_mean(self.tail(self.upsampler(features)))
