"""TensorRT on a GPU: what the suite for all backends, tests/test_backends.py, does not ask."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reference
from small_networks import largest_difference, natural, network, node, noise, random_network

from vsr.backends.base import Building
from vsr.backends.select import reports
from vsr.errors import BackendError
from vsr.frame import FrameFormat
from vsr.networks.catalog import bundled
from vsr.settings import EngineSettings

REPORT = next((report for report in reports() if report.name == "tensorrt"), None)

pytestmark = pytest.mark.skipif(
    REPORT is None or not REPORT.usable,
    reason=f"TensorRT cannot run here: {REPORT.reason if REPORT else 'no such backend'}",
)

FORM = FrameFormat(128, 72)
FP16 = EngineSettings(backend="tensorrt", precision="fp16")


@pytest.fixture(autouse=True)
def own_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VSR_ENGINES", str(tmp_path / "engines"))
    return tmp_path / "engines"


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("batch", [1, 3])
def test_batches_in_fp16_are_within_two_codes(batch: int, depth: int) -> None:
    from vsr.backends.trt import TensorRtEngine

    form, fast = replace(FORM, depth=depth), bundled("fast", 2)
    frames = [natural(form, seed) for seed in range(8)]
    with TensorRtEngine(fast, form, replace(FP16, batch=batch)) as engine:
        assert engine.depth % batch == 0
        results = [pending.result() for pending in [engine.start(frame) for frame in frames]]
        assert engine.notes == []
    for frame, result in zip(frames, results, strict=True):
        assert largest_difference(result, reference.enlarge(frame, form, fast)) <= 2


def test_an_engine_is_built_once_and_found_again(own_engines: Path) -> None:
    from vsr.backends.trt import TensorRtEngine, prepare

    told: list[Building] = []
    key = prepare(random_network(), FORM, FP16, on_build=told.append)
    shares = [building.share for building in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert {(building.engine, building.device) for building in told} == {
        (f"{key.title} fp16", key.device)
    }
    built = {path: path.stat().st_mtime_ns for path in own_engines.glob("*.json")}
    assert [path.stem for path in built] == [key.stem]
    with TensorRtEngine(random_network(), FORM, FP16) as engine:
        assert engine.notes == []
    assert {path: path.stat().st_mtime_ns for path in own_engines.glob("*.json")} == built


def test_the_engine_of_another_size_is_another() -> None:
    from vsr.backends.trt import prepare

    keys = [prepare(random_network(), replace(FORM, width=width), FP16) for width in (64, 96)]
    assert keys[0].stem != keys[1].stem


def test_a_real_overflow_is_found_and_mended() -> None:
    from vsr.backends.trt import TensorRtEngine

    weights = {
        "w": np.full((4, 1, 1, 1), 3e5, np.float32),
        "u": (np.eye(4) / 3e5).reshape(4, 4, 1, 1).astype(np.float32),
    }
    nodes = [node("Conv", "x w", "a"), node("Relu", "a", "r"), node("Conv", "r u", "c")]
    nodes.append(node("DepthToSpace", "c", "y", blocksize=2, mode="CRD"))
    loud, frame = network(nodes, weights), natural(FORM)
    with TensorRtEngine(loud, FORM, FP16) as engine:
        result = engine.start(frame).result()
        assert "computed in" in engine.notes[0]
    assert largest_difference(result, reference.enlarge(frame, FORM, loud)) <= 2


def test_closing_gives_the_gpus_memory_back() -> None:
    from vsr.backends.cuda import find_gpu
    from vsr.backends.trt import TensorRtEngine

    gpu = find_gpu("auto")

    def in_use() -> int:
        with gpu.current():
            return gpu.memory_in_use()[0]

    TensorRtEngine(random_network(), FORM, FP16).close()
    before = in_use()
    for _ in range(3):
        with TensorRtEngine(random_network(), FORM, FP16) as engine:
            engine.start(noise(FORM)).result()
    assert in_use() - before < 2**20 * 8


def test_an_unknown_gpu_is_told_which_there_are() -> None:
    from vsr.backends.trt import TensorRtEngine

    with pytest.raises(BackendError, match=r"no GPU cuda:99 here; there is cuda:0"):
        TensorRtEngine(random_network(), FORM, replace(FP16, device="cuda:99"))
