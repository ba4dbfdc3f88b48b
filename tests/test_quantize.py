"""INT8: what is rounded, how it is trained, and that the exported file computes the same.

Needs torch: pip install 'vsr[train]'.
"""

from typing import Any

import numpy as np
import pytest
from reference import run_onnx
from small_networks import natural

from vsr.frame import FrameFormat

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'vsr[train]'")

from vsr.networks.architectures import build  # noqa: E402
from vsr.networks.export import INT8_TOLERANCE, export  # noqa: E402
from vsr.train.quantize import QuantizedConv2d, Round8, calibrate, quantize  # noqa: E402

PICTURE = torch.from_numpy(natural(FrameFormat(40, 30, full_range=True)).y[None, None]) / 255

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def quantized() -> tuple[Any, Any]:
    torch.manual_seed(0)
    net = build("lean", 2, channels=8, blocks=2, expansion=8)
    twin = quantize(net)
    calibrate(twin, [PICTURE, PICTURE.flip(3)])
    return net, twin


def convolutions(net: Any) -> list[QuantizedConv2d]:
    return [module for module in net.modules() if isinstance(module, QuantizedConv2d)]


def roundings(net: Any) -> list[Round8]:
    return [module for module in net.modules() if isinstance(module, Round8)]


def test_every_convolution_of_a_copy_becomes_an_8_bit_one() -> None:
    net, twin = quantized()
    assert len(convolutions(twin)) == 6
    assert not convolutions(net)
    with torch.inference_mode():
        apart = (twin(PICTURE) - net(PICTURE)).abs()
    assert 0 < float(apart.max()) < 0.05


def test_inputs_and_weights_have_at_most_256_values() -> None:
    _, twin = quantized()
    with torch.inference_mode():
        for layer in convolutions(twin):
            assert all(len(np.unique(kernel)) <= 255 for kernel in layer.weight())
        for rounding in roundings(twin):
            x = rounding(torch.randn(1, 3, 50, 50))
            assert len(np.unique(x)) <= 256
            assert float(x.min()) >= float(rounding.low * rounding.step)


def test_what_enters_a_block_is_rounded_once_for_both_ways() -> None:
    _, twin = quantized()
    block = twin.body[0]
    assert isinstance(block.enter, Round8)
    assert isinstance(block.conv1.enter, torch.nn.Identity)


def test_what_follows_a_relu_has_no_room_for_the_negative() -> None:
    _, twin = quantized()
    assert [float(rounding.low) for rounding in roundings(twin)] == [0, -128, 0, -128, 0, -128]


def test_8_bit_pictures_enter_unchanged() -> None:
    _, twin = quantized()
    codes = torch.arange(256.0).view(1, 1, 16, 16) / 255
    torch.testing.assert_close(roundings(twin)[0](codes), codes)


def test_the_step_is_learned() -> None:
    _, twin = quantized()
    rounding = roundings(twin)[1]
    rounding.step.data *= 3  # far too coarse
    x = torch.randn(1, 8, 20, 20) * rounding.step.item() * 20
    optimizer = torch.optim.Adam([rounding.step], lr=rounding.step.item() / 20)
    errors = []
    for _ in range(40):
        error = ((rounding(x) - x) ** 2).mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(float(error.detach()))
    assert errors[-1] < errors[0] / 2


def test_the_exported_file_computes_the_same_in_8_bits() -> None:
    _, twin = quantized()
    network = export(twin, "twin", int8=True)
    kinds = [node.op_type for node in network.model.graph.node]
    assert kinds.count("Conv") == 6
    assert kinds.count("QuantizeLinear") == kinds.count("DequantizeLinear") == 12
    assert network.reach == 6
    [found] = run_onnx(network.model, {"x": PICTURE.numpy()})
    with torch.inference_mode():
        expected = twin(PICTURE).numpy()
    np.testing.assert_allclose(found, expected, atol=INT8_TOLERANCE)
    assert float(np.abs(found - expected).mean()) < INT8_TOLERANCE / 20
