"""EDSR and its baseline, and MDSR, which enlarges by several factors.

Source: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution" (2017):
EDSR section 3.2, MDSR section 3.3 and figure 5, sizes table 1.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from vsr.networks.architectures.layers import (
    MeanShift,
    ResidualBlock,
    Upsampler,
    conv,
    repeated,
)


class EDSR(nn.Module):
    """Residual blocks without batch normalisation. The defaults are the baseline's; the full
    network has 256 channels, 32 blocks and a residual scale of 0.1.

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values in [0, 1].
    """

    def __init__(
        self,
        scale: int,
        channels: int = 64,
        blocks: int = 16,
        residual_scale: float = 1.0,
        colors: int = 3,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.subtract_mean = MeanShift(colors, -1)
        self.head = conv(colors, channels)
        self.body = repeated(blocks, lambda: ResidualBlock(channels, 3, residual_scale))
        self.body_end = conv(channels, channels)
        self.upsampler = Upsampler(scale, channels)
        self.tail = conv(channels, colors)
        self.add_mean = MeanShift(colors, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(self.subtract_mean(x))
        features = features + self.body_end(self.body(features))
        return self.add_mean(self.tail(self.upsampler(features)))


class MDSR(nn.Module):
    """One body of residual blocks with an entrance and an exit for each of several factors.

    `scale` is the factor that it enlarges by; `scales` are all that it has weights for, by default
    only that one. The paper's has (2, 3, 4).

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values in [0, 1].
    """

    def __init__(
        self,
        scale: int,
        channels: int = 64,
        blocks: int = 80,
        colors: int = 3,
        scales: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.scale, scales = scale, scales or (scale,)
        self.subtract_mean = MeanShift(colors, -1)
        self.head = conv(colors, channels)
        self.entrances = nn.ModuleDict(
            {str(s): repeated(2, lambda: ResidualBlock(channels, 5)) for s in scales}
        )
        self.body = repeated(blocks, lambda: ResidualBlock(channels))
        self.body_end = conv(channels, channels)
        self.upsamplers = nn.ModuleDict({str(s): Upsampler(s, channels) for s in scales})
        self.tail = conv(channels, colors)
        self.add_mean = MeanShift(colors, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.entrances[str(self.scale)](self.head(self.subtract_mean(x)))
        features = features + self.body_end(self.body(features))
        return self.add_mean(self.tail(self.upsamplers[str(self.scale)](features)))
