"""Training: what it draws, that it can be interrupted, and that what it ships is what it trained.

Needs torch, which only training does: pip install 'vsr[train]'.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference import run_onnx
from small_networks import natural

from vsr.frame import FrameFormat
from vsr.media.pictures import write_png
from vsr.networks.catalog import ModelCard
from vsr.networks.network import read_network

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'vsr[train]'")

from vsr.networks.export import export, prove_equal  # noqa: E402
from vsr.networks.plain import CollapsibleConv2d, PlainNet  # noqa: E402
from vsr.train.data import Patches, turn  # noqa: E402
from vsr.train.degrade import bicubic_shrink  # noqa: E402
from vsr.train.loop import Recipe, find_training_pictures, train  # noqa: E402
from vsr.train.ship import ship  # noqa: E402

RECIPE = Recipe(
    name="tiny_x2",
    description="for the tests",
    licence="MIT",
    pictures=["train/*"],
    validation="eval/Set5",
    channels=4,
    convs=3,
    patch=8,
    batch=2,
    steps=6,
    ema=0.9,
)

pytestmark = [
    # torch warns of its ONNX exporter; the new one needs one more package.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("one_thread"),
]


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small are fastest on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as the recipes expect it, with very few small pictures."""
    folder = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(["train/a", "train/b", "train/c", "eval/Set5/d", "eval/Set14/e"]):
        gray = natural(FrameFormat(48, 40, full_range=True), seed).y
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, np.stack([gray, gray[::-1], gray[:, ::-1]], axis=2))
    return folder


def weights(net: Any) -> dict[str, Any]:
    return {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}


# The network.


@pytest.mark.parametrize(("inside", "outside"), [(1, 5), (5, 5), (4, 9)])
def test_a_collapsible_convolution_is_a_wide_one_and_a_narrow_one(
    inside: int, outside: int
) -> None:
    torch.manual_seed(0)
    block = CollapsibleConv2d(inside, outside)
    block.bias.data.normal_()
    x = torch.rand(2, inside, 7, 6)
    wide = torch.nn.functional.conv2d(x, block.expand, padding=1)
    expected = torch.nn.functional.conv2d(wide, block.project[:, :, None, None], block.bias)
    if inside == outside:
        expected = expected + x
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("scale", [2, 3])
def test_a_collapsed_network_computes_the_same(scale: int) -> None:
    torch.manual_seed(1)
    net = PlainNet(scale, channels=4, convs=4)
    for name, weight in net.named_parameters():
        if name.endswith("bias"):
            weight.data.normal_()
    x = torch.rand(1, 1, 9, 8)
    collapsed = net.collapsed()
    assert sum(p.numel() for p in collapsed.parameters()) < sum(p.numel() for p in net.parameters())
    torch.testing.assert_close(collapsed(x), net(x), atol=1e-5, rtol=1e-5)


def test_an_exported_network_computes_what_torch_does() -> None:
    torch.manual_seed(2)
    net = PlainNet(2, channels=4, convs=3).collapsed()
    network = export(net, "tiny")
    assert (network.name, network.scale, network.channels, network.reach) == ("tiny", 2, 1, 3)
    x = torch.rand(1, 1, 11, 13)
    [found] = run_onnx(network.model, {"x": x.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(found, net(x).numpy(), atol=1e-5)


def test_an_export_that_computes_anything_else_is_refused() -> None:
    torch.manual_seed(3)
    net, other = (PlainNet(2, channels=4, convs=3).collapsed() for _ in range(2))
    network = export(net, "tiny")
    with pytest.raises(RuntimeError, match="the exported graph differs from torch by"):
        prove_equal(other, network.model, torch.rand(1, 1, 5, 5))


# What it draws.


def test_patches_are_the_same_place_large_and_small() -> None:
    truth = natural(FrameFormat(64, 48, full_range=True)).y
    patches = Patches([truth], scale=2, size=8, batch=12)
    lr, hr = patches.draw(np.random.default_rng(0))
    assert (tuple(lr.shape), tuple(hr.shape)) == ((12, 1, 8, 8), (12, 1, 16, 16))
    assert 0 <= float(lr.min()) <= float(lr.max()) <= 1
    small = bicubic_shrink(truth, 2)
    codes = (np.round(patch.numpy()[:, 0] * 255).astype(np.uint8) for patch in (lr, hr))
    for low, high in zip(*codes, strict=True):
        assert any(
            np.array_equal(turn(small[r : r + 8, c : c + 8], turns, mirror), low)
            and np.array_equal(
                turn(truth[2 * r : 2 * r + 16, 2 * c : 2 * c + 16], turns, mirror), high
            )
            for r, c in itertools.product(range(17), range(25))
            for turns, mirror in itertools.product(range(4), (False, True))
        )


def test_drawing_depends_on_the_generator_alone() -> None:
    patches = Patches([natural(FrameFormat(64, 48)).y], scale=2, size=8, batch=4)
    first, again, other = (patches.draw(np.random.default_rng(seed))[0] for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_pictures_smaller_than_a_patch_are_left_out() -> None:
    pictures = [natural(FrameFormat(width, 40)).y for width in (15, 16, 40)]
    assert len(Patches(pictures, scale=2, size=8, batch=1).hr) == 2


def test_excluded_pictures_are_not_trained_on(data: Path) -> None:
    chosen = find_training_pictures(replace(RECIPE, exclude=["train/b*"]), data)
    assert [path.name for path in chosen] == ["a.png", "c.png"]
    with pytest.raises(FileNotFoundError, match="no pictures"):
        find_training_pictures(replace(RECIPE, pictures=["nothing/*"]), data)


# The loop.


def test_training_learns(data: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, channels=16, convs=2, batch=8, steps=90)
    train(recipe, data, tmp_path, report_every=30)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [30, 60, 90]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["psnr"] > lines[0]["psnr"]


def test_an_interrupted_training_ends_with_exactly_the_same_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = weights(train(RECIPE, data, tmp_path / "whole", report_every=2))
    draws, draw = iter(range(5)), Patches.draw

    def draw_until_interrupted(self: Patches, rng: np.random.Generator) -> Any:
        if next(draws, None) is None:
            raise KeyboardInterrupt
        return draw(self, rng)

    with monkeypatch.context() as patch:
        patch.setattr(Patches, "draw", draw_until_interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(RECIPE, data, tmp_path / "broken", report_every=2)
    torch.rand(7)  # another process would have another random state
    found = weights(train(RECIPE, data, tmp_path / "broken", report_every=2))
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor)


def test_a_training_stopped_early_can_go_on(data: Path, tmp_path: Path) -> None:
    expected = weights(train(RECIPE, data, tmp_path / "whole"))
    train(replace(RECIPE, stop=4), data, tmp_path / "stopped")
    line = json.loads((tmp_path / "stopped" / "metrics.jsonl").read_text())
    assert line["step"] == 4
    found = weights(train(RECIPE, data, tmp_path / "stopped"))
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor)


def test_a_finished_training_is_not_begun_again(data: Path, tmp_path: Path) -> None:
    expected = weights(train(RECIPE, data, tmp_path))
    found = weights(train(RECIPE, data, tmp_path))
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1


def test_what_is_shipped_is_a_network_with_its_card(data: Path, tmp_path: Path) -> None:
    net = PlainNet(2, channels=4, convs=3).collapsed()
    card = ship(net, RECIPE, data, tmp_path)
    written = ModelCard(**json.loads((tmp_path / "tiny_x2.json").read_text()))
    assert written == card
    assert (card.name, card.scale, card.licence) == ("tiny", 2, "MIT")
    assert card.weights == sum(p.numel() for p in net.parameters())
    assert set(card.quality) == {"Set5", "Set14"}
    assert read_network(tmp_path / "tiny_x2.onnx").reach == 3
