"""A job is of one mind about what fp16 needs: in all its runs, chunks and tiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import reference
from films import Planes, Video, film, flat, settings
from small_networks import largest_difference, natural
from test_guard import FORM, Builds, loud, right
from test_worker import task

from vsr.backends.guard import DETAIL, GuardedEngine
from vsr.backends.verdict import Verdict, parse_verdict
from vsr.errors import BackendError, InputError, UsageError
from vsr.frame import FrameFormat
from vsr.media.reader import Reader
from vsr.pipeline.progress import Progress
from vsr.pipeline.telling import telling_frame
from vsr.pipeline.tiling import TiledEngine
from vsr.pipeline.upscale import upscale
from vsr.pipeline.worker import compute
from vsr.settings import Clip, EngineSettings, UpscaleSettings

SMALLER = "fp16, features / 16"
"""What `loud(1e4)` needs of the bright frames below."""

# In words.


@pytest.mark.parametrize(
    ("verdict", "words", "precision"),
    [
        (Verdict(), "fp16", "fp16"),
        (Verdict(factor=64), "fp16, features / 64", "fp16, features / 64"),
        (Verdict(keep=("a, b", 'c"')), r'fp16, in fp32: ["a, b", "c\""]', "fp16, 2 layers in fp32"),
        (Verdict(fp32=True), "fp32", "fp32"),
    ],
)
def test_a_verdict_can_be_said_and_understood(verdict: Verdict, words: str, precision: str) -> None:
    assert str(verdict) == words
    assert parse_verdict(words) == verdict
    assert verdict.precision == precision


def test_other_words_are_no_verdict() -> None:
    for words in ("", "bf16", "fp16, features / x", "fp32, features / 2"):
        with pytest.raises(UsageError, match=f"'{words}' says of no types"):
            parse_verdict(words)


# An engine that is given one.


@pytest.mark.parametrize(
    "words", ["fp32", "fp16, features / 64", 'fp16, in fp32: ["a", "r", "b", "c"]']
)
def test_an_engine_that_is_given_a_verdict_is_built_by_it_at_once(words: str) -> None:
    build, frame = Builds(), natural(FORM)
    engine = GuardedEngine(build, loud(), FORM, "fp16", words)
    assert right(engine.start(frame).result(), frame, loud())
    assert build.precisions == [parse_verdict(words).precision]
    assert engine.verdict == words
    [note] = engine.notes
    assert note == f"computed in {parse_verdict(words).precision}, as when the job was begun"


def test_where_the_verdict_does_not_do_the_engine_refuses_to_go_on() -> None:
    build = Builds()
    engine = GuardedEngine(build, loud(), FORM, "fp16", "fp16")
    with pytest.raises(BackendError) as refusal:
        engine.start(natural(FORM))
    assert "codes with small here, and the job was begun in fp16; " in str(refusal.value)
    assert str(refusal.value).endswith("begin it anew with --precision fp32 --restart")
    assert build.precisions == ["fp16"]


def test_what_is_found_out_is_the_engines_verdict() -> None:
    for net, words in ((loud(), "fp16, features / 64"), (loud(1.0), "fp16")):
        engine = GuardedEngine(Builds(), net, FORM, "fp16")
        assert engine.verdict == ""
        engine.start(natural(FORM)).result()
        assert engine.verdict == words
    assert GuardedEngine(Builds(), loud(), FORM, "fp32").verdict is None


def test_tiles_of_all_sizes_are_of_one_mind() -> None:
    """Only the last tile of a line, which is narrower than the others, sees what is bright."""
    form = FrameFormat(79, 32)
    frame = natural(form)
    dark = replace(frame, y=frame.y // 8)
    dark.y[:, 70:] = frame.y[:, 70:] | 128
    engines: list[GuardedEngine] = []

    def build(part: FrameFormat, batch: int, verdict: str | None) -> GuardedEngine:
        engines.append(GuardedEngine(Builds(part), loud(1e4), part, "fp16", verdict))
        return engines[-1]

    with TiledEngine(build, loud(1e4), form, tile=32) as tiled:
        assert len(tiled.engines) == 2
        tiled.settle(dark)
        assert {engine.verdict for engine in tiled.engines.values()} == {SMALLER}
        assert {engine.description for engine in tiled.engines.values()} == {f"ONNX {SMALLER}"}
        assert (tiled.verdict, tiled.kind) == (SMALLER, f"ONNX {SMALLER}")
        assert tiled.runtime == "ONNX 1"
        result = tiled.start(dark).result()
        assert [engine.verdict for engine in engines[2:]] == [SMALLER] * 2
    assert largest_difference(result, reference.enlarge(dark, form, loud(1e4))) <= 2


# The frame by which it is found out.


def painted(*plain: int) -> Video:
    """40 frames, some of them of one colour."""

    def paint(number: int, width: int, height: int) -> Planes:
        return flat(40)(number, width, height) if number in plain else bright(number, width, height)

    return Video(40, paint=paint)


def shaded(low: float, high: float, number: int, width: int, height: int) -> Planes:
    x, y = np.arange(width)[None], np.arange(height)[:, None]
    wave = 0.5 + 0.5 * np.sin((x + 3 * number) / 3) * np.cos(y / 5)
    luma = (low + (high - low) * wave).astype(np.uint8)
    chroma = np.full((height, width), 128, np.uint8)
    return luma, chroma, chroma


def bright(number: int, width: int, height: int) -> Planes:
    return shaded(30, 235, number, width, height)


def dark(number: int, width: int, height: int) -> Planes:
    return shaded(16, 100, number, width, height)


@pytest.mark.parametrize(
    ("plain", "clip", "expected"),
    [
        ((), Clip(), 0),
        (range(8), Clip(), 20),
        (range(25), Clip(), 30),
        (range(8), Clip(frames=4), 0),
    ],
)
def test_a_film_is_judged_by_its_first_frame_or_by_one_with_something_to_see(
    tmp_path: Path, plain: Any, clip: Clip, expected: int
) -> None:
    source = film(tmp_path / "in.mkv", painted(*plain))
    job = UpscaleSettings(clip=clip)
    telling = telling_frame(str(source), loud(), job)
    assert telling is not None
    with Reader(source) as reader:
        same = [n for n, frame in enumerate(reader.frames()) if np.array_equal(frame.y, telling.y)]
    assert expected in same or expected + 1 in same
    assert (telling.y.std() > DETAIL) == (not plain or expected > 0)


# Whole jobs, by torch in real fp16.


def torch_job(folder: Path, **more: Any) -> UpscaleSettings:
    pytest.importorskip("torch", reason="needs torch")
    path = folder / "loud.onnx"
    onnx.save(loud(1e4).model, path)
    engine = EngineSettings("torch", "cpu", "fp16", **more)
    job = settings(model=str(path))
    return replace(job, engine=engine, chunk_seconds=0.4)


def half_and_half(first: Any, then: Any) -> Video:
    return Video(40, paint=lambda n, w, h: (first if n < 20 else then)(n, w, h))


class BreakError(Exception):
    pass


def broken_off(source: Path, target: Path, job: UpscaleSettings) -> None:
    def progressed(progress: Progress) -> None:
        if progress.frames == 25:
            raise BreakError

    with pytest.raises(BreakError):
        upscale(source, target, settings=job, on_progress=progressed)


def test_a_film_that_fp16_does_not_hold_is_begun_and_ended_in_other_types(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", half_and_half(bright, dark))
    job, out = torch_job(tmp_path), tmp_path / "out.mkv"
    started: list[str] = []
    report = upscale(source, out, settings=job, on_start=lambda start: started.append(start.engine))
    assert started == [report.engine] == [f"torch CPU {SMALLER}"]
    whole = out.read_bytes()
    out.unlink()
    broken_off(source, out, job)
    report = upscale(source, out, settings=job)
    assert (report.found, report.engine) == (20, f"torch CPU {SMALLER}")
    assert out.read_bytes() == whole


def test_a_job_goes_on_in_the_types_in_which_it_was_begun(tmp_path: Path) -> None:
    """Which are others than those in which it would begin today."""
    source = film(tmp_path / "in.mkv", half_and_half(bright, dark))
    job, out = torch_job(tmp_path), tmp_path / "out.mkv"
    broken_off(source, out, torch_job(tmp_path, verdict="fp32"))
    report = upscale(source, out, settings=job)
    assert (report.found, report.engine) == (20, "torch CPU fp32")
    assert "computed in fp32, as when the job was begun" in report.notes


def test_where_these_do_not_do_any_more_the_job_is_refused(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", half_and_half(dark, bright))
    job, out = torch_job(tmp_path), tmp_path / "out.mkv"
    broken_off(source, out, job)
    with pytest.raises(BackendError, match="begun in fp16; begin it anew with --precision fp32"):
        upscale(source, out, settings=job)
    job = replace(job, engine=replace(job.engine, precision="fp32"))
    with pytest.raises(InputError, match=r"engine was torch CPU fp16, is torch CPU fp32"):
        upscale(source, out, settings=job)
    assert upscale(source, out, settings=replace(job, restart=True)).frames == 40


def test_a_worker_in_the_middle_of_a_film_is_of_the_same_mind(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", half_and_half(bright, dark))
    for verdict in (SMALLER, "fp32"):
        [done] = compute(task(source, torch_job(tmp_path, verdict=verdict), 20, seek=True))
        assert done.engine == f"torch CPU {verdict}"
