"""fp16 held against fp32: on a real overflow, in an engine that computes in real fp16."""

from collections.abc import Callable
from dataclasses import replace
from typing import Self

import numpy as np
import pytest
import reference
from small_networks import (
    global_network,
    halving_network,
    largest_difference,
    natural,
    network,
    node,
    noise,
    random_network,
)

from vsr.backends.base import Engine
from vsr.backends.guard import Done, GuardedEngine, too_large
from vsr.backends.ov import OpenVinoEngine
from vsr.backends.probe import Probe, find_tile
from vsr.backends.ranges import largest_values
from vsr.errors import BackendError
from vsr.frame import Frame, FrameFormat
from vsr.graph import frame_graph
from vsr.networks.network import Network
from vsr.settings import EngineSettings

FORM = FrameFormat(48, 32)


class OnnxEngine:
    """ONNX's own reference implementation as an engine: slow, and fp16 where the graph says so."""

    depth, device, runtime = 1, "CPU", "ONNX 1"
    verdict: str | None = None

    def __init__(self, network: Network, form: FrameFormat, precision: str) -> None:
        self.model, self.format, self.scale = frame_graph(network, form), form, network.scale
        self.description = f"ONNX {precision}"
        self.notes: list[str] = []
        self.closed = False

    def start(self, frame: Frame) -> Done:
        feeds = {"y": frame.y[None, None]} | ({} if frame.uv is None else {"uv": frame.uv[None]})
        with np.errstate(all="ignore"):
            y, *uv = reference.run_onnx(self.model, feeds)
        return Done(replace(frame, y=y[0, 0], uv=uv[0][0] if uv else None))

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Builds:
    """Builds engines, and keeps a list of them."""

    def __init__(self, form: FrameFormat = FORM) -> None:
        self.form = form
        self.engines: list[OnnxEngine] = []

    def __call__(self, network: Network, precision: str) -> Engine:
        self.engines.append(OnnxEngine(network, self.form, precision))
        return self.engines[-1]

    @property
    def precisions(self) -> list[str]:
        return [engine.description.removeprefix("ONNX ") for engine in self.engines]


def loud(gain: float = 3e4, gate: bool = False) -> Network:
    """Features far beyond 65504; with a gate, one that cannot be made smaller as a whole."""
    weights = {
        "w": np.full((4, 1, 1, 1), gain, np.float32),
        "v": (np.eye(4) * 10).reshape(4, 4, 1, 1).astype(np.float32),
        "u": (np.eye(4) / gain / 10).reshape(4, 4, 1, 1).astype(np.float32),
    }
    nodes = [node("Conv", "x w", "a"), node("Relu", "a", "r"), node("Conv", "r v", "b")]
    nodes.append(node("Conv", "b u", "c"))
    if gate:
        nodes += [node("Sigmoid", "c", "s"), node("Mul", "c s", "d")]
    nodes.append(node("DepthToSpace", "d" if gate else "c", "y", blocksize=2, mode="CRD"))
    return network(nodes, weights)


def flat(form: FrameFormat) -> Frame:
    frame = natural(form)
    assert frame.uv is not None
    return replace(frame, y=np.full_like(frame.y, 20), uv=np.full_like(frame.uv, 128))


def right(result: Frame, frame: Frame, network: Network, form: FrameFormat = FORM) -> bool:
    return largest_difference(result, reference.enlarge(frame, form, network)) <= 2


def test_a_network_that_fits_stays_in_fp16_and_nothing_is_said() -> None:
    build, frame = Builds(), natural(FORM)
    with GuardedEngine(build, random_network(3, 2), FORM, "fp16") as engine:
        assert right(engine.start(frame).result(), frame, random_network(3, 2))
        engine.start(noise(FORM)).result()
    assert build.precisions == ["fp16"]
    assert engine.notes == []
    assert build.engines[0].closed


def test_features_that_overflow_are_made_smaller_and_the_user_is_told() -> None:
    build, frame = Builds(), natural(FORM)
    engine = GuardedEngine(build, loud(), FORM, "fp16")
    assert right(engine.start(frame).result(), frame, loud())
    assert build.precisions == ["fp16", "fp16, features / 64"]
    assert [old.closed for old in build.engines] == [True, False]
    assert engine.description == "ONNX fp16, features / 64"
    assert len(engine.notes) == 1
    assert "codes with small on this film: computed in fp16, features / 64" in engine.notes[0]


def test_where_they_cannot_be_the_layers_that_go_too_far_are_in_fp32() -> None:
    build, frame = Builds(), natural(FORM)
    engine = GuardedEngine(build, loud(gate=True), FORM, "fp16")
    assert right(engine.start(frame).result(), frame, loud(gate=True))
    assert build.precisions == ["fp16", "fp16, 4 layers in fp32"]


def test_at_last_it_is_fp32_and_where_that_differs_too_it_is_an_error() -> None:
    """An engine that is wrong in whatever it computes."""

    class Wrong(Builds):
        def __call__(self, network: Network, precision: str) -> Engine:
            if precision != "fp32" or self.always:
                network = random_network(1, 2, seed=1)
            return super().__call__(network, precision)

        always = False

    build, frame = Wrong(), natural(FORM)
    engine = GuardedEngine(build, random_network(1, 2), FORM, "fp16")
    assert right(engine.start(frame).result(), frame, random_network(1, 2))
    assert build.precisions == ["fp16", "fp32"]
    build.always = True
    engine = GuardedEngine(build, random_network(1, 2), FORM, "fp16")
    with pytest.raises(BackendError, match=r"ONNX fp32 is off by \d+ codes .*; choose --backend"):
        engine.start(frame)


def test_a_film_that_begins_black_is_looked_at_again_when_there_is_something_to_see() -> None:
    """0 times anything is in range, so only the frame with detail shows the overflow."""
    black = replace(flat(FORM), y=np.zeros((32, 48), np.uint8))
    build, frame = Builds(), natural(FORM)
    engine = GuardedEngine(build, loud(), FORM, "fp16")
    assert right(engine.start(black).result(), black, loud())
    assert build.precisions == ["fp16"]
    assert right(engine.start(frame).result(), frame, loud())
    assert build.precisions == ["fp16", "fp16, features / 64"]


def test_frames_in_work_in_the_old_engine_keep_their_results() -> None:
    build = Builds()
    engine = GuardedEngine(build, loud(), FORM, "fp16")
    black = replace(flat(FORM), y=np.zeros((32, 48), np.uint8))
    engine.start(black).result()
    pending = engine.start(black)
    engine.start(natural(FORM)).result()
    assert right(pending.result(), black, loud())


def test_fp32_is_not_looked_at() -> None:
    def fails(*words: object) -> None:
        raise AssertionError("looked at")

    build = Builds()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vsr.backends.guard.Probe", fails)
        GuardedEngine(build, loud(), FORM, "fp32").start(natural(FORM)).result()
    assert build.precisions == ["fp32"]


def test_a_network_without_an_fp16_form_is_computed_in_fp32_and_the_user_is_told() -> None:
    model = random_network().model
    model.graph.node[0].domain = "com.example"
    model.opset_import.add(domain="com.example", version=1)
    build = Builds()
    engine = GuardedEngine(build, replace(random_network(), model=model), FORM, "fp16")
    assert build.precisions == ["fp32"]
    assert "computed in fp32: small has no fp16 form (Conv is not known)" in engine.notes[0]


def test_what_an_engine_notes_is_the_guards_note_too() -> None:
    build = Builds()
    engine = GuardedEngine(build, random_network(), FORM, "fp16")
    build.engines[0].notes.append("later")
    assert engine.notes == ["later"]


# Tiles.


@pytest.mark.parametrize(
    "form",
    [
        FrameFormat(301, 203),
        FrameFormat(300, 202, 10, "422"),
        FrameFormat(150, 400, 12, "444"),
        FrameFormat(40, 30, chroma="gray"),
        FrameFormat(5, 3),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "make",
    [lambda: random_network(1, 3), lambda: random_network(3, 2), lambda: halving_network(3, 4)],
)
def test_a_tile_is_the_whole_frames_result_at_its_place(
    form: FrameFormat, make: Callable[[], Network]
) -> None:
    """Computed by the same program in the same precision: then there is no difference but that of
    rounding differently."""
    net, frame = make(), natural(form)
    frame.y[:-150] //= 16  # in high pictures the detail is at the bottom
    tile = find_tile(net, form, frame)
    assert tile.whole
    with OpenVinoEngine(net, form, EngineSettings(precision="fp32")) as engine:
        result = engine.start(frame).result()
    probe = Probe(net, form, frame, tile)
    assert probe.difference(result) <= 1
    rows, columns = tile.rows, tile.columns
    result.y[rows.end * net.scale - 1, columns.keep * net.scale] ^= 4
    assert probe.difference(result) >= 3


def test_the_tile_lies_where_there_is_detail() -> None:
    form = FrameFormat(640, 360, chroma="gray")
    y = np.full((360, 640), 40, np.uint8)
    y[200:230, 520:550] = noise(FrameFormat(30, 30)).y
    tile = find_tile(random_network(), form, Frame(y, None, 0))
    assert tile.rows.keep <= 200 < tile.rows.end
    assert tile.columns.keep <= 520 < tile.columns.end
    assert tile.detail > 10


def test_a_network_that_sees_the_whole_picture_is_judged_on_average() -> None:
    form = FrameFormat(300, 200)
    frame = natural(form)
    tile = find_tile(global_network(), form, frame)
    assert not tile.whole
    probe = Probe(global_network(), form, frame, tile)
    expected = reference.enlarge(frame, form, global_network())
    expected.y[tile.rows.keep * 2, tile.columns.keep * 2] ^= 64
    assert probe.difference(expected) < probe.tolerance
    assert probe.difference(replace(expected, y=np.zeros_like(expected.y))) > 10


# Numbers within a network.


def test_the_largest_values_are_those_that_onnx_computes() -> None:
    frame = natural(FORM)
    peaks = largest_values(loud(), FORM, frame)
    brightest = frame.y.max() / 255
    assert peaks["a"] == pytest.approx(3e4 * brightest, rel=1e-3)
    assert peaks["b"] == pytest.approx(3e5 * brightest, rel=1e-3)
    assert peaks["y"] == pytest.approx(brightest, rel=1e-3)
    assert too_large(loud(), peaks) == {"a", "r", "b", "c"}
    assert too_large(loud(), {"b": float("nan")}) == {"b", "c"}
