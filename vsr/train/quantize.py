"""INT8: a network whose convolutions compute in 8 bits, in a form that can be trained.

Weights are rounded symmetrically, one scale for each output channel, set by its largest. Inputs are
rounded with one step for the tensor, which is learned. The last result stays float.
"""

import copy
from collections.abc import Iterable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from vsr.networks.architectures.lean import LeanBlock

CODES = 255.0


class Round8(nn.Module):
    """A tensor rounded to 8 bits by a learned step; unsigned where it cannot be negative.

    Shapes: any.
    Source: Esser et al., "Learned Step Size Quantization" (2020), sections 2 and 2.2.
    """

    low: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.tensor(1 / CODES))
        self.register_buffer("low", torch.tensor(0.0))
        self.seen: list[Tensor] | None = None
        """Samples of what came by, while calibrating."""

    def forward(self, x: Tensor) -> Tensor:
        if self.seen is not None:
            self.seen.append(x.detach().flatten()[:: max(1, x.numel() // 50_000)])
            return x
        low = int(self.low)
        if torch.onnx.is_in_onnx_export():
            return torch.fake_quantize_per_tensor_affine(
                x, float(self.step), 0, low, low + int(CODES)
            )
        ease = 1 / (x.numel() * CODES) ** 0.5
        step = self.step * ease + (self.step - self.step * ease).detach()
        codes = (x / step).clamp(low, low + CODES)
        return (codes + (codes.round() - codes).detach()) * step

    def settle(self) -> None:
        """Take the first step from what was seen: the one with the least squared error."""
        assert self.seen, "nothing was calibrated with"
        values, self.seen = torch.cat(self.seen), None
        self.low.fill_(0.0 if values.min() >= 0 else -128.0)
        largest = float(values.abs().max()) / (CODES if self.low == 0 else CODES / 2)
        errors = {}
        for share in torch.linspace(0.3, 1, 36).tolist():
            step = largest * share
            codes = (values / step).round().clamp(self.low, self.low + CODES)
            errors[step] = float(((codes * step - values) ** 2).mean())
        self.step.data.fill_(min(errors, key=lambda step: errors[step]))


class QuantizedConv2d(nn.Module):
    """A convolution whose input and weights are rounded to 8 bits, as INT8 kernels take them.

    Shapes: those of the convolution.
    """

    def __init__(self, conv: nn.Conv2d, enter: nn.Module) -> None:
        """`enter` rounds the input, or is the identity where that was done before."""
        super().__init__()
        self.conv, self.enter = conv, enter

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        return F.conv2d(
            self.enter(x),
            self.weight(),
            conv.bias,
            conv.stride,
            conv.padding,  # type: ignore[arg-type]
            conv.dilation,
            conv.groups,
        )

    def weight(self) -> Tensor:
        """The kernel as 8 bits hold it."""
        kernel = self.conv.weight
        scales = kernel.detach().abs().amax((1, 2, 3)).clamp(min=1e-8) / 127
        if torch.onnx.is_in_onnx_export():
            scales = torch.tensor(scales.tolist())  # a constant of the graph
        zeros = torch.zeros_like(scales, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(kernel, scales, zeros, 0, -128, 127)


def quantize(net: nn.Module) -> nn.Module:
    """A copy of the network, collapsed, with all its convolutions in 8 bits.

    What enters a residual block is rounded once, for its convolution and for its sum: so the
    features between blocks travel in 8 bits, which saves more time than the convolutions do.
    """
    collapsed = getattr(net, "collapsed", None)
    copied: nn.Module = collapsed() if collapsed else copy.deepcopy(net)
    for parent in list(copied.modules()):
        if isinstance(parent, LeanBlock):
            parent.enter = Round8()
            parent.conv1 = QuantizedConv2d(parent.conv1, nn.Identity())  # type: ignore[arg-type]
        if isinstance(parent, QuantizedConv2d):
            continue
        for name, module in parent.named_children():
            if isinstance(module, nn.Conv2d):
                setattr(parent, name, QuantizedConv2d(module, Round8()))
    return copied


def calibrate(net: nn.Module, pictures: Iterable[Tensor]) -> None:
    """Set all steps from small pictures, (n, c, h, w).

    The first is one 8-bit code, so that 8-bit films enter unchanged; it stays so.
    """
    roundings = [module for module in net.modules() if isinstance(module, Round8)]
    for rounding in roundings:
        rounding.seen = []
    with torch.inference_mode():
        for picture in pictures:
            net(picture)
    for rounding in roundings:
        rounding.settle()
    first = roundings[0].step
    first.data.fill_(1 / CODES)
    first.requires_grad_(False)
