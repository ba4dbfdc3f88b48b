"""DBPN: enlarge, reduce, see what was lost, and correct it, many times over.

Source: Haris et al., "Deep Back-Projection Networks for Super-Resolution" (2018), section 3; dense
connections section 3.3; sizes section 4.1.
"""

import torch
from torch import Tensor, nn

from vsr.networks.architectures.layers import conv


class Projection(nn.Module):
    """An up-projection, which enlarges features by `scale`, or a down-projection, which reduces.

    Goes there, back, and there again with what the way back did not restore. Where it is given the
    results of several stages, `stages`, it first gathers them by a 1x1 convolution.

    Shapes: up (n, stages * channels, h, w) -> (n, channels, h * scale, w * scale); down in reverse.
    """

    def __init__(self, channels: int, scale: int, stages: int, up: bool) -> None:
        super().__init__()
        there, back = (nn.ConvTranspose2d, nn.Conv2d) if up else (nn.Conv2d, nn.ConvTranspose2d)

        def layer(kind: type[nn.Module]) -> nn.Module:
            return activated(kind(channels, channels, scale + 4, stride=scale, padding=2))

        gather = activated(conv(stages * channels, channels, 1))
        self.gather = gather if stages > 1 else nn.Identity()
        self.there, self.back, self.again = layer(there), layer(back), layer(there)

    def forward(self, x: Tensor) -> Tensor:
        x = self.gather(x)
        result = self.there(x)
        return result + self.again(self.back(result) - x)


class DBPN(nn.Module):
    """D-DBPN: `stages` up-projections with down-projections between, densely connected.

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values in [0, 1].
    """

    def __init__(
        self,
        scale: int,
        channels: int = 64,
        first_channels: int = 256,
        stages: int = 7,
        colors: int = 3,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Sequential(
            activated(conv(colors, first_channels)), activated(conv(first_channels, channels, 1))
        )
        inputs = [max(1, stage) for stage in range(stages)]  # how many results a stage sees
        self.ups = nn.ModuleList(Projection(channels, scale, n, up=True) for n in inputs)
        self.downs = nn.ModuleList(
            Projection(channels, scale, n + 1, up=False) for n in range(stages - 1)
        )
        self.tail = conv(stages * channels, colors)

    def forward(self, x: Tensor) -> Tensor:
        large = self.ups[0](self.head(x))
        small: list[Tensor] = []
        for down, up in zip(self.downs, self.ups[1:], strict=True):
            small.insert(0, down(large))
            large = torch.cat([up(torch.cat(small, dim=1)), large], dim=1)
        return self.tail(large)


def activated(layer: nn.Module) -> nn.Module:
    return nn.Sequential(layer, nn.PReLU())
