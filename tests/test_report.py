"""vsr bench and vsr compare, as people run them."""

import itertools
import json
from pathlib import Path

import av
import numpy as np
from runs import ROOT, vsr

from vsr.report.bench import lengthen

SCENE = ROOT / "samples" / "scene.mkv"
SMALL = ROOT / "samples" / "full_range_444.mkv"


def test_bench_prints_a_table_and_one_json_line_last() -> None:
    ran = vsr("bench", "--clip", SMALL, "--frames", "16", "--runs", "1", "-m", "nearest")
    assert ran.code == 0, ran.err
    *table, last = ran.words.strip().splitlines()
    assert any(line.startswith("| **whole, file to file**") for line in table)
    report = json.loads(last)
    assert report["frames"] == 16
    assert next(stage["name"] for stage in report["stages"]) == "decode"
    assert all(stage["milliseconds"] > 0 for stage in report["stages"])
    assert 20 < report["peak_memory_mib"] < 2000


def test_a_clip_is_lengthened_without_a_gap_or_a_double(tmp_path: Path) -> None:
    film = tmp_path / "long.mkv"
    assert lengthen(SCENE, film, 250) == 300
    with av.open(str(film)) as container:
        times = [frame.pts for frame in container.decode(video=0)]
        assert any(stream.type == "audio" for stream in container.streams)
    assert len(times) == 300
    assert all(a is not None and b is not None and a < b for a, b in itertools.pairwise(times))


def test_compare_puts_the_models_and_the_truth_side_by_side(tmp_path: Path) -> None:
    look = tmp_path / "look.png"
    models = ("-m", "nearest", "-m", "balanced")
    ran = vsr("compare", SCENE, "-o", look, "--truth", "--crop", "420,214,60,40", *models)
    assert ran.code == 0, ran.err
    with av.open(str(look)) as picture:
        frame = next(picture.decode(video=0))
    assert (frame.width, frame.height) == (3 * 60 + 2 * 4, 40)
    shown = frame.to_ndarray(format="rgb24").astype(float)
    nearest, balanced, truth = (shown[:, left : left + 60] for left in (0, 64, 128))
    assert np.abs(balanced - truth).mean() < 0.7 * np.abs(nearest - truth).mean()


def test_compare_can_compress_the_small_film_first(tmp_path: Path) -> None:
    def look(*words: str) -> np.ndarray:
        path = tmp_path / "look.png"
        ran = vsr("compare", SCENE, "-o", path, "-m", "nearest", "--truth", *words)
        assert ran.code == 0, ran.err
        with av.open(str(path)) as picture:
            shown = next(picture.decode(video=0)).to_ndarray(format="rgb24").astype(float)
        half = (shown.shape[1] - 4) // 2
        return np.abs(shown[:, :half] - shown[:, -half:]).mean()  # type: ignore[no-any-return]

    assert look("--crf", "40") > look("--crf", "20") > 0
    ran = vsr("compare", SCENE, "-o", tmp_path / "look.png", "--crf", "40")
    assert ran.code == 2
    assert "give both" in ran.err
