"""A column of pixels over time, as a picture."""

from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
from films import Video, film
from runs import vsr_here

from vsr.report.slices import FRAMES, ZOOM

pytestmark = pytest.mark.skipif(
    find_spec("cv2") is None, reason="OpenCV is not installed: pip install 'vsr[temporal]'"
)


def shown(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")  # type: ignore[return-value]


def test_a_column_is_drawn_over_time_without_and_with_and_as_it_was(tmp_path: Path) -> None:
    source, out = (
        film(tmp_path / "a.mkv", Video(frames=5, size=(128, 96))),
        tmp_path / "o.png",
    )
    words = ("--truth", "--crf", "30", "--slice", "40", "--crop", "0,20,128,30", "-m", "bicubic")
    ran = vsr_here("compare", source, "-o", out, *words)
    assert (ran.code, ran.words) == (0, f"{out}\n"), ran.err
    picture = shown(out)
    assert FRAMES > 5
    width = 5 * ZOOM
    assert picture.shape == (30 * ZOOM, 3 * width + 2 * 4, 3)
    one, two, truth = (picture[:, n * (width + 4) :][:, :width].astype(int) for n in range(3))
    assert np.abs(one - two).max() > 0
    assert np.abs(one - truth).mean() < 20


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--slice", "40"), "--slice needs --truth, and one model at most"),
        (("--slice", "9999", "--truth"), "column 9999 from row 0 on lies outside the picture"),
        (("--slice", "4", "--truth", "--temporal", "2"), "--temporal 2 is not between 0 and 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    source = film(tmp_path / "a.mkv", Video(frames=3))
    ran = vsr_here("compare", source, "-o", tmp_path / "o.png", *words)
    assert (ran.code, ran.err) == (2, f"vsr: {reason}\n")
