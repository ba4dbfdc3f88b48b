"""What tells real pictures from made ones, to train against."""

import itertools

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class VGGDiscriminator(nn.Module):
    """One number per picture: how real it looks, before any sigmoid.

    Shapes: (n, colors, patch, patch) -> (n, 1); `patch` is a multiple of 16.
    Source: Ledig et al., SRGAN (2017), section 2.1 and figure 4.
    """

    def __init__(self, patch: int = 96, channels: int = 64, colors: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(colors, channels, 3, padding=1), nn.LeakyReLU(0.2)]
        widths = [channels * n for n in (1, 1, 2, 2, 4, 4, 8, 8)]
        for i, (before, after) in enumerate(itertools.pairwise(widths)):
            stride = 2 - i % 2
            layers += [
                nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.LeakyReLU(0.2),
            ]
        self.body = nn.Sequential(*layers)
        self.judge = nn.Sequential(
            nn.Flatten(),
            nn.Linear(widths[-1] * (patch // 16) ** 2, 16 * channels),
            nn.LeakyReLU(0.2),
            nn.Linear(16 * channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.body(x))


class UNetDiscriminator(nn.Module):
    """One number per pixel: how real it looks, before any sigmoid; with spectral normalisation.

    Shapes: (n, colors, h, w) -> (n, 1, h, w); h and w are multiples of 8.
    Source: Wang et al., "Real-ESRGAN" (2021), section 3.4 and figure 6.
    """

    def __init__(self, channels: int = 64, colors: int = 3) -> None:
        super().__init__()
        c = channels
        self.head = nn.Conv2d(colors, c, 3, padding=1)
        widths = [(c, 2 * c), (2 * c, 4 * c), (4 * c, 8 * c)]
        self.down = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1, bias=False)) for a, b in widths
        )
        self.up = nn.ModuleList(normalised(b, a) for a, b in reversed(widths))
        self.tail = nn.ModuleList([normalised(c, c), normalised(c, c)])
        self.end = nn.Conv2d(c, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.head(x), 0.2)
        skipped = []
        for layer in self.down:
            skipped.append(y)
            y = F.leaky_relu(layer(y), 0.2)
        for layer in self.up:
            large = F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)
            y = F.leaky_relu(layer(large), 0.2) + skipped.pop()
        for layer in self.tail:
            y = F.leaky_relu(layer(y), 0.2)
        return self.end(y)


def normalised(in_channels: int, out_channels: int) -> nn.Module:
    """A 3x3 convolution with spectral normalisation."""
    return spectral_norm(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False))
