"""INT8: a network whose convolutions compute in 8 bits, in a form that can be trained.

Weights are rounded symmetrically, one scale for each output channel, set by its largest. Inputs are
rounded with one step for the tensor, which is learned (Esser et al., "Learned Step Size
Quantization", 2020, section 2). Sums beside the convolutions, and the last result, stay float.
"""

import copy
from collections.abc import Iterable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

CODE = 255.0


class QuantizedConv2d(nn.Module):
    """A convolution whose input and weights are rounded to 8 bits, as INT8 kernels take them.

    Shapes: those of the convolution.
    """

    low: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.step = nn.Parameter(torch.tensor(1 / CODE))
        self.register_buffer("low", torch.tensor(0.0))
        self.seen: list[Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.seen is not None:
            self.seen.append(x.detach().flatten()[:: max(1, x.numel() // 50_000)])
            return self.conv(x)  # type: ignore[no-any-return]
        weight, conv = self.weight(), self.conv
        return F.conv2d(
            self.rounded(x),
            weight,
            conv.bias,
            conv.stride,
            conv.padding,
            1,
            conv.groups,  # type: ignore[arg-type]
        )

    def weight(self) -> Tensor:
        """The kernel as 8 bits hold it."""
        kernel = self.conv.weight
        scales = kernel.detach().abs().amax((1, 2, 3)).clamp(min=1e-8) / 127
        if torch.onnx.is_in_onnx_export():
            scales = torch.tensor(scales.tolist())  # a constant of the graph
        zeros = torch.zeros_like(scales, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(kernel, scales, zeros, 0, -128, 127)

    def rounded(self, x: Tensor) -> Tensor:
        """The input as 8 bits hold it; the step's gradient is scaled as in LSQ, section 2.2."""
        low = int(self.low)
        if torch.onnx.is_in_onnx_export():
            return torch.fake_quantize_per_tensor_affine(
                x, float(self.step), 0, low, low + int(CODE)
            )
        ease = 1 / (x.numel() * CODE) ** 0.5
        step = self.step * ease + (self.step - self.step * ease).detach()
        codes = (x / step).clamp(low, low + CODE)
        return (codes + (codes.round() - codes).detach()) * step

    def settle(self) -> None:
        """Take the first step from what was seen: the one with the least squared error."""
        assert self.seen, "nothing was calibrated with"
        values, self.seen = torch.cat(self.seen), None
        self.low.fill_(0.0 if values.min() >= 0 else -128.0)
        largest = float(values.abs().max()) / (CODE if self.low == 0 else CODE / 2)
        errors = {}
        for share in torch.linspace(0.3, 1, 36).tolist():
            step = largest * share
            codes = (values / step).round().clamp(self.low, self.low + CODE)
            errors[step] = float(((codes * step - values) ** 2).mean())
        self.step.data.fill_(min(errors, key=lambda step: errors[step]))


def quantize(net: nn.Module) -> nn.Module:
    """A copy of the network, collapsed, with all its convolutions in 8 bits."""
    collapsed = getattr(net, "collapsed", None)
    copied = collapsed() if collapsed else copy.deepcopy(net)
    for parent in list(copied.modules()):
        for name, module in parent.named_children():
            if isinstance(module, nn.Conv2d) and not isinstance(parent, QuantizedConv2d):
                setattr(parent, name, QuantizedConv2d(module))
    return copied  # type: ignore[no-any-return]


def calibrate(net: nn.Module, pictures: Iterable[Tensor]) -> None:
    """Set the steps of all inputs from small pictures, (n, c, h, w).

    The first convolution's is one 8-bit code, so that 8-bit films enter it unchanged.
    """
    layers = [module for module in net.modules() if isinstance(module, QuantizedConv2d)]
    for layer in layers:
        layer.seen = []
    with torch.inference_mode():
        for picture in pictures:
            net(picture)
    for layer in layers:
        layer.settle()
    layers[0].step.data.fill_(1 / CODE)
    layers[0].step.requires_grad_(False)
