"""LPIPS: how different two pictures look to a network that has learned to tell things apart.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric"
(2018), section 3, equation 1, with the linear layers of version 0.1. The weights are the user's.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from vsr.errors import InputError
from vsr.media.pictures import Luma
from vsr.networks.foreign.reading import State, read_tensors

IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
IMAGENET_DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


class Block(NamedTuple):
    """A part of a backbone; its result is compared, and goes on to the next."""

    pool: int
    """Side of the maximum pooling that comes first, in steps of 2; 0: none."""
    convolutions: tuple[int, ...]
    """Their numbers in torchvision's `features`; each is followed by a ReLU."""


BACKBONES = {
    "AlexNet": (Block(0, (0,)), Block(3, (3,)), Block(3, (6,)), Block(0, (8,)), Block(0, (10,))),
    "VGG-16": (
        Block(0, (0, 2)),
        Block(2, (5, 7)),
        Block(2, (10, 12, 14)),
        Block(2, (17, 19, 21)),
        Block(2, (24, 26, 28)),
    ),
}

STRIDES = {11: 4}
"""Side of a convolution -> its stride, where that is not 1."""
PADDINGS = {11: 2, 5: 2, 3: 1}


class Lpips:
    """The measure, with its weights. Called with two luma planes in studio range."""

    def __init__(self, blocks: Sequence[Block], state: State) -> None:
        self.blocks, self.state = blocks, state

    def __call__(self, a: Luma, b: Luma) -> float:
        """0 for equal planes, more for what looks more different; both are seen as gray."""
        planes = torch.from_numpy(np.stack([a, b])).float()[:, None]
        return self.distance(((planes - 16) / 219).clamp(0, 1).expand(-1, 3, -1, -1))

    def distance(self, pair: Tensor) -> float:
        """The distance of two R'G'B' pictures, (2, 3, h, w) in [0, 1]."""
        total = 0.0
        with torch.inference_mode():
            for number, features in enumerate(self.features(pair)):
                x, y = features / (features.norm(dim=1, keepdim=True) + 1e-10)
                weight = self.state[f"lin{number}.model.1.weight"]
                total += F.conv2d((x - y)[None] ** 2, weight).mean().item()
        return total

    def features(self, pictures: Tensor) -> Iterator[Tensor]:
        """What each block makes of the pictures."""
        x = (pictures - IMAGENET_MEAN) / IMAGENET_DEVIATION
        for block in self.blocks:
            if block.pool:
                x = F.max_pool2d(x, block.pool, 2)
            for number in block.convolutions:
                weight = self.state[f"features.{number}.weight"]
                bias = self.state[f"features.{number}.bias"]
                side = weight.shape[-1]
                x = F.relu(F.conv2d(x, weight, bias, STRIDES.get(side, 1), PADDINGS[side]))
            yield x


def read_lpips(files: Sequence[Path]) -> Lpips:
    """The measure from files that hold, together, torchvision's state dict of AlexNet or VGG-16 and
    the published linear layers. Raises InputError where they do not."""
    state: State = {}
    for file in files:
        state |= read_tensors(file)
    reasons = []
    for name, blocks in BACKBONES.items():
        measure = Lpips(blocks, state)
        try:
            measure.distance(torch.zeros(2, 3, 64, 64))
        except KeyError as error:
            reasons.append(f"{name} lacks {error}")
        except (RuntimeError, ValueError) as error:
            reasons.append(f"{name} does not fit ({str(error).splitlines()[0]})")
        else:
            return measure
    names = " and ".join(str(file) for file in files)
    raise InputError(
        f"{names}: not LPIPS; give torchvision's AlexNet or VGG-16 and the linear layers of "
        f"version 0.1 ({'; '.join(reasons)})"
    )
