"""How much memory there is, and how much an engine will want."""

import os
from pathlib import Path

import onnx
import psutil
from onnx import shape_inference

from vsr.frame import FrameFormat
from vsr.networks.network import Network, set_shape

SHARE = 0.5
"""The part of the free memory that an engine may plan with; frames in flight and the encoder
need the rest."""


def free_memory() -> int:
    """Bytes that can be had now: the machine's, or this process's control group's if less."""
    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        if limit != "max":
            free = min(free, int(limit) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):
        pass  # no control groups on this system
    return max(free, 0)


def bytes_per_pixel(network: Network, form: FrameFormat) -> int:
    """Memory that the network's activations take for a small pixel, an upper estimate.

    The two largest neighbouring activations live at once, in fp32 (bf16 takes half), and as much
    again for the runtime's own layouts.
    """
    side = 64
    trial = onnx.ModelProto()
    trial.CopyFrom(network.model)
    set_shape(trial, (1, network.channels, side, side))
    inferred = shape_inference.infer_shapes(trial, data_prop=True)
    sizes: dict[str, float] = {}
    for value in (*inferred.graph.value_info, *inferred.graph.output, *inferred.graph.input):
        count = 1
        for dim in value.type.tensor_type.shape.dim:
            count *= dim.dim_value
        sizes[value.name] = count / side**2 * 4
    weights = {tensor.name for tensor in network.model.graph.initializer}
    peaks = [
        sum(sizes.get(name, 0) for name in {*node.input, *node.output} - weights)
        for node in network.model.graph.node
    ]
    planes = 3 * (1 + network.scale**2) * 4
    return int(2 * max(peaks, default=0) + planes)


def largest_tile(network: Network, form: FrameFormat) -> int:
    """The side of the largest tile that fits in memory, small pixels; 0: whole frames fit.

    As many tiles are in work at once as there are processors.
    """
    at_once = len(os.sched_getaffinity(0))
    pixels = free_memory() * SHARE / (bytes_per_pixel(network, form) * at_once)
    if form.width * form.height <= pixels:
        return 0
    return max(64, int(pixels**0.5) // 2 * 2)
