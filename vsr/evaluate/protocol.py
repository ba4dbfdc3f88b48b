"""Single pictures, judged by the protocol of the super-resolution papers.

The small picture is made by MATLAB's bicubic, of luma (BT.601 studio range, 8 bits) for a luma
network and of R'G'B' for an RGB network. Luma is compared, a border as wide as the scale left out.
Protocol: Timofte et al., "A+" (2014), section 4, as followed since.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from vsr.errors import InputError
from vsr.evaluate.quality import LEAST, MEASURES, Measure, Quality
from vsr.evaluate.scores import CLEAN, FLAWLESS, Scores
from vsr.evaluate.upscalers import Picture, Upscale, Upscaler, engine_upscaler
from vsr.media.pictures import Luma, find_pictures, luma_of, read_luma, read_rgb
from vsr.networks.network import Network
from vsr.settings import Precision
from vsr.shrink import bicubic_shrink

PUBLISHED = {name: MEASURES[name] for name in ("psnr", "ssim")}
"""What the papers' tables hold."""


def judge_pictures(
    upscalers: Sequence[Upscaler],
    pictures: Mapping[str, Path],
    scale: int,
    measures: Mapping[str, Measure] = MEASURES,
) -> Iterator[Scores]:
    """What is measured of every model on every picture; `pictures` are files by name."""
    for name, path in pictures.items():
        for upscaler in upscalers:
            truth = read(path, upscaler.channels)
            if min(truth.shape[:2]) < LEAST + 3 * scale:
                raise InputError(f"{path}: too small a picture to judge models by")
            values = score(upscaler.upscale, scale, truth, measures)
            finite = {key: [min(value, FLAWLESS)] for key, value in values.items()}
            yield Scores(upscaler.name, name, CLEAN, finite)


def evaluate(upscale: Upscale, scale: int, truths: Iterable[Picture]) -> Quality:
    """How well `upscale` restores each of `truths` from its bicubic reduction."""
    scores = [score(upscale, scale, truth, PUBLISHED) for truth in truths]
    return Quality(**{name: float(np.mean([s[name] for s in scores])) for name in PUBLISHED})


def score(
    upscale: Upscale, scale: int, truth: Picture, measures: Mapping[str, Measure]
) -> dict[str, float]:
    """How well `upscale` restores a picture from its bicubic reduction."""
    h, w = (side - side % scale for side in truth.shape[:2])
    truth = truth[:h, :w]
    a, b = (inside(plane, scale) for plane in (upscale(shrink(truth, scale)), truth))
    return {name: measure(a, b) for name, measure in measures.items()}


def shrink(picture: Picture, scale: int) -> Picture:
    """Luma or each of R'G'B' by MATLAB's bicubic, rounded."""
    if picture.ndim == 2:
        return bicubic_shrink(picture, scale)
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


def measure(network: Network, folder: Path, precision: Precision = "fp32") -> dict[str, float]:
    """PSNR and SSIM on a benchmark by the standard protocol, of the network as it runs."""
    truths = read_set(folder, network.channels)
    quality = evaluate(engine_upscaler(network, precision), network.scale, truths)
    return {"psnr": round(quality.psnr, 3), "ssim": round(quality.ssim, 4)}
