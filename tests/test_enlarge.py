"""Frames through an engine: order, own times, repeated pictures computed once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Self

import numpy as np
import pytest

from vsr.backends.base import Engine, Pending
from vsr.frame import Frame, FrameFormat
from vsr.pipeline.enlarge import EnlargeReport, enlarge


class CountingEngine:
    """Doubles every sample; holds its users to the contract and counts what it is asked."""

    format = FrameFormat(4, 2, 8, "420")
    scale = 2
    device = "CPU"
    description = runtime = "numpy"
    verdict: str | None = None

    def __init__(self, depth: int) -> None:
        self.depth, self.notes = depth, list[str]()
        self.started = 0
        self.most = 0
        self.in_work: deque[Doubled] = deque()

    def start(self, frame: Frame) -> Pending:
        if len(self.in_work) == self.depth:
            self.in_work[0].result()
        self.started += 1
        pending = Doubled(self, frame)
        self.in_work.append(pending)
        self.most = max(self.most, len(self.in_work))
        return pending

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None: ...


class Doubled:
    def __init__(self, engine: CountingEngine, frame: Frame) -> None:
        self.engine, self.frame = engine, frame
        self.large: Frame | None = None

    def result(self) -> Frame:
        if self.large is None:
            double = np.ones((2, 2), np.uint8)
            uv = self.frame.uv
            large_uv = None if uv is None else np.kron(uv, double)
            self.large = replace(self.frame, y=np.kron(self.frame.y, double), uv=large_uv)
            self.engine.in_work.remove(self)
        return self.large


def picture(luma: int, pts: int, duration: int = 1, chroma: int | None = 128) -> Frame:
    uv = None if chroma is None else np.full((2, 1, 2), chroma, np.uint8)
    return Frame(np.full((2, 4), luma, np.uint8), uv, pts, duration)


def run(frames: list[Frame], depth: int = 2) -> tuple[list[Frame], CountingEngine, EnlargeReport]:
    engine, report = CountingEngine(depth), EnlargeReport()
    contract: Engine = engine
    large = [pair.large for pair in enlarge(frames, contract, report)]
    return large, engine, report


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_frames_come_out_enlarged_in_order_with_their_own_times(depth: int) -> None:
    pts = [0, 40, 41, 1000, 1033, 1066, 5000]
    frames = [picture(n * 10, time, duration=n) for n, time in enumerate(pts)]
    large, engine, report = run(frames, depth)
    assert [(f.pts, f.duration) for f in large] == [(f.pts, f.duration) for f in frames]
    assert [int(f.y[0, 0]) for f in large] == [n * 10 for n in range(7)]
    assert all(f.y.shape == (4, 8) and f.uv is not None and f.uv.shape == (2, 2, 4) for f in large)
    assert engine.started == report.computed == 7
    assert report.repeated == 0


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_as_many_frames_are_in_work_as_the_engine_likes(depth: int) -> None:
    _, engine, _ = run([picture(n, n) for n in range(20)], depth)
    assert engine.most == depth


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_repeated_picture_is_computed_once_and_keeps_its_own_times(depth: int) -> None:
    luma = [1, 1, 1, 2, 3, 3, 1, 1]
    frames = [picture(value, n * n, duration=n + 1) for n, value in enumerate(luma)]
    large, engine, report = run(frames, depth)
    assert [int(f.y[0, 0]) for f in large] == luma
    assert [f.pts for f in large] == [n * n for n in range(8)]
    assert [f.duration for f in large] == [n + 1 for n in range(8)]
    assert engine.started == report.computed == 4
    assert report.repeated == 4


def test_a_long_still_is_computed_once_however_long_it_is() -> None:
    large, engine, report = run([picture(7, n) for n in range(500)])
    assert (len(large), engine.started, report.repeated) == (500, 1, 499)


@pytest.mark.parametrize("place", ["luma", "chroma"])
def test_one_sample_that_differs_makes_another_picture(place: str) -> None:
    first, second = picture(7, 0), picture(7, 1)
    (second.y if place == "luma" else second.uv)[..., -1, -1] += 1  # type: ignore[index]
    _, engine, report = run([first, second])
    assert (engine.started, report.repeated) == (2, 0)


def test_gray_pictures_are_compared_by_their_luma() -> None:
    frames = [picture(luma, n, chroma=None) for n, luma in enumerate([5, 5, 6])]
    large, engine, _ = run(frames)
    assert all(f.uv is None for f in large)
    assert engine.started == 2


def test_no_frames_give_no_frames() -> None:
    large, engine, report = run([])
    assert (large, engine.started, report) == ([], 0, EnlargeReport())


def test_no_more_is_read_than_the_engine_keeps_in_work() -> None:
    read = []

    def reading() -> Iterator[Frame]:
        for n in range(20):
            read.append(n)
            yield picture(n, n)

    engine = CountingEngine(3)
    next(enlarge(reading(), engine, EnlargeReport()))
    assert len(read) == 4
