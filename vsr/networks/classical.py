"""Classical resampling as networks: the floor for every other one, and the reference."""

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vsr.kernels import KERNELS, Array, polyphase
from vsr.networks.network import OLDEST_OPSET, Network


def classical(kernel: str, scale: int) -> Network:
    """`kernel` ("nearest", "bilinear", "bicubic" or "lanczos") as a luma network."""
    filters, left = polyphase(kernel, scale)
    taps = filters.shape[1]
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Pad", ["x", "pads"], ["padded"], mode="edge"),
                helper.make_node("Conv", ["padded", "filters"], ["phases"]),
                helper.make_node("DepthToSpace", ["phases"], ["y"], blocksize=scale, mode="CRD"),
            ],
            f"{kernel}_x{scale}",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, "h", "w"])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1, "H", "W"])],
            [
                numpy_helper.from_array(edge_pads(left, taps), "pads"),
                numpy_helper.from_array(plane_filters(filters, filters), "filters"),
            ],
        ),
        opset_imports=[helper.make_opsetid("", OLDEST_OPSET)],
        ir_version=8,
    )
    reach = max(left, taps - 1 - left)
    return Network(kernel, model, scale, 1, reach, kernel=kernel, exact=True)


def edge_pads(left: int, taps: int, vertical: bool = True) -> NDArray[np.int64]:
    """The pads of a Pad node that lets a filter of `taps` taps run over the whole plane."""
    right = taps - 1 - left
    top, bottom = (left, right) if vertical else (0, 0)
    return np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)


def plane_filters(vertical: Array, horizontal: Array) -> NDArray[np.float32]:
    """Every pair of phases as one convolution: (phases, 1, vertical taps, horizontal taps)."""
    pairs: Array = np.einsum("pi,qj->pqij", vertical, horizontal)
    return pairs.reshape(-1, 1, *pairs.shape[2:]).astype(np.float32)


NAMES = tuple(KERNELS)
