"""Quality against time: what is measured, in which order, and what is made of it."""

import itertools
import json
from pathlib import Path

import av
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import vsr_here
from small_networks import quantized_network, random_network

from vsr.backends.base import Engine
from vsr.backends.select import build_engine
from vsr.errors import BackendError, UsageError
from vsr.evaluate.protocol import measure
from vsr.frame import FrameFormat
from vsr.media.pictures import write_png
from vsr.networks.catalog import ModelCard, bundled, cards
from vsr.networks.classical import classical
from vsr.networks.network import Network
from vsr.report import frontier
from vsr.report.frontier import (
    Candidate,
    Result,
    count_weights,
    find_benchmarks,
    find_candidates,
    find_frontier,
    marked,
    quality,
    table,
    time_in_turn,
)
from vsr.report.frontier_plot import draw_frontier, obstacles
from vsr.settings import EngineSettings

FORM = FrameFormat(48, 36)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two pictures in Large, one in Small, none in Empty."""
    rng = np.random.default_rng(0)
    for name in ("Large/a.png", "Large/b.png", "Small/c.png", "Empty/readme.txt"):
        path = tmp_path / "data" / "eval" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            write_png(path, rng.integers(0, 256, (6, 8, 3), np.uint8).repeat(5, 0).repeat(5, 1))
        else:
            path.write_text("nothing to see")
    return tmp_path / "data"


def result(milliseconds: float, decibels: float, model: str = "some") -> Result:
    spread = (0.9 * milliseconds, 1.2 * milliseconds)
    return Result(model, "OpenVINO CPU bf16", 10, {"Large": decibels}, milliseconds, spread)


# What takes part.


def test_a_model_may_name_its_precision(tmp_path: Path) -> None:
    odd = tmp_path / "net@int8"
    onnx.save(random_network(1, 2).model, odd)
    found = find_candidates(["fast", "fast@fp32", "bicubic@bf16", str(odd)], 2)
    assert [(c.name, c.network.name, c.precision) for c in found] == [
        ("fast", "fast", "auto"),
        ("fast@fp32", "fast", "fp32"),
        ("bicubic@bf16", "bicubic", "bf16"),
        ("net@int8", "net@int8", "auto"),
    ]


def test_files_of_one_name_keep_their_folders(tmp_path: Path) -> None:
    paths = [
        tmp_path / "a" / "net.onnx",
        tmp_path / "b" / "net.onnx",
        tmp_path / "b" / "other.onnx",
    ]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        onnx.save(random_network(1, 2).model, path)
    names = [candidate.name for candidate in find_candidates([str(path) for path in paths], 2)]
    assert names == [str(paths[0]), str(paths[1]), "other.onnx"]


@pytest.mark.parametrize(
    ("model", "scale", "reason"),
    [
        ("fast@fp7", 2, "'fp7' in 'fast@fp7' is no precision; there is auto, fp32, bf16, "),
        ("best@fp32", 2, "no model 'best'; there is "),
        ("fast", 7, r"fast enlarges by \d+, not by 7"),
    ],
)
def test_what_cannot_take_part_is_told_why(model: str, scale: int, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        find_candidates([model], scale)


def test_the_largest_benchmark_comes_first(data: Path) -> None:
    assert list(find_benchmarks(data)) == ["Large", "Small"]


def test_data_without_benchmarks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="eval: holds no folders of pictures, such as Set5"):
        find_benchmarks(tmp_path)


@pytest.mark.parametrize("card", cards(), ids=lambda card: f"{card.name}_x{card.scale}")
def test_weights_are_counted_as_on_the_card(card: ModelCard) -> None:
    assert count_weights(bundled(card.name, card.scale)) == card.weights


def test_a_twin_has_as_many_weights_and_resampling_has_none() -> None:
    network = quantized_network(1, 2, width=16)
    assert count_weights(network) == 9 * (16 + 16 * 16 + 16 * 4) + 4
    assert count_weights(network.quantized()) == count_weights(network)
    assert count_weights(classical("bicubic", 2)) == 0


# What is measured.


@pytest.fixture
def candidates(monkeypatch: pytest.MonkeyPatch) -> list[Candidate]:
    """Three networks, one of which takes much longer than the others; short turns."""
    monkeypatch.setattr(frontier, "TURN", 0.01)
    slow = random_network(1, 2, width=128, convs=4)
    return [
        Candidate("slow", slow, "fp32"),
        Candidate("nearest", classical("nearest", 2), "auto"),
        Candidate("quick", random_network(1, 2, width=4, convs=2), "auto"),
    ]


def test_the_models_are_timed_in_turn(
    candidates: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[int] = []

    def build(network: Network, form: FrameFormat, settings: EngineSettings) -> Engine:
        turns.append([candidate.network for candidate in candidates].index(network))
        return build_engine(network, form, settings)

    monkeypatch.setattr(frontier, "build_engine", build)
    times = time_in_turn(candidates, FORM, 3)
    assert turns == [0, 1, 2] * 3
    assert times.shape == (3, 3)
    assert (times > 0).all()


def test_quality_and_time_are_those_of_the_model(data: Path, candidates: list[Candidate]) -> None:
    benchmarks = find_benchmarks(data)
    found = find_frontier(candidates, benchmarks, FORM, 3)
    assert found[-1].model == "slow"
    assert found[-1].engine == "OpenVINO CPU fp32"
    for each in found:
        low, high = each.quartiles
        assert 0 < low <= each.milliseconds <= high
        network, precision = next(
            (c.network, c.precision) for c in candidates if c.name == each.model
        )
        assert each.weights == count_weights(network)
        assert list(each.psnr) == ["Large", "Small"]
        for name, folder in benchmarks.items():
            assert each.psnr[name] == measure(network, folder, precision, rounded=True)["psnr"]


def test_a_precision_that_cannot_be_had_is_refused_before_anything_is_measured(
    data: Path, candidates: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontier, "time_turn", lambda *_: pytest.fail("it was measured"))
    impossible = Candidate("bicubic@fp16", classical("bicubic", 2), "fp16")
    with pytest.raises(BackendError, match="not fp16"):
        find_frontier([*candidates, impossible], find_benchmarks(data), FORM, 3)


# What is made of it.


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=9))
def test_on_the_frontier_is_what_no_other_beats(points: list[tuple[int, int]]) -> None:
    found = marked([result(*point) for point in points])
    assert sorted((r.milliseconds, quality(r)) for r in found) == sorted(points)
    assert all(a.milliseconds <= b.milliseconds for a, b in itertools.pairwise(found))
    best = {(r.milliseconds, quality(r)) for r in found if r.on_frontier}
    assert len(best) == sum(r.on_frontier for r in found)  # of equals, one
    for time, decibels in points:
        beaten = any((t, d) != (time, decibels) and t <= time and d >= decibels for t, d in points)
        assert ((time, decibels) in best) == (not beaten)


def test_the_table_marks_the_frontier() -> None:
    lines = table(marked([result(30, 37, "slow"), result(10, 36.004, "fast"), result(20, 35)]))
    assert lines.splitlines()[2:] == [
        "| fast | OpenVINO CPU bf16 | 10 | 36.00 | 10.0 | 9.0 to 12.0 | frontier |",
        "| some | OpenVINO CPU bf16 | 10 | 35.00 | 20.0 | 18.0 to 24.0 |  |",
        "| slow | OpenVINO CPU bf16 | 10 | 37.00 | 30.0 | 27.0 to 36.0 | frontier |",
    ]
    assert {line.count("|") for line in lines.splitlines()} == {8}


def test_names_in_the_plot_lie_within_it_and_cover_nothing() -> None:
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    places = rng.normal((20, 37), (0.5, 0.05), (8, 2)).tolist()
    close = [result(x, y, f"close {number}") for number, (x, y) in enumerate(places)]
    results = marked(
        [
            *close,
            result(5, 33, "the fastest of all that were ever tried"),
            result(90, 38, "the slowest of all"),
        ]
    )
    [axes] = draw_frontier(results, "x2").axes
    names = [text for text in axes.texts if text.get_text()]
    assert sorted(name.get_text() for name in names) == sorted(r.model for r in results)
    boxes = [name.get_window_extent() for name in names]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert not any(a.overlaps(b) for a in boxes for b in obstacles(axes, results))
    assert all(axes.bbox.count_contains(box.corners()) == 4 for box in boxes)


# The command.


def test_frontier_prints_a_table_and_writes_lines_and_a_plot(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontier, "TURN", 0.01)
    pytest.importorskip("matplotlib")
    lines, plot = tmp_path / "out.jsonl", tmp_path / "out.png"
    words: list[str | Path] = ["--data", data, "--size", "48x36", "--runs", "2"]
    files: list[str | Path] = ["--json", lines, "--plot", plot]
    ran = vsr_here("frontier", "bicubic", "nearest", "nearest@bf16", *words, *files)
    assert ran.code == 0, ran.err
    assert ran.words.startswith("x2, 48x36, 2 runs in turn; the frontier is by Large\n\n| model |")
    written = [json.loads(line) for line in lines.read_text().splitlines()]
    assert {each["model"] for each in written} == {"bicubic", "nearest", "nearest@bf16"}
    assert any(each["on_frontier"] for each in written)
    for line, each in zip(ran.words.splitlines()[4:], written, strict=True):
        assert line.startswith(f"| {each['model']} | {each['engine']} | 0 | ")
    with av.open(str(plot)) as picture:
        shown = next(picture.decode(video=0)).to_ndarray(format="rgb24")
    assert shown.shape == (715, 1100, 3)
    assert shown.std() > 10


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["fast", "--size", "640"], "'640' is no size; say 640x360"),
        (["fast", "--size", "1x360"], "'1x360' is no size; say 640x360"),
        (["fast", "--runs", "0"], "0 runs is nothing to measure"),
        (["fast", "--json", "no/where.json"], "no/where.json: there is no folder no"),
        (["bicubic@int8"], "bicubic has no int8 twin; choose another precision, "),
        ([], "Missing argument 'models'"),
    ],
)
def test_wrong_words_are_answered_in_one_line(data: Path, words: list[str], line: str) -> None:
    ran = vsr_here("frontier", *words, "--data", data)
    assert (ran.code, ran.out) == (2, b"")
    assert ran.err.startswith(f"vsr: {line}")
    assert ran.err.count("\n") == 1
