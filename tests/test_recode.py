"""Frames through real codecs and back."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vsr.errors import UsageError
from vsr.media.recode import recode

LOSSLESS = {"qp": "0", "preset": "ultrafast"}


def film(frames: int = 7, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Soft shapes that move by two pixels a frame, over a ramp."""
    y, x = np.mgrid[:height, :width]
    moments = [
        [
            16 + (x + y) + 60 * np.cos((x - 2 * t) / 5) ** 2,
            128 + 20 * np.sin((x + 2 * t) / 9),
            128 - 20 * np.cos(y / 7),
        ]
        for t in range(frames)
    ]
    return np.array(moments).astype(np.uint8)


def error(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Root mean square difference of every frame's planes, (n, 3)."""
    difference: NDArray[np.float64] = np.sqrt(((a.astype(float) - b) ** 2).mean(axis=(2, 3)))
    return difference


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"crf": "18", "preset": "medium", "bf": "3"}),
        ("libx264", {"crf": "18", "preset": "superfast", "bf": "0"}),
        ("mpeg2video", {"qmin": "2", "qmax": "2", "bf": "2"}),
        ("mpeg4", {"qmin": "2", "qmax": "2", "bf": "2"}),
        ("libx265", {"crf": "18", "preset": "fast", "x265-params": "log-level=none"}),
    ],
)
def test_every_frame_comes_back_in_its_place(codec: str, options: dict[str, str]) -> None:
    frames = film()
    back = recode(frames, codec, options)
    assert back.shape == frames.shape
    for number, frame in enumerate(back):
        others = [error(frame[None, :1], other[None, :1])[0, 0] for other in frames]
        assert int(np.argmin(others)) == number
    assert 0 < error(back, frames)[:, 0].max() < 4


def test_what_a_lossless_codec_loses_is_chroma_between_the_samples() -> None:
    frames = film()
    back = recode(frames, "libx264", LOSSLESS)
    np.testing.assert_array_equal(back[:, 0], frames[:, 0])
    assert error(back, frames)[:, 1:].max() < 1
    frames[:, 1, :, 1::2] = 200  # finer than 4:2:0 can hold
    assert error(recode(frames, "libx264", LOSSLESS), frames)[:, 1].min() > 10


def test_a_higher_crf_loses_more() -> None:
    losses = [error(recode(film(), "libx264", {"crf": crf}), film())[:, 0].mean() for crf in
              ("16", "23", "28", "33")]  # fmt: skip
    assert losses == sorted(losses)
    assert losses[-1] > 2 * losses[0]


def test_the_same_frames_give_the_same_result() -> None:
    once, again = (recode(film(), "libx264", {"crf": "28"}) for _ in range(2))
    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize(
    ("codec", "options", "words"),
    [
        ("libx999", {}, "no encoder 'libx999'"),
        ("aac", {}, "'aac' does not encode video"),
        ("libx264", {"crof": "3"}, "libx264 knows no option 'crof'"),
        ("libx264", {"preset": "hasty"}, "libx264 refuses 64x48, preset=hasty"),
    ],
)
def test_what_an_encoder_refuses_is_said(codec: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        recode(film(2), codec, options)
