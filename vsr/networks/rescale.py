"""A network's twin whose features are smaller by a factor, and whose result is the same.

Convolutions, ReLU and their like are homogeneous: if what goes in and every constant that is added
on the way is divided by a factor, all features are, and multiplying the result by the factor undoes
it. By a power of two that is exact. So a network whose features are too large for fp16, such as one
that was trained on values up to 255, fits.
"""

from dataclasses import replace

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from vsr.errors import UsageError
from vsr.networks.half import SIZES, take_weights
from vsr.networks.network import Network, network_input

SUMMANDS = {
    **dict.fromkeys(("Relu", "LeakyRelu", "PRelu", "Identity", "Neg", "Abs", "Dropout"), (0,)),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth", "Split", "Slice", "Transpose"), (0,)),
    **dict.fromkeys(("Reshape", "Squeeze", "Unsqueeze", "Expand", "Tile"), (0,)),
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean"), (0,)),
    **dict.fromkeys(("Resize", "Upsample", "Div"), (0,)),
    **dict.fromkeys(("Conv", "ConvTranspose", "Pad"), (0, 2)),
    **dict.fromkeys(("Add", "Sub", "Sum", "Concat", "Max", "Min", "Clip"), range(1000)),
}
"""Operator -> the inputs that have to be divided so that its result is; all others must not be."""


def rescaled(network: Network, factor: int) -> Network:
    """The network with all its features divided by `factor`, a power of two.

    Raises UsageError where an operator is not homogeneous, as a product of features is not.
    """
    model = ModelProto()
    model.CopyFrom(network.model)
    graph = model.graph
    weights = take_weights(graph)
    source, result = network_input(model), graph.output[0].name
    small = {source: f"{source}_small"}  # features' old names -> new ones
    nodes = [helper.make_node("Mul", [source, "divide"], [small[source]])]
    for node in graph.node:
        new = NodeProto()
        new.CopyFrom(node)
        new.input[:] = [small.get(name, name) for name in node.input]
        for i in summands(network, node, small):
            name = node.input[i]
            if name in weights:
                new.input[i] = f"{name}_small"
                weights[new.input[i]] = weights[name] / np.float32(factor)
            elif name not in small:
                raise not_homogeneous(network, node)
            small |= {made: f"{made}_small" for made in node.output}
        new.output[:] = [small.get(name, name) for name in node.output]
        nodes.append(new)
    nodes.append(helper.make_node("Mul", [small[result], "multiply"], [result]))
    weights["divide"] = np.asarray(1 / factor, np.float32)
    weights["multiply"] = np.asarray(factor, np.float32)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()
    )
    return replace(network, model=model, int8=None)


def summands(network: Network, node: NodeProto, features: dict[str, str]) -> list[int]:
    """The inputs of a node that have to be divided; none for one that sees no features."""
    seen = [i for i, name in enumerate(node.input) if name in features]
    if not seen or node.op_type in SIZES:
        return []
    if node.op_type == "Mul" and len(seen) == 1:
        return seen
    wanted = SUMMANDS.get(node.op_type, ())
    if not set(seen).issubset(wanted):
        raise not_homogeneous(network, node)
    return [i for i, name in enumerate(node.input) if name and i in wanted]


def not_homogeneous(network: Network, node: NodeProto) -> UsageError:
    return UsageError(f"{network.name} cannot be rescaled ({node.op_type} is not homogeneous)")
