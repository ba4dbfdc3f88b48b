"""`vsr train` as people run it. Needs torch: pip install 'vsr[train]'."""

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from runs import VSR, environment, vsr
from small_networks import natural

from vsr.frame import FrameFormat
from vsr.media.pictures import write_png

pytest.importorskip("torch", reason="torch is not installed: pip install 'vsr[train]'")

RECIPE = """
name = "tiny_x2"
description = "for the tests"
licence = "MIT"
[network]
kind = "lean"
channels = 4
blocks = 1
[data]
pictures = ["train/*"]
patch = 8
batch = 2
[schedule]
steps = 40
ema = 0.9
validate_every = 20
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe, and the pictures that it names."""
    for seed, name in enumerate(["data/train/a", "data/eval/Set5/b", "data/eval/Set14/c"]):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True)
        gray = natural(FrameFormat(480, 460, full_range=True), seed).y
        write_png(path, np.stack([gray, gray[::-1], gray[:, ::-1]], axis=2))
    (tmp_path / "tiny.toml").write_text(RECIPE)
    return tmp_path


def test_a_recipe_becomes_a_network_that_films_are_enlarged_with(folder: Path) -> None:
    ran = vsr("train", "tiny.toml", "--data", "data", "--progress", "json", folder=folder)
    assert ran.code == 0, ran.err
    assert [event["step"] for event in ran.events] == [20, 40]
    assert ran.events[-1]["look"]["step"] == 40
    made = folder / "build" / "train" / "tiny_x2"
    assert {path.name for path in made.iterdir()} == {
        *("tiny_x2.onnx", "tiny_x2.json", "checkpoint.pt", "metrics.jsonl", "metrics.png")
    }
    assert "tiny_x2.onnx: 484 weights" in ran.words
    sample = Path(__file__).parents[1] / "samples" / "odd_size.mkv"
    network = made / "tiny_x2.onnx"
    used = vsr("upscale", sample, "-m", network, "-o", "large.mkv", "--frames", "2", folder=folder)
    assert used.code == 0, used.err


def test_an_interrupted_training_says_where_it_will_go_on(folder: Path) -> None:
    (folder / "tiny.toml").write_text(RECIPE.replace("steps = 40", "steps = 1000000"))
    words = [*VSR, "train", "tiny.toml", "--data", "data", "--progress", "json"]
    process = subprocess.Popen(
        words, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if json.loads(line)["step"] >= 60:
            process.send_signal(signal.SIGINT)
            break
    *_, last = process.stderr.read().splitlines()
    assert process.wait() == 130
    assert "the same command goes on from step" in json.loads(last)["message"]
    kept = folder / "build" / "train" / "tiny_x2" / "metrics.jsonl"
    assert len(kept.read_text().splitlines()) >= 3


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("none.toml", "--data", "data"), "none.toml: No such file"),
        (("tiny.toml", "--data", "nowhere"), "nothing in it is called train/*"),
        (("tiny.toml", "--data", "data", "--sheet", "s.png"), "there is no film to show"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    folder: Path, words: tuple[str, ...], reason: str
) -> None:
    ran = vsr("train", *words, folder=folder)
    assert ran.code == 2 or ran.code == 1
    assert reason in ran.err
    assert len(ran.err.splitlines()) == 1


def test_the_films_that_are_trained_on_can_be_looked_at(folder: Path) -> None:
    (folder / "tiny.toml").write_text(RECIPE.replace("patch = 8", 'patch = 8\ndecay = "film"'))
    ran = vsr("train", "tiny.toml", "--data", "data", "--sheet", "sheet.png", folder=folder)
    assert ran.code == 0, ran.err
    assert (folder / "sheet.png").read_bytes().startswith(b"\x89PNG")
