"""Real-ESRGAN's compact network: plain convolutions at the small size.

Source: Wang et al., "Real-ESRGAN" (2021), published code, SRVGGNetCompact: 16 convolutions for
animation, 32 for general pictures.
"""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from vsr.networks.architectures.layers import conv, nearest


class Compact(nn.Module):
    """A first convolution, `convs` more of `channels` channels, each with a PReLU, and a last one,
    whose result is added to the nearest-neighbour enlargement.

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values in [0, 1].
    """

    def __init__(self, scale: int, channels: int = 64, convs: int = 16, colors: int = 3) -> None:
        super().__init__()
        self.scale = scale
        layers: list[nn.Module] = [conv(colors, channels), nn.PReLU(channels)]
        for _ in range(convs):
            layers += [conv(channels, channels), nn.PReLU(channels)]
        self.body = nn.Sequential(*layers, conv(channels, colors * scale**2))

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.body(x), self.scale) + nearest(x, self.scale)
