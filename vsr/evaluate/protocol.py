"""Single pictures, judged by the protocol of the super-resolution papers.

The small picture is made by MATLAB's bicubic. For an RGB network it is R'G'B' of 8 bits: EDSR's and
CARN's come from files. For a luma network it is luma (BT.601 studio range) with fractions of codes:
SRCNN's, FSRCNN's and VDSR's never leave MATLAB, and only so do the published figures of bicubic
itself come out to their last digit. Films are rounded, which `rounded` does here, too. Luma of 8
bits is compared, a border as wide as the scale left out.
Protocol: Timofte et al., "A+" (2014), section 4, as followed since.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from vsr.errors import InputError
from vsr.evaluate.quality import LEAST, MEASURES, Measure, Quality
from vsr.evaluate.scores import CLEAN, FLAWLESS, Scores
from vsr.evaluate.upscalers import Picture, Small, Upscale, Upscaler, engine_upscaler
from vsr.media.pictures import Luma, find_pictures, luma_of, read_luma, read_rgb
from vsr.networks.network import Network
from vsr.settings import Precision
from vsr.shrink import bicubic_reduction, bicubic_shrink

PUBLISHED = {name: MEASURES[name] for name in ("psnr", "ssim")}
"""What the papers' tables hold."""


def judge_pictures(
    upscalers: Sequence[Upscaler],
    pictures: Mapping[str, Path],
    scale: int,
    measures: Mapping[str, Measure] = MEASURES,
    rounded: bool = False,
) -> Iterator[Scores]:
    """What is measured of every model on every picture; `pictures` are files by name."""
    for name, path in pictures.items():
        for upscaler in upscalers:
            truth = read(path, upscaler.channels)
            if min(truth.shape[:2]) < LEAST + 3 * scale:
                raise InputError(f"{path}: too small a picture to judge models by")
            values = score(upscaler.upscale, scale, truth, measures, rounded)
            finite = {key: [min(value, FLAWLESS)] for key, value in values.items()}
            yield Scores(upscaler.name, name, CLEAN, finite)


def evaluate(
    upscale: Upscale, scale: int, truths: Iterable[Picture], rounded: bool = False
) -> Quality:
    """How well `upscale` restores each of `truths` from its bicubic reduction."""
    scores = [score(upscale, scale, truth, PUBLISHED, rounded) for truth in truths]
    return Quality(**{name: float(np.mean([s[name] for s in scores])) for name in PUBLISHED})


def score(
    upscale: Upscale,
    scale: int,
    truth: Picture,
    measures: Mapping[str, Measure],
    rounded: bool = False,
) -> dict[str, float]:
    """How well `upscale` restores a picture from its bicubic reduction."""
    h, w = (side - side % scale for side in truth.shape[:2])
    truth = truth[:h, :w]
    large = upscale(shrink(truth, scale, rounded))
    a, b = (inside(plane, scale) for plane in (large, truth))
    return {name: measure(a, b) for name, measure in measures.items()}


def shrink(picture: Picture, scale: int, rounded: bool) -> Small:
    """Luma or each of R'G'B' by MATLAB's bicubic; luma is only `rounded` where that is said."""
    if picture.ndim == 2:
        return bicubic_shrink(picture, scale) if rounded else bicubic_reduction(picture, scale)
    return np.moveaxis(bicubic_shrink(np.moveaxis(picture, -1, 0), scale), 0, -1)


def inside(picture: Picture, border: int) -> Luma:
    """The luma of a picture without its border."""
    luma = picture if picture.ndim == 2 else luma_of(picture)
    return luma[border:-border, border:-border]


def read(path: Path, channels: int) -> Picture:
    """Luma, or R'G'B'."""
    return read_luma(path) if channels == 1 else read_rgb(path)


def read_set(folder: Path, channels: int = 1) -> list[Picture]:
    """Every picture in a benchmark's folder: its luma, or its R'G'B' for 3 channels."""
    return [read(path, channels) for path in find_pictures(folder)]


def measure(
    network: Network, folder: Path, precision: Precision = "fp32", rounded: bool = False
) -> dict[str, float]:
    """PSNR and SSIM on a benchmark by the standard protocol, of the network as it runs.

    In less than fp32 luma is rounded in any case, for only films of 8 bits are computed so.
    """
    truths = read_set(folder, network.channels)
    upscale = engine_upscaler(network, precision)
    quality = evaluate(upscale, network.scale, truths, rounded or precision != "fp32")
    return {"psnr": round(quality.psnr, 3), "ssim": round(quality.ssim, 4)}
