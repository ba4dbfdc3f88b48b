"""ONNX's operators as functions of torch: those that frame graphs and networks are written in.

A function takes the node's inputs (None for one left out) and, by their names, its attributes: an
attribute that it has no argument for is one that it cannot heed. Sizes and axes, which ONNX keeps
in tensors of int64, are on the processor, so that no device has to be waited for.

Source: onnx.ai/onnx/operators, opsets 17 to 21.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (as everybody calls it)
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from vsr.backends import torch_shapes as shapes

WORD = torch.int16
"""What 16-bit words are held in, bit for bit: torch can do little with its uint16."""


def cast(x: Tensor, *, to: int) -> Tensor:
    if to == TensorProto.UINT16:
        return x.to(torch.int32).to(WORD)
    if x.dtype == WORD:
        x = x.to(torch.int32) & 0xFFFF
    name = helper.tensor_dtype_to_np_dtype(to).name
    return x.to(getattr(torch, name))


def clip(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    return x if low is None and high is None else torch.clamp(x, low, high)


def constant(*, value: TensorProto | None = None, value_float: float = 0.0) -> Tensor:
    if value is None:
        return torch.tensor(value_float)
    return torch.from_numpy(numpy_helper.to_array(value).copy())


def constant_of_shape(shape: Tensor, *, value: TensorProto | None = None) -> Tensor:
    filled = torch.zeros(1) if value is None else constant(value=value)
    return filled.expand(shapes.numbers(shape)).clone()


def conv(
    x: Tensor,
    weights: Tensor,
    bias: Tensor | None = None,
    *,
    kernel_shape: Sequence[int] = (),
    pads: Sequence[int] = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
) -> Tensor:
    """On the processor, where fp16 is slow, it is summed up in fp32 and rounded, as tensor cores
    do."""
    top, left, bottom, right = pads
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    more = tuple(strides), (top, left), tuple(dilations), group
    if x.dtype == torch.float16 and x.device.type == "cpu":
        wide = None if bias is None else bias.float()
        return F.conv2d(x.float(), weights.float(), wide, *more).half()
    return F.conv2d(x, weights, bias, *more)


def conv_transpose(
    x: Tensor,
    weights: Tensor,
    bias: Tensor | None = None,
    *,
    kernel_shape: Sequence[int] = (),
    pads: Sequence[int] = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    output_padding: Sequence[int] = (0, 0),
    group: int = 1,
) -> Tensor:
    top, left, bottom, right = pads
    if (top, left) != (bottom, right):
        raise ValueError(f"pads {list(pads)}, which are not alike on opposite sides")
    more = tuple(output_padding)
    return F.conv_transpose2d(
        x, weights, bias, tuple(strides), (top, left), more, group, tuple(dilations)
    )


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    if slope.numel() == slope.shape[max(0, slope.ndim - 3)]:  # one, or one for each channel
        return F.prelu(x, slope.reshape(-1))
    return torch.where(x < 0, x * slope, x)


def divide(a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def reduce_mean(
    x: Tensor,
    axes: shapes.Numbers | None = None,
    *,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:
    if axes is None and noop_with_empty_axes:
        return x
    at = list(range(x.ndim)) if axes is None else shapes.numbers(axes)
    return x.mean(at, bool(keepdims))


def quantize(x: Tensor, scale: Tensor, zero: Tensor | None = None, *, axis: int = 1) -> Tensor:
    """Rounded half to even, as torch rounds."""
    zero = torch.zeros((), dtype=torch.uint8, device=x.device) if zero is None else zero
    bounds = torch.iinfo(zero.dtype)
    codes = (x / along(scale, x, axis)).round() + along(zero, x, axis).to(x.dtype)
    return codes.clamp(bounds.min, bounds.max).to(zero.dtype)


def dequantize(x: Tensor, scale: Tensor, zero: Tensor | None = None, *, axis: int = 1) -> Tensor:
    codes = x.to(scale.dtype)
    if zero is not None:
        codes = codes - along(zero, x, axis).to(scale.dtype)
    return codes * along(scale, x, axis)


def along(values: Tensor, x: Tensor, axis: int) -> Tensor:
    """One value, or one for each place of an axis, in a shape that goes with `x`."""
    if values.numel() == 1:
        return values.reshape(())
    return values.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])


OPERATORS: dict[str, Callable[..., Any]] = {
    "Abs": torch.abs,
    "Add": torch.add,
    "Cast": cast,
    "Clip": clip,
    "Concat": lambda *parts, axis: torch.cat(parts, axis),
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "DepthToSpace": shapes.depth_to_space,
    "DequantizeLinear": dequantize,
    "Div": divide,
    "Elu": lambda x, *, alpha=1.0: F.elu(x, alpha),
    "Equal": torch.eq,
    "Exp": torch.exp,
    "Expand": shapes.expand,
    "Floor": torch.floor,
    "Gather": shapes.gather,
    "GlobalAveragePool": lambda x: x.mean((2, 3), True),
    "Identity": lambda x: x,
    "LeakyRelu": lambda x, *, alpha=0.01: F.leaky_relu(x, alpha),
    "MatMul": torch.matmul,
    "Max": lambda *inputs: reduce(torch.maximum, inputs),
    "Min": lambda *inputs: reduce(torch.minimum, inputs),
    "Mul": torch.mul,
    "Neg": torch.neg,
    "PRelu": prelu,
    "Pad": shapes.pad,
    "Pow": torch.pow,
    "QuantizeLinear": quantize,
    "ReduceMean": reduce_mean,
    "Relu": torch.relu,
    "Reshape": shapes.reshape,
    "Resize": shapes.resize,
    "Shape": lambda x: torch.tensor(x.shape),
    "Sigmoid": torch.sigmoid,
    "Slice": shapes.slice_,
    "Softmax": lambda x, *, axis=-1: torch.softmax(x, axis),
    "SpaceToDepth": shapes.space_to_depth,
    "Split": shapes.split,
    "Sqrt": torch.sqrt,
    "Squeeze": shapes.squeeze,
    "Sub": torch.sub,
    "Tanh": torch.tanh,
    "Transpose": lambda x, *, perm: x.permute(*perm),
    "Unsqueeze": shapes.unsqueeze,
    "Where": torch.where,
}
"""By ONNX's names."""
