"""One suite for every backend: the contract of `vsr.backends.base`, judged by the reference."""

import importlib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import openvino
import pytest
import reference
from small_networks import (
    largest_difference,
    natural,
    noise,
    quantized_network,
    random_network,
)

from vsr.backends import ov
from vsr.backends.base import Engine
from vsr.backends.select import BACKENDS, build_engine, reports
from vsr.errors import BackendError, UsageError
from vsr.frame import Frame, FrameFormat
from vsr.networks.catalog import find_network
from vsr.networks.classical import classical
from vsr.networks.network import Network
from vsr.settings import EngineSettings, Precision

Build = Callable[..., Engine]

FORM = FrameFormat(48, 36)


def random_format(chroma: str, seed: int) -> FrameFormat:
    rng = np.random.default_rng(seed)
    return FrameFormat(
        width=int(rng.integers(3, 40)),
        height=int(rng.integers(3, 40)),
        depth=int(rng.choice([8, 10])),
        chroma=chroma,
        color_matrix=str(rng.choice(["bt601", "bt709", "bt2020"])),
        full_range=bool(rng.integers(2)),
        chroma_location=str(rng.choice(["left", "center", "topleft"])),
    )


@cache
def get_network(name: str) -> Network:
    made: dict[str, Callable[[], Network]] = {
        "fast": lambda: find_network("fast", Fraction(2)),
        "luma": lambda: random_network(1, 3),
        "rgb": lambda: random_network(3, 2),
        "luma, int8": lambda: quantized_network(1, 2),
        "rgb, int8": lambda: quantized_network(3, 3),
        "nearest": lambda: classical("nearest", 2),
        "bicubic": lambda: classical("bicubic", 2),
        "lanczos": lambda: classical("lanczos", 3),
    }
    return made[name]()


@pytest.fixture(params=sorted(BACKENDS), scope="module")
def build(request: pytest.FixtureRequest) -> Build:
    """Builds engines of the backend under test, or skips with the reason that it cannot run."""
    module, _ = BACKENDS[request.param]
    report = next(report for report in reports() if report.name == request.param)
    if not report.usable:
        pytest.skip(f"{request.param} cannot run here: {report.reason}")
    importlib.import_module(module)

    def build(
        name: str, form: FrameFormat = FORM, precision: Precision = "fp32", threads: int = 0
    ) -> Engine:
        knobs = EngineSettings(backend=request.param, precision=precision, threads=threads)
        return build_engine(get_network(name), form, knobs)

    return build


@pytest.mark.parametrize("name", ["fast", "luma", "rgb", "nearest", "lanczos"])
@pytest.mark.parametrize("chroma", ["420", "422", "444", "gray"])
@pytest.mark.parametrize("seed", [1, 2])
def test_results_are_the_references_to_one_code(
    build: Build, name: str, chroma: str, seed: int
) -> None:
    form = random_format(chroma, seed)
    frame = noise(form, seed)
    with build(name, form) as engine:
        result = engine.start(frame).result()
    expected = reference.enlarge(frame, form, get_network(name))
    assert (result.y.dtype, result.y.shape) == (expected.y.dtype, expected.y.shape)
    assert (result.uv is None) == (expected.uv is None)
    assert largest_difference(result, expected) <= 1


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_fast_arithmetic_stays_within_two_codes_on_natural_pictures(
    build: Build, precision: Precision, full_range: bool
) -> None:
    form = FrameFormat(128, 72, full_range=full_range)
    try:
        engine = build("fast", form, precision)
    except BackendError as error:
        pytest.skip(str(error))
    with engine:
        for seed in range(2):
            frame = natural(form, seed)
            expected = reference.enlarge(frame, form, get_network("fast"))
            assert largest_difference(engine.start(frame).result(), expected) <= 2


def can_int8(build: Build) -> None:
    """Skips the test with the reason where the backend under test cannot compute in 8 bits."""
    try:
        build("luma, int8", precision="int8").close()
    except BackendError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["luma, int8", "rgb, int8"])
@pytest.mark.parametrize("form", [FrameFormat(70, 41), FrameFormat(64, 36, chroma="gray")])
@pytest.mark.parametrize("make", [natural, noise])
def test_int8_is_the_twin_within_two_codes(
    build: Build, name: str, form: FrameFormat, make: Callable[[FrameFormat], Frame]
) -> None:
    can_int8(build)
    frame = make(form)
    with build(name, form, "int8") as engine:
        assert "int8" in engine.description
        result = engine.start(frame).result()
    expected = reference.enlarge(frame, form, get_network(name).quantized())
    assert largest_difference(result, expected) <= 2


def test_int8_needs_a_network_with_a_twin(build: Build) -> None:
    can_int8(build)
    for name in ("bicubic", "luma"):
        with pytest.raises(UsageError, match=f"{get_network(name).name} has no int8 twin; choose"):
            build(name, precision="int8")


def test_int8_is_chosen_for_films_of_8_bits_where_there_is_a_twin(build: Build) -> None:
    can_int8(build)
    for name, depth, precision in [
        ("luma, int8", 8, "int8"),
        ("luma, int8", 10, "fp32"),
        ("luma", 8, ov.fastest_float(ov.precisions_of(openvino.Core(), "CPU"))),
    ]:
        with build(name, FrameFormat(48, 36, depth), "auto") as engine:
            assert engine.description.split()[-1] == precision


@pytest.mark.parametrize(("name", "depth"), [("nearest", 8), ("lanczos", 8), ("fast", 10)])
def test_left_to_itself_it_is_exact_where_exactness_is_expected(
    build: Build, name: str, depth: int
) -> None:
    form = FrameFormat(48, 36, depth)
    frame = noise(form)
    with build(name, form, "auto") as chosen, build(name, form, "fp32") as exact:
        result, expected = chosen.start(frame).result(), exact.start(frame).result()
    assert largest_difference(result, expected) == 0


def test_many_frames_in_work_come_back_each_as_itself(build: Build) -> None:
    with build("nearest") as engine:
        frames = [noise(FORM, seed) for seed in range(3 * engine.depth + 1)]
        frames = [replace(f, pts=1000 + f.pts, duration=f.pts) for f in frames]
        results = [pending.result() for pending in [engine.start(frame) for frame in frames]]
    for frame, result in zip(frames, results, strict=True):
        assert (result.pts, result.duration) == (frame.pts, frame.duration)
        np.testing.assert_array_equal(result.y[::2, 1::2], frame.y)


def test_results_may_be_asked_for_in_any_order(build: Build) -> None:
    with build("nearest") as engine:
        frames = [noise(FORM, seed) for seed in range(engine.depth + 2)]
        pending = [engine.start(frame) for frame in frames]
        results = [work.result() for work in reversed(pending)]
    for frame, result in zip(reversed(frames), results, strict=True):
        np.testing.assert_array_equal(result.y[::2, ::2], frame.y)


def test_a_result_asked_for_twice_is_the_same_object(build: Build) -> None:
    with build("nearest") as engine:
        first, second = (engine.start(noise(FORM, seed)) for seed in (1, 2))
        assert first.result() is first.result()
        assert second.result() is second.result()
        assert first.result() is not second.result()


def test_results_own_their_memory(build: Build) -> None:
    frames = [noise(FORM, seed) for seed in range(12)]
    with build("nearest") as engine:
        kept = engine.start(frames[0]).result()
        y, uv = kept.y.copy(), None if kept.uv is None else kept.uv.copy()
        for frame in frames[1:]:
            engine.start(frame).result()
        frames[0].y[:] = 0
    np.testing.assert_array_equal(kept.y, y)
    np.testing.assert_array_equal(kept.uv, uv)
    kept.y[0, 0] ^= 1  # whoever owns it may write to it


def test_frames_may_be_views_and_read_only(build: Build) -> None:
    whole = noise(FrameFormat(96, 72))
    assert whole.uv is not None
    y, uv = whole.y[::2, ::2], whole.uv[:, 3:21, 5:29]
    y.flags.writeable = uv.flags.writeable = False
    with build("nearest") as engine:
        result = engine.start(Frame(y, uv, 0)).result()
    np.testing.assert_array_equal(result.y[::2, ::2], y)
    assert result.uv is not None
    np.testing.assert_array_equal(result.uv[:, ::2, ::2], uv)


def test_closing_finishes_what_is_in_work(build: Build) -> None:
    engine = build("nearest")
    frames = [noise(FORM, seed) for seed in range(2 * engine.depth)]
    pending = [engine.start(frame) for frame in frames]
    engine.close()
    for frame, work in zip(frames, pending, strict=True):
        np.testing.assert_array_equal(work.result().y[::2, ::2], frame.y)


def test_results_that_nobody_asks_for_do_no_harm(build: Build) -> None:
    with build("nearest") as engine:
        for seed in range(3 * engine.depth):
            engine.start(noise(FORM, seed))
        frame = noise(FORM, 99)
        np.testing.assert_array_equal(engine.start(frame).result().y[::2, ::2], frame.y)


def test_an_engine_says_what_it_is(build: Build) -> None:
    with build("rgb", precision="fp32") as engine:
        assert (engine.format, engine.scale) == (FORM, 2)
        assert engine.depth >= 1
        assert "fp32" in engine.description


def test_one_thread_computes_the_same_as_all(build: Build) -> None:
    frame = natural(FORM)
    with build("fast") as all_threads, build("fast", threads=1) as one:
        a, b = all_threads.start(frame).result(), one.start(frame).result()
    assert largest_difference(a, b) == 0


# The choice among backends.


def test_an_unknown_backend_is_told_what_there_is() -> None:
    with pytest.raises(UsageError, match="no backend 'magic'; there is tensorrt, torch, openvino"):
        build_engine(get_network("nearest"), FORM, EngineSettings(backend="magic"))


def test_a_backend_that_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(BACKENDS):
        monkeypatch.delitem(BACKENDS, name)
    monkeypatch.setitem(BACKENDS, "first", ("vsr.backends.first", "Engine"))
    monkeypatch.setitem(BACKENDS, "second", ("vsr.backends.second", "Engine"))
    network = get_network("nearest")
    with pytest.raises(BackendError, match=r"first: No module.*second: No module"):
        build_engine(network, FORM, EngineSettings())
    with pytest.raises(BackendError, match="first: No module") as failure:
        build_engine(network, FORM, EngineSettings(backend="first"))
    assert "second" not in str(failure.value)
    assert [(report.name, report.usable) for report in reports()] == [
        ("first", False),
        ("second", False),
    ]
    assert all("cannot be imported: No module" in report.reason for report in reports())


def test_auto_takes_the_first_that_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    usable = dict(BACKENDS)
    for name in usable:
        monkeypatch.delitem(BACKENDS, name)
    monkeypatch.setitem(BACKENDS, "missing", ("vsr.backends.missing", "Engine"))
    for name, place in usable.items():
        monkeypatch.setitem(BACKENDS, name, place)
    with build_engine(get_network("nearest"), FORM, EngineSettings()) as engine:
        assert engine.description.startswith("OpenVINO")


def test_an_unknown_device_or_precision_is_told_what_there_is() -> None:
    network = get_network("nearest")
    with pytest.raises(BackendError, match=r"no device npu9 here; it has .*CPU"):
        build_engine(network, FORM, EngineSettings(backend="openvino", device="npu9"))
    with pytest.raises(BackendError, match=r"CPU here computes in fp32.*, not fp16"):
        build_engine(network, FORM, EngineSettings(backend="openvino", precision="fp16"))


# OpenVINO in 8 bits.


@pytest.mark.parametrize(
    ("flags", "able"),
    [
        ("fpu avx2 avx512f avx512bw avx512vl", False),
        ("fpu avx2 avx_vnni", True),
        ("fpu avx2 avx512f avx512_vnni", True),
        ("fpu avx512f amx_tile amx_int8", True),
    ],
)
def test_dot_products_are_read_from_what_linux_says(tmp_path: Path, flags: str, able: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nmodel name\t: avx_vnni\nflags\t\t: {flags}\n\n")
    assert ov.has_dot_products(cpuinfo) == able


def test_nothing_is_assumed_of_a_system_that_does_not_say(tmp_path: Path) -> None:
    assert not ov.has_dot_products(tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd asimddp\n")
    assert not ov.has_dot_products(tmp_path / "cpuinfo")


def test_a_processor_without_dot_products_does_not_compute_in_int8(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ov, "has_dot_products", lambda: False)
    network = get_network("luma, int8")
    with build_engine(network, FORM, EngineSettings(backend="openvino")) as engine:
        assert "int8" not in engine.description
    with pytest.raises(BackendError, match=r"CPU here computes in fp32.*, not int8"):
        build_engine(network, FORM, EngineSettings(backend="openvino", precision="int8"))
    assert "int8" not in " ".join([*ov.report().devices, ov.report().reason])


def test_the_report_says_that_int8_is_the_choice_where_it_is_possible() -> None:
    report = ov.report()
    assert ("int8" in report.devices[0]) == ("int8" in report.reason) == ov.has_dot_products()


@pytest.mark.skipif(not ov.has_dot_products(), reason="no 8-bit dot products here")
def test_the_networks_convolutions_really_are_in_8_bits() -> None:
    network = get_network("luma, int8")
    compiled = ov.compile_graph(openvino.Core(), "CPU", "int8", network, FORM, 0)
    computed = [op.get_rt_info() for op in compiled.get_runtime_model().get_ordered_ops()]
    precisions = {
        facts["originalLayersNames"].value: facts["runtimePrecision"].value
        for facts in computed
        if facts["layerType"].value == "Convolution"
    }
    found = [kind for name, kind in precisions.items() if name.startswith("network_")]
    assert len(found) == 4
    assert set(found) <= {"u8", "i8"}
