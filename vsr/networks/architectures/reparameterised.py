"""Convolutions that train as something wider and run as one ordinary 3x3 convolution.

The branches are multiplied out at every call, so that training costs hardly more than training the
small convolution, and gains the easier optimisation of the wide one.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class ReparameterisedConv2d(nn.Module):
    """The base of both kinds: `collapse` gives the kernel that the branches amount to.

    Shapes: (n, in_channels, h, w) -> (n, out_channels, h, w).
    """

    def __init__(self, in_channels: int, out_channels: int, identity: bool = True) -> None:
        """`identity` is added where input and output have equally many channels."""
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.identity = identity and in_channels == out_channels
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def branches(self) -> Tensor:
        raise NotImplementedError

    def collapse(self) -> Tensor:
        """The one kernel, (out_channels, in_channels, 3, 3)."""
        with torch.autocast(self.bias.device.type, enabled=False):  # a sum of many small numbers
            kernel = self.branches()
        if self.identity:
            kernel = kernel + nn.init.dirac_(torch.empty_like(kernel))
        return kernel

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.collapse(), self.bias, padding=1)

    def collapsed(self) -> nn.Conv2d:
        """The ordinary convolution that computes the same."""
        conv = nn.Conv2d(self.in_channels, self.out_channels, 3, padding=1)
        conv.weight.data.copy_(self.collapse().detach())
        conv.bias.data.copy_(self.bias.detach())  # type: ignore[union-attr]
        return conv


class CollapsibleConv2d(ReparameterisedConv2d):
    """A wide 3x3 convolution followed by a 1x1.

    Source: Bhardwaj et al., "Collapsible Linear Blocks for Super-Efficient Super Resolution"
    (SESR, 2022), sections 3.1 and 3.3.
    """

    def __init__(
        self, in_channels: int, out_channels: int, expansion: int = 64, identity: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, identity)
        self.expand = nn.Parameter(torch.empty(expansion, in_channels, 3, 3))
        self.project = nn.Parameter(torch.empty(out_channels, expansion))
        nn.init.xavier_normal_(self.expand)
        nn.init.xavier_normal_(self.project)

    def branches(self) -> Tensor:
        return torch.einsum("om,mihw->oihw", self.project, self.expand)


EDGES = (
    ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0)),  # Sobel, across
    ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0)),  # Sobel, down
    ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0)),  # Laplace
)


class EdgeConv2d(ReparameterisedConv2d):
    """A 3x3 convolution, a 1x1 followed by a 3x3, and three 1x1 followed by scaled edge filters.

    Source: Zhang et al., "Edge-oriented Convolution Block for Real-time Super Resolution on Mobile
    Devices" (ECBSR, 2021), sections 3.2 and 3.3; the biases of the branches are one here.
    """

    edges: Tensor

    def __init__(self, in_channels: int, out_channels: int, expansion: int = 2) -> None:
        super().__init__(in_channels, out_channels)
        middle = expansion * out_channels
        self.plain = nn.Parameter(torch.empty(out_channels, in_channels, 3, 3))
        self.expand = nn.Parameter(torch.empty(middle, in_channels))
        self.project = nn.Parameter(torch.empty(out_channels, middle, 3, 3))
        self.before_edges = nn.Parameter(torch.empty(len(EDGES), out_channels, in_channels))
        self.edge_scales = nn.Parameter(torch.randn(len(EDGES), out_channels) * 1e-3)
        self.register_buffer("edges", torch.tensor(EDGES), persistent=False)
        for weight in (self.plain, self.expand, self.project, *self.before_edges):
            nn.init.xavier_normal_(weight)

    def branches(self) -> Tensor:
        wide = torch.einsum("omhw,mi->oihw", self.project, self.expand)
        edges = torch.einsum("eo,eoi,ehw->oihw", self.edge_scales, self.before_edges, self.edges)
        return self.plain + wide + edges
