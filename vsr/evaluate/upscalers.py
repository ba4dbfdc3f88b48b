"""What is judged: anything that makes small pictures large."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vsr.backends.select import backend_for_pictures, build_engine
from vsr.errors import UsageError
from vsr.frame import Frame, FrameFormat, Plane
from vsr.kernels import Array
from vsr.media.pictures import YCC, YCC_OFFSET
from vsr.networks.catalog import find_network
from vsr.networks.network import Network
from vsr.settings import EngineSettings, Precision
from vsr.shrink import to_codes

Picture = NDArray[np.uint8]
"""Luma (h, w), or R'G'B' (h, w, 3)."""

Small = Picture | Array
"""A picture to be enlarged. Luma may be float64: 8-bit codes and fractions of them."""

Upscale = Callable[[Small], Picture]

DEEP = 256
"""16-bit codes to one of 8 bits: R'G'B' that goes through Y'CbCr this fine comes back whole."""
DEEP_FULL_RANGE = 257
"""The same in full range: 255 becomes 65535."""


@dataclass(frozen=True)
class Upscaler:
    """A model, ready to be judged."""

    name: str
    channels: int
    """1: it takes luma; 3: R'G'B'."""
    upscale_all: Callable[[Sequence[Small]], list[Picture]]
    """Enlarges pictures of one size."""

    def upscale(self, picture: Small) -> Picture:
        return self.upscale_all([picture])[0]


def find_upscalers(models: Sequence[str], scale: int, precision: Precision) -> list[Upscaler]:
    """The models that `vsr upscale -m` would take; files are named without their folders, if that
    tells them apart. Raises UsageError where one does not enlarge by `scale`."""
    short = [model.rpartition("/")[2] for model in models]
    found = []
    for model, name in zip(models, short, strict=True):
        network = find_network(model, Fraction(scale))
        if network.scale != scale:
            raise UsageError(f"{model} enlarges by {network.scale}, not by {scale}")
        upscale_all = partial(enlarge_all, network, precision=precision)
        unique = name if short.count(name) == 1 else model
        found.append(Upscaler(unique, network.channels, upscale_all))
    return found


def engine_upscaler(network: Network, precision: Precision = "fp32") -> Upscale:
    """The network, run by a backend, as a function from a picture to a larger one."""
    return lambda picture: enlarge_all(network, [picture], precision)[0]


def enlarge_all(network: Network, pictures: Sequence[Small], precision: Precision) -> list[Picture]:
    """Pictures of one size and type, enlarged by one engine.

    A luma network's engine is given 8 bits, or 16 where there are fractions of codes. An RGB
    network's is given, and gives, Y'CbCr of 16 bits in studio range, whose rounding does not show
    in 8 bits and which has room for values beyond black and white; these are clipped in R'G'B', as
    the protocol has it. That holds in fp32; in less, the rounding of so fine codes counts as the
    network's (CARN-M, bf16, Set5: 0.16 dB in all).
    """
    height, width = pictures[0].shape[:2]
    fine = pictures[0].dtype != np.uint8
    if network.channels == 3:
        form = FrameFormat(width, height, depth=16, chroma="444", color_matrix="bt601")
        frames = [deep_frame(picture) for picture in pictures]
    else:
        depth = 16 if fine else 8
        form = FrameFormat(width, height, depth=depth, chroma="gray", full_range=True)
        frames = [Frame(deep_luma(each) if fine else each, None, 0) for each in pictures]
    settings = EngineSettings(backend_for_pictures(), precision=precision)
    with build_engine(network, form, settings) as engine:
        pending = [engine.start(frame) for frame in frames]
        large = [each.result() for each in pending]
    if network.channels == 3:
        return [*map(shallow_rgb, large)]
    return [to_codes(frame.y / DEEP_FULL_RANGE) if fine else frame.y for frame in large]


def deep_luma(luma: Small) -> Plane:
    return np.floor(luma.clip(0, 255) * DEEP_FULL_RANGE + 0.5).astype(np.uint16)


def deep_frame(rgb: Small) -> Frame:
    planes = np.tensordot(YCC, rgb.astype(np.float64) / 255, axes=(1, 2)) + YCC_OFFSET
    codes = np.floor(planes * DEEP + 0.5).astype(np.uint16)
    return Frame(codes[0], codes[1:], 0)


def shallow_rgb(frame: Frame) -> Picture:
    assert frame.uv is not None
    planes = np.concatenate([frame.y[None], frame.uv]) / DEEP - YCC_OFFSET
    rgb = np.moveaxis(planes, 0, -1) @ np.linalg.inv(YCC).T
    codes: Picture = np.clip(np.floor(rgb * 255 + 0.5), 0, 255).astype(np.uint8)
    return codes
