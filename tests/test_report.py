"""vsr bench and vsr compare, as people run them."""

import itertools
import json
import os
from pathlib import Path

import av
import numpy as np
import pytest
from runs import ROOT, vsr, vsr_here
from small_networks import network, node, random_network

from vsr.backends.gpus import Load
from vsr.frame import FrameFormat
from vsr.report import subject
from vsr.report.clip import lengthen
from vsr.report.floor import Work, floor, work_of
from vsr.report.whole import Job, run_whole, while_busy
from vsr.settings import EncoderSettings, EngineSettings

SCENE = ROOT / "samples" / "scene.mkv"
SMALL = ROOT / "samples" / "full_range_444.mkv"


def test_bench_prints_a_table_and_one_json_line_last() -> None:
    ran = vsr_here("bench", "--clip", SMALL, "--frames", "16", "--runs", "1", "-m", "nearest")
    assert ran.code == 0, ran.err
    *table, last = ran.words.strip().splitlines()
    assert any(line.startswith("| **whole, file to file**") for line in table)
    report = json.loads(last)
    assert report["frames"] == 16
    assert next(stage["name"] for stage in report["stages"]) == "decode"
    assert all(stage["milliseconds"] > 0 for stage in report["stages"])
    assert 20 < report["peak_memory_mib"] < 2000
    assert 0 < report["start_seconds"] < 60
    assert report["build_seconds"] is report["gpu_busy"] is report["floor"] is None


def test_bench_makes_one_table_of_several_models_and_sizes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(subject, "LEAST", 0.01)
    words = ("--clip", SMALL, "--frames", "2", "--runs", "1", "-m", "nearest", "-m", "bilinear")
    ran = vsr_here("bench", *words, "--size", "48x32", "-x", "3", "--rebuild")
    assert ran.code == 0, ran.err
    [head] = [n for n, line in enumerate(ran.words.splitlines()) if "engine alone, fr" in line]
    rows = [line.split(" | ")[:2] for line in ran.words.splitlines()[head + 2 : head + 4]]
    size = "48x32 -> 144x96"
    assert rows == [["| nearest", size], ["| bilinear", size]]
    reports = [json.loads(line) for line in ran.words.splitlines() if line.startswith("{")]
    assert [report["network"] for report in reports] == ["nearest", "bilinear"]
    assert "VSR_ENGINES" not in os.environ


def test_bench_times_the_whole_without_and_with_temporal(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="numba is not installed: pip install 'vsr[temporal]'")
    monkeypatch.setattr(subject, "LEAST", 0.01)
    words = ("--clip", SMALL, "--frames", "16", "--runs", "1", "-m", "nearest")
    ran = vsr_here("bench", *words, "--temporal", "0.5", "--temporal-radius", "2")
    assert ran.code == 0, ran.err
    [line] = [line for line in ran.words.splitlines() if "--temporal" in line]
    assert line.startswith("| the same with --temporal 0.5 --temporal-radius 2 | | ")
    found = json.loads(ran.words.splitlines()[-1])["steadied"]
    assert (found["temporal"], found["radius"]) == (0.5, 2)
    assert found["fps"] > 0
    assert vsr_here("bench", *words, "--temporal", "2").code == 2


def test_what_a_gpu_does_meanwhile_is_asked_of_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program in its place, which has seen the GPU idle at first."""
    counter, program = tmp_path / "asked", tmp_path / "nvidia-smi"
    program.write_text(
        f'#!/bin/sh\necho >> {counter}\nif [ $(wc -l < {counter}) = 1 ]; then echo "0, 1000"\n'
        'else echo "97, 3500"; fi\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    job = Job(SMALL, tmp_path, "nearest", EngineSettings(), EncoderSettings("h264"), 2)
    ran = run_whole(job, 1, 0, "--frames", "1")
    assert (ran.gpu_busy, ran.gpu_memory_mib) == (97, 2500)
    assert run_whole(job, 1, None, "--frames", "1").gpu_busy is None


def test_a_gpu_is_judged_from_its_first_work_to_its_last() -> None:
    loads = [Load(busy, 0) for busy in (0, 0, 90, 0, 96, 0)]
    assert while_busy(loads) == pytest.approx(62)
    assert while_busy(loads[:2]) == 0


def test_the_floor_counts_what_convolutions_multiply_and_move() -> None:
    nodes = [
        node("Conv", "x w", "a", pads=[1] * 4),
        node("ConvTranspose", "a v", "y", strides=[2, 2]),
    ]
    weights = {"w": np.ones((8, 1, 3, 3), np.float32), "v": np.ones((8, 1, 2, 2), np.float32)}
    work = work_of(network(nodes, weights), FrameFormat(10, 6, chroma="gray"))
    assert work == [
        Work(2 * 72 * 60, 60 + 72 + 8 * 60),
        Work(2 * 32 * 60, 8 * 60 + 32 + 240),
    ]


def test_the_floor_follows_from_the_rates_of_this_machine() -> None:
    pytest.importorskip("torch", reason="needs torch")
    net, form = random_network(1, 2, width=8), FrameFormat(64, 48)
    found = floor(net, form, "cpu", fp16=False)
    assert found.operations == sum(work.operations for work in work_of(net, form))
    assert found.milliseconds >= 1000 * found.operations / found.matmul_rate
    assert found.copy_rate > 1e7


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
