"""Losses, held against their formulas. Needs torch: pip install 'vsr[train]'."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'vsr[train]'")

from vsr.errors import InputError  # noqa: E402
from vsr.evaluate.quality import ssim  # noqa: E402
from vsr.train.losses import (  # noqa: E402
    VggFeatures,
    charbonnier,
    gradient,
    read_vgg,
    relativistic_losses,
    structure,
)


def test_charbonnier_is_almost_l1_and_smooth_at_zero() -> None:
    a, b = torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.5)
    assert float(charbonnier(a, b)) == pytest.approx((0.25 + 1e-6) ** 0.5)
    same = torch.zeros(1, requires_grad=True)
    charbonnier(same, torch.zeros(1)).backward()  # type: ignore[no-untyped-call]
    assert float(same.grad) == 0


def test_the_gradient_loss_sees_edges_and_not_brightness() -> None:
    a = torch.rand(1, 1, 5, 6)
    assert float(gradient(a + 0.1, a)) == pytest.approx(0, abs=1e-6)
    step = torch.zeros(1, 1, 2, 2)
    step[..., 1] = 1  # an edge across, none down
    assert float(gradient(step, torch.zeros(1, 1, 2, 2))) == 1


def test_the_structure_loss_is_what_ssim_lacks() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (24, 30), np.uint8)
    b = np.clip(a + rng.normal(0, 20, a.shape), 0, 255).astype(np.uint8)
    as_tensors = [torch.from_numpy(plane / 255).float()[None, None] for plane in (a, b)]
    assert float(structure(*as_tensors)) == pytest.approx(1 - ssim(a, b), abs=1e-5)
    assert float(structure(as_tensors[0], as_tensors[0])) == pytest.approx(0, abs=1e-6)


def test_either_side_of_the_adversarial_loss_wants_the_opposite() -> None:
    real, fake = torch.tensor([3.0, 1.0]), torch.tensor([-1.0, 0.0])
    generator, discriminator = relativistic_losses(real, fake)

    def cross_entropy(x: float, label: int) -> float:
        p = float(torch.sigmoid(torch.tensor(x)))
        return -float(torch.log(torch.tensor(p if label else 1 - p)))

    by_hand = [
        (cross_entropy(3 + 0.5, 1) + cross_entropy(1 + 0.5, 1)) / 2,
        (cross_entropy(-1 - 2, 0) + cross_entropy(0 - 2, 0)) / 2,
    ]
    assert float(discriminator) == pytest.approx(sum(by_hand) / 2, rel=1e-5)
    assert float(generator) > float(discriminator)
    again = relativistic_losses(fake, real)
    assert (float(again[0]), float(again[1])) == pytest.approx(
        (float(discriminator), float(generator))
    )


def test_vgg_has_the_layers_of_configuration_e_up_to_conv5_4() -> None:
    with torch.device("meta"):
        shapes = {n: tuple(p.shape) for n, p in VggFeatures().features.named_parameters()}
    assert len(shapes) == 32
    assert shapes["0.weight"] == (64, 3, 3, 3)
    assert shapes["34.weight"] == (512, 512, 3, 3)
    assert sum(torch.Size(s).numel() for s in shapes.values()) == 20_024_384


def test_vgg_is_read_from_torchvisions_state_dict(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights = VggFeatures().state_dict()
    kept = {n: t for n, t in weights.items() if n.startswith("features.")}
    torch.save({**kept, "classifier.0.weight": torch.zeros(2, 2)}, tmp_path / "vgg19.pth")
    vgg = read_vgg(tmp_path / "vgg19.pth")
    picture = torch.rand(1, 1, 32, 32)
    assert float(vgg.distance(picture, picture)) == 0
    assert float(vgg.distance(picture, picture.flip(2))) > 0
    torch.testing.assert_close(vgg.features[0].weight, kept["features.0.weight"])


def test_anything_else_for_vgg_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vgg19.pth").write_text("no weights")
    with pytest.raises(InputError, match=r"vgg19\.pth: not torchvision's state dict of VGG-19"):
        read_vgg(tmp_path / "vgg19.pth")
