"""Short runs of consecutive frames out of a film, to train on."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from vsr.errors import MediaError


def read_runs(
    film: Path, length: int, multiple: int, apart: int = 25
) -> Iterator[NDArray[np.uint8]]:
    """Every `apart` frames of the film, `length` consecutive frames.

    They are shrunk by two, which takes most of the film's own compression with it, and cut at
    the right and the bottom to multiples of `multiple` pixels.

    Shapes: (length, 3, h, w) uint8, Y'CbCr 4:4:4 as the film has it, in studio range.
    """
    run: list[NDArray[np.uint8]] = []
    try:
        with av.open(str(film)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number % apart >= length:
                    continue
                h, w = (side // 2 for side in (frame.height, frame.width))
                small = frame.reformat(
                    w, h, "yuv444p", interpolation="AREA", dst_color_range="MPEG"
                )
                planes = small.to_ndarray(channel_last=False).reshape(3, h, w)
                run.append(planes[:, : h - h % multiple, : w - w % multiple].astype(np.uint8))
                if len(run) == length:
                    yield np.stack(run)
                    run = []
    except (av.FFmpegError, IndexError) as error:
        raise MediaError(film, f"cannot be read as a film ({error})") from error
