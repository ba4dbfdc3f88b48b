"""Trained weights -> ONNX, proved equal to torch."""

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator
from torch import nn

from vsr.networks.network import OLDEST_OPSET, Network, check_network

TOLERANCE = 1e-5
"""Largest difference allowed between torch and the exported graph, of values in [0, 1]."""


INT8_TOLERANCE = 2 / 255
"""The same for networks that round within: what a value rounded the other way may make of it."""
INT8_OPSET = 19
"""The first operator set whose 8-bit operators ONNX itself can compute."""


def export(net: nn.Module, name: str, channels: int = 1, int8: bool = False) -> Network:
    """The torch network as ONNX with open sizes; one that can be collapsed is, first.

    `int8` says that its convolutions are quantized.

    Raises RuntimeError where the exported graph computes anything else than `net` does.
    """
    collapsed: Any = getattr(net, "collapsed", lambda: net)
    net = collapsed().cpu().float().eval()
    with torch.inference_mode():
        example = torch.rand(1, channels, 24, 24)
        model = trace(net, example, INT8_OPSET if int8 else OLDEST_OPSET)
    network = check_network(model, name, name)
    sides = (7 * network.multiple, 6 * network.multiple)
    tolerance = INT8_TOLERANCE if int8 else TOLERANCE
    prove_equal(net, model, torch.rand(1, channels, *sides), tolerance)
    return network


def trace(net: nn.Module, example: torch.Tensor, opset: int) -> ModelProto:
    """What the network does to `example`, as ONNX."""
    sizes = {0: "n", 2: "h", 3: "w"}
    large = {0: "n", 2: "large_h", 3: "large_w"}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what might be wrong shows when the results are compared
        file = Path(folder) / "network.onnx"
        torch.onnx.export(
            net,
            (example,),
            file,
            dynamo=False,
            opset_version=opset,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": sizes, "y": large},
        )
        return onnx.load(file)


def prove_equal(
    net: nn.Module, model: ModelProto, x: torch.Tensor, tolerance: float = TOLERANCE
) -> None:
    with torch.inference_mode(), np.errstate(all="ignore"):
        expected = net(x).numpy()
        results: Any = ReferenceEvaluator(model).run(None, {"x": x.numpy()})
    found = np.asarray(results[0])
    difference = float(np.abs(found - expected).max())
    if difference > tolerance:
        raise RuntimeError(f"the exported graph differs from torch by {difference:.2g}")
