"""Trained weights -> ONNX, proved equal to torch."""

import tempfile
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


def export(net: nn.Module, name: str, channels: int = 1) -> Network:
    """The torch network as ONNX with open sizes.

    Raises RuntimeError where the exported graph computes anything else than `net` does.
    """
    net = net.cpu().float().eval()
    example = torch.rand(1, channels, 24, 24)
    sizes = {0: "n", 2: "h", 3: "w"}
    large = {0: "n", 2: "large_h", 3: "large_w"}
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        torch.onnx.export(
            net,
            (example,),
            file,
            dynamo=False,
            opset_version=OLDEST_OPSET,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": sizes, "y": large},
        )
        model = onnx.load(file)
    prove_equal(net, model, torch.rand(1, channels, 17, 23))
    return check_network(model, name, name)


def prove_equal(net: nn.Module, model: ModelProto, x: torch.Tensor) -> None:
    with torch.inference_mode():
        expected = net(x).numpy()
    results: Any = ReferenceEvaluator(model).run(None, {"x": x.numpy()})
    found = np.asarray(results[0])
    difference = float(np.abs(found - expected).max())
    if difference > TOLERANCE:
        raise RuntimeError(f"the exported graph differs from torch by {difference:.2g}")
