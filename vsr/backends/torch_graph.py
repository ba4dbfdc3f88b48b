"""An ONNX graph as a function of torch tensors.

(The package onnx2torch, 1.5.15, knows neither DepthToSpace in its default mode nor the operators
of 8-bit networks, and brings torchvision along.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor

from vsr.backends.torch_operators import OPERATORS
from vsr.errors import BackendError

Values = dict[str, Tensor]

READ_HERE = {"Pad": (2,), "Resize": (1, 2)}
"""Operator -> its inputs, besides sizes and axes, that torch wants to know on the processor."""


@dataclass(frozen=True)
class Step:
    """One node, and what nobody asks for any more when it is done."""

    node: NodeProto
    attributes: dict[str, Any]
    spent: tuple[str, ...] = ()

    def run(self, values: Values) -> None:
        """Add the node's results to the values.

        Raises BackendError for an attribute or a way of the operator that torch has nothing for.
        """
        inputs = [values[name] if name else None for name in self.node.input]
        try:
            results = OPERATORS[self.node.op_type](*inputs, **self.attributes)
        except (TypeError, ValueError, KeyError) as error:
            raise BackendError(
                f"torch cannot compute {self.node.op_type} '{self.node.output[0]}': {error}"
            ) from error
        if isinstance(results, Tensor):
            results = (results,)
        values.update(zip(self.node.output, results, strict=True))
        for name in self.spent:
            del values[name]


class TorchGraph:
    """Computes what the model computes, on one device.

    Raises BackendError, naming them, where it has operators that torch is not taught here.
    """

    def __init__(self, model: ModelProto, device: torch.device) -> None:
        unknown = sorted({node.op_type for node in model.graph.node} - set(OPERATORS))
        if unknown:
            raise BackendError(
                f"the torch backend has no operator {', '.join(unknown)}; choose another backend"
            )
        self.device = device
        self.outputs = [value.name for value in model.graph.output]
        self.read_here = {
            node.input[place]
            for node in model.graph.node
            for place in READ_HERE.get(node.op_type, ())
            if place < len(node.input)
        }
        self.constants: Values = {
            tensor.name: self.placed(tensor.name, to_tensor(tensor))
            for tensor in model.graph.initializer
        }
        self.steps = in_turn(self.folded(model.graph.node), self.outputs)

    def placed(self, name: str, value: Tensor) -> Tensor:
        """A constant where it is needed: sizes and axes on the processor, numbers on the device;
        there fp16 filters with their channels last, as tensor cores take them.

        So nothing has to be read back from the device while the graph is computed, nor copied
        there, which a CUDA graph would not allow.
        """
        if value.dtype == torch.int64 or name in self.read_here:
            return value.cpu()
        if self.device.type == "cuda" and value.dtype == torch.float16 and value.ndim == 4:
            return value.to(self.device, memory_format=torch.channels_last)
        return value.to(self.device)

    def folded(self, nodes: Sequence[NodeProto]) -> list[Step]:
        """The nodes whose results are not known by now; those of the others become constants."""
        left = []
        for node in nodes:
            step = Step(node, attributes_of(node))
            if all(name in self.constants or not name for name in node.input):
                results = dict(self.constants)
                step.run(results)
                self.constants.update({n: self.placed(n, results[n]) for n in node.output})
            else:
                left.append(step)
        return left

    def __call__(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """The outputs, in the model's order. 16-bit words are held in `torch_operators.WORD`."""
        values = {**self.constants, **inputs}
        for step in self.steps:
            step.run(values)
        return [values[name] for name in self.outputs]


def to_tensor(tensor: TensorProto) -> Tensor:
    return torch.from_numpy(numpy_helper.to_array(tensor).copy())


def attributes_of(node: NodeProto) -> dict[str, Any]:
    """A node's attributes as Python has them; Split is told how many parts it has."""
    found = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type == "Split":
        found.setdefault("num_outputs", len(node.output))
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in found.items()}


def in_turn(steps: Sequence[Step], outputs: Sequence[str]) -> list[Step]:
    """The steps, each of which lets go of what no later one needs: memory, on a large picture."""
    needed = set(outputs)
    given = {name for step in steps for name in step.node.output}
    result = []
    for step in reversed(steps):
        spent = (given & {*step.node.input, *step.node.output}) - needed
        result.append(Step(step.node, step.attributes, tuple(sorted(spent))))
        needed.update(step.node.input)
    return result[::-1]
