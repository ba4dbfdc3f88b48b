"""Consecutive frames, judged one by one and by how they move, clean and compressed.

The truth is made small by MATLAB's bicubic and, where asked for, goes through H.264 and back. What
an RGB network is given is R'G'B' made of that. Luma is compared, a border as wide as the scale left
out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from vsr.errors import InputError, UsageError
from vsr.evaluate.quality import LEAST, MEASURES, Measure
from vsr.evaluate.scores import CLEAN, FLAWLESS, Scores
from vsr.evaluate.temporal import Lumas, find_motion, flicker, tof, warping_error
from vsr.evaluate.upscalers import Upscaler
from vsr.frame import Frame, FrameFormat
from vsr.media.pictures import PICTURES, Planes, luma_of, read_rgb, to_rgb, to_ycc
from vsr.media.planes import to_rgb as frame_to_rgb
from vsr.media.reader import Reader
from vsr.media.recode import recode
from vsr.pipeline.enlarge import Enlarged
from vsr.settings import Clip
from vsr.shrink import bicubic_shrink, to_codes

FILMS = {".avi", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm", ".y4m"}


def find_sequences(data: Path) -> dict[str, Path]:
    """The sequences that `data` is or holds, by name: folders of numbered frames, or films.

    Raises UsageError where there are none.
    """
    if data.is_file() or find_frames(data):
        return {data.name: data}
    inside = sorted(data.iterdir()) if data.is_dir() else []
    found = [path for path in inside if path.suffix.lower() in FILMS or find_frames(path)]
    if not found:
        raise UsageError(f"{data}: holds no films, nor folders of numbered frames")
    return {path.name: path for path in found}


def find_frames(folder: Path) -> list[Path]:
    """The pictures in a folder, by the numbers in their names."""

    def place(path: Path) -> tuple[list[int], str]:
        return [int(number) for number in re.findall(r"\d+", path.stem)], path.name

    files = folder.iterdir() if folder.is_dir() else ()
    return sorted((path for path in files if path.suffix.lower() in PICTURES), key=place)


def read_sequence(path: Path, scale: int, frames: int) -> Planes:
    """The first frames of a sequence, cut to what 4:2:0 pictures a `scale`-th as large can hold.

    Shapes: (n, 3, h, w) uint8, Y'CbCr 4:4:4 in BT.601's studio range; h, w multiples of 2 * scale.
    Raises: InputError where they are not at least two frames of one size that is large enough.
    """
    pictures = list(read_film(path, frames) if path.is_file() else read_folder(path, frames))
    if len(pictures) < 2:
        raise InputError(f"{path}: {len(pictures)} frame is no sequence; there have to be two")
    sizes = {picture.shape[1:] for picture in pictures}
    if len(sizes) > 1:
        words = " and ".join(f"{w}x{h}" for h, w in sorted(sizes)[:2])
        raise InputError(f"{path}: its frames have different sizes, {words}")
    h, w = (side - side % (2 * scale) for side in pictures[0].shape[1:])
    if min(h, w) < LEAST + 2 * scale:
        raise InputError(f"{path}: too small a sequence to judge models by")
    return np.stack(pictures)[..., :h, :w]


def read_folder(folder: Path, frames: int) -> Iterator[Planes]:
    return (to_ycc(read_rgb(path)) for path in find_frames(folder)[:frames])


def read_film(film: Path, frames: int) -> Iterator[Planes]:
    with Reader(film, clip=Clip(frames=frames)) as reader:
        form = reader.info.format
        for frame in reader.frames():
            yield to_ycc(frame_to_rgb(frame, form))


def judge_sequences(
    upscalers: Sequence[Upscaler],
    sequences: Mapping[str, Path],
    scale: int,
    crfs: Sequence[int],
    frames: int,
    measures: Mapping[str, Measure] = MEASURES,
    temporal: float = 0.0,
    radius: int = 1,
    noise: float = 0.0,
) -> Iterator[Scores]:
    """What is measured of every model on the first frames of every sequence: clean, compressed at
    every CRF, and with white noise of this standard deviation, codes of 8 bits; and, where
    `temporal` is more than 0, again with neighbouring frames made to agree by so much.

    Raises: MissingPackageError without OpenCV.
    """
    for name, path in sequences.items():
        truth = read_sequence(path, scale, frames)
        luma = truth[:, 0]
        motions = find_motion(luma)
        unrest = warping_error(motions, luma, scale)
        small = bicubic_shrink(truth, scale)
        for condition, lr in conditions(small, crfs, noise):
            for upscaler in upscalers:
                results = {upscaler.name: enlarge(upscaler, lr)}
                if temporal:
                    steadier = steadied(results[upscaler.name], lr[:, 0], scale, temporal, radius)
                    results[f"{upscaler.name}, temporal {temporal:g}"] = steadier
                for model, result in results.items():
                    values = {
                        **score_frames(result, luma, scale, measures),
                        "flicker": flicker(motions, luma, result, scale),
                        "tof": tof(motions, result, scale),
                        "warping": warping_error(motions, result, scale),
                        "truth_warping": unrest,
                    }
                    yield Scores(model, name, condition, values)


def conditions(small: Planes, crfs: Sequence[int], noise: float) -> Iterator[tuple[str, Planes]]:
    """What happens to the small frames, in words, and what becomes of them."""
    yield CLEAN, small
    for crf in crfs:
        yield f"H.264 crf {crf}", compress(small, crf)
    if noise:
        grain = np.random.default_rng(0).normal(0, noise, small.shape)
        yield f"noise, sigma {noise:g}", to_codes(small + grain)


def compress(frames: Planes, crf: int) -> Planes:
    """The frames after H.264 at x264's own preset."""
    return recode(frames, "libx264", {"crf": str(crf), "preset": "medium"})


def enlarge(upscaler: Upscaler, lr: Planes) -> Lumas:
    """The luma of the enlarged frames."""
    if upscaler.channels == 1:
        return np.stack(upscaler.upscale_all(list(lr[:, 0])))
    return np.stack([luma_of(large) for large in upscaler.upscale_all(list(to_rgb(lr)))])


def steadied(result: Lumas, lr: Lumas, scale: int, strength: float, radius: int) -> Lumas:
    """The enlarged frames, made to agree with their neighbours as `vsr upscale --temporal` does."""
    from vsr.pipeline.temporal.stage import steady

    pairs: list[Enlarged] = []
    for number, (small, large) in enumerate(zip(lr, result, strict=True)):
        again = number > 0 and np.array_equal(small, lr[number - 1])
        plane = pairs[-1].large.y if again else large
        pairs.append(Enlarged(Frame(small, None, number), Frame(plane, None, number)))
    form = FrameFormat(lr.shape[2], lr.shape[1], chroma="gray")
    return np.stack([frame.y for frame in steady(pairs, form, scale, strength, radius)])


def score_frames(
    result: Lumas, truth: Lumas, border: int, measures: Mapping[str, Measure]
) -> dict[str, list[float]]:
    """Every measure of every frame."""
    inside = np.s_[border:-border, border:-border]
    pairs = [(a[inside], b[inside]) for a, b in zip(result, truth, strict=True)]
    return {
        name: [min(measure(a, b), FLAWLESS) for a, b in pairs] for name, measure in measures.items()
    }
