"""CARN: residual blocks in cascades of cascades.

Source: Ahn et al., "Fast, Accurate, and Lightweight Super-Resolution with Cascading Residual
Network" (2018), section 3; the mobile variant (CARN-M) section 3.3, multi-scale section 3.2.
"""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from vsr.networks.architectures.layers import MeanShift, ResidualBlock, Upsampler, conv


class EfficientBlock(nn.Sequential):
    """Two convolutions in groups and one of 1x1, beside the identity."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__(
            conv(channels, channels, groups=groups),
            nn.ReLU(),
            conv(channels, channels, groups=groups),
            nn.ReLU(),
            conv(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class Cascade(nn.Module):
    """Each unit's result joins those of all before it in a 1x1 convolution, which feeds the next.

    The `units` are used in turn, `length` times; a single one so shares its weights.

    Shapes: (n, channels, h, w) -> the same.
    """

    def __init__(self, channels: int, length: int, units: Sequence[nn.Module]) -> None:
        super().__init__()
        self.units = nn.ModuleList(units)
        self.joins = nn.ModuleList(conv((n + 2) * channels, channels, 1) for n in range(length))

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for unit, join in zip(itertools.cycle(self.units), self.joins, strict=False):
            seen = torch.cat([seen, unit(x)], dim=1)
            x = F.relu(join(seen))
        return x


class CARN(nn.Module):
    """Three cascades of three blocks. `mobile` is CARN-M: the blocks of a cascade are made of
    convolutions in `groups` and share their weights.

    `scale` is the factor that it enlarges by; `scales` are all that it has weights for, by default
    only that one. The paper's has (2, 3, 4).

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values in [0, 1].
    """

    def __init__(
        self,
        scale: int,
        channels: int = 64,
        blocks: int = 3,
        mobile: bool = False,
        groups: int = 1,
        colors: int = 3,
        scales: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.scale, scales = scale, scales or (scale,)

        def cascade() -> nn.Module:
            if mobile:
                units = [activated(EfficientBlock(channels, groups))]
            else:
                units = [activated(ResidualBlock(channels)) for _ in range(blocks)]
            return Cascade(channels, blocks, units)

        self.subtract_mean = MeanShift(colors, -1)
        self.head = conv(colors, channels)
        self.body = Cascade(channels, blocks, [cascade() for _ in range(blocks)])
        self.upsamplers = nn.ModuleDict(
            {str(s): Upsampler(s, channels, groups, activation=nn.ReLU) for s in scales}
        )
        self.tail = conv(channels, colors)
        self.add_mean = MeanShift(colors, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(self.head(self.subtract_mean(x)))
        return self.add_mean(self.tail(self.upsamplers[str(self.scale)](features)))


def activated(block: nn.Module) -> nn.Module:
    return nn.Sequential(block, nn.ReLU())
