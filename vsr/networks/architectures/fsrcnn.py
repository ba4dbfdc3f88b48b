"""FSRCNN: shrink, map, expand, and enlarge only at the end by a transposed convolution.

Source: Dong et al., "Accelerating the Super-Resolution Convolutional Neural Network" (2016),
section 3.2; sizes (56, 12, 4) section 4.2.
"""

import torch
from torch import Tensor, nn

from vsr.networks.architectures.layers import conv


class FSRCNN(nn.Module):
    """The paper's d is `channels`, its s is `shrunk`, its m is `convs`.

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values in [0, 1].
    """

    def __init__(
        self, scale: int, channels: int = 56, shrunk: int = 12, convs: int = 4, colors: int = 1
    ) -> None:
        super().__init__()
        self.scale = scale
        layers = [conv(colors, channels, 5), conv(channels, shrunk, 1)]
        layers += [conv(shrunk, shrunk) for _ in range(convs)]
        layers += [conv(shrunk, channels, 1)]
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.layers = nn.Sequential(
            *(part for layer in layers for part in (layer, nn.PReLU(layer.out_channels)))
        )
        self.enlarge = nn.ConvTranspose2d(
            channels, colors, 9, stride=scale, padding=4, output_padding=scale - 1
        )
        with torch.no_grad():
            self.enlarge.weight.normal_(std=0.001)  # section 3.3

    def forward(self, x: Tensor) -> Tensor:
        return self.enlarge(self.layers(x))
