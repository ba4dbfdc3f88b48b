"""SRResNet, the generator of SRGAN, and what ESRGAN's authors made of it.

Source: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial
Network" (2017), section 2.1 and figure 4.
"""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from vsr.networks.architectures.layers import (
    Enlarge,
    ResidualBlock,
    Upsampler,
    conv,
    repeated,
    shrink_initial_weights,
)


class NormalisedBlock(nn.Sequential):
    """Two convolutions, each with batch normalisation, a PReLU between, beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            conv(channels, channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.PReLU(),
            conv(channels, channels, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class SRResNet(nn.Module):
    """Residual blocks with batch normalisation.

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values in [0, 1].
    """

    def __init__(self, scale: int, channels: int = 64, blocks: int = 16, colors: int = 3) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Sequential(conv(colors, channels, 9), nn.PReLU())
        self.body = repeated(blocks, lambda: NormalisedBlock(channels))
        self.body_end = nn.Sequential(
            conv(channels, channels, bias=False), nn.BatchNorm2d(channels)
        )
        self.upsampler = Upsampler(scale, channels, activation=nn.PReLU)
        self.tail = conv(channels, colors, 9)

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(x)
        features = features + self.body_end(self.body(features))
        return self.tail(self.upsampler(features))


class MSRResNet(nn.Module):
    """SRResNet with 3x3 convolutions only and without batch normalisation, added to the bilinear
    enlargement.

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values in [0, 1].
    Source: BasicSR's published code, MSRResNet, used beside Wang et al., "ESRGAN" (2018).
    """

    def __init__(self, scale: int, channels: int = 64, blocks: int = 16, colors: int = 3) -> None:
        super().__init__()
        self.scale = scale
        self.head = conv(colors, channels)
        self.body = repeated(blocks, lambda: ResidualBlock(channels))
        self.upsampler = Upsampler(scale, channels, activation=lambda: nn.LeakyReLU(0.1))
        self.tail = conv(channels, channels)
        self.end = conv(channels, colors)
        self.base = Enlarge("bilinear", scale, colors)
        shrink_initial_weights(self.children(), 0.1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.upsampler(self.body(F.leaky_relu(self.head(x), 0.1)))
        return self.end(F.leaky_relu(self.tail(features), 0.1)) + self.base(x)
