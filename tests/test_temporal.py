"""Neighbouring frames made to agree, where they show the same thing and only there."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from films import Video, film, flat, frames_of, settings
from numpy.typing import NDArray
from runs import vsr_here
from temporal_reference import blended

pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'vsr[temporal]'")
pytest.importorskip("numba", reason="numba is not installed: pip install 'vsr[temporal]'")

from vsr.errors import MissingPackageError, UsageError
from vsr.frame import Frame, FrameFormat
from vsr.pipeline.enlarge import Enlarged
from vsr.pipeline.film import UpscaledFilm
from vsr.pipeline.progress import Progress
from vsr.pipeline.temporal.amounts import Amounts, amounts
from vsr.pipeline.temporal.blend import LIMIT, blend_frame
from vsr.pipeline.temporal.compiled import compiled
from vsr.pipeline.temporal.cuts import is_cut
from vsr.pipeline.temporal.graph import blend_graph
from vsr.pipeline.temporal.interpolate import samples_of
from vsr.pipeline.temporal.motion import Search
from vsr.pipeline.temporal.stage import Window, eight_bits, steady
from vsr.pipeline.temporal.weight_loops import compare, weigh
from vsr.pipeline.temporal.weights import (
    Neighbour,
    explained,
    halved_flow,
    look_both_ways,
    white_noise,
)
from vsr.pipeline.temporal.workspace import Workspace
from vsr.pipeline.upscale import upscale
from vsr.settings import UpscaleSettings

Codes = NDArray[Any]

SIZE = 48, 64
"""Height and width of the small frames."""
STEP = (1, 2)
"""How far the scene moves down and to the right from frame to frame, small pixels."""


# ---- scenes ---------------------------------------------------------------------------------


def scenery(seed: int = 0) -> Codes:
    """A soft picture with room to move in, twice as large as the frames."""
    y, x = np.mgrid[: 2 * SIZE[0] + 120, : 2 * SIZE[1] + 120]
    waves = np.random.default_rng(seed).uniform(-1, 1, (8, 3)) * (0.4, 0.4, 3)
    return np.asarray(120 + sum(11 * np.sin(a * x + b * y + c) for a, b, c in waves))


def pan(count: int, seed: int = 0, step: tuple[int, int] = STEP) -> list[Codes]:
    """Large frames of the scenery, moving by `step` small pixels, as floats."""
    down, right = 2 * step[0], 2 * step[1]
    h, w = 2 * SIZE[0], 2 * SIZE[1]
    scene = scenery(seed)
    return [
        scene[60 - down * t : 60 - down * t + h, 60 - right * t : 60 - right * t + w]
        for t in range(count)
    ]


def shrunk(large: Codes) -> Codes:
    h, w = large.shape
    return np.asarray(large[: h // 2 * 2, : w // 2 * 2].reshape(h // 2, 2, w // 2, 2).mean((1, 3)))


def codes(values: Codes, depth: int = 8) -> Codes:
    top = 2**depth - 1
    dtype = np.uint8 if depth == 8 else np.uint16
    rounded = np.floor(values * 2 ** (depth - 8) + 0.5)
    return np.asarray(np.clip(rounded, 0, top), dtype)


def pairs_of(
    large: Sequence[Codes], noise: float = 0.0, depth: int = 8, chroma: str = "gray"
) -> tuple[list[Enlarged], FrameFormat]:
    """Frames as `enlarge` gives them; the large ones, and only these, have noise."""
    h, w = large[0].shape
    form = FrameFormat(w // 2, h // 2, depth, chroma)
    rng = np.random.default_rng(1)
    pairs = []
    for number, picture in enumerate(large):
        grain = rng.normal(0, noise, picture.shape) if noise else 0.0
        y = codes(picture + grain, depth)
        uv = None
        if chroma != "gray":
            shape = replace(form, width=w, height=h).uv_shape
            assert shape is not None
            ways = picture[:: form.subsampling[1], :: form.subsampling[0]][: shape[1], : shape[2]]
            uv = codes(np.stack([ways, 255 - ways]), depth)
        small = Frame(codes(shrunk(picture), depth), uv, 10 * number, 5)
        pairs.append(Enlarged(small, Frame(y, uv, 10 * number, 5)))
    return pairs, form


def run(
    pairs: Iterable[Enlarged], form: FrameFormat, strength: float = 1.0, radius: int = 1
) -> list[Frame]:
    return list(steady(pairs, form, 2, strength, radius))


def same(a: Frame, b: Frame) -> bool:
    if not np.array_equal(a.y, b.y):
        return False
    return (a.uv is None) == (b.uv is None) and (
        a.uv is None or b.uv is None or np.array_equal(a.uv, b.uv)
    )


def error(frames: Sequence[Frame], truth: Sequence[Codes]) -> float:
    inner = np.s_[12:-12, 12:-12]
    return float(
        np.mean([((f.y - t)[inner] ** 2).mean() for f, t in zip(frames, truth, strict=True)])
    )


# ---- what it is for -------------------------------------------------------------------------


@pytest.mark.parametrize("step", [(0, 0), (1, 2)])
def test_frames_that_shimmer_come_nearer_to_the_truth_and_to_each_other(
    step: tuple[int, int],
) -> None:
    truth = pan(6, step=step)
    pairs, form = pairs_of(truth, noise=3)
    before, after = [pair.large for pair in pairs], run(pairs, form)
    assert error(after, truth) < 0.6 * error(before, truth)


def test_a_radius_of_2_steadies_more() -> None:
    truth = pan(7)
    pairs, form = pairs_of(truth, noise=3)
    assert error(run(pairs, form, radius=2), truth) < error(run(pairs, form), truth)


def test_frames_keep_their_order_and_times() -> None:
    pairs, form = pairs_of(pan(5), noise=3, chroma="420")
    times = [(0, 40), (40, 1), (41, 959), (1000, 0), (1033, 33)]
    pairs = [
        Enlarged(pair.small, replace(pair.large, pts=pts, duration=duration))
        for pair, (pts, duration) in zip(pairs, times, strict=True)
    ]
    assert [(frame.pts, frame.duration) for frame in run(pairs, form)] == times


def test_more_strength_changes_more_without_a_jump() -> None:
    truth = pan(3)
    pairs, form = pairs_of(truth, noise=3)
    raw = pairs[1].large.y.astype(int)
    results = [run(pairs, form, strength)[1].y for strength in np.linspace(0, 1, 11)]
    changes = [np.abs(result - raw).mean() for result in results]
    assert changes[0] == 0
    assert changes == sorted(changes)
    steps = np.abs(np.diff(np.array(results, int), axis=0)).max()
    assert 0 < steps <= 2


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
@pytest.mark.parametrize("radius", [1, 2])
def test_a_film_may_be_short(frames: int, radius: int) -> None:
    pairs, form = pairs_of(pan(3)[:frames] or pan(1), noise=3)
    assert len(run(pairs[:frames], form, radius=radius)) == frames


def test_a_single_frame_stays_as_it_is() -> None:
    pairs, form = pairs_of(pan(1), noise=3)
    assert same(run(pairs, form)[0], pairs[0].large)


@pytest.mark.parametrize("radius", [1, 2])
def test_a_result_depends_on_its_neighbourhood_alone(radius: int) -> None:
    pairs, form = pairs_of(pan(9), noise=3, chroma="420")
    whole = run(pairs, form, radius=radius)
    for start in range(radius, 9 - radius):
        part = run(pairs[start - radius : start + radius + 1], form, radius=radius)
        assert same(part[radius], whole[start])


@pytest.mark.parametrize("radius", [1, 2])
def test_no_more_is_held_than_the_neighbourhood(radius: int) -> None:
    pairs, form = pairs_of(pan(9), noise=3)
    held = []
    with ThreadPoolExecutor(1) as pool:
        window = Window(form, 2, 1.0, radius, pool)
        for pair in pairs:
            window.add(pair)
            held.append(len(window.frames))
            if len(window.frames) - window.place > radius:
                window.next()
    assert max(held) == 2 * radius + 1


def test_no_more_is_read_than_the_radius() -> None:
    pairs, form = pairs_of(pan(6), noise=3)
    read = []

    def reading() -> Iterator[Enlarged]:
        for pair in pairs:
            read.append(pair)
            yield pair

    next(steady(reading(), form, 2, 1.0, 1))
    assert len(read) == 2


# ---- where it must not --------------------------------------------------------------------


def test_frames_at_a_cut_stay_as_they_are() -> None:
    bright = [picture * 0.5 + 110 for picture in pan(3, seed=5)]
    shots = [*[picture * 0.6 for picture in pan(3)], *bright]
    pairs, form = pairs_of(shots, noise=2, chroma="420")
    for radius in (1, 2):
        after = run(pairs, form, radius=radius)
        first, second = run(pairs[:3], form, radius=radius), run(pairs[3:], form, radius=radius)
        for got, expected in zip(after, [*first, *second], strict=True):
            assert same(got, expected)


def test_alike_shots_are_told_apart_by_their_motion() -> None:
    pairs, form = pairs_of([*pan(1), *pan(1, seed=3)], noise=2)
    assert not is_cut(pairs[0].small.y, pairs[1].small.y)
    for got, pair in zip(run(pairs, form), pairs, strict=True):
        assert same(got, pair.large)


def test_a_flash_and_the_frames_around_it_stay_apart() -> None:
    truth = pan(5)
    lit = [picture + (60 if t == 2 else 0) for t, picture in enumerate(truth)]
    pairs, form = pairs_of(lit, noise=2)
    after = run(pairs, form, radius=2)
    assert same(after[2], pairs[2].large)
    assert same(after[1], run(pairs[:2], form, radius=2)[1])


def test_a_weak_flash_does_not_spread() -> None:
    lit = [picture + (8 if t == 2 else 0) for t, picture in enumerate(pan(5))]
    pairs, form = pairs_of(lit, noise=1)
    after = run(pairs, form)
    assert same(after[2], pairs[2].large)
    for t in (1, 3):
        assert abs(after[t].y.mean() - pairs[t].large.y.mean()) < 0.1


def test_a_fade_keeps_its_light() -> None:
    faded = [picture * (1 - 0.1 * t) for t, picture in enumerate(pan(6))]
    pairs, form = pairs_of(faded, noise=1)
    for got, pair in zip(run(pairs, form), pairs, strict=True):
        assert abs(got.y.mean() - pair.large.y.mean()) < 0.3


def bar(count: int, speed: int, width: int = 6) -> list[Codes]:
    """A white bar that runs across the still scenery, `speed` small pixels a frame."""
    found = []
    for t, ground in enumerate(pan(count, step=(0, 0))):
        picture = ground.copy()
        left = 20 + 2 * speed * t
        picture[:, left : left + 2 * width] = 235
        found.append(picture)
    return found


@pytest.mark.parametrize("speed", [2, 5, 9])
@pytest.mark.parametrize("radius", [1, 2])
def test_a_running_bar_leaves_no_ghost(speed: int, radius: int) -> None:
    pictures = bar(5, speed)
    pairs, form = pairs_of(pictures, noise=1)
    ground = pan(1, step=(0, 0))[0]
    for t, (got, pair) in enumerate(zip(run(pairs, form, radius=radius), pairs, strict=True)):
        change = np.abs(got.y.astype(int) - pair.large.y)
        near = range(max(t - radius, 0), min(t + radius, 4) + 1)
        other = np.any([np.abs(pictures[k] - pictures[t]) > 20 for k in near], axis=0)
        assert other.any()
        assert change.max() <= LIMIT
        assert change[other].mean() < 1.0  # about what the noise alone comes to
        assert (change[other & (np.abs(ground - pictures[t]) < 1)] > 4).mean() < 0.02


def test_what_comes_into_the_picture_is_not_taken_from_its_edge() -> None:
    fast = pan(3, step=(0, 4))
    pairs, _ = pairs_of(fast, noise=2)
    with ThreadPoolExecutor(2) as pool:
        here, there = pairs[1].small.y, pairs[0].small.y
        found = look_both_ways(here, there, (Search(), Search()), pool)
    assert found is not None
    weight = found[0].weight
    assert weight[:, :2].max() == 0  # came in from the left
    assert weight[:, 8:-2].mean() > 0.6


def test_a_way_that_does_not_lead_back_explains_nothing() -> None:
    there, back = np.zeros((20, 30, 2), np.float32), np.zeros((20, 30, 2), np.float32)
    there[..., 0], back[..., 0] = 2, -2
    back[:, 16:, 0] = 0
    found = explained(there, back, Workspace())
    assert found[:, :13].min() == 1
    assert found[:, 14:].max() == 0


def test_a_way_that_is_not_even_explains_nothing() -> None:
    there = np.zeros((20, 30, 2), np.float32)
    there[::2, 16:, 1] = 2  # every other row goes elsewhere, and comes back
    back = -there
    found = explained(there, back, Workspace())
    assert found[:, :14].min() == 1
    assert found[1:-3, 17:].max() == 0


def test_a_difference_of_one_sign_counts_more_than_noise() -> None:
    """Of the same energy."""

    def weighed(shift: float) -> float:
        weight = np.ones((4, 4), np.float32)
        flat = np.ones_like(weight)
        weigh(flat * 16, flat * shift, 0, 1, 50, 4, weight)
        return float(weight[0, 0])

    assert weighed(0) == weighed(1) == pytest.approx(50 / 66)
    assert weighed(4) == weighed(-4) == pytest.approx(50 / (66 + 4 * 9))


def test_a_frame_of_odd_size_ends_with_its_last_samples_repeated() -> None:
    rng = np.random.default_rng(5)
    small = rng.integers(0, 256, (2, 5, 7)).astype(np.uint8)
    flow = rng.normal(0, 1, (5, 7, 2)).astype(np.float32)
    filled = np.pad(small, ((0, 0), (0, 1), (0, 1)), "edge")

    def compared(here: Codes, there: Codes) -> list[Codes]:
        halves = [np.empty((3, 4), np.float32) for _ in range(3)]
        compare(here, there, *halves, 8.0)
        return halves

    for got, expected in zip(compared(*small), compared(*filled), strict=True):
        np.testing.assert_allclose(got, expected)
    filled_flow = np.pad(flow, ((0, 1), (0, 1), (0, 0)), "edge")
    np.testing.assert_allclose(halved_flow(flow), halved_flow(filled_flow))
    means = filled_flow.reshape(3, 2, 4, 2, 2).mean((1, 3)) / 2
    np.testing.assert_allclose(halved_flow(flow), means, rtol=1e-5, atol=1e-6)


def test_nothing_goes_further_than_the_limit() -> None:
    y, x = np.mgrid[:20, :30]
    signs = (y + x) % 2 * 2 - 1
    plane, other = np.full((20, 30), 100, np.uint8), (100 + 18 * signs).astype(np.uint8)
    still = Neighbour(np.zeros((10, 15, 2), np.float32), np.ones((5, 8), np.float32), 0.0)
    large = FrameFormat(30, 20, 8, "gray")
    result = blended_by([Frame(f, None, 0) for f in (plane, *[other] * 4)], [still] * 4, large)[0]
    assert set(np.unique(result.astype(int) - plane)) == {-LIMIT, LIMIT}


def test_nothing_goes_further_than_the_limit_even_between_random_frames() -> None:
    rng = np.random.default_rng(4)
    truth = pan(3)
    pairs, form = pairs_of(truth)
    pairs = [
        Enlarged(p.small, replace(p.large, y=rng.integers(0, 256, p.large.y.shape, np.uint8)))
        for p in pairs
    ]
    for got, pair in zip(run(pairs, form, radius=2), pairs, strict=True):
        assert np.abs(got.y.astype(int) - pair.large.y).max() <= LIMIT


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_no_sample(threads: int) -> None:
    pairs, form = pairs_of(pan(4), noise=3, chroma="420")
    expected = list(steady(iter(pairs), form, 2, 1.0, 1, 2))
    for got, frame in zip(steady(iter(pairs), form, 2, 1.0, 1, threads), expected, strict=True):
        np.testing.assert_array_equal(got.y, frame.y)
        np.testing.assert_array_equal(got.uv, frame.uv)


def test_loops_run_where_what_is_compiled_cannot_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    caching = pytest.importorskip("numba.core.caching")
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert compiled(lambda x: x + 1)(2) == 3


# ---- repeated pictures ----------------------------------------------------------------------


def repeated(pairs: list[Enlarged], order: Sequence[int]) -> list[Enlarged]:
    """As `enlarge` gives repeated pictures: with the same arrays, at times of their own."""
    return [
        Enlarged(pairs[n].small, replace(pairs[n].large, pts=7 * place))
        for place, n in enumerate(order)
    ]


def test_a_repeated_picture_stays_as_it_is_and_is_looked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs, form = pairs_of(pan(4), noise=3)
    order = [0, 1, 1, 1, 2, 3]
    asked = []
    flow = Search.flow

    def counted(self: Search, here: Codes, there: Codes) -> Codes:
        asked.append(1)
        return flow(self, here, there)

    monkeypatch.setattr(Search, "flow", counted)
    after = run(repeated(pairs, order), form)
    for place in (1, 2, 3):
        assert after[place].y is pairs[1].large.y
        assert after[place].pts == 7 * place
    assert not same(after[0], pairs[0].large)
    assert len(asked) == 2 * 3  # both ways between 0 and 1, 1 and 2, 2 and 3


def test_a_repeated_neighbour_counts_once() -> None:
    pairs, form = pairs_of(pan(4), noise=3)
    once = run(repeated(pairs, [0, 1, 2]), form, radius=2)[1]
    assert same(run(repeated(pairs, [0, 1, 2, 2]), form, radius=2)[1], once)
    once = run(repeated(pairs, [1, 2, 3]), form, radius=2)[1]
    assert same(run(repeated(pairs, [1, 1, 2, 3]), form, radius=2)[2], once)


def test_a_still_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, form = pairs_of(pan(1), noise=3)

    def never(*_: object) -> Codes:
        raise AssertionError("motion was sought")

    monkeypatch.setattr(Search, "flow", never)
    after = run(repeated(pairs, [0] * 5), form, radius=2)
    assert all(frame.y is pairs[0].large.y for frame in after)


# ---- the arithmetic -------------------------------------------------------------------------


def random_neighbours(
    form: FrameFormat, count: int, hole: tuple[int, int] = (2, 2)
) -> list[Neighbour]:
    """Flows that also lead out of the picture, even in one half, and weights with holes."""
    rng = np.random.default_rng(3)
    h, w = form.height, form.width
    found = []
    for number in range(count):
        flow = rng.normal(0, 3, (h, w, 2)).astype(np.float32)
        half = flow[:, w // 2 :] if number % 2 else flow[:, : w // 2]
        half[:] = half[:, :1] + rng.uniform(-0.4, 0.4, half.shape)
        weight = rng.random((-(-h // 2), -(-w // 2))).astype(np.float32)
        weight[weight < 0.4] = 0
        weight[: hole[0], : hole[1]] = 0
        found.append(Neighbour(flow, weight, 1.0))
    return found


def blended_by(
    frames: Sequence[Frame],
    seen: Sequence[Neighbour],
    form: FrameFormat,
    scale: int = 2,
    how: Amounts = Amounts(1, 1),  # noqa: B008 (frozen)
) -> tuple[Codes, Codes | None]:
    """The first frame's planes, blended with the others."""
    space = Workspace()
    with ThreadPoolExecutor(3) as pool:
        others = [samples_of(each, str(n), space, pool) for n, each in enumerate(frames[1:])]
        return blend_frame(frames[0], others, seen, form, scale, how, pool)


def random_frame(form: FrameFormat, seed: int) -> Frame:
    """Smooth enough that all of the arithmetic is met: small, large and no differences."""
    rng = np.random.default_rng(seed)
    top = 2**form.depth
    y = rng.integers(0, top, (form.height, form.width)) * 0.2 + top * 0.4
    uv = None
    if form.uv_shape is not None:
        uv = (rng.integers(0, top, form.uv_shape) * 0.2 + top * 0.4).astype(form.dtype)
    return Frame(y.astype(form.dtype), uv, 0)


FORMATS = [
    *(FrameFormat(8, 6, depth, chroma) for depth in (8, 10) for chroma in ("gray", "420", "444")),
    FrameFormat(9, 7, 8, "420"),
    FrameFormat(7, 5, 16, "422"),
    FrameFormat(50, 9, 8, "420"),  # wide enough for runs of samples
]


@pytest.mark.parametrize("form", FORMATS, ids=lambda f: f"{f.width}x{f.height}-{f.pix_fmt}")
@pytest.mark.parametrize("scale", [2, 3])
def test_planes_are_those_of_the_slow_reference(form: FrameFormat, scale: int) -> None:
    large = replace(form, width=form.width * scale, height=form.height * scale)
    frames = [random_frame(large, seed) for seed in range(3)]
    seen = random_neighbours(form, 2)
    how = Amounts(0.9, 0.5, 0.7)
    y, uv = blended_by(frames, seen, large, scale, how)
    expected = blended(frames[0], frames[1:], seen, large, scale, how)
    assert y.dtype == large.dtype
    assert np.abs(y.astype(int) - expected.y).max() <= 1
    assert (uv is None) == (expected.uv is None)
    if uv is not None and expected.uv is not None:
        assert np.abs(uv.astype(int) - expected.uv).max() <= 1
    assert not np.array_equal(y, frames[0].y)


def test_where_nothing_is_trusted_no_sample_changes() -> None:
    form = FrameFormat(20, 14, 8, "420")
    large = replace(form, width=40, height=28)
    frames = [random_frame(large, seed) for seed in range(3)]
    seen = random_neighbours(form, 2, hole=(6, 8))
    y, uv = blended_by(frames, seen, large)
    untouched = np.s_[:20, :28]  # 4 pixels to a weight, without the two that lie between
    np.testing.assert_array_equal(y[untouched], frames[0].y[untouched])
    assert uv is not None
    assert frames[0].uv is not None
    np.testing.assert_array_equal(uv[:, :10, :14], frames[0].uv[:, :10, :14])


@pytest.mark.parametrize("depth", [8, 10])
def test_a_plane_that_stands_still_is_fetched_as_it_is(depth: int) -> None:
    form = FrameFormat(20, 14, depth, "444")
    frame = random_frame(form, 0)
    still = Neighbour(np.zeros((7, 10, 2), np.float32), np.ones((4, 5), np.float32), 0.0)
    y, uv = blended_by([frame, frame], [still], form)
    assert frame.uv is not None
    np.testing.assert_array_equal(y, frame.y)
    np.testing.assert_array_equal(uv, frame.uv)


def test_what_moves_by_half_a_sample_keeps_its_detail() -> None:
    """Straight lines between the samples themselves would miss by 7."""
    x = np.mgrid[:48, :64][1]

    def waves(moved: float) -> Codes:
        return codes(128 + 40 * np.sin((x + moved) * 2 * np.pi / 5))

    frames = [Frame(waves(0), None, 0), Frame(waves(-0.5), None, 0)]
    right = np.zeros((24, 32, 2), np.float32) + np.array([0.25, 0], np.float32)
    seen = [Neighbour(right, np.full((12, 16), 1e6, np.float32), 0.0)]
    found = blended_by(frames, seen, FrameFormat(64, 48, 8, "gray"), how=Amounts(1, 1, 1))[0]
    assert np.abs(found.astype(int) - frames[0].y)[:, 4:-4].max() <= 3


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("neighbours", [1, 2, 4])
def test_the_graph_computes_the_same(depth: int, neighbours: int) -> None:
    form = FrameFormat(20, 14, depth, "gray")
    large = replace(form, width=40, height=28)
    frames = [random_frame(large, seed) for seed in range(1 + neighbours)]
    seen = random_neighbours(form, neighbours)
    how = Amounts(0.9, 0.4, 0.7)
    expected = blended_by(frames, seen, large, 2, how)[0]
    weights = np.stack([each.weight for each in seen])[:, None]
    feeds = {
        "plane": frames[0].y[None, None].astype(np.float32),
        "others": np.stack([frame.y for frame in frames[1:]])[:, None].astype(np.float32),
        "flow": np.stack([np.moveaxis(each.flow, 2, 0) for each in seen]),
        "shares": weights / (1 + weights.sum(axis=0) - 0.3 * weights.mean(axis=0)),
        "detail": np.array([how.detail], np.float32),
        "rest": np.array([how.rest], np.float32),
    }
    core = ov.Core()
    model = core.read_model(blend_graph(large, 2, neighbours).SerializeToString())
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(feeds)[0][0, 0]
    assert np.abs(found - expected).max() <= 1


def test_white_noise_is_measured_and_structure_is_none() -> None:
    def measured(frame: Codes) -> float:
        flat = np.full(frame.shape, 128, np.uint8)
        size = -(-frame.shape[0] // 2), -(-frame.shape[1] // 2)
        halves = [np.empty(size, np.float32) for _ in range(3)]
        compare(flat, codes(128 + frame), *halves, 8.0)
        return white_noise(halves[2])

    noise = np.random.default_rng(0).normal(0, 3, (96, 128))
    assert measured(noise) == pytest.approx(2.2, abs=0.3)  # of the quietest blocks, and of two
    wave = 20 * np.sin(np.arange(128) / 8)
    assert measured(np.tile(wave, (96, 1))) < 0.1
    assert measured(noise[:5, :5]) == 0


def test_noise_lets_all_of_the_change_happen() -> None:
    assert amounts(0.5, noise=0.5) == Amounts(0.5, 0.5**2.5, 31 / 32)
    assert amounts(0.5, noise=3.0) == Amounts(0.5, 0.5, 31 / 32)
    assert amounts(1.0, noise=0.0) == Amounts(1.0, 1.0, 0.5)


def test_deep_luma_is_cut_to_8_bits() -> None:
    deep = np.array([[0, 3, 4, 1023]], np.uint16)
    assert eight_bits(deep, 10).tolist() == [[0, 0, 1, 255]]
    rows = np.zeros((6, 8), np.uint8)[:, ::2]
    assert eight_bits(rows, 8).flags.c_contiguous


def test_a_film_too_small_for_motion_is_refused() -> None:
    with pytest.raises(UsageError, match="12x9 is too small to find motion in"):
        run([], FrameFormat(12, 9))


# ---- whole films ----------------------------------------------------------------------------

ROOMY = 160, 120
"""A size at which the films' motion is found."""


def test_temporal_0_is_the_same_as_leaving_it_out(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", Video(frames=6))
    plain = upscale(source, tmp_path / "p.mkv", settings=settings(codec="ffv1"))
    job = replace(settings(codec="ffv1"), temporal=0.0)
    none = upscale(source, tmp_path / "n.mkv", settings=job)
    assert plain.frames == none.frames == 6
    for a, b in zip(frames_of(tmp_path / "p.mkv"), frames_of(tmp_path / "n.mkv"), strict=True):
        assert (a.pts, [*map(bytes, a.planes)]) == (b.pts, [*map(bytes, b.planes)])
    both = [(tmp_path / name).read_bytes() for name in ("p.mkv", "n.mkv")]
    assert both[0] == both[1]


def test_a_film_is_steadied_and_keeps_its_frames_and_times(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", Video(frames=8, size=ROOMY))
    job = settings(codec="ffv1")
    upscale(source, tmp_path / "p.mkv", settings=job)
    report = upscale(source, tmp_path / "t.mkv", settings=replace(job, temporal=1.0))
    plain, steadied = (list(frames_of(tmp_path / name)) for name in ("p.mkv", "t.mkv"))
    assert report.frames == 8
    assert [frame.pts for frame in plain] == [frame.pts for frame in steadied]
    changed = [
        bytes(a.planes[0]) != bytes(b.planes[0]) for a, b in zip(plain, steadied, strict=True)
    ]
    assert any(changed)


@pytest.mark.parametrize("radius", [1, 2])
def test_chunks_do_not_change_the_pictures(tmp_path: Path, radius: int) -> None:
    source = film(tmp_path / "a.mkv", Video(frames=12, size=ROOMY))
    job = replace(settings(codec="ffv1"), temporal=1.0, temporal_radius=radius)
    upscale(source, tmp_path / "w.mkv", settings=job)
    upscale(source, tmp_path / "c.mkv", settings=replace(job, chunk_seconds=0.1))
    whole, parts = (list(frames_of(tmp_path / name)) for name in ("w.mkv", "c.mkv"))
    assert len(whole) == len(parts) == 12
    for a, b in zip(whole, parts, strict=True):
        assert [*map(bytes, a.planes)] == [*map(bytes, b.planes)]


@pytest.mark.parametrize("radius", [1, 2])
def test_an_interrupted_run_goes_on_with_the_same_pictures(tmp_path: Path, radius: int) -> None:
    source = film(tmp_path / "a.mkv", Video(frames=12, size=ROOMY))
    job = settings(codec="ffv1")
    job = replace(job, temporal=1.0, temporal_radius=radius, chunk_seconds=0.16)
    upscale(source, tmp_path / "w.mkv", settings=job)

    def stop(progress: Progress) -> None:
        if progress.frames == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscale(source, tmp_path / "c.mkv", settings=job, on_progress=stop)
    report = upscale(source, tmp_path / "c.mkv", settings=job)
    assert report.found == 4
    assert (tmp_path / "c.mkv").read_bytes() == (tmp_path / "w.mkv").read_bytes()


@pytest.mark.parametrize("radius", [1, 2])
def test_frames_for_a_loop_are_those_of_the_file(tmp_path: Path, radius: int) -> None:
    source = film(tmp_path / "a.mkv", Video(frames=8, size=ROOMY))
    job = replace(settings(codec="ffv1"), temporal=1.0, temporal_radius=radius)
    upscale(source, tmp_path / "t.mkv", settings=job)
    words: dict[str, Any] = {"temporal": 1.0, "temporal_radius": radius}
    with UpscaledFilm(source, 2, job.model, **words) as large:
        planes = [frame.y for frame in large]
    written = [frame.to_ndarray()[: frame.height] for frame in frames_of(tmp_path / "t.mkv")]
    np.testing.assert_array_equal(planes, written)


def test_gray_films_are_steadied_too(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", Video(frames=4, pix_fmt="gray", codec="ffv1"))
    job = replace(settings(codec="ffv1"), temporal=1.0)
    assert upscale(source, tmp_path / "t.mkv", settings=job).frames == 4


def test_one_colour_all_over_stays_so(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", Video(frames=3, paint=flat(90, 110, 150)))
    job = replace(settings(codec="ffv1"), temporal=1.0)
    upscale(source, tmp_path / "t.mkv", settings=job)
    for frame in frames_of(tmp_path / "t.mkv"):
        y = frame.to_ndarray()[: frame.height]
        assert y.min() == y.max()


# ---- words ----------------------------------------------------------------------------------


def test_settings_are_checked() -> None:
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(UsageError, match="is not between 0 and 1"):
            UpscaleSettings(temporal=wrong)
    with pytest.raises(UsageError, match="radius of 3 frames; 1 or 2 can be"):
        UpscaleSettings(temporal_radius=3)
    assert UpscaleSettings().look == 0
    assert UpscaleSettings(temporal=0.5, temporal_radius=2).look == 2


def test_the_command_knows_both_words(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", Video(frames=4))
    words = ("-m", "nearest", "--temporal", "0.7", "--temporal-radius", "2")
    ran = vsr_here("upscale", source, "-o", tmp_path / "o.mkv", *words, "--progress", "none")
    assert ran.code == 0, ran.err
    ran = vsr_here("upscale", source, "-o", tmp_path / "p.mkv", "--temporal", "7")
    assert (ran.code, ran.err) == (2, "vsr: --temporal 7 is not between 0 and 1\n")


@pytest.mark.parametrize("missing", ["cv2", "numba"])
def test_without_its_packages_the_extra_is_named_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    source = film(tmp_path / "a.mkv", Video(frames=4))
    for name in [name for name in sys.modules if name.startswith("vsr.pipeline.temporal")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    job = replace(settings(), temporal=0.5)
    with pytest.raises(MissingPackageError, match=r"vsr\[temporal\]"):
        upscale(source, tmp_path / "o.mkv", Fraction(2), job)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]
