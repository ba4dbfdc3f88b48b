"""Tiles: where they are cut, that they join without a trace, and that they shrink in need."""

import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from small_networks import (
    global_network,
    halving_network,
    natural,
    noise,
    quantized_network,
    random_network,
)

from vsr.backends.base import Engine, OutOfMemoryError, Pending
from vsr.backends.select import build_engine
from vsr.errors import InputError
from vsr.frame import Frame, FrameFormat
from vsr.networks.catalog import find_network
from vsr.networks.classical import classical
from vsr.networks.network import Network
from vsr.pipeline.tiling import TiledEngine, cuts, smallest_tile, tile_overlap
from vsr.settings import EngineSettings

# Where tiles are cut.


@given(st.integers(1, 3000), st.integers(0, 20), st.integers(1, 400), st.sampled_from([2, 4, 8]))
def test_cuts_cover_a_line_once_with_overlap_on_both_sides(
    length: int, overlap: int, tile: int, places: int
) -> None:
    overlap, tile = places * overlap, places * tile
    assume(tile >= max(4 * overlap, 2))
    parts = cuts(length, tile, overlap, places)
    assert [part.keep for part in parts] == [0, *(part.end for part in parts[:-1])]
    assert parts[-1].end == length
    for part in parts:
        assert 0 <= part.start <= part.keep < part.end <= part.stop <= length
        assert part.start % places == part.keep % places == 0
        assert part.keep - part.start >= overlap or part.keep == 0
        assert part.stop - part.end >= overlap or part.end == length
    sides = [part.stop - part.start for part in parts]
    assert set(sides[:-1]) <= {tile}
    assert tile - places < sides[-1] <= tile or len(parts) == 1


def test_a_line_no_longer_than_a_tile_is_not_cut() -> None:
    [only] = cuts(64, 64, 16)
    assert (only.start, only.stop, only.keep, only.end) == (0, 64, 0, 64)


# That they join without a trace.


def openvino(network: Network, form: FrameFormat) -> Engine:
    return build_engine(network, form, EngineSettings(backend="openvino", precision="fp32"))


def tiled(network: Network, form: FrameFormat, tile: int) -> TiledEngine:
    return TiledEngine(lambda part, *_: openvino(network, part), network, form, tile)


NETWORKS = {
    "fast": find_network("fast", Fraction(2)),
    "fast twice": find_network("fast", Fraction(4)),
    "luma x3": random_network(1, 3, width=4),
    "rgb": random_network(3, 2, width=4, convs=2),
    "rgb x3": random_network(3, 3, width=4, convs=1),
    "by 2": halving_network(3, 2, 2),
    "by 4": halving_network(1, 4, 1),
    "by 8": halving_network(1, 8, 3),
    "8 bits": quantized_network(1, 2).quantized(),
    "lanczos": classical("lanczos", 2),
    "nearest x3": classical("nearest", 3),
}

WHOLES = [
    ("fast", FrameFormat(150, 131)),
    ("fast", FrameFormat(97, 200, 10, "422", chroma_location="center")),
    ("fast twice", FrameFormat(131, 70, chroma_location="topleft")),
    ("luma x3", FrameFormat(99, 101, 8, "420", chroma_location="topleft")),
    ("luma x3", FrameFormat(77, 90, 8, "gray")),
    ("rgb", FrameFormat(123, 77, 8, "420", chroma_location="left")),
    ("rgb", FrameFormat(70, 111, 10, "420", chroma_location="topleft")),
    ("rgb", FrameFormat(99, 66, 8, "422", full_range=True)),
    ("rgb x3", FrameFormat(81, 79, 8, "420", chroma_location="center")),
    ("rgb x3", FrameFormat(65, 90, 10, "444")),
    ("by 2", FrameFormat(99, 101, 8, "420", chroma_location="topleft")),
    ("by 4", FrameFormat(131, 122, 8, "420")),
    ("by 8", FrameFormat(140, 151, 10, "422")),
    ("8 bits", FrameFormat(123, 101, 8, "420")),
    ("lanczos", FrameFormat(133, 135, 10, "420")),
    ("nearest x3", FrameFormat(67, 35, 8, "422")),
]


@pytest.mark.parametrize(("name", "form"), WHOLES)
def test_tiled_and_untiled_results_are_equal(name: str, form: FrameFormat) -> None:
    network, frame = NETWORKS[name], noise(form, seed=7)
    with openvino(network, form) as whole, tiled(network, form, tile=32) as parts:
        assert len(parts.cuts) > 1
        expected, found = whole.start(frame).result(), parts.start(frame).result()
    assert (found.pts, found.duration) == (frame.pts, frame.duration)
    np.testing.assert_array_equal(found.y, expected.y)
    assert (found.uv is None) == (expected.uv is None)
    if found.uv is not None:
        np.testing.assert_array_equal(found.uv, expected.uv)


def test_an_overlap_smaller_than_the_networks_reach_would_show() -> None:
    network, form = NETWORKS["fast"], FrameFormat(150, 70, chroma="gray")
    blind = replace(network, reach=-8)  # chroma's share makes up for what is missing
    frame = noise(form)
    with openvino(network, form) as whole, tiled(blind, form, tile=32) as parts:
        expected, found = whole.start(frame).result(), parts.start(frame).result()
    assert np.any(found.y != expected.y)


def test_tiles_are_told_by_number_and_side() -> None:
    form = FrameFormat(150, 131)
    with tiled(NETWORKS["fast"], form, tile=32) as engine:
        assert engine.tile == smallest_tile(NETWORKS["fast"]) == 4 * tile_overlap(NETWORKS["fast"])
        assert engine.description.endswith(f"fp32, {len(engine.cuts)} tiles of {engine.tile}")
    with tiled(NETWORKS["fast"], form, tile=0) as engine:
        assert engine.description == "OpenVINO CPU fp32"


def test_a_network_that_looks_at_the_whole_picture_is_not_cut() -> None:
    network, form = global_network(), FrameFormat(80, 80)
    with pytest.raises(InputError, match="small looks at the whole picture at once"):
        tiled(network, form, tile=64)
    with tiled(network, form, tile=0) as engine:
        assert engine.start(natural(form)).result().y.shape == (160, 160)


# That they shrink in need.


@dataclass
class Device:
    """Memory for `pixels` at once, which is found out `when`: at build, start or result."""

    pixels: int
    when: str
    built: list[tuple[int, int]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def build(self, form: FrameFormat, batch: int, verdict: str | None) -> Engine:
        self.built.append((form.width, form.height))
        self.batches.append(batch)
        if self.when == "build":
            self.check(form)
        return ScarceEngine(self, form)

    def check(self, form: FrameFormat) -> None:
        if form.width * form.height * max(1, self.batches[-1]) > self.pixels:
            raise OutOfMemoryError(f"no memory for {form.width}x{form.height}")


class ScarceEngine:
    """Doubles pixels, and after the first lack of memory does nothing any more."""

    scale = 2
    depth = 3
    device = description = runtime = "scarce"
    verdict: str | None = None

    def __init__(self, owner: Device, form: FrameFormat) -> None:
        self.owner, self.format = owner, form
        self.notes = [f"{form.width}x{form.height}"]
        self.closed = self.broken = False

    def start(self, frame: Frame) -> Pending:
        assert not self.closed
        assert not self.broken
        self.attempt("start")
        return ScarcePending(self, frame)

    def attempt(self, when: str) -> None:
        try:
            if self.owner.when == when:
                self.owner.check(self.format)
        except OutOfMemoryError:
            self.broken = True
            raise

    def close(self) -> None:
        self.closed = True
        self.attempt("result")  # as a real one, which waits for what is in work

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class ScarcePending:
    def __init__(self, engine: ScarceEngine, frame: Frame) -> None:
        self.engine, self.frame = engine, frame

    def result(self) -> Frame:
        self.engine.attempt("result")
        assert self.frame.uv is not None
        large = (plane.repeat(2, -1).repeat(2, -2) for plane in (self.frame.y, self.frame.uv))
        y, uv = large
        return replace(self.frame, y=y, uv=uv)


@pytest.fixture(params=["build", "start", "result"])
def when(request: pytest.FixtureRequest) -> str:
    return str(request.param)


NEAREST = classical("nearest", 2)
FORM = FrameFormat(160, 96)


@pytest.mark.parametrize("pixels", [160 * 96, 80 * 80, 40 * 40])
def test_out_of_memory_shrinks_the_tile_and_loses_nothing(when: str, pixels: int) -> None:
    device = Device(pixels, when)
    frames = [noise(FORM, seed) for seed in range(7)]
    with TiledEngine(device.build, NEAREST, FORM, tile=0) as engine:
        pending = [engine.start(frame) for frame in frames]
        results = [work.result() for work in pending]
        assert all(work.result() is result for work, result in zip(pending, results, strict=True))
        side = engine.tile or 160
        assert side * min(side, 96) <= pixels
        assert {(min(side, 160), min(side, 96))} == {device.built[-1]}
    for frame, result in zip(frames, results, strict=True):
        assert result.pts == frame.pts
        np.testing.assert_array_equal(result.y[::2, ::2], frame.y)
        np.testing.assert_array_equal(result.y[1::2, 1::2], frame.y)
        assert result.uv is not None
        np.testing.assert_array_equal(result.uv[:, ::2, 1::2], frame.uv)


@pytest.mark.parametrize(
    ("pixels", "batches", "note"),
    [
        (4 * 160 * 96, [4], None),
        (160 * 96, [4, 2, 1], "memory ran out: went on in batches of 1"),
        (80 * 80, [4, 2, 1, 1], "memory ran out: went on in batches of 1, tiles of 80"),
    ],
)
def test_out_of_memory_shrinks_the_batch_before_the_tile(
    when: str, pixels: int, batches: list[int], note: str | None
) -> None:
    device = Device(pixels, when)
    frames = [noise(FORM, seed) for seed in range(9)]
    with TiledEngine(device.build, NEAREST, FORM, tile=0, batch=4) as engine:
        pending = [engine.start(frame) for frame in frames]
        results = [work.result() for work in pending]
        notes = [words for words in engine.notes if words.startswith("memory")]
    assert list(dict.fromkeys(device.batches)) == list(dict.fromkeys(batches))
    assert device.batches[: len(batches)] == batches
    assert notes == ([note] if note else [])
    for frame, result in zip(frames, results, strict=True):
        assert result.pts == frame.pts
        np.testing.assert_array_equal(result.y[::2, ::2], frame.y)


def test_what_engines_note_is_kept_when_they_are_gone() -> None:
    device = Device(80 * 80, "start")
    with TiledEngine(device.build, NEAREST, FORM, tile=0) as engine:
        engine.start(noise(FORM)).result()
        assert engine.notes == ["160x96", "memory ran out: went on in tiles of 80", "80x80"]
        next(iter(engine.engines.values())).notes.append("later")
    assert engine.notes[-1] == "later"


def test_a_tile_asked_for_shrinks_too(when: str) -> None:
    device = Device(40 * 40, when)
    with TiledEngine(device.build, NEAREST, FORM, tile=80) as engine:
        engine.start(noise(FORM)).result()
        assert engine.tile == 40
        assert (160, 96) not in device.built


def test_below_the_smallest_tile_the_lack_of_memory_reaches_the_caller(when: str) -> None:
    device = Device(31 * 31, when)
    with pytest.raises(OutOfMemoryError, match="no memory for 40x40"):
        TiledEngine(device.build, NEAREST, FORM, tile=0).start(noise(FORM)).result()
    assert smallest_tile(NEAREST) == 32


def test_a_lack_of_memory_outside_the_engine_shrinks_the_tile_too() -> None:
    class Crowded(Device):
        def check(self, form: FrameFormat) -> None:
            if form.width * form.height > self.pixels:
                raise MemoryError("Unable to allocate")

    device = Crowded(80 * 80, "build")
    with TiledEngine(device.build, NEAREST, FORM, tile=0) as engine:
        assert engine.tile == 80
    device = Crowded(1, "build")
    with pytest.raises(OutOfMemoryError, match="Unable to allocate"):
        TiledEngine(device.build, NEAREST, FORM, tile=0)


def test_a_network_that_cannot_be_cut_says_so_when_memory_runs_out(when: str) -> None:
    device = Device(1000, when)
    with pytest.raises(InputError, match="looks at the whole picture at once"):
        TiledEngine(device.build, global_network(), FORM, tile=0).start(noise(FORM)).result()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory this way")
@pytest.mark.parametrize("when", ["build", "start"])
def test_openvino_short_of_memory_goes_on_in_tiles(when: str) -> None:
    tile, number, *_ = run_short_of_memory(when)
    assert 0 < int(tile) <= 400
    assert int(number) > 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory this way")
def test_torch_short_of_memory_goes_on_in_smaller_batches() -> None:
    pytest.importorskip("torch", reason="needs torch")
    tile, _, batch, *notes = run_short_of_memory("compute", "torch", "4", "420")
    assert int(batch) in (1, 2)
    parts = f"batches of {batch}" + (f", tiles of {tile}" if int(tile) else "")
    assert " ".join(notes) == f"memory ran out: went on in {parts}"


def run_short_of_memory(*words: str) -> list[str]:
    """What it printed: the tiles' side, their number, the batch, and the engine's notes."""
    script = Path(__file__).with_name("short_of_memory.py")
    paths = os.pathsep.join(sys.path)
    ran = subprocess.run(
        [sys.executable, str(script), *words],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()
