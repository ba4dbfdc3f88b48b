"""Pieces that several architectures are built from."""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from vsr.kernels import polyphase
from vsr.networks.classical import plane_filters

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
"""The mean red, green and blue of DIV2K's training pictures, in [0, 1].

Source: CARN's and EDSR's published code.
"""

BT601_LUMA = (0.299, 0.587, 0.114)


def conv(
    in_channels: int, out_channels: int, kernel: int = 3, groups: int = 1, bias: bool = True
) -> nn.Conv2d:
    """A convolution with an odd kernel that keeps the picture's size."""
    return nn.Conv2d(
        in_channels, out_channels, kernel, padding=kernel // 2, groups=groups, bias=bias
    )


class ResidualBlock(nn.Module):
    """Two convolutions with a ReLU between, times `residual_scale`, beside the identity.

    Source: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution"
    (EDSR, 2017), section 3.1; the factor: section 3.2.
    """

    def __init__(self, channels: int, kernel: int = 3, residual_scale: float = 1.0) -> None:
        super().__init__()
        self.conv1 = conv(channels, channels, kernel)
        self.conv2 = conv(channels, channels, kernel)
        self.residual_scale = residual_scale

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.conv1(x)))
        return x + (y if self.residual_scale == 1 else y * self.residual_scale)


class Upsampler(nn.Sequential):
    """Enlarges features by sub-pixel convolutions: x4 as twice x2, x3 at once.

    Shapes: (n, channels, h, w) -> (n, channels, h * scale, w * scale).
    Source: EDSR (2017), figure 4, as the sub-pixel convolution of Shi et al., ESPCN (2016),
    section 3.2.
    """

    def __init__(
        self,
        scale: int,
        channels: int,
        groups: int = 1,
        activation: Callable[[], nn.Module] | None = None,
    ) -> None:
        layers: list[nn.Module] = []
        for factor in steps(scale):
            layers += [conv(channels, channels * factor**2, groups=groups), nn.PixelShuffle(factor)]
            if activation is not None:
                layers.append(activation())
        super().__init__(*layers)


def steps(scale: int) -> list[int]:
    """The factors that enlarge by `scale` one after the other: 2, 2 for 4, else itself."""
    return [2] * (scale.bit_length() - 1) if scale & (scale - 1) == 0 else [scale]


class MeanShift(nn.Module):
    """Adds `sign` times the mean colour of DIV2K, or, where there is one colour, its luma."""

    mean: Tensor

    def __init__(self, colors: int, sign: int) -> None:
        super().__init__()
        rgb = torch.tensor(DIV2K_MEAN)
        mean = rgb if colors == 3 else (rgb * torch.tensor(BT601_LUMA)).sum()
        self.register_buffer("mean", sign * mean.view(1, colors, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mean


class Enlarge(nn.Module):
    """Interpolation by a kernel of `vsr.kernels`, each colour on its own; nothing is trained.

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale).
    """

    filters: Tensor

    def __init__(self, kernel: str, scale: int, colors: int) -> None:
        super().__init__()
        self.scale, self.colors = scale, colors
        lines, self.left = polyphase(kernel, scale)
        self.right = lines.shape[1] - 1 - self.left
        filters = torch.from_numpy(plane_filters(lines, lines)).repeat(colors, 1, 1, 1)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, [self.left, self.right, self.left, self.right], mode="replicate")
        phases = F.conv2d(padded, self.filters, groups=self.colors)
        return F.pixel_shuffle(phases, self.scale)


class PixelUnshuffle(nn.Module):
    """Space to depth, as a convolution of stride `factor` with fixed ones and zeros.

    torch exports its own as reshaping by the picture's size, in which no bound for tiles can be
    seen; the order of the channels is torch's.

    Shapes: (n, channels, h, w) -> (n, channels * factor**2, h / factor, w / factor).
    """

    ones: Tensor

    def __init__(self, factor: int, channels: int) -> None:
        super().__init__()
        self.factor, self.channels = factor, channels
        ones = torch.eye(factor**2).view(factor**2, 1, factor, factor)
        self.register_buffer("ones", ones.repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.ones, stride=self.factor, groups=self.channels)


def nearest(x: Tensor, scale: int) -> Tensor:
    """The nearest-neighbour enlargement.

    As copies and a depth-to-space: OpenVINO computes that in float32 even where it computes the
    convolutions in bf16, but a Resize it does not; and added behind the depth-to-space, not before,
    it saves reordering the features in memory.
    """
    copies = [color for color in x.split(1, dim=1) for _ in range(scale**2)]
    return F.pixel_shuffle(torch.cat(copies, dim=1), scale)


def repeated(count: int, make: Callable[[], nn.Module]) -> nn.Sequential:
    """`count` of what `make` makes, one after the other."""
    return nn.Sequential(*(make() for _ in range(count)))


def shrink_initial_weights(layers: Iterable[nn.Module], factor: float) -> None:
    """He's initialisation times `factor`, biases zero, for every convolution in `layers`.

    Source: Wang et al., "ESRGAN" (2018), section 3.1 and appendix A: smaller initial weights make
    deep networks without batch normalisation train.
    """
    for layer in layers:
        for module in layer.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                module.weight.data *= factor
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
