"""The architectures: as large as published, equal when exported, and of one contract."""

from typing import Any

import numpy as np
import pytest
from reference import run_onnx

torch = pytest.importorskip("torch", reason="needs torch")

from torch import nn  # noqa: E402

from vsr.errors import UsageError  # noqa: E402
from vsr.networks.architectures import ARCHITECTURES, KINDS, build  # noqa: E402
from vsr.networks.architectures.count import multiply_adds, parameters  # noqa: E402
from vsr.networks.architectures.discriminator import (  # noqa: E402
    UNetDiscriminator,
    VGGDiscriminator,
)
from vsr.networks.architectures.layers import Enlarge, PixelUnshuffle, nearest  # noqa: E402
from vsr.networks.architectures.plain import BLOCKS, PlainNet  # noqa: E402
from vsr.networks.catalog import ModelCard, bundled, cards  # noqa: E402
from vsr.networks.classical import classical  # noqa: E402
from vsr.networks.export import export  # noqa: E402
from vsr.networks.trained import load_bundled  # noqa: E402

ALL_SCALES = {"scales": (2, 3, 4)}

PUBLISHED: list[tuple[str, int, dict[str, Any], float | None, float | None]] = [
    # CARN (2018), table 1, whose results are of 1280x720; its 12K of FSRCNN leave out what is not
    # a kernel, as do FSRCNN's own.
    ("srcnn", 2, {}, 57e3, 52.7e9),
    ("fsrcnn", 2, {}, None, 6.0e9),
    ("fsrcnn", 3, {}, None, 5.0e9),
    ("fsrcnn", 4, {}, None, 4.6e9),
    ("vdsr", 2, {}, 665e3, 612.6e9),
    ("srresnet", 4, {}, 1543e3, 127.8e9),
    ("carn", 2, ALL_SCALES, 1592e3, 222.8e9),
    ("carn", 3, ALL_SCALES, 1592e3, 118.8e9),
    ("carn", 4, ALL_SCALES, 1592e3, 90.9e9),
    ("carn_m", 2, ALL_SCALES, 412e3, 91.2e9),
    ("carn_m", 3, ALL_SCALES, 412e3, 46.1e9),
    ("carn_m", 4, ALL_SCALES, 412e3, 32.5e9),
    # EDSR (2017), table 1: 1.5M, 43M and 8.0M, for x4; for x2 the published files' 1.37M and 40.7M.
    ("edsr", 4, {}, 1.5e6, None),
    ("edsr", 2, {}, 1.37e6, None),
    ("edsr_full", 4, {}, 43e6, None),
    ("edsr_full", 2, {}, 40.7e6, None),
    ("mdsr", 2, ALL_SCALES, 8.0e6, None),
    # RCAN's published files: 15.4M for x2, 15.6M for x3 and x4.
    ("rcan", 2, {}, 15.44e6, None),
    ("rcan", 4, {}, 15.59e6, None),
    # ESRGAN's and Real-ESRGAN's published files: 16.7M; 0.6M and 1.2M.
    ("rrdb", 4, {}, 16.7e6, None),
    ("rrdb", 2, {}, 16.7e6, None),
    ("compact", 4, {}, 0.62e6, None),
    ("compact", 4, {"convs": 32}, 1.21e6, None),
    # DBPN-Pytorch's network of seven stages; RCAN (2018), where it compares sizes, says 10M.
    ("dbpn", 4, {}, 10.4e6, None),
]


@pytest.mark.parametrize(("kind", "scale", "more", "weights", "operations"), PUBLISHED)
def test_sizes_are_as_published(
    kind: str, scale: int, more: dict[str, Any], weights: float | None, operations: float | None
) -> None:
    with torch.device("meta"):
        net = build(kind, scale, **more)
    if weights is not None:
        assert parameters(net) == pytest.approx(weights, rel=0.012)
    if operations is not None:
        colors = ARCHITECTURES[kind].hyperparameters()["colors"]
        assert multiply_adds(net, scale, colors) == pytest.approx(operations, rel=0.01)


def test_fsrcnns_kernels_hold_as_many_weights_as_published() -> None:
    assert parameters(build("fsrcnn", 3), biases=False) == 12464  # FSRCNN (2016), section 3.2


TINY = {
    **{"channels": 8, "blocks": 1, "convs": 3, "growth": 4, "shrunk": 4, "stages": 2},
    **{"first_channels": 8, "reduction": 4},
}


def tiny(kind: str, scale: int, colors: int) -> Any:
    """A small network of this kind, in a reproducible state, its normalisations not trivial."""
    known = ARCHITECTURES[kind].hyperparameters()
    sizes: dict[str, Any] = {name: value for name, value in TINY.items() if name in known}
    if kind in ("srcnn", "espcn"):
        sizes["channels"] = [8, 4]
    if kind == "rcan":
        sizes["groups"] = 1
    torch.manual_seed(0)
    net = build(kind, scale, colors=colors, **sizes)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return net.eval()


EVERY = [(kind, scale) for kind in KINDS for scale in ARCHITECTURES[kind].scales]


@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize(("kind", "scale"), EVERY)
def test_every_network_enlarges_luma_and_rgb_by_its_scale(
    kind: str, scale: int, colors: int
) -> None:
    x = torch.rand(2, colors, 8, 12)
    assert tiny(kind, scale, colors)(x).shape == (2, colors, 8 * scale, 12 * scale)


@pytest.mark.parametrize(("kind", "scale"), [each for each in EVERY if each[1] < 8])
def test_every_network_is_equal_when_exported(kind: str, scale: int) -> None:
    colors = 1 if kind == "dbpn" else 3  # slow in numpy
    net = tiny(kind, scale, colors)
    network = export(net, kind, colors)
    assert (network.scale, network.channels) == (scale, colors)
    assert network.multiple == (max(1, 4 // scale) if kind == "rrdb" else 1)
    assert (network.reach is None) == (kind == "rcan")
    x = torch.rand(1, colors, 4, 8)
    [found] = run_onnx(network.model, {"x": x.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(found, net(x).numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", ["mdsr", "carn", "carn_m"])
def test_networks_of_several_scales_use_the_weights_of_the_one_asked_for(kind: str) -> None:
    whole: Any = build(kind, 2, **ALL_SCALES, **{"channels": 8, "blocks": 1})
    for scale in (2, 3, 4):
        one = build(kind, scale, **{"channels": 8, "blocks": 1})
        one.load_state_dict({name: whole.state_dict()[name] for name in one.state_dict()})
        whole.scale = scale
        x = torch.rand(1, 3, 6, 5)
        torch.testing.assert_close(whole(x), one(x))


# Words that make no sense.


@pytest.mark.parametrize(
    ("kind", "scale", "more", "reason"),
    [
        ("edssr", 2, {}, "no architecture 'edssr'; there is plain, lean, srcnn,"),
        ("dbpn", 3, {}, "dbpn enlarges by 2, 4, 8, not by 3"),
        ("edsr", 2, {"width": 8}, "edsr has no hyper-parameter 'width'; it has channels, blocks,"),
        ("plain", 2, {"block": "round"}, "no block 'round'; there is collapsible, edge"),
    ],
)
def test_what_cannot_be_built_is_refused(
    kind: str, scale: int, more: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UsageError, match=f"^{reason}"):
        build(kind, scale, **more)


# The pieces.


@pytest.mark.parametrize("block", sorted(BLOCKS))
@pytest.mark.parametrize("colors", [1, 3])
def test_a_plain_network_collapsed_computes_the_same(block: str, colors: int) -> None:
    net: Any = PlainNet(2, channels=6, convs=4, colors=colors, block=block)
    for p in net.parameters():
        p.data += 0.05 * torch.randn_like(p)
    x = torch.rand(1, colors, 9, 7)
    collapsed = net.collapsed()
    assert all(type(layer) is nn.Conv2d for layer in collapsed.layers)
    torch.testing.assert_close(collapsed(x), net(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("expansion", [0, 16])
def test_a_lean_networks_blocks_begin_near_the_identity_and_collapse(expansion: int) -> None:
    torch.manual_seed(0)
    net: Any = build("lean", 2, channels=8, blocks=12, expansion=expansion)
    x = torch.rand(1, 1, 9, 7)
    features = net.head(x)
    for block in net.body:
        entered, features = features, block(features)
        assert (features - entered).std() < 0.3 * entered.std()
    collapsed = net.collapsed()
    assert all(
        type(m) is nn.Conv2d
        for m in collapsed.modules()
        if not list(m.children()) and list(m.parameters())
    )
    torch.testing.assert_close(collapsed(x), net(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("block", sorted(BLOCKS))
def test_every_branch_of_a_block_is_trained(block: str) -> None:
    net = PlainNet(2, channels=6, convs=4, block=block)
    (net(torch.rand(1, 1, 9, 7)) ** 2).sum().backward()
    for name, p in net.named_parameters():
        assert p.grad is not None, name
        assert p.grad.abs().max() > 0, name


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_enlarging_inside_a_network_is_classical_resampling(kernel: str, scale: int) -> None:
    x = torch.rand(1, 3, 6, 7)
    planes = [
        run_onnx(classical(kernel, scale).model, {"x": x[:, c : c + 1].numpy()})[0]
        for c in range(3)
    ]
    found = Enlarge(kernel, scale, 3)(x)
    np.testing.assert_allclose(found.numpy(), np.concatenate(planes, axis=1), atol=1e-6)


@pytest.mark.parametrize("colors", [1, 3])
def test_nearest_repeats_every_pixel(colors: int) -> None:
    x = torch.rand(2, colors, 4, 5)
    repeated = x.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)
    torch.testing.assert_close(nearest(x, 3), repeated)


@pytest.mark.parametrize("factor", [2, 4])
def test_pixel_unshuffle_is_torchs(factor: int) -> None:
    x = torch.rand(2, 3, 8, 12)
    expected = nn.functional.pixel_unshuffle(x, factor)
    torch.testing.assert_close(PixelUnshuffle(factor, 3)(x), expected)


# Discriminators.


def test_the_vgg_discriminator_gives_one_number_for_a_picture() -> None:
    assert VGGDiscriminator(patch=32, channels=4, colors=1)(torch.rand(2, 1, 32, 32)).shape == (
        2,
        1,
    )
    # SRGAN (2017), figure 4, for patches of 96: by hand 23.6 million numbers.
    with torch.device("meta"):
        assert parameters(VGGDiscriminator()) == pytest.approx(23.6e6, rel=0.005)


def test_the_unet_discriminator_gives_one_number_for_a_pixel() -> None:
    net = UNetDiscriminator(channels=4, colors=3)
    assert net(torch.rand(2, 3, 24, 32)).shape == (2, 1, 24, 32)
    assert parameters(UNetDiscriminator()) == 4376897  # Real-ESRGAN's published discriminator


def test_the_unet_discriminators_layers_stretch_nothing() -> None:
    net: Any = UNetDiscriminator(channels=4)
    for layer in (*net.down, *net.up, *net.tail):
        for _ in range(50):  # power iterations
            layer(torch.rand(1, layer.in_channels, 8, 8))
        stretch = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
        assert float(stretch.detach()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("card", cards(), ids=lambda card: f"{card.name}_x{card.scale}")
def test_a_bundled_network_is_a_torch_module_too(card: ModelCard) -> None:
    network = bundled(card.name, card.scale)
    x = torch.rand(1, 1, 16 * network.multiple, 12 * network.multiple)
    [expected] = run_onnx(network.model, {"x": x.numpy()})
    with torch.inference_mode():
        found = load_bundled(card.name, card.scale)(x).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_other_networks_are_not_bundled() -> None:
    with pytest.raises(UsageError, match="no bundled network fast x7"):
        load_bundled("fast", 7)
