"""The values that travel: what a frame is made of, and what a film says about itself."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]
"""uint8 for 8 bits, uint16 above."""

SUBSAMPLING = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}
"""Chroma format -> luma samples per chroma sample, (horizontal, vertical)."""


@dataclass(frozen=True)
class FrameFormat:
    """What has to be known of a frame to compute with its planes.

    Words and numbers of colour are FFmpeg's and ITU-T H.273's.
    """

    width: int
    height: int
    depth: int = 8
    """Bits per sample: 8 to 16; above 8 a sample is a 16-bit word."""
    chroma: str = "420"
    """A key of SUBSAMPLING, or "gray"."""
    color_matrix: str = "bt709"
    """bt601, bt709 or bt2020."""
    full_range: bool = False
    chroma_location: str = "left"
    """left, center or topleft; only of consequence for subsampled chroma."""

    @property
    def subsampling(self) -> tuple[int, int]:
        """Luma samples per chroma sample, (horizontal, vertical)."""
        return SUBSAMPLING[self.chroma]

    @property
    def is_gray(self) -> bool:
        return self.chroma == "gray"

    @property
    def dtype(self) -> type[np.unsignedinteger[Any]]:
        return np.uint8 if self.depth == 8 else np.uint16

    @property
    def pix_fmt(self) -> str:
        """FFmpeg's name of the planar format."""
        name = "gray" if self.is_gray else f"yuv{self.chroma}p"
        return name if self.depth == 8 else f"{name}{self.depth}le"

    @property
    def uv_shape(self) -> tuple[int, int, int] | None:
        """The shape of `Frame.uv`."""
        if self.is_gray:
            return None
        horizontal, vertical = self.subsampling
        return 2, -(-self.height // vertical), -(-self.width // horizontal)


@dataclass(frozen=True)
class Frame:
    """One picture and its moment."""

    y: Plane
    """(h, w)"""
    uv: Plane | None
    """(2, h / vertical, w / horizontal, both rounded up); None for gray."""
    pts: int
    """In the film's time base."""
    duration: int = 0
    """In the film's time base; 0 where the source does not say."""


@dataclass(frozen=True)
class ColorTags:
    """The colour tags of a stream as numbers of ITU-T H.273, as they are carried over."""

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    range: int = 0
    """0 unknown, 1 limited, 2 full."""


@dataclass(frozen=True)
class Hdr:
    """HDR10's static metadata."""

    mastering: tuple[Fraction, ...] | None = None
    """Chromaticities of R, G, B and white as x, y pairs, then minimum and maximum luminance in
    cd/m2: ten numbers. Source: SMPTE ST 2086."""
    content_light: tuple[int, int] | None = None
    """MaxCLL and MaxFALL, cd/m2. Source: CTA-861.3, annex P."""


@dataclass(frozen=True)
class VideoInfo:
    """What a film's video stream says about itself, and what was concluded from it."""

    format: FrameFormat
    codec: str
    source_pix_fmt: str
    time_base: Fraction
    rate: Fraction | None
    """Frames per second on average; None where nothing says."""
    tags: ColorTags
    sar: Fraction | None = None
    """Sample aspect ratio; None where nothing says."""
    display_matrix: tuple[int, ...] | None = None
    """How a player turns and mirrors the picture: FFmpeg's nine numbers."""
    rotation: int = 0
    """The turn in `display_matrix`, degrees counter-clockwise."""
    interlaced: bool = False
    hdr: Hdr = Hdr()
    frames: int | None = None
    """The container's word on how many frames there are; an estimate, for progress only."""
    duration: float | None = None
    """Seconds."""
    notes: tuple[str, ...] = ()
    """What was guessed or cannot be kept, one sentence each."""
