"""A super-resolution network as an ONNX model, checked to be one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, shape_inference, version_converter
from onnx.checker import ValidationError

from vsr.errors import InputError, UsageError
from vsr.networks.reach import reach

OLDEST_OPSET = 17
"""The operator set that older models are brought to; newer ones stay as they are. (The operators
that the frame graph is written in mean the same in all versions from this one on.)"""


MULTIPLES = (1, 2, 4, 8)
"""What a network may ask a picture's sides to be multiples of, as those do that first make it
smaller and deeper."""


@dataclass(frozen=True)
class Network:
    """What turns a small picture into a large one.

    Shapes: one input (n, channels, h, w) and one output (n, channels, h * scale, w * scale),
    both float32 with values in [0, 1]; h and w are multiples of `multiple`.
    """

    name: str
    model: ModelProto
    scale: int
    channels: int
    """1: luma; 3: RGB."""
    reach: int | None
    """Small pixels to each side that a result depends on; None where there is no such bound."""
    kernel: str = "bicubic"
    """What enlarges chroma beside a luma network: a key of `vsr.kernels.KERNELS`."""
    exact: bool = False
    """True for pure resampling, which is computed in float32 whatever the device likes best."""
    multiple: int = 1
    """What the small picture's sides have to be multiples of; the frame graph sees to that."""
    int8: ModelProto | None = None
    """Its twin with convolutions in 8 bits, QuantizeLinear and DequantizeLinear around them, where
    there is one; all that is said here holds for it, too."""

    def quantized(self) -> Self:
        """The network with its 8-bit twin in its place. Raises UsageError where it has none."""
        if self.int8 is None:
            raise UsageError(
                f"{self.name} has no int8 twin; choose another precision, "
                "or a network that vsr models list shows with one"
            )
        return replace(self, model=self.int8)


def read_network(path: Path) -> Network:
    """The network in an ONNX file. Raises InputError, with the reason, where it is not one."""
    try:
        model = onnx.load(path)
    except (OSError, DecodeError, ValueError, ValidationError) as error:
        if not path.exists():
            raise InputError(f"{path}: no such file") from None
        reason = first_line(error)
        raise InputError(f"{path}: cannot be read as an ONNX model ({reason})") from error
    return check_network(model, path.stem, str(path))


def check_network(model: ModelProto, name: str, where: str) -> Network:
    """`model` as a Network. Raises InputError, naming `where`, with the reason it is not one."""

    def refuse(reason: str) -> InputError:
        return InputError(f"{where}: not a super-resolution network: {reason}")

    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    outputs = model.graph.output
    if len(inputs) != 1 or len(outputs) != 1:
        raise refuse(f"it has {len(inputs)} inputs and {len(outputs)} outputs, not one and one")
    for value in (inputs[0], outputs[0]):
        if value.type.tensor_type.elem_type != TensorProto.FLOAT:
            kind = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
            raise refuse(f"'{value.name}' holds {kind}, not float32")
    shape = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim]
    if len(shape) != 4 or shape[1] not in (1, 3):
        raise refuse(f"its input is {shape}, not (n, 1 or 3, height, width)")

    try:
        model = at_usable_opset(model)
    except (RuntimeError, ValueError) as error:
        raise refuse(f"its operators are out of date ({first_line(error)})") from error
    channels = shape[1]
    reasons = []
    for multiple in MULTIPLES:
        try:
            scale = find_scale(model, channels, multiple)
        except ValueError as error:
            reasons.append(str(error))
        else:
            bound = reach(model, network_input(model), multiple)
            return Network(name, model, scale, channels, bound, multiple=multiple)
    raise refuse(reasons[0])


def find_scale(model: ModelProto, channels: int, multiple: int) -> int:
    """The factor by which `model` enlarges pictures whose sides are multiples of `multiple`.

    Raises ValueError with the reason where there is none.
    """
    small = (24 * multiple, 17 * multiple)  # a factor that suits both, whatever else, is right
    size = f"{small[1]}x{small[0]}"
    try:
        large = output_shape(model, (1, channels, *small))
    except Exception as error:  # whatever an operator raises, the size does not fit
        raise ValueError(
            f"any size, or any multiple of {MULTIPLES[-1]}, must do, "
            f"but it takes no picture of {size} ({first_line(error)})"
        ) from error
    if len(large) != 4:
        raise ValueError(f"its output is {list(large)}, not (n, channels, height, width)")
    if large[1] != channels:
        raise ValueError(f"{channels} channels go in and {large[1]} come out")
    scale = large[2] // small[0]
    if scale < 1 or large[2:] != (small[0] * scale, small[1] * scale):
        raise ValueError(f"{size} becomes {large[3]}x{large[2]}, which is not a whole factor")
    return scale


def first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def at_usable_opset(model: ModelProto) -> ModelProto:
    """The model at a version of the operator set in which the frame graph can be written.

    Raises RuntimeError or ValueError where ONNX cannot convert it.
    """
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if not versions:
        raise ValueError("it does not say which version of ONNX's operators it is written in")
    if versions[0] >= OLDEST_OPSET:
        return model
    return version_converter.convert_version(model, OLDEST_OPSET)


def output_shape(model: ModelProto, input_shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of the output for an input of `input_shape`. Raises where that does not fit."""
    trial = ModelProto()
    trial.CopyFrom(model)
    set_shape(trial, input_shape)
    inferred = shape_inference.infer_shapes(trial, strict_mode=True, data_prop=True)
    dims = [d.dim_value for d in inferred.graph.output[0].type.tensor_type.shape.dim]
    return tuple(dims) if dims and all(dims) else run_for_shape(trial, input_shape)


def run_for_shape(model: ModelProto, input_shape: Sequence[int]) -> tuple[int, ...]:
    """As `output_shape`, for graphs whose shapes only show when they are run."""
    from onnx.reference import ReferenceEvaluator

    feed = {network_input(model): np.zeros(tuple(input_shape), np.float32)}
    results: Any = ReferenceEvaluator(model).run(None, feed)
    return tuple(results[0].shape)


def network_input(model: ModelProto) -> str:
    """The name of the one input that is not a weight."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return str(next(value.name for value in model.graph.input if value.name not in weights))


def set_shape(model: ModelProto, input_shape: Sequence[int | str]) -> None:
    """Set the input's shape, numbers or names of dimensions, and forget what followed from it."""
    name = network_input(model)
    for value in (*model.graph.input, *model.graph.output):
        tensor = value.type.tensor_type
        for axis, dim in enumerate(tensor.shape.dim):
            dim.Clear()
            if value.name == name:
                size = input_shape[axis]
                if isinstance(size, int):
                    dim.dim_value = size
                else:
                    dim.dim_param = size
    del model.graph.value_info[:]
