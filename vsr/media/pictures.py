"""Single pictures on disk, for training and for the benchmarks."""

from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}

Luma = NDArray[np.uint8]


def find_pictures(folder: Path) -> list[Path]:
    """Every picture below `folder`, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)


def read_luma(path: Path) -> Luma:
    """The picture's luma, (h, w), in the studio range of BT.601 (16..235), as MATLAB's rgb2ycbcr.

    Source: ITU-R BT.601-7, section 2.5.1, with the constants scaled to 8 bits.
    """
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    rgb = frame.to_ndarray(format="rgb24").astype(np.float64)
    luma = 16 + rgb @ np.array([65.481, 128.553, 24.966]) / 255
    rounded: Luma = np.floor(luma + 0.5).astype(np.uint8)
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
