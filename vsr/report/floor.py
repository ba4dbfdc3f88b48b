"""The least time that a frame can take on a device: every convolution at the rate at which it
multiplies matrices, or at which it copies memory, whichever takes longer.

Source: Williams, Waterman and Patterson, "Roofline" (2009), section 3, layer by layer. Winograd's
and other ways that multiply less are not thought of; layers that are fused copy less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from onnx.shape_inference import infer_shapes

from vsr.errors import MissingPackageError
from vsr.frame import FrameFormat
from vsr.graph import frame_graph
from vsr.networks.network import Network


@dataclass(frozen=True)
class Work:
    """What a convolution has to do for one frame."""

    operations: int
    """A multiplication and an addition are two."""
    values: int
    """Numbers read and written: features and weights."""


@dataclass(frozen=True)
class Floor:
    """The least that a frame takes, and the rates that it follows from."""

    milliseconds: float
    operations: int
    """A frame's."""
    matmul_rate: float
    """Operations a second."""
    copy_rate: float
    """Bytes a second."""


def work_of(network: Network, form: FrameFormat) -> list[Work]:
    """Of every convolution of the frame graph, colour's included."""
    graph = frame_graph(network, form)
    shapes = {"y": [1, 1, form.height, form.width], "uv": [1, *(form.uv_shape or ())]}
    for value in graph.graph.input:
        for dim, size in zip(value.type.tensor_type.shape.dim, shapes[value.name], strict=True):
            dim.dim_value = size
    inferred = infer_shapes(graph, data_prop=True).graph
    sizes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.input, *inferred.output)
    }
    sizes |= {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    found = []
    for node in inferred.node:
        if node.op_type not in ("Conv", "ConvTranspose"):
            continue
        small, weights, large = (
            math.prod(sizes[name]) for name in (*node.input[:2], node.output[0])
        )
        # Each weight meets every pixel: of the result, or of what a transposed one begins with.
        transposed = node.op_type == "ConvTranspose"
        pixels = math.prod(sizes[node.input[0] if transposed else node.output[0]][2:])
        found.append(Work(2 * weights * pixels, small + weights + large))
    return found


def floor(network: Network, form: FrameFormat, device: str, fp16: bool) -> Floor:
    """Measured on this device of torch's. Raises MissingPackageError without torch."""
    try:
        from vsr.backends.torch_rates import copy_rate, matmul_rate
    except ImportError as error:
        raise MissingPackageError("torch", "cuda") from error
    work = work_of(network, form)
    matmul, copy = matmul_rate(device, fp16), copy_rate(device)
    width = 2 if fp16 else 4
    seconds = sum(max(w.operations / matmul, w.values * width / copy) for w in work)
    return Floor(1000 * seconds, sum(w.operations for w in work), matmul, copy)
