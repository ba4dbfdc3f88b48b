"""ESRGAN's network of residual-in-residual dense blocks.

Source: Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks" (2018),
section 3.1. Factors 1 and 2 by making the picture smaller and deeper first: Wang et al.,
"Real-ESRGAN" (2021), section 3.3.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from vsr.networks.architectures.layers import (
    PixelUnshuffle,
    conv,
    repeated,
    shrink_initial_weights,
    steps,
)

RESIDUAL_SCALE = 0.2
"""What every dense block's result is multiplied by. Source: ESRGAN, section 4.1."""


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees the results of all before it.

    Shapes: (n, channels, h, w) -> the same.
    """

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv(channels + i * growth, growth) for i in range(4))
        self.convs.append(conv(channels + 4 * growth, channels))
        shrink_initial_weights(self.convs, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for layer in self.convs[:-1]:
            seen = torch.cat([seen, F.leaky_relu(layer(seen), 0.2)], dim=1)
        return x + RESIDUAL_SCALE * self.convs[-1](seen)


class RRDB(nn.Module):
    """Three dense blocks in a row, times 0.2, beside the identity."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.dense = repeated(3, lambda: DenseBlock(channels, growth))

    def forward(self, x: Tensor) -> Tensor:
        return x + RESIDUAL_SCALE * self.dense(x)


class RRDBNet(nn.Module):
    """A trunk of RRDBs, then nearest-neighbour enlargements, each followed by a convolution.

    The picture is first made `unshuffle` times smaller, its pixels laid into channels: by default
    so that the trunk is a fourth as large as the result, as Real-ESRGAN does for 1 and 2.

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values in [0, 1]; h and w are
    multiples of `unshuffle`.
    """

    def __init__(
        self,
        scale: int,
        channels: int = 64,
        blocks: int = 23,
        growth: int = 32,
        colors: int = 3,
        unshuffle: int | None = None,
    ) -> None:
        super().__init__()
        self.scale = scale
        unshuffle = max(1, 4 // scale) if unshuffle is None else unshuffle
        self.unshuffle = PixelUnshuffle(unshuffle, colors) if unshuffle > 1 else nn.Identity()
        self.head = conv(colors * unshuffle**2, channels)
        self.body = repeated(blocks, lambda: RRDB(channels, growth))
        self.body_end = conv(channels, channels)
        self.factors = steps(scale * unshuffle)
        self.upconvs = nn.ModuleList(conv(channels, channels) for _ in self.factors)
        self.tail = conv(channels, channels)
        self.end = conv(channels, colors)

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(self.unshuffle(x))
        features = features + self.body_end(self.body(features))
        for factor, layer in zip(self.factors, self.upconvs, strict=True):
            large = F.interpolate(features, scale_factor=float(factor), mode="nearest")
            features = F.leaky_relu(layer(large), 0.2)
        return self.end(F.leaky_relu(self.tail(features), 0.2))
