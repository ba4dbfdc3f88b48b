"""How large the numbers within a network become: what fp16 has to hold."""

from __future__ import annotations

import numpy as np
import openvino as ov
from onnx import TensorProto, ValueInfoProto
from onnx.shape_inference import infer_shapes

from vsr.backends.ov import translated
from vsr.frame import Frame, FrameFormat
from vsr.graph import frame_graph
from vsr.networks.network import Network

PREFIX = "network_"
"""What `vsr.graph` puts before a network's own names."""


def largest_values(network: Network, form: FrameFormat, frame: Frame) -> dict[str, float]:
    """The largest magnitude of each of the network's results, by name, in fp32 on the processor."""
    model = infer_shapes(frame_graph(network, form))
    graph = model.graph
    floats = {v.name for v in graph.value_info if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    names = [name for node in graph.node for name in node.output]
    names = [name for name in names if name.startswith(PREFIX) and name in floats]
    del graph.output[:]
    graph.output.extend(ValueInfoProto(name=name) for name in names)
    with translated():
        core = ov.Core()
        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", exact)
        feeds = {"y": np.ascontiguousarray(frame.y)[None, None]}
        if frame.uv is not None:
            feeds["uv"] = np.ascontiguousarray(frame.uv)[None]
        results = compiled(feeds)
    return {
        name.removeprefix(PREFIX): float(np.abs(results[i]).max()) for i, name in enumerate(names)
    }
