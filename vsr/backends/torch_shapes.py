"""ONNX's operators that move values and change shapes, as functions of torch.

As in `vsr.backends.torch_operators`, whose table they are part of.
"""

from collections.abc import Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812 (as everybody calls it)
from torch import Tensor

REPEATS = {("asymmetric", "floor")} | {
    (way, nearest)
    for way in ("half_pixel", "pytorch_half_pixel")
    for nearest in ("round_prefer_floor", "round_prefer_ceil")
}
"""The ways of Resize that, by a whole factor, repeat every pixel."""

Numbers: TypeAlias = Tensor | Sequence[int]
"""int64s: inputs are tensors, attributes are lists."""


def numbers(x: Numbers) -> list[int]:
    return [int(n) for n in (x.reshape(-1).tolist() if isinstance(x, Tensor) else x)]


def expand(x: Tensor, shape: Tensor) -> Tensor:
    return x.expand(torch.broadcast_shapes(x.shape, tuple(numbers(shape))))


def pad(
    x: Tensor,
    pads: Tensor,
    value: Tensor | None = None,
    axes: Tensor | None = None,
    *,
    mode: str = "constant",
) -> Tensor:
    """Negative pads cut off. Only rows and columns are padded by anything but constants."""
    counts = numbers(pads)
    at = [a % x.ndim for a in numbers(axes)] if axes is not None else list(range(x.ndim))
    before = dict(zip(at, counts[: len(at)], strict=True))
    after = dict(zip(at, counts[len(at) :], strict=True))
    flat = [n for a in reversed(range(x.ndim)) for n in (before.get(a, 0), after.get(a, 0))]
    while flat[-2:] == [0, 0]:
        del flat[-2:]
    if mode == "constant":
        return F.pad(x, flat, value=0.0 if value is None else float(value))
    modes = {"edge": "replicate", "reflect": "reflect"}
    return F.pad(x, [*flat, *[0] * (4 - len(flat))], mode=modes[mode])


def slice_(
    x: Tensor,
    starts: Tensor,
    ends: Tensor,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    from_, to = numbers(starts), numbers(ends)
    at = numbers(axes) if axes is not None else list(range(len(from_)))
    by = numbers(steps) if steps is not None else [1] * len(from_)
    for axis, start, stop, step in zip(at, from_, to, by, strict=True):
        chosen = range(x.shape[axis])[start:stop:step]
        if step < 0:
            x, chosen = x.flip(axis), range(x.shape[axis])[-1 - start : -1 - stop : -step]
        index = [slice(None)] * x.ndim
        index[axis] = slice(chosen.start, chosen.stop, chosen.step)
        x = x[tuple(index)]
    return x


def reshape(x: Tensor, shape: Tensor, *, allowzero: int = 0) -> Tensor:
    sizes = enumerate(numbers(shape))
    return x.reshape([x.shape[i] if n == 0 and not allowzero else n for i, n in sizes])


def squeeze(x: Tensor, axes: Numbers | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(tuple(numbers(axes)))


def unsqueeze(x: Tensor, axes: Numbers) -> Tensor:
    places = numbers(axes)
    for axis in sorted(axis % (x.ndim + len(places)) for axis in places):
        x = x.unsqueeze(axis)
    return x


def split(
    x: Tensor, sizes: Numbers | None = None, *, axis: int = 0, num_outputs: int = 0
) -> tuple[Tensor, ...]:
    if sizes is None:
        return x.split(-(-x.shape[axis] // num_outputs), axis)
    return x.split(numbers(sizes), axis)


def gather(x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    axis %= x.ndim
    parts = torch.stack([x.select(axis, index) for index in numbers(indices)], axis)
    return parts.reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


def depth_to_space(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    if mode == "CRD":
        return F.pixel_shuffle(x, blocksize)
    n, c, h, w = x.shape
    b = blocksize
    parts = x.reshape(n, b, b, c // b**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, c // b**2, h * b, w * b)


def space_to_depth(x: Tensor, *, blocksize: int) -> Tensor:
    n, c, h, w = x.shape
    b = blocksize
    parts = x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(n, c * b**2, h // b, w // b)


def resize(
    x: Tensor,
    roi: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
    *,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    cubic_coeff_a: float = -0.75,
) -> Tensor:
    """In the ways of which torch has the like; the nearest pixel by whole factors only."""
    large = numbers(sizes)[2:] if sizes is not None else []
    if scales is not None and scales.numel():
        factors = scales.tolist()[2:]
        large = [round(factor * side) for factor, side in zip(factors, x.shape[2:], strict=True)]
    way = coordinate_transformation_mode
    if mode == "nearest":
        whole = all(to % by == 0 for to, by in zip(large, x.shape[2:], strict=True))
        if not whole or (way, nearest_mode) not in REPEATS:
            raise ValueError(f"{mode}, {way}, {nearest_mode}, from {[*x.shape[2:]]} to {large}")
        return F.interpolate(x, size=large, mode="nearest")
    kind = {"linear": "bilinear", "cubic": "bicubic"}[mode]
    if way not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise ValueError(f"{mode}, {way}")
    if abs(cubic_coeff_a + 0.75) > 1e-6:
        raise ValueError(f"{mode} with a coefficient of {cubic_coeff_a}")
    return F.interpolate(x, size=large, mode=kind, align_corners=way == "align_corners")
