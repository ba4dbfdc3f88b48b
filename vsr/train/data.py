"""Luma planes of pictures -> random training patches."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vsr.media.pictures import Luma
from vsr.train.degrade import bicubic_shrink


class Patches:
    """Random aligned patches of large pictures and their bicubic halves, thirds or quarters.

    Shapes: lr (batch, 1, size, size), hr (batch, 1, size * scale, size * scale), float in [0, 1].
    """

    def __init__(self, pictures: Sequence[Luma], scale: int, size: int, batch: int) -> None:
        self.scale, self.size, self.batch = scale, size, batch
        usable = [p for p in pictures if min(p.shape) >= size * scale]
        self.hr = usable
        self.lr = [bicubic_shrink(p, scale) for p in usable]
        area = np.array([p.size for p in self.lr], dtype=np.float64)
        self.chance = area / area.sum()

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """One batch; the generator alone decides which."""
        size, scale = self.size, self.scale
        lr = np.empty((self.batch, 1, size, size), np.uint8)
        hr = np.empty((self.batch, 1, size * scale, size * scale), np.uint8)
        for n, picture in enumerate(rng.choice(len(self.lr), self.batch, p=self.chance)):
            small, large = self.lr[picture], self.hr[picture]
            y = int(rng.integers(small.shape[0] - size + 1))
            x = int(rng.integers(small.shape[1] - size + 1))
            turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
            lr[n, 0] = turn(small[y : y + size, x : x + size], turns, mirror)
            y, x, side = y * scale, x * scale, size * scale
            hr[n, 0] = turn(large[y : y + side, x : x + side], turns, mirror)
        return to_tensor(lr), to_tensor(hr)


def turn(patch: Luma, turns: int, mirror: bool) -> Luma:
    patch = np.rot90(patch, turns)
    return patch[:, ::-1] if mirror else patch


def to_tensor(planes: Luma) -> Tensor:
    return torch.from_numpy(planes).float() / 255
