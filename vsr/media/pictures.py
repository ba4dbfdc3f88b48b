"""Single pictures on disk, for training and for the benchmarks."""

from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}

Luma = NDArray[np.uint8]
Rgb = NDArray[np.uint8]
Planes = NDArray[np.uint8]

YCC = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])
YCC_OFFSET = np.array([16, 128, 128]).reshape(3, 1, 1)


def find_pictures(folder: Path) -> list[Path]:
    """Every picture below `folder`, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)


def read_luma(path: Path) -> Luma:
    """The picture's luma, (h, w), in the studio range of BT.601 (16..235), as MATLAB's rgb2ycbcr.

    Source: ITU-R BT.601-7, section 2.5.1, with the constants scaled to 8 bits.
    """
    return luma_of(read_rgb(path))


def read_rgb(path: Path) -> Rgb:
    """The picture's R'G'B', (h, w, 3), full range."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    return frame.to_ndarray(format="rgb24")  # type: ignore[return-value]


def luma_of(rgb: Rgb) -> Luma:
    """The luma of (h, w, 3) R'G'B', as `read_luma` gives it."""
    luma = 16 + rgb.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255
    rounded: Luma = np.floor(luma + 0.5).astype(np.uint8)
    return rounded


def to_ycc(rgb: Rgb) -> Planes:
    """(h, w, 3) R'G'B' as (3, h, w) Y'CbCr 4:4:4 in BT.601's studio range.

    Source: ITU-R BT.601-7, section 2.5, with the constants scaled to 8 bits.
    """
    planes = np.tensordot(YCC, rgb.astype(np.float64) / 255, axes=(1, 2)) + YCC_OFFSET
    rounded: Planes = np.floor(planes + 0.5).astype(np.uint8)
    return rounded


def to_rgb(ycc: Planes) -> Rgb:
    """(..., 3, h, w) Y'CbCr in BT.601's studio range as (..., h, w, 3) R'G'B'; `to_ycc` undone."""
    rgb = np.moveaxis(ycc.astype(np.float64) - YCC_OFFSET, -3, -1) @ np.linalg.inv(YCC).T
    rounded: Rgb = np.clip(np.floor(rgb * 255 + 0.5), 0, 255).astype(np.uint8)
    return rounded


def write_png(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write (h, w, 3) uint8 R'G'B' as a PNG file."""
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as out:
        stream = out.add_stream("png", rate=1)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = rgb.shape[:2]
        stream.pix_fmt = "rgb24"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb))))
        out.mux(stream.encode(None))
