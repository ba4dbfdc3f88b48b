"""An engine that takes long to build says how far it is, and the library says nothing by itself."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from films import Video, film, settings
from runs import QUICK, vsr_here
from stored_engines import KEY, PLAN
from test_engine_store import let_go, process

from vsr.backends.base import Building, OnBuild
from vsr.backends.ov import OpenVinoEngine
from vsr.backends.select import BACKENDS
from vsr.backends.store import EngineKey, EngineStore
from vsr.backends.watch import BuildWatch
from vsr.errors import BackendError
from vsr.frame import FrameFormat
from vsr.networks.network import Network
from vsr.pipeline.upscale import upscale
from vsr.settings import EngineSettings

NAME = "fast_x2 640x360 yuv420p fp16"


def stored(tell: Callable[[str], None], on_build: OnBuild | None, fails: bool = False) -> bytes:
    """A plan out of the store, as TensorRT's would be: built in three steps where there is none."""
    watch = BuildWatch(f"{KEY.title} {KEY.precision}", KEY.device, tell, on_build)

    def build() -> bytes:
        for share in (0.0, 0.25, 0.43, 1.0):
            watch.progress(share)
        if fails:
            raise BackendError("no kernel")
        return PLAN

    plan = EngineStore().load_or_build(KEY, build, lambda plan: plan, watch.say)
    watch.done()
    return plan


class SlowEngine(OpenVinoEngine):
    """OpenVINO's, with something to be built first."""

    fails = False

    def __init__(
        self,
        network: Network,
        form: FrameFormat,
        settings: EngineSettings,
        on_build: OnBuild | None = None,
    ) -> None:
        notes: list[str] = []
        stored(notes.append, on_build, self.fails)
        super().__init__(network, form, replace(settings, backend="openvino"))
        self.notes += notes


class FailingEngine(SlowEngine):
    fails = True


def prepare(
    network: Network, form: FrameFormat, settings: EngineSettings, on_build: OnBuild
) -> EngineKey:
    """What `vsr engine build` calls of TensorRT's backend."""
    stored(lambda words: None, on_build)
    return KEY


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineStore:
    monkeypatch.setenv("VSR_ENGINES", str(tmp_path / "engines"))
    monkeypatch.setitem(BACKENDS, "slow", (__name__, "SlowEngine"))
    monkeypatch.setitem(BACKENDS, "failing", (__name__, "FailingEngine"))
    return EngineStore()


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return film(tmp_path / "movie.mkv", Video(frames=3))


# What is told.


def test_a_build_is_told_of_from_its_beginning_to_its_end(movie: Path) -> None:
    told: list[Building] = []
    job = replace(settings(), engine=EngineSettings("slow"), overwrite=True)
    upscale(movie, movie.with_name("out.mkv"), settings=job, on_build=told.append)
    assert [building.share for building in told] == [0, 0.25, 0.43, 0.99, 1]
    assert {(b.engine, b.device, b.note) for b in told} == {(NAME, "NVIDIA H200", "")}
    times = [building.seconds for building in told]
    assert times == sorted(times)
    told.clear()
    upscale(movie, movie.with_name("out.mkv"), settings=job, on_build=told.append)
    assert told == []


def test_the_time_left_follows_from_the_time_it_took() -> None:
    assert Building("a", "b", 0.25, 30.0).seconds_left == 90
    assert Building("a", "b", 0.01, 30.0).seconds_left is None
    assert Building("a", "b", 1.0, 30.0).seconds_left == 0


def test_without_anybody_to_tell_nothing_is_said(
    movie: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    job = replace(settings(), engine=EngineSettings("slow"))
    upscale(movie, movie.with_name("out.mkv"), settings=job)
    assert capfd.readouterr() == ("", "")


def test_that_another_process_builds_it_is_told_while_it_does(tmp_path: Path) -> None:
    other = process(tmp_path, 1)
    let_go(other)
    while not (tmp_path / "builds").exists():
        time.sleep(0.01)
    told, words = list[Building](), list[str]()
    assert stored(words.append, told.append) == b"plan of a process"
    other.communicate()
    [building] = told
    assert [building.note] == words
    assert building.note.endswith("another process is building it; waiting for that")


# What people and machines see.


def untimed(words: str) -> str:
    return re.sub(r"\d+(\.\d)? s\b", "N s", words)


def test_without_a_terminal_people_get_two_lines(movie: Path) -> None:
    ran = vsr_here("upscale", movie, *QUICK, "--backend", "slow")
    assert ran.code == 0, ran.err
    first, second, third, *_ = ran.err.splitlines()
    assert first == f"building {NAME} for NVIDIA H200; that can take minutes, once"
    assert untimed(second) == f"{NAME} for NVIDIA H200: built in N s"
    assert third.startswith(f"{movie}: 64x48")
    ran = vsr_here("upscale", movie, *QUICK, "--backend", "slow", "--overwrite")
    assert "buil" not in ran.err


def test_with_a_bar_they_see_how_far_it_is_and_what_is_left(movie: Path) -> None:
    ran = vsr_here("upscale", movie, *QUICK, "--backend", "slow", "--progress", "bar")
    assert ran.code == 0, ran.err
    assert f"building {NAME} for NVIDIA H200:   0 % " in ran.err
    assert f"{NAME} for NVIDIA H200: built in N s\n" in untimed(ran.err)


def test_of_a_broken_plan_they_hear_once(movie: Path, store: EngineStore) -> None:
    vsr_here("upscale", movie, *QUICK, "--backend", "slow")
    [plan] = store.folder.glob("*.plan")
    plan.write_bytes(b"short")
    ran = vsr_here("upscale", movie, *QUICK, "--backend", "slow", "--overwrite")
    assert ran.err.count("its plan has 5 bytes, not 4000; it is built again") == 1
    assert ran.err.index("it is built again") < ran.err.index(f"building {NAME}")


def test_machines_get_lines_of_json(movie: Path) -> None:
    ran = vsr_here("upscale", movie, *QUICK, "--backend", "slow", "--progress", "json")
    assert ran.code == 0, ran.err
    builds = [event for event in ran.events if event["event"] == "build"]
    assert [(build["share"], build["engine"]) for build in builds] == [(0, NAME), (1, NAME)]
    assert builds[1].keys() == {
        *("event", "engine", "device", "share", "seconds", "seconds_left", "note")
    }
    assert [event["event"] for event in ran.events].index("start") == 2


def test_quiet_is_quiet(movie: Path) -> None:
    ran = vsr_here("upscale", movie, *QUICK, "--backend", "slow", "--progress", "none")
    assert (ran.code, ran.err) == (0, "")


def test_of_a_build_that_fails_no_bar_is_left(movie: Path) -> None:
    ran = vsr_here("upscale", movie, *QUICK, "--backend", "failing", "--progress", "bar")
    assert ran.code == 1
    assert ran.err.endswith("\rvsr: no kernel\n")


# vsr engine build.


def recipe(folder: Path) -> Path:
    path = folder / "recipe.toml"
    path.write_text('network = "fast"\nscale = 2\nsizes = ["640x360"]\n')
    return path


def test_engine_build_shows_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "tensorrt", (__name__, ""))
    ran = vsr_here("engine", "build", recipe(tmp_path))
    begun, built, ready = untimed(ran.words).splitlines()
    assert begun == f"building {NAME} for NVIDIA H200; that can take minutes, once"
    assert built == f"{NAME} for NVIDIA H200: built in N s"
    assert ready == f"{KEY.stem}: ready after N s"
    ran = vsr_here("engine", "build", recipe(tmp_path))
    assert untimed(ran.words) == f"{KEY.stem}: ready after N s\n"
    [plan] = EngineStore().folder.glob("*.plan")
    plan.unlink()
    lines = vsr_here("engine", "build", recipe(tmp_path), "--json").words.splitlines()
    assert [json.loads(line).get("share") for line in lines] == [0, 0, 1, None]
    assert "it is built again" in json.loads(lines[0])["note"]


def test_what_engine_build_is_told_goes_before_what_the_recipe_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[EngineSettings] = []

    def look(
        network: Network, form: FrameFormat, settings: EngineSettings, on_build: OnBuild
    ) -> EngineKey:
        seen.append(settings)
        return KEY

    monkeypatch.setitem(BACKENDS, "tensorrt", (__name__, ""))
    monkeypatch.setitem(globals(), "prepare", look)
    path = recipe(tmp_path)
    path.write_text(path.read_text() + "optimization_level = 4\nworkspace = 1.5\n")
    vsr_here("engine", "build", path)
    vsr_here("engine", "build", path, "--optimization-level", "0", "--workspace", "0")
    assert [(each.optimization_level, each.workspace) for each in seen] == [(4, 1.5), (0, 0)]
    ran = vsr_here("engine", "build", path, "--optimization-level", "6")
    assert (ran.code, ran.err) == (2, "vsr: optimization level 6 is not between 0 and 5\n")
    ran = vsr_here("engine", "build", path, "--workspace", "-1")
    assert (ran.code, ran.err) == (2, "vsr: a workspace of -1 GiB is not between 0 and 1024\n")
