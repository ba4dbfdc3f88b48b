"""Checkpoints: all that a training needs to go on exactly, written whole or not at all."""

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vsr.errors import InputError, UsageError
from vsr.networks.architectures import build
from vsr.train.recipe import Recipe, as_json, difference, make

CHECKPOINT = "checkpoint.pt"
"""The file's name in a training's folder."""


class State:
    """What a checkpoint holds: the recipe, the step, and the state of every part."""

    def __init__(self, path: Path, recipe: Recipe, parts: dict[str, Any]) -> None:
        self.path, self.recipe, self.parts = path, recipe, parts

    def save(self, step: int) -> None:
        kept = {
            "recipe": as_json(self.recipe),
            "step": step,
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
        }
        temporary = self.path.with_suffix(".partial")
        torch.save(kept, temporary)
        os.replace(temporary, self.path)

    def load(self) -> int:
        """The step to go on from: 0 where there is no checkpoint.

        Raises UsageError where the checkpoint is another recipe's.
        """
        if not self.path.exists():
            return 0
        kept = read(self.path)
        differs = difference(self.recipe, kept["recipe"])
        if differs:
            raise UsageError(
                f"{self.path} was made by another recipe: {differs}; "
                "train into another folder, or remove that one"
            )
        for name, part in self.parts.items():
            part.load_state_dict(kept["parts"][name])
        return int(kept["step"])


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's content. Raises InputError where it is none."""
    try:
        kept: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        kept["recipe"], kept["step"], kept["parts"]["average"]
    except Exception as error:  # whatever is wrong with a file
        raise InputError(f"{path}: not a checkpoint of a training ({error})") from error
    return kept


def load_average(path: Path) -> tuple[nn.Module, int]:
    """The averaged network in a checkpoint, and its scale."""
    kept = read(path)
    recipe = make(Recipe, kept["recipe"], "")
    net = build(scale=recipe.scale, colors=recipe.colors, **recipe.network)
    net.load_state_dict(average_of(kept))
    return net, recipe.scale


def average_of(kept: dict[str, Any]) -> dict[str, Any]:
    """The averaged network's weights in a checkpoint's content."""
    prefix = "module."
    average = kept["parts"]["average"]
    return {n[len(prefix) :]: t for n, t in average.items() if n.startswith(prefix)}


def begin_with(net: nn.Module, path: Path) -> int:
    """Set the network's weights to another training's average, wherever names and shapes agree.

    What trained as something wider is begun with as that or as what it collapses to.
    Returns how many tensors were set. Raises InputError where no kernel was.
    """
    if not path.exists():
        raise InputError(f"{path}: no such checkpoint; train that recipe first")
    ours = net.state_dict()
    trained, _ = load_average(path)
    collapsed: nn.Module = getattr(trained, "collapsed", lambda: trained)()
    theirs = collapsed.state_dict() | trained.state_dict()
    shared = {n: t for n, t in theirs.items() if n in ours and ours[n].shape == t.shape}
    if all(weight.ndim < 2 for weight in shared.values()):  # biases alone are no beginning
        raise InputError(f"{path}: none of its weights fit this recipe's network")
    net.load_state_dict(shared, strict=False)
    return len(shared)
