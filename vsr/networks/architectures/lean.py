"""Our own residual network: what is left of EDSR when every layer has to earn its time.

Residual blocks at the small size, one sub-pixel convolution for all of the enlargement, and the
nearest-neighbour enlargement added to its result. The blocks' sums cost nothing measurable on a
processor. The first convolution of a block begins near the identity; with Adam, convolutions train
better as wide ones (`expansion`), which are collapsed to 3x3 afterwards, and with Muon as they are.

Source: blocks from Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution"
(EDSR, 2017), section 3.1; collapsible convolutions from Bhardwaj et al. (SESR, 2022), section 3;
sub-pixel convolution from Shi et al. (ESPCN, 2016), section 3.2; the nearest-neighbour anchor from
Du et al., "Anchor-based Plain Net for Mobile Image Super-Resolution" (2021), section 3.
"""

import copy
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from vsr.networks.architectures.layers import PixelUnshuffle, nearest, repeated
from vsr.networks.architectures.reparameterised import CollapsibleConv2d

INITIAL_RESIDUAL = 0.1
"""How strong a block's residual is at the start, compared with Xavier's initialisation."""


def convolution(
    ins: int, outs: int, expansion: int, identity: bool = False, gain: float = 1.0
) -> nn.Module:
    """A 3x3 convolution that trains as one `expansion` channels wide, or, where that is 0, as
    itself. It begins as `gain` times Xavier's, and, with `identity`, as that beside the identity.
    """
    if expansion:
        wide = CollapsibleConv2d(ins, outs, expansion, identity)
        wide.project.data *= gain
        return wide
    conv = nn.Conv2d(ins, outs, 3, padding=1)
    nn.init.zeros_(cast(Tensor, conv.bias))
    nn.init.xavier_normal_(conv.weight, gain)
    if identity:
        conv.weight.data += nn.init.dirac_(torch.empty_like(conv.weight))
    return conv


class LeanBlock(nn.Module):
    """Two convolutions with a ReLU between, beside the identity.

    All that enters goes through `enter`, where a quantized network rounds it once for both ways.
    """

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        self.enter: nn.Module = nn.Identity()
        self.conv1 = convolution(channels, channels, expansion, identity=True)
        self.conv2 = convolution(channels, channels, expansion, gain=INITIAL_RESIDUAL)

    def forward(self, x: Tensor) -> Tensor:
        entered = self.enter(x)
        return cast(Tensor, entered + self.conv2(F.relu(self.conv1(entered))))


class LeanNet(nn.Module):
    """`blocks` residual blocks of `channels` channels, after a space to depth by `squeeze`.

    Shapes: (n, colors, h, w) -> (n, colors, h * scale, w * scale), values nominally in [0, 1];
    h and w are multiples of `squeeze`.
    """

    def __init__(
        self,
        scale: int = 2,
        channels: int = 16,
        blocks: int = 5,
        expansion: int = 64,
        squeeze: int = 1,
        colors: int = 1,
    ) -> None:
        super().__init__()
        self.scale, self.squeeze = scale, squeeze
        self.unshuffle = PixelUnshuffle(squeeze, colors) if squeeze > 1 else nn.Identity()
        self.head = convolution(colors * squeeze**2, channels, expansion)
        self.body = repeated(blocks, lambda: LeanBlock(channels, expansion))
        values = colors * (scale * squeeze) ** 2
        self.tail = convolution(channels, values, expansion)

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(self.head(self.unshuffle(x)))
        residual = F.pixel_shuffle(self.tail(features), self.scale * self.squeeze)
        return residual + nearest(x, self.scale)

    def collapsed(self) -> nn.Module:
        """The same function with ordinary convolutions."""
        net = copy.deepcopy(self)
        for parent in list(net.modules()):
            for name, module in parent.named_children():
                if isinstance(module, CollapsibleConv2d):
                    setattr(parent, name, module.collapsed())
        return net
