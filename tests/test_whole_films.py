"""Real films through the whole of it, held against their sources by `whole_film_table.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from whole_film_table import SAMPLES, SHARED, clips, compare, enlarge

NOT_FILMS = {"androidx__sample_audio_only.mp4"}
WHOLE = {
    "androidx__bear-vp9-odd-dimensions.webm",
    "androidx__sample_android_slow_motion.mp4",
    "imageio__newtonscradle.gif",
    "mp4parse__bbb_sunflower_QCIF_30fps_mp4v_noaudio_1f.mp4",
}
"""Small enough to be taken to their ends."""

PART = {"androidx__sample_with_colr_mdcv_and_clli.mp4": 4, "drewnoakes__Sony_ILCE-7M3_A7M3.mts": 4}
"""Full HD takes its time; the others give 12 frames."""


def carried_whole(source: Path, folder: Path, frames: int | None) -> None:
    target, report = enlarge(source, folder, "nearest", frames)
    done = compare(source, target, clip=frames)
    assert done.frames_out == done.frames_in == report.frames
    assert done.streams_equal == done.streams_in
    assert done.lost == []
    assert report.verified
    assert report.psnr > 30


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the clips are not here: {SHARED}")
@pytest.mark.parametrize("name", [p.name for p in clips(SHARED) if p.name not in NOT_FILMS])
def test_real_films_keep_everything_but_their_size(tmp_path: Path, name: str) -> None:
    frames = None if name in WHOLE else PART.get(name, 12)
    carried_whole(SHARED / name, tmp_path, frames)


@pytest.mark.skipif(not clips(SAMPLES), reason=f"no samples yet: {SAMPLES}")
@pytest.mark.parametrize("name", [p.name for p in clips(SAMPLES)])
def test_samples_keep_everything_but_their_size(tmp_path: Path, name: str) -> None:
    carried_whole(SAMPLES / name, tmp_path, None)
