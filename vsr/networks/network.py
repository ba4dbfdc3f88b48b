"""A super-resolution network as an ONNX model, checked to be one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper, shape_inference

from vsr.errors import InputError

LOCAL = {
    *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "DepthToSpace", "SpaceToDepth"),
    *("Pad", "Resize", "Upsample", "Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "Tanh", "Elu"),
    *("HardSigmoid", "HardSwish", "Gelu", "Erf", "Softplus", "Identity", "Cast", "Constant"),
    *("Add", "Sub", "Mul", "Div", "Neg", "Abs", "Sqrt", "Pow", "Exp", "Min", "Max", "Floor"),
    *("Concat", "Split", "Slice", "Shape", "Gather", "Unsqueeze", "Squeeze", "Round"),
    *("BatchNormalization", "QuantizeLinear", "DequantizeLinear"),
}
"""Operators whose result at a pixel depends on that pixel's surroundings alone."""


@dataclass(frozen=True)
class Network:
    """What turns a small picture into a large one.

    Shapes: one input (n, channels, h, w) and one output (n, channels, h * scale, w * scale),
    both float32 with values in [0, 1].
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


def read_network(path: Path) -> Network:
    """The network in an ONNX file. Raises InputError, with the reason, where it is not one."""
    try:
        model = onnx.load(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, DecodeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as an ONNX model ({error})") from error
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

    channels = shape[1]
    small = (24, 17)
    large = output_shape(model, (1, channels, *small))
    if large is None:
        raise refuse(f"it does not accept a picture of {small[1]}x{small[0]}; any size must do")
    factors = {b / a for a, b in zip(small, large[2:], strict=True)}
    scale = factors.pop()
    if large[1] != channels:
        raise refuse(f"{channels} channels go in and {large[1]} come out")
    if factors or scale != int(scale) or scale < 1:
        sizes = f"{small[1]}x{small[0]} becomes {large[3]}x{large[2]}"
        raise refuse(f"{sizes}, which is not a whole factor")
    return Network(name, model, int(scale), channels, reach(model))


def output_shape(model: ModelProto, input_shape: Sequence[int]) -> tuple[int, ...] | None:
    """The shape of the output for an input of `input_shape`, or None if that does not fit."""
    trial = ModelProto()
    trial.CopyFrom(model)
    set_shape(trial, input_shape)
    try:
        inferred = shape_inference.infer_shapes(trial, strict_mode=True, data_prop=True)
    except shape_inference.InferenceError:
        return None
    dims = [d.dim_value for d in inferred.graph.output[0].type.tensor_type.shape.dim]
    return tuple(dims) if len(dims) == 4 and all(dims) else run_for_shape(trial, input_shape)


def run_for_shape(model: ModelProto, input_shape: Sequence[int]) -> tuple[int, ...] | None:
    """As `output_shape`, for graphs whose shapes only show when they are run."""
    from onnx.reference import ReferenceEvaluator

    feed = {network_input(model): np.zeros(tuple(input_shape), np.float32)}
    try:
        results: Any = ReferenceEvaluator(model).run(None, feed)
    except Exception:  # noqa: BLE001 (whatever an operator raises, the size does not fit)
        return None
    return tuple(results[0].shape) if results[0].ndim == 4 else None


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


def reach(model: ModelProto) -> int | None:
    """How many input pixels to each side an output pixel can depend on; None where unbounded.

    Every operator adds what its own window reaches, in pixels of the input, along the deepest
    path. An operator not known to be local (attention, pooling over the picture) has no bound.
    """
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    depth = {network_input(model): (0.0, 1.0)}
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            continue
        if node.op_type not in LOCAL:
            return None
        known = [depth[name] for name in node.input if name in depth]
        if not known:
            continue
        density = max(d for _, d in known)
        window, factor = window_of(node, constants)
        far = max(r for r, _ in known) + window / density
        depth.update((name, (far, density * factor)) for name in node.output)
    return int(np.ceil(depth[model.graph.output[0].name][0]))


def window_of(node: NodeProto, constants: dict[str, np.ndarray]) -> tuple[float, float]:
    """How far the operator reaches in its own input's pixels, and by what it enlarges."""
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    stride = max(attributes.get("strides", [1]))
    if node.op_type in ("Conv", "ConvTranspose", "MaxPool", "AveragePool"):
        weights = constants.get(node.input[1]) if len(node.input) > 1 else None
        kernel = attributes.get("kernel_shape") or weights.shape[2:]  # type: ignore[union-attr]
        dilation = max(attributes.get("dilations", [1]))
        if node.op_type == "ConvTranspose":
            return float(max(kernel)) / stride, float(stride)
        return float(dilation * (max(kernel) - 1)), 1.0 / stride
    if node.op_type in ("DepthToSpace", "SpaceToDepth"):
        block = float(attributes["blocksize"])
        return (0.0, block) if node.op_type == "DepthToSpace" else (block, 1 / block)
    if node.op_type in ("Resize", "Upsample"):
        scales = [constants[name] for name in node.input[1:] if constants.get(name) is not None]
        factor = float(max(s.max() for s in scales if s.size == 4 and s.dtype == np.float32))
        return 3.0, factor
    return 0.0, 1.0
