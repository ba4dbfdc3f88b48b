"""The store of built engines: real files, real processes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from runs import mounted
from stored_engines import KEY, PLAN, Builder, plan_of

from vsr.backends.base import OutOfMemoryError
from vsr.backends.store import EngineKey, EngineStore
from vsr.errors import BackendError, StoreError


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    return EngineStore(tmp_path / "engines")


# What an engine is.


def test_each_word_of_the_identity_makes_another_engine() -> None:
    for name in (field.name for field in fields(KEY) if field.name != "title"):
        changed: dict[str, Any] = {name: "other"}
        other = replace(KEY, **changed)
        assert other != KEY
        assert other.digest != KEY.digest
        assert other.stem != KEY.stem


def test_the_title_is_no_part_of_the_identity() -> None:
    other = replace(KEY, title="other")
    assert (other, other.digest) == (KEY, KEY.digest)


def test_the_files_names_tell_people_what_they_are() -> None:
    name, _, digest = KEY.stem.rpartition("-")
    assert name == "fast_x2-640x360-yuv420p-fp16-NVIDIA-H200"
    assert len(digest) == 12
    assert "/" not in replace(KEY, title="../../x", device="a/b\n").stem


# Built once.


def test_an_engine_is_built_once_and_then_loaded(store: EngineStore) -> None:
    builder = Builder()
    assert builder.get(store) == PLAN
    assert builder.get(EngineStore(store.folder)) == PLAN
    assert (builder.builds, builder.told) == (1, [])
    assert plan_of(store).read_bytes() == PLAN


def test_another_engine_is_built_beside_it(store: EngineStore) -> None:
    Builder().get(store)
    other = Builder(b"other")
    assert other.get(store, replace(KEY, driver="581")) == b"other"
    assert other.builds == 1
    assert len(store.entries()) == 2


def built_at(store: EngineStore, level: int, workspace: int = 0, day: int = 1) -> EngineKey:
    """An engine that was built so on a day of 2026's January."""
    key = replace(KEY, optimization_level=level, workspace=workspace)
    Builder().get(store, key)
    manifest = plan_of(store, key).with_suffix(".json")
    facts = json.loads(manifest.read_text()) | {"built": f"2026-01-{day:02}T00:00:00+00:00"}
    manifest.write_text(json.dumps(facts))
    return key


def test_who_does_not_say_how_takes_the_engine_that_was_built_with_most_pains(
    store: EngineStore,
) -> None:
    assert store.built_as(KEY, None, None) == KEY
    built_at(store, 1, day=9)
    for day in range(1, 5):
        newest = built_at(store, 5, workspace=day << 20, day=day)
        assert store.built_as(KEY, None, None) == newest
    built_at(store, 3, day=9)
    assert store.built_as(KEY, None, None) == newest
    assert store.built_as(replace(KEY, driver="581"), None, None) == replace(KEY, driver="581")


def test_who_says_how_gets_no_other(store: EngineStore) -> None:
    patient, built = built_at(store, 5, workspace=1 << 30), built_at(store, 1)
    wanted = replace(KEY, optimization_level=4)
    assert store.built_as(wanted, 4, None) == wanted
    assert store.built_as(KEY, None, 0) == built
    assert store.built_as(replace(KEY, optimization_level=5), 5, None) == patient
    assert store.built_as(replace(KEY, optimization_level=5), 5, 0).workspace == 0


def test_an_engine_that_cannot_be_kept_is_used_all_the_same_and_that_is_said(
    tmp_path: Path,
) -> None:
    """As where the disk is full, when minutes have gone into the build."""
    with mounted(tmp_path / "small", "size=16k") as folder:
        store, builder = EngineStore(folder), Builder(b"x" * 100_000)
        assert builder.get(store) == builder.plan
        [words] = builder.told
        assert words == (
            f"engine {KEY.stem} cannot be kept in {folder} (No space left on device), and is used "
            "this once; VSR_ENGINES names another folder"
        )
        assert [path.suffix for path in folder.iterdir()] == [".lock"]


def test_the_manifest_tells_all_there_is_to_know(store: EngineStore) -> None:
    Builder().get(store)
    facts = json.loads(plan_of(store).with_suffix(".json").read_text())
    assert EngineKey(**facts["key"]) == KEY
    assert facts["size"] == len(PLAN)
    assert len(facts["sha256"]) == 64
    assert facts["build_seconds"] >= 0
    [entry] = store.entries()
    assert (entry.key.title, entry.size) == (KEY.title, len(PLAN))
    assert abs(entry.built - datetime.now(UTC)) < timedelta(minutes=1)


def test_nothing_is_left_of_a_build_that_fails(store: EngineStore) -> None:
    def fail() -> bytes:
        raise BackendError("no kernel")

    with pytest.raises(BackendError, match="no kernel"):
        store.load_or_build(KEY, fail, lambda plan: plan)
    assert store.entries() == []
    assert [path.suffix for path in store.folder.iterdir()] == [".lock"]
    Builder().get(store)


def test_what_was_just_built_and_does_not_load_is_an_error(store: EngineStore) -> None:
    with pytest.raises(BackendError, match=r"just built: tensorrt 11\.4\.0\.106 does not take it"):
        Builder().get(store, load=lambda plan: None)


SCRIPT = """
import sys, time
from pathlib import Path
from stored_engines import KEY
from vsr.backends.store import EngineStore

folder, seconds = Path(sys.argv[1]), float(sys.argv[2])

def build():
    with (folder / "builds").open("a") as file:
        file.write("one\\n")
    time.sleep(seconds)
    return b"plan of a process"

store = EngineStore(folder / "engines")
print("ready", flush=True)
sys.stdin.readline()
store.load_or_build(KEY, build, lambda plan: plan, lambda words: print(words, flush=True))
print("loaded", flush=True)
"""


def process(folder: Path, seconds: float) -> subprocess.Popen[str]:
    """One that wants the engine, and waits for a line before it asks."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    words = [sys.executable, "-c", SCRIPT, str(folder), str(seconds)]
    started = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def let_go(waiting: subprocess.Popen[str]) -> None:
    assert waiting.stdin is not None
    waiting.stdin.write("\n")
    waiting.stdin.flush()


def test_two_processes_that_want_the_same_engine_build_it_once(tmp_path: Path) -> None:
    pair = [process(tmp_path, 1) for _ in range(2)]
    for each in pair:
        let_go(each)
    outputs = sorted((each.communicate()[0] for each in pair), key=len)
    assert (tmp_path / "builds").read_text() == "one\n"
    assert outputs[0] == "loaded\n"
    waited = f"engine {KEY.stem}: another process is building it; waiting for that\nloaded\n"
    assert outputs[1] == waited


def test_a_builder_that_is_killed_stands_in_nobodys_way(tmp_path: Path) -> None:
    victim = process(tmp_path, 60)
    let_go(victim)
    while not (tmp_path / "builds").exists():
        time.sleep(0.01)
    victim.kill()
    victim.communicate()
    builder = Builder()
    assert builder.get(EngineStore(tmp_path / "engines")) == PLAN
    assert builder.builds == 1


# Trusted only as it was written.


def truncate(plan: Path) -> None:
    plan.write_bytes(plan.read_bytes()[:-1])


def alter(plan: Path) -> None:
    plan.write_bytes(b"evil" + plan.read_bytes()[4:])


def link(plan: Path) -> None:
    elsewhere = plan.with_name("elsewhere")
    plan.rename(elsewhere)
    plan.symlink_to(elsewhere)


def forget(plan: Path) -> None:
    plan.with_suffix(".json").unlink()


def garble(plan: Path) -> None:
    plan.with_suffix(".json").write_text("{")


def misname(plan: Path) -> None:
    manifest = plan.with_suffix(".json")
    manifest.write_text(manifest.read_text().replace(KEY.driver, "581"))


def lose(plan: Path) -> None:
    plan.unlink()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (truncate, "its plan has 3999 bytes, not 4000"),
        (alter, "its plan is not what was written: the SHA-256 differs"),
        (link, "its plan cannot be read (Too many levels of symbolic links)"),
        (lose, "its plan cannot be read (No such file or directory)"),
        (forget, "nothing says where its plan comes from"),
        (garble, "its manifest cannot be read (Expecting"),
        (misname, "it is another engine's"),
    ],
)
def test_a_plan_that_is_not_as_it_was_written_is_built_again_loudly(
    store: EngineStore, harm: Callable[[Path], None], reason: str
) -> None:
    Builder().get(store)
    harm(plan_of(store))
    builder, seen = Builder(b"new"), list[bytes]()

    def load(plan: bytes) -> bytes:
        seen.append(plan)
        return plan

    assert builder.get(store, load=load) == b"new"
    assert seen == [b"new"]
    assert builder.builds == 1
    [words] = builder.told
    assert words.startswith(f"engine {KEY.stem}: {reason}")
    assert words.endswith("; it is built again")
    assert not plan_of(store).is_symlink()
    assert builder.get(store) == b"new"
    assert (builder.builds, len(builder.told)) == (1, 1)


def test_a_plan_that_the_runtime_refuses_is_built_again_loudly(store: EngineStore) -> None:
    def takes_new(plan: bytes) -> bytes | None:
        return plan if plan == b"new" else None

    def raises(plan: bytes) -> bytes:
        if plan != b"newer":
            raise BackendError("expecting compute 8.6 got compute 7.5")
        return plan

    Builder().get(store)
    builder = Builder(b"new")
    assert builder.get(store, load=takes_new) == b"new"
    assert "tensorrt 11.4.0.106 does not take it; it is built again" in builder.told[0]
    builder = Builder(b"newer")
    assert builder.get(store, load=raises) == b"newer"
    assert "expecting compute 8.6 got compute 7.5" in builder.told[0]


def test_a_lack_of_memory_is_no_reason_to_build_again(store: EngineStore) -> None:
    def crowded(plan: bytes) -> bytes:
        raise OutOfMemoryError("no memory for it")

    Builder().get(store)
    builder = Builder()
    with pytest.raises(OutOfMemoryError):
        builder.get(store, load=crowded)
    assert builder.builds == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_an_error_with_its_name(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match=str(tmp_path)):
        Builder().get(EngineStore(tmp_path / "engines"))


def test_a_file_in_the_folders_place_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "engines").write_text("")
    with pytest.raises(StoreError, match=f"{tmp_path}/engines: File exists"):
        Builder().get(EngineStore(tmp_path / "engines"))


# Where it is, what there is, and what goes.


def test_the_folder_is_the_users_cache_or_what_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = EngineStore()
    assert store.folder == tmp_path / "cache" / "vsr" / "engines"
    assert store.entries() == []
    assert not store.folder.exists()
    Builder().get(store)
    assert store.folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("VSR_ENGINES", str(tmp_path / "mine"))
    assert EngineStore().folder == tmp_path / "mine"


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(path, (then, then))


def test_pruning_takes_what_all_conditions_apply_to(store: EngineStore) -> None:
    old, young = KEY, replace(KEY, graph="young")
    foreign = replace(KEY, device="NVIDIA L4", runtime="tensorrt 10.9")
    for key in (old, young, foreign):
        Builder().get(store, key)
        age(plan_of(store, key), 1 if key == young else 40)
    month = timedelta(days=30)
    assert store.prune(older_than=month, device="NVIDIA L40") == []
    [gone] = store.prune(older_than=month, runtime_not="tensorrt 11.4.0.106")
    assert gone.key == foreign
    assert [entry.key for entry in store.prune(older_than=month)] == [old]
    assert [entry.key for entry in store.entries()] == [young]
    assert {path.suffix for path in store.folder.iterdir()} == {".plan", ".json", ".lock"}


def test_what_is_used_is_not_old(store: EngineStore) -> None:
    Builder().get(store)
    age(plan_of(store), 40)
    Builder().get(store)
    assert store.prune(older_than=timedelta(days=30)) == []


def test_timings_are_kept_apart_for_each_runtime_and_gpu(store: EngineStore) -> None:
    one = store.timing_cache("tensorrt 11.4", "NVIDIA H200")
    assert one == store.folder / "tensorrt-11.4-NVIDIA-H200.timing"
    assert one != store.timing_cache("tensorrt 11.4", "NVIDIA L4")
