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

from vsr.errors import InputError, UsageError
from vsr.frame import FrameFormat
from vsr.media.pictures import write_png
from vsr.networks.catalog import read_card
from vsr.networks.network import read_network

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'vsr[train]'")

from vsr.networks.architectures.plain import PlainNet  # noqa: E402
from vsr.networks.architectures.reparameterised import CollapsibleConv2d  # noqa: E402
from vsr.networks.export import export, prove_equal  # noqa: E402
from vsr.shrink import bicubic_shrink  # noqa: E402
from vsr.train.data import Batches, Films, Stills, find_files, read_pairs, turn  # noqa: E402
from vsr.train.film import FilmDecay  # noqa: E402
from vsr.train.loop import Progress, train, train_int8  # noqa: E402
from vsr.train.recipe import Data, Int8, Loss, Recipe, Schedule, as_json  # noqa: E402
from vsr.train.ship import ship  # noqa: E402
from vsr.train.state import load_average  # noqa: E402

RECIPE = Recipe(
    name="tiny_x2",
    description="for the tests",
    licence="MIT",
    network={"kind": "plain", "channels": 4, "convs": 3},
    data=Data(pictures=["train/*"], patch=8, batch=2),
    schedule=Schedule(steps=6, ema=0.9, validate_every=2),
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
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, colorful(48, 40, seed))
    return folder


def colorful(width: int, height: int, seed: int = 0) -> Any:
    gray = natural(FrameFormat(width, height, full_range=True), seed).y
    return np.stack([gray, gray[::-1], gray[:, ::-1]], axis=2)


def weights(net: Any) -> dict[str, Any]:
    return {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}


def looks(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_equal_weights(a: Any, b: Any) -> None:
    ours, theirs = weights(a), weights(b)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        np.testing.assert_array_equal(tensor, theirs[name])


def scheduled(recipe: Recipe, **changes: Any) -> Recipe:
    return replace(recipe, schedule=replace(recipe.schedule, **changes))


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
    recipe = replace(RECIPE, data=Data(patch=8, batch=12))
    lr, hr = Batches(Stills([truth[None]], 2, 16), recipe).draw(0)
    assert (tuple(lr.shape), tuple(hr.shape)) == ((12, 1, 8, 8), (12, 1, 16, 16))
    assert 0 <= float(lr.min()) <= float(lr.max()) <= 1
    small = bicubic_shrink(truth, 2)
    codes = (np.round(patch.numpy() * 255).astype(np.uint8) for patch in (lr, hr))
    for low, high in zip(*codes, strict=True):
        assert any(
            np.array_equal(turn(small[None, r : r + 8, c : c + 8], turns, mirror), low)
            and np.array_equal(
                turn(truth[None, 2 * r : 2 * r + 16, 2 * c : 2 * c + 16], turns, mirror), high
            )
            for r, c in itertools.product(range(17), range(25))
            for turns, mirror in itertools.product(range(4), (False, True))
        )


def test_a_batch_is_decided_by_its_step_and_the_seed() -> None:
    stills = Stills([natural(FrameFormat(64, 48)).y[None]], 2, 16)
    first, again = (Batches(stills, RECIPE).draw(5)[0] for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, Batches(stills, RECIPE).draw(6)[0])
    assert not torch.equal(first, Batches(stills, replace(RECIPE, seed=1)).draw(5)[0])


def test_of_several_places_the_one_with_the_most_detail_is_trained_on() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64), np.uint8)
    flat = np.full((1, 64, 64), 99, np.uint8)
    stills = Stills([flat, noise], 2, 16)

    def share_of_noise(tries: int) -> float:
        recipe = replace(RECIPE, data=Data(patch=8, batch=64, tries=tries))
        lr, _ = Batches(stills, recipe).draw(0)
        return float((lr.std(dim=(1, 2, 3)) > 0.01).float().mean())

    assert 0.2 < share_of_noise(1) < 0.8
    assert share_of_noise(8) > 0.95


def test_pictures_smaller_than_a_patch_are_left_out() -> None:
    pictures = [natural(FrameFormat(width, 40)).y[None] for width in (15, 16, 40)]
    assert len(Stills(pictures, scale=2, least=16).pairs) == 2


def test_pictures_are_taken_at_every_size_that_the_recipe_names(data: Path) -> None:
    recipe = replace(RECIPE, data=replace(RECIPE.data, sizes=[1.0, 0.5]))
    pairs = read_pairs(recipe, data)
    assert isinstance(pairs, Stills)
    assert [hr.shape for _, hr in pairs.pairs] == [(1, 40, 48)] * 3 + [(1, 20, 24)] * 3
    large, small = pairs.pairs[0][1], pairs.pairs[3][1]
    np.testing.assert_array_equal(small, bicubic_shrink(large, 2))


def test_excluded_pictures_are_not_trained_on(data: Path) -> None:
    chosen = find_files(["train/*"], ["train/b*"], data)
    assert [path.name for path in chosen] == ["a.png", "c.png"]
    with pytest.raises(InputError, match="nothing in it is called nothing/"):
        find_files(["nothing/*"], [], data)


def test_a_network_for_rgb_gets_rgb(data: Path) -> None:
    recipe = replace(RECIPE, colors=3, network={"kind": "edsr", "channels": 4, "blocks": 1})
    lr, hr = Batches(read_pairs(recipe, data), recipe).draw(0)
    assert (tuple(lr.shape), tuple(hr.shape)) == ((2, 3, 8, 8), (2, 3, 16, 16))


def films(seed: int = 0, colors: int = 1) -> Films:
    picture = np.stack([natural(FrameFormat(500, 460, full_range=True), n).y for n in range(3)])
    return Films([picture], [], 2, colors, FilmDecay(), seed)


@pytest.mark.parametrize("colors", [1, 3])
def test_films_are_aligned_pairs_that_only_the_seed_decides(colors: int) -> None:
    lr, truth = films(0, colors).make(3)
    assert lr.shape == (5, colors, 192, 192)
    assert truth.shape == (5, colors, 384, 384)
    error = np.abs(lr[:, 0].astype(float) - bicubic_shrink(truth[:, 0], 2)).mean()
    assert error < 8
    np.testing.assert_array_equal(films(0, colors).make(3)[0], lr)
    assert not np.array_equal(films(1, colors).make(3)[1], truth)


def test_new_films_take_the_place_of_old_ones() -> None:
    few = films()
    few.first, few.renewal, few.kept = 2, 1, 2
    rng = np.random.default_rng(0)
    for step in range(6):
        few.pick(step, rng)
    assert set(few.films) <= {5, 6}


def test_videos_are_trained_on_too(data: Path, tmp_path: Path) -> None:
    sample = Path(__file__).parents[1] / "samples" / "scene.mkv"
    (tmp_path / "eval").symlink_to(data / "eval")
    (tmp_path / "film.mkv").symlink_to(sample)
    recipe = replace(RECIPE, data=Data(videos=["film.mkv"], decay="film", patch=8, batch=2))
    lr, hr = Batches(read_pairs(recipe, tmp_path), recipe).draw(0)
    assert (tuple(lr.shape), tuple(hr.shape)) == ((2, 1, 8, 8), (2, 1, 16, 16))
    assert float(hr.std()) > 0


# The loop.


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_learns(data: Path, tmp_path: Path, precision: Any, optimizer: Any) -> None:
    recipe = replace(
        RECIPE,
        network={"kind": "plain", "channels": 16, "convs": 2},
        data=replace(RECIPE.data, batch=8),
        schedule=Schedule(
            steps=90, ema=0.9, validate_every=30, precision=precision, optimizer=optimizer
        ),
    )
    told: list[Progress] = []
    train(recipe, data, tmp_path, "cpu", on_progress=told.append)
    first, second, last = looks(tmp_path / "tiny_x2")
    assert (first["step"], second["step"], last["step"]) == (30, 60, 90)
    assert last["loss"] < first["loss"]
    assert last["psnr"] > first["psnr"]
    assert 0 <= last["waiting"] <= 1
    assert (tmp_path / "tiny_x2" / "metrics.png").stat().st_size > 1000
    assert [p.step for p in told] == [20, 40, 60, 80, 90]
    assert told[-1].look is not None
    assert told[-1].look.psnr == last["psnr"]


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_an_interrupted_training_ends_with_exactly_the_same_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: Any
) -> None:
    recipe = scheduled(RECIPE, optimizer=optimizer)
    expected = train(recipe, data, tmp_path / "whole")
    draw = Batches.draw

    def draw_until_interrupted(self: Batches, step: int) -> Any:
        if step == 5:
            raise KeyboardInterrupt
        return draw(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Batches, "draw", draw_until_interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, data, tmp_path / "broken")
    torch.rand(7)  # another process would have another random state
    assert_equal_weights(train(recipe, data, tmp_path / "broken"), expected)
    assert [look["step"] for look in looks(tmp_path / "broken" / "tiny_x2")] == [2, 4, 6]


def test_a_training_stopped_early_can_go_on(data: Path, tmp_path: Path) -> None:
    expected = train(RECIPE, data, tmp_path / "whole")
    train(scheduled(RECIPE, stop=4), data, tmp_path / "stopped")
    assert looks(tmp_path / "stopped" / "tiny_x2")[-1]["step"] == 4
    assert_equal_weights(train(RECIPE, data, tmp_path / "stopped"), expected)


def test_a_finished_training_is_not_begun_again(data: Path, tmp_path: Path) -> None:
    expected = train(RECIPE, data, tmp_path)
    assert_equal_weights(train(RECIPE, data, tmp_path), expected)
    assert len(looks(tmp_path / "tiny_x2")) == 3


def test_another_recipes_checkpoint_is_not_continued(data: Path, tmp_path: Path) -> None:
    train(RECIPE, data, tmp_path)
    with pytest.raises(UsageError, match="made by another recipe: seed is 1, and was 0"):
        train(replace(RECIPE, seed=1), data, tmp_path)


def test_a_recipe_can_begin_with_another_ones_weights(data: Path, tmp_path: Path) -> None:
    begun = train(RECIPE, data, tmp_path)
    still = scheduled(RECIPE, steps=1, learning_rate=0.0, start="tiny_x2")
    assert_equal_weights(train(replace(still, name="child_x2"), data, tmp_path), begun)
    larger = train(replace(still, name="child_x3", scale=3), data, tmp_path)
    for name in ("layers.0.expand", "layers.1.expand"):
        np.testing.assert_array_equal(weights(larger)[name], weights(begun)[name])
    orphan = scheduled(RECIPE, start="nobody_x2")
    with pytest.raises(InputError, match="train that recipe first"):
        train(replace(orphan, name="orphan_x2"), data, tmp_path)


def test_a_network_that_trained_as_a_wider_one_can_go_on_as_what_it_collapses_to(
    data: Path, tmp_path: Path
) -> None:
    lean = {"kind": "lean", "channels": 4, "blocks": 1}
    wide = train(replace(RECIPE, network=lean | {"expansion": 8}), data, tmp_path)
    still = scheduled(RECIPE, steps=1, learning_rate=0.0, start="tiny_x2", optimizer="muon")
    narrow = replace(still, name="narrow_x2", network=lean | {"expansion": 0})
    collapsed: Any = wide
    assert_equal_weights(train(narrow, data, tmp_path), collapsed.collapsed())
    back = replace(still, name="back_x2", network=lean | {"expansion": 8})
    with pytest.raises(InputError, match="none of its weights fit"):
        train(scheduled(back, start="narrow_x2"), data, tmp_path)


def test_a_teacher_is_imitated(data: Path, tmp_path: Path) -> None:
    teacher = train(RECIPE, data, tmp_path).eval()
    pupil = replace(
        scheduled(RECIPE, steps=200, ema=0.5, validate_every=200, learning_rate=3e-3),
        name="pupil_x2",
        network={"kind": "edsr", "channels": 8, "blocks": 1},
        seed=3,
        loss=Loss(pixel_weight=0.0, teacher="tiny_x2", teacher_weight=1.0),
    )
    x = torch.from_numpy(natural(FrameFormat(24, 20, full_range=True), 7).y[None, None] / 255)
    x = x.float()

    def apart(net: Any) -> float:
        with torch.inference_mode():
            return float((net(x) - teacher(x)).abs().mean())

    early = train(replace(scheduled(pupil, stop=1), name="early_x2"), data, tmp_path)
    assert apart(train(pupil, data, tmp_path)) < apart(early) / 2
    lost = replace(pupil, loss=replace(pupil.loss, teacher="nobody"), name="lost_x2")
    with pytest.raises(InputError, match="teacher nobody is neither trained in"):
        train(lost, data, tmp_path)


@pytest.mark.parametrize(
    "discriminator", [{"kind": "unet", "channels": 4}, {"kind": "vgg", "channels": 4, "patch": 16}]
)
def test_an_adversary_learns_beside_the_network_and_is_kept(
    data: Path, tmp_path: Path, discriminator: dict[str, Any]
) -> None:
    loss = Loss(
        adversarial_weight=0.1,
        gradient_weight=1.0,
        structure_weight=1.0,
        discriminator=discriminator,
    )
    recipe = replace(RECIPE, loss=loss)
    expected = train(recipe, data, tmp_path / "whole")
    train(scheduled(recipe, stop=2), data, tmp_path / "stopped")
    assert_equal_weights(train(recipe, data, tmp_path / "stopped"), expected)
    alone = train(RECIPE, data, tmp_path / "alone")
    assert any((a != b).any() for a, b in zip(weights(alone).values(), weights(expected).values()))


def test_a_checkpoint_is_its_averaged_network(data: Path, tmp_path: Path) -> None:
    net = train(RECIPE, data, tmp_path)
    kept, scale = load_average(tmp_path / "tiny_x2" / "checkpoint.pt")
    assert scale == 2
    assert_equal_weights(kept, net)


def test_what_is_shipped_is_a_network_with_its_card(data: Path, tmp_path: Path) -> None:
    net = train(RECIPE, data, tmp_path)
    card = ship(net, None, RECIPE, data, tmp_path)
    folder = tmp_path / "tiny_x2"
    assert read_card((folder / "tiny_x2.json").read_text()) == card
    assert (card.name, card.scale, card.licence) == ("tiny", 2, "MIT")
    assert card.weights == sum(p.numel() for p in net.collapsed().parameters())  # type: ignore[operator]
    assert card.recipe == as_json(RECIPE)
    assert set(card.quality) == {"Set5", "Set14"}
    assert read_network(folder / "tiny_x2.onnx").reach == 3


def test_the_8_bit_twin_is_trained_and_shipped_too(data: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, int8=Int8(steps=4))
    net = train(recipe, data, tmp_path)
    twin = train_int8(net, recipe, data, tmp_path)
    assert [look["step"] for look in looks(tmp_path / "tiny_x2" / "int8")] == [2, 4]
    assert_equal_weights(train_int8(net, recipe, data, tmp_path), twin)
    card = ship(net, twin, recipe, data, tmp_path)
    folder = tmp_path / "tiny_x2"
    assert read_card((folder / "tiny_x2.json").read_text()) == card
    assert card.int8 is not None
    assert abs(card.int8.quality["Set5"]["psnr"] - card.quality["Set5"]["psnr"]) < 1
    assert read_network(folder / "tiny_x2.int8.onnx").scale == 2


def test_the_psnr_on_the_validation_set_is_that_of_the_benchmarks(
    data: Path, tmp_path: Path
) -> None:
    card = ship(train(RECIPE, data, tmp_path), None, RECIPE, data, tmp_path)
    looked = looks(tmp_path / "tiny_x2")[-1]
    assert looked["psnr"] == pytest.approx(card.quality["Set5"]["psnr"], abs=0.01)
    assert looked["ssim"] == pytest.approx(card.quality["Set5"]["ssim"], abs=0.001)
