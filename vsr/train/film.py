"""How films decay before anyone enlarges them: softened, grainy, interlaced, compressed.

One chain in the order in which it happens to a film: blur, reduction, grain, interlacing,
compression. Chains of random steps come from Wang et al., "Real-ESRGAN" (2021), section 3, and,
with real codecs for the last step, from Chan et al., "Investigating Tradeoffs in Real-World Video
Super-Resolution" (RealBasicVSR, 2022), section 5.1. Both aim at restoring what is badly damaged;
films are mostly sharp and lightly compressed, so all ranges here are far milder than theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from vsr.errors import UsageError
from vsr.media.recode import recode
from vsr.shrink import bicubic_shrink, to_codes
from vsr.train.damage import REDUCTIONS, Pictures, deinterlace, grain, shrink, weave

Range = tuple[float, float]

CODECS = ("libx264", "mpeg2video", "mpeg4")

SUBSAMPLE_ONLY = ("libx264", {"qp": "0", "preset": "ultrafast"})
"""A lossless codec: what is lost is the chroma that 4:2:0 leaves out."""


@dataclass(frozen=True)
class FilmDecay:
    """How often each step happens, and how strongly. Ranges are drawn from evenly."""

    clean: float = 0.2
    """Chance of MATLAB's bicubic reduction and nothing else, which keeps clean films good."""

    blur: float = 0.2
    """Chance of a Gaussian blur before the reduction."""
    blur_sigma: Range = (0.1, 0.4)
    """Its deviation in small pixels, drawn for either axis by itself."""

    kernels: Mapping[str, float] = field(
        default_factory=lambda: {"bicubic": 0.7, "area": 0.1, "bilinear": 0.1, "lanczos": 0.1}
    )
    """What reduces -> how often, as weights. All of them widened, so that nothing is aliased."""

    grain: float = 0.3
    """Chance of film grain or noise, new in every frame."""
    grain_sigma: Range = (0.5, 2.5)
    """Its deviation in luma, 8-bit codes; in chroma it is half that."""
    grain_size: Range = (0, 0.7)
    """Deviation of the Gaussian that makes noise into grain, small pixels; 0 is white noise."""

    interlaced: float = 0.03
    """Chance that every frame was woven from two moments, and plainly deinterlaced."""

    subsampled: float = 0.5
    """Chance of 4:2:0 chroma where nothing is compressed."""

    compressed: float = 0.85
    codecs: Mapping[str, float] = field(
        default_factory=lambda: {"libx264": 0.86, "mpeg2video": 0.07, "mpeg4": 0.07}
    )
    """FFmpeg's encoder -> how often, as weights."""
    crf: tuple[int, int] = (16, 32)
    """H.264's constant rate factor."""
    presets: tuple[str, ...] = ("superfast", "veryfast", "faster", "fast", "medium")
    b_frames: tuple[int, int] = (0, 3)
    """The most of them in a row."""
    qscale: tuple[int, int] = (2, 7)
    """The quantiser of MPEG-2 and MPEG-4."""

    def __post_init__(self) -> None:
        for name in ("clean", "blur", "grain", "interlaced", "subsampled", "compressed"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"decay: {name} = {getattr(self, name)} is no chance of 0 to 1")
        for name in ("blur_sigma", "grain_sigma", "grain_size", "crf", "b_frames", "qscale"):
            ends = getattr(self, name)
            if not isinstance(ends, tuple) or len(ends) != 2 or not 0 <= ends[0] <= ends[1]:
                ends = list(ends) if isinstance(ends, tuple) else ends
                raise UsageError(f"decay: {name} = {ends} is no range, [low, high]")
        for name, known in (("kernels", tuple(REDUCTIONS)), ("codecs", CODECS)):
            weights = getattr(self, name)
            wrong = [word for word, weight in weights.items() if word not in known or weight < 0]
            if wrong or not sum(weights.values()) > 0:
                raise UsageError(f"decay: {name} = {dict(weights)}; weights of {', '.join(known)}")

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> "FilmDecay":
        """From a TOML table. Raises UsageError for what it cannot say."""
        known = [each.name for each in fields(cls)]
        for name in table:
            if name not in known:
                raise UsageError(f"decay: no '{name}'; there is {', '.join(known)}")
        values: dict[str, Any] = dict(table)
        for name, value in table.items():
            values[name] = tuple(value) if isinstance(value, list) else value
        return cls(**values)


def decay(
    truth: Pictures, scale: int, rng: np.random.Generator, settings: FilmDecay
) -> tuple[Pictures, str]:
    """A short film made small and decayed, and a description of what happened to it.

    `rng` alone decides.

    Shapes: (n, 3, h, w) -> (n, 3, h / scale, w / scale), uint8, Y'CbCr 4:4:4 of limited range;
    h and w multiples of 2 * scale.
    """
    if truth.shape[2] % (2 * scale) or truth.shape[3] % (2 * scale):
        height, width = truth.shape[2:]
        raise ValueError(f"{width}x{height} is not a multiple of {2 * scale} both ways")
    if rng.random() < settings.clean:
        return bicubic_shrink(truth, scale), "clean"
    words = []
    sigma = (0.0, 0.0)
    if rng.random() < settings.blur:
        sigma = (rng.uniform(*settings.blur_sigma), rng.uniform(*settings.blur_sigma))
        words.append(f"blur {sigma[1]:.2f}x{sigma[0]:.2f}")
    kernel = pick(settings.kernels, rng)
    words.append(kernel)
    small = shrink(truth, scale, kernel, sigma)
    if rng.random() < settings.grain:
        strength = rng.uniform(*settings.grain_sigma)
        size = rng.uniform(*settings.grain_size)
        words.append(f"grain {strength:.1f} of size {size:.1f}")
        small += grain(small.shape, strength, size, rng)
    lr = to_codes(small)
    if rng.random() < settings.interlaced:
        blend = bool(rng.random() < 0.5)
        words.append("deinterlaced by blending" if blend else "deinterlaced by doubling lines")
        lr = deinterlace(weave(lr), blend)
    if rng.random() < settings.compressed:
        codec, options = pick_codec(rng, settings)
        words.append(f"{codec} " + " ".join(f"{k} {v}" for k, v in options.items() if k != "qmin"))
        lr = recode(lr, codec, options)
    elif rng.random() < settings.subsampled:
        words.append("4:2:0")
        lr = recode(lr, *SUBSAMPLE_ONLY)
    return lr, ", ".join(words)


def pick(weights: Mapping[str, float], rng: np.random.Generator) -> str:
    chances = np.array(list(weights.values()), np.float64)
    return str(rng.choice(list(weights), p=chances / chances.sum()))


def pick_codec(rng: np.random.Generator, settings: FilmDecay) -> tuple[str, dict[str, str]]:
    """An encoder and its options."""
    codec = pick(settings.codecs, rng)
    options = {"bf": str(rng.integers(settings.b_frames[0], settings.b_frames[1] + 1))}
    if codec == "libx264":
        options["crf"] = str(rng.integers(settings.crf[0], settings.crf[1] + 1))
        options["preset"] = str(rng.choice(settings.presets))
    else:
        quantiser = str(rng.integers(settings.qscale[0], settings.qscale[1] + 1))
        options["qmin"] = options["qmax"] = quantiser
    return codec, options
