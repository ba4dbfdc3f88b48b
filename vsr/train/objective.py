"""A recipe's loss as one number, with the networks that it takes: a teacher, VGG, an adversary."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from vsr.errors import InputError, UsageError
from vsr.networks.architectures.discriminator import UNetDiscriminator, VGGDiscriminator
from vsr.networks.foreign.checkpoint import load_checkpoint
from vsr.train.losses import (
    PIXEL_LOSSES,
    gradient,
    read_vgg,
    relativistic_losses,
    structure,
)
from vsr.train.recipe import Recipe
from vsr.train.state import CHECKPOINT, load_average

DISCRIMINATORS: dict[str, Callable[..., nn.Module]] = {
    "unet": UNetDiscriminator,
    "vgg": VGGDiscriminator,
}

Autocast = Callable[[], AbstractContextManager[None]]


class Adversary:
    """A discriminator, learning to tell results from truths while the network learns not to let it.

    Source: ESRGAN, section 3.2; Adam's constants from its section 4.1.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        settings = {"kind": "unet", **recipe.loss.discriminator}
        kind, rate = settings.pop("kind"), settings.pop("learning_rate", 1e-4)
        if kind not in DISCRIMINATORS:
            raise UsageError(f"no discriminator '{kind}'; there is {', '.join(DISCRIMINATORS)}")
        self.net = DISCRIMINATORS[kind](colors=recipe.colors, **settings).to(device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=rate)

    def loss_of(self, sr: Tensor, hr: Tensor) -> Tensor:
        """The network's loss; the discriminator gets no gradient of it."""
        self.net.requires_grad_(False)
        with torch.no_grad():
            real = self.net(hr)
        return relativistic_losses(real.float(), self.net(sr).float())[0]

    def learn(self, sr: Tensor, hr: Tensor) -> None:
        """One step of the discriminator, from `sr` without its history."""
        self.net.requires_grad_(True)
        loss = relativistic_losses(self.net(hr).float(), self.net(sr.detach()).float())[1]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()


class Objective:
    """What the recipe makes small."""

    def __init__(
        self, recipe: Recipe, data: Path, out: Path, device: torch.device, autocast: Autocast
    ) -> None:
        self.settings, self.autocast = recipe.loss, autocast
        self.pixel = PIXEL_LOSSES[recipe.loss.pixel]
        self.vgg = read_vgg(data / recipe.loss.vgg).to(device) if recipe.loss.vgg else None
        self.adversary = Adversary(recipe, device) if recipe.loss.adversarial_weight else None
        self.teacher: nn.Module | None = None
        if recipe.loss.teacher:
            self.teacher = read_teacher(recipe, data, out).to(device)

    def loss(self, lr: Tensor, sr: Tensor, hr: Tensor) -> Tensor:
        """The network's loss. Shapes: lr (n, c, h, w), sr and hr (n, c, h * scale, w * scale)."""
        weigh = self.settings
        total = weigh.pixel_weight * self.pixel(sr, hr)
        if weigh.gradient_weight:
            total = total + weigh.gradient_weight * gradient(sr, hr)
        if weigh.structure_weight:
            total = total + weigh.structure_weight * structure(sr, hr)
        if self.teacher is not None:
            with torch.no_grad(), self.autocast():
                taught = self.teacher(lr)
            total = total + weigh.teacher_weight * F.l1_loss(sr, taught.float())
        with self.autocast():
            if self.vgg is not None:
                total = total + weigh.perceptual_weight * self.vgg.distance(sr, hr)
            if self.adversary is not None:
                total = total + weigh.adversarial_weight * self.adversary.loss_of(sr, hr)
        return total

    def learn(self, sr: Tensor, hr: Tensor) -> None:
        """What has to learn beside the network."""
        if self.adversary is not None:
            with self.autocast():
                self.adversary.learn(sr, hr)


def read_teacher(recipe: Recipe, data: Path, out: Path) -> nn.Module:
    """The network that is imitated: another recipe's, or one from a checkpoint file."""
    name = str(recipe.loss.teacher)
    trained = out / name / CHECKPOINT
    if trained.exists():
        teacher, scale = load_average(trained)
    elif (data / name).is_file():
        found = load_checkpoint(data / name)
        scale = recipe.scale if recipe.scale in found.scales else found.scales[0]
        teacher = found.build(scale)
    else:
        raise InputError(f"the teacher {name} is neither trained in {out} nor a file below {data}")
    if scale != recipe.scale:
        raise InputError(f"the teacher {name} enlarges by {scale}, not by {recipe.scale}")
    return teacher.eval().requires_grad_(False)
