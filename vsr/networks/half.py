"""A network's twin that computes in fp16, for devices that take a graph's types at their word.

What goes in and comes out stays float32, so the frame graph around it keeps colour and the last
rounding in fp32.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.shape_inference import infer_shapes

from vsr.errors import UsageError
from vsr.networks.network import Network, network_input

FP16_MAX = float(np.finfo(np.float16).max)

FP32_INPUTS = {"Resize": (1, 2), "Upsample": (1,)}
"""Inputs that are float32 whatever the type of the data. Source: ONNX operator specification."""

WIDE = {
    *("GlobalAveragePool", "AveragePool", "ReduceMean", "ReduceSum", "ReduceL2", "ReduceSumSquare"),
    *("InstanceNormalization", "LayerNormalization", "GroupNormalization", "LpNormalization"),
    *("Softmax", "LogSoftmax", "Exp", "Pow", "GridSample"),
}
"""Operators that stay in fp32: sums over many values, steep functions, places in a picture (next to
1 fp16 has steps of 2**-11, which is half a pixel at a width of 1920)."""

SIZES = {"Shape", "Size"}
"""Operators that look at a tensor's shape only."""

FLOAT, HALF = int(TensorProto.FLOAT), int(TensorProto.FLOAT16)
SUFFIX = {FLOAT: "fp32", HALF: "fp16"}


def half(network: Network, keep: Collection[str] = ()) -> Network:
    """The network in fp16, with fp32 at both ends and in the nodes whose first results are named.

    A node whose weights are too large for fp16, and what is computed from sizes alone, stay fp32.

    Raises UsageError for a graph that cannot be converted: one with branches or loops, or with
    operators that are not ONNX's own.
    """
    return replace(network, model=Conversion(network, keep).model, int8=None)


class Conversion:
    """One pass over a graph: every node gets its inputs in the type that it computes in."""

    def __init__(self, network: Network, keep: Collection[str]) -> None:
        self.name, self.keep = network.name, keep
        self.model = infer_shapes(network.model)
        graph = self.model.graph
        self.floats = {
            value.name
            for value in (*graph.input, *graph.output, *graph.value_info)
            if value.type.tensor_type.elem_type == FLOAT
        }
        self.weights = take_weights(graph)
        source, self.result = network_input(self.model), graph.output[0].name
        self.stored = {source: FLOAT}
        self.pictures = {source}  # what depends on the values that go in, not only on their number
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}
        for node in graph.node:
            self.convert(node)
        self.finish(graph)

    def convert(self, node: NodeProto) -> None:
        if node.domain not in ("", "ai.onnx") or any(
            a.HasField("g") or a.graphs for a in node.attribute
        ):
            raise UsageError(
                f"{self.name} has no fp16 form ({node.op_type} is not known); "
                "choose --precision fp32"
            )
        if node.op_type == "Identity" and node.input[0] in self.weights:  # weights used twice
            self.weights[node.output[0]] = self.weights[node.input[0]]
            return
        wanted = self.computes_in(node)
        fixed = FP32_INPUTS.get(node.op_type, ())
        new = NodeProto()
        new.CopyFrom(node)
        for i, name in enumerate(node.input):
            if self.is_float(name) and node.op_type not in {"Cast", *SIZES}:
                new.input[i] = self.typed(name, FLOAT if i in fixed else wanted)
            elif name in self.weights:
                new.input[i] = self.typed(name, FLOAT)
        for attribute in new.attribute:
            if node.op_type == "Cast" and attribute.i == FLOAT:
                attribute.i = wanted
        self.nodes.append(new)
        self.stored.update((name, wanted) for name in node.output if name in self.floats)
        if node.op_type not in SIZES and self.pictures.intersection(node.input):
            self.pictures.update(node.output)

    def computes_in(self, node: NodeProto) -> int:
        weights = [self.weights[name] for name in node.input if name in self.weights]
        too_large = any(np.abs(array).max(initial=0) > FP16_MAX for array in weights)
        wide = node.op_type in WIDE or node.output[0] in self.keep or too_large
        if wide or not self.pictures.intersection(node.input):
            return FLOAT
        return HALF

    def is_float(self, name: str) -> bool:
        return name in self.stored or name in self.weights

    def typed(self, name: str, wanted: int) -> str:
        """The name of the tensor in the wanted type: itself, or a copy that is made once."""
        copy = f"{name}_{SUFFIX[wanted]}"
        if name in self.weights:
            kind = np.float16 if wanted == HALF else np.float32
            if copy not in self.constants:
                array = self.weights[name].astype(kind)
                self.constants[copy] = numpy_helper.from_array(array, copy)
            return copy
        if self.stored[name] == wanted:
            return name
        if copy not in self.stored:
            self.nodes.append(helper.make_node("Cast", [name], [copy], copy, to=wanted))
            self.stored[copy] = wanted
        return copy

    def finish(self, graph: GraphProto) -> None:
        """Put the new nodes in place; the result is fp32 again, by its old name."""
        inner = f"{self.result}_inner"
        for node in self.nodes:
            for names in (node.input, node.output):
                names[:] = [inner if name == self.result else name for name in names]
        last = helper.make_node("Cast", [inner], [self.result], "to_fp32", to=FLOAT)
        del graph.node[:], graph.value_info[:]
        graph.node.extend([*self.nodes, last])
        graph.initializer.extend(self.constants.values())


def take_weights(graph: GraphProto) -> dict[str, NDArray[np.float32]]:
    """Takes all float32 constants out of the graph, initializers and Constant nodes alike."""
    weights = {}
    for tensor in list(graph.initializer):
        if tensor.data_type == FLOAT:
            weights[tensor.name] = numpy_helper.to_array(tensor)
            graph.initializer.remove(tensor)
    for node in list(graph.node):
        if node.op_type == "Constant":
            value = helper.get_attribute_value(node.attribute[0])
            if isinstance(value, TensorProto):
                value = numpy_helper.to_array(value)
            if np.asarray(value).dtype.kind == "f":
                weights[node.output[0]] = np.asarray(value, np.float32)
                graph.node.remove(node)
    return weights
