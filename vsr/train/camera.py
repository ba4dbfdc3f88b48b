"""Photographs as short films, so that they train for video."""

import numpy as np
from numpy.typing import NDArray

from vsr.shrink import sampling_matrix, to_codes

Pictures = NDArray[np.uint8]

STEP = 24
"""Sides are multiples of this, which suits 4:2:0 at every scale of up to 4."""
STILL = 0.15
"""Chance that the camera does not move."""
ZOOMING = 0.3
"""Chance that it zooms."""


def moving(
    picture: Pictures, frames: int, rng: np.random.Generator, speed: float = 6, zoom: float = 1.1
) -> Pictures:
    """A picture made a short film by a camera that pans over it, and sometimes zooms slowly.

    The camera moves by at most `speed` pixels a frame, in a gentle curve. It moves by whole pixels,
    so that the film is as sharp as the picture; once reduced, those are fractions of a pixel. A
    zoom shrinks the picture by up to `zoom`, which leaves it sharp too.

    Shapes: (3, h, w) -> (frames, 3, h', w'), uint8; h' and w' follow from h, w and the arguments,
    not from `rng`, and are multiples of 24.
    Raises: ValueError where the picture is too small for that.
    """
    size = np.array(picture.shape[1:])
    travel = speed * (frames - 1)
    window = ((size - travel) / zoom // STEP).astype(int) * STEP
    if window.min() <= 0:
        raise ValueError(f"{size[1]}x{size[0]} is too small for {frames} frames of a moving camera")
    path = pan(frames, speed, rng)
    if rng.random() < ZOOMING:
        ends = rng.uniform(1, zoom, 2)
        steps = np.linspace(ends[0], ends[1], frames)
        room = size - window * ends.max() - path.max(axis=0)
        centres = rng.uniform(0, room) + path + window * ends.max() / 2
        shots = [zoomed(picture, c, window, step) for c, step in zip(centres, steps, strict=True)]
    else:
        start = rng.integers(0, size - window - path.max(axis=0) + 1)
        shots = [
            picture[:, y : y + window[0], x : x + window[1]] for y, x in (start + path).astype(int)
        ]
    return np.stack(shots)


def pan(frames: int, speed: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Where the camera is in every frame: (frames, 2), whole pixels, from 0 on."""
    angle, turn = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5)
    slow, fast = rng.uniform(0, speed, 2)
    if rng.random() < STILL:
        slow = fast = 0
    angles = angle + np.linspace(0, turn, frames - 1)
    steps = np.linspace(slow, fast, frames - 1)
    moves = np.stack([np.sin(angles) * steps, np.cos(angles) * steps], axis=1)
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(moves, axis=0)])
    whole: NDArray[np.float64] = np.floor(path - path.min(axis=0))
    return whole


def zoomed(
    picture: Pictures, centre: NDArray[np.float64], window: NDArray[np.int_], step: float
) -> Pictures:
    """A window of the picture whose pixels lie `step` pixels apart."""
    rows, columns = (
        sampling_matrix(
            length, middle - 0.5 + (np.arange(side) - (side - 1) / 2) * step, step
        ).astype(np.float32)
        for length, middle, side in zip(picture.shape[1:], centre, window, strict=True)
    )
    return to_codes(rows @ picture.astype(np.float32) @ columns.T)
