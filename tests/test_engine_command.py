"""vsr engine, and the recipes that it builds from."""

import json
import os
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from runs import ROOT, vsr_here
from stored_engines import KEY, PLAN, Builder, plan_of

from vsr.backends.recipes import read_recipe
from vsr.backends.store import EngineStore
from vsr.errors import InputError
from vsr.frame import FrameFormat
from vsr.networks.catalog import cards

RECIPES = sorted((ROOT / "engines").glob("*.toml"))
LEAST = 'network = "fast"\nscale = 2\n'
ANY = LEAST + 'sizes = ["640x360"]\n'


def recipe(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


# Recipes.


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_here_is_of_a_bundled_network(path: Path) -> None:
    found = read_recipe(path)
    assert (found.network, found.scale) in {(card.name, card.scale) for card in cards()}
    assert path.stem.startswith(f"{found.network}_x{found.scale}")
    assert found.formats


def test_every_bundled_network_has_a_recipe() -> None:
    named = {(found.network, found.scale) for found in map(read_recipe, RECIPES)}
    assert named == {(card.name, card.scale) for card in cards()}


def test_a_recipe_has_a_format_for_each_size(tmp_path: Path) -> None:
    found = read_recipe(recipe(tmp_path, LEAST + 'sizes = ["640x360", "1920x1080"]'))
    assert found.formats == [FrameFormat(640, 360), FrameFormat(1920, 1080)]
    settings = found.settings("cuda:1")
    assert (settings.backend, settings.device) == ("tensorrt", "cuda:1")
    assert (settings.precision, settings.batch) == ("auto", 0)
    assert (settings.optimization_level, settings.workspace) == (None, None)


def test_all_words_of_a_recipe_are_heeded(tmp_path: Path) -> None:
    words = """
        precision = "fp16"
        tile = 256
        batch = 4
        optimization_level = 5
        workspace = 2
        depth = 10
        chroma = "422"
        color_matrix = "bt2020"
        full_range = true
        chroma_location = "topleft"
    """
    found = read_recipe(recipe(tmp_path, LEAST + words))
    assert found.formats == [FrameFormat(256, 256, 10, "422", "bt2020", True, "topleft")]
    assert found.settings("auto").precision == "fp16"
    assert found.settings("auto").batch == 4
    assert found.settings("auto").optimization_level == 5
    assert found.settings("auto").workspace == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("network = ", "not a TOML file"),
        ("scale = 2", "it does not say 'network'"),
        ('network = "fast"', "it does not say 'scale'"),
        (LEAST, 'it needs either sizes = ["640x360", ...] or tile = 256'),
        (ANY + "tile = 256", 'it needs either sizes = ["640x360", ...] or tile = 256'),
        (LEAST + 'sizes = "640x360"', "it needs either sizes"),
        (LEAST + 'sizes = ["640"]', "'640' is no size; say 640x360"),
        (LEAST + 'sizes = ["0x360"]', "'0x360' is no size; say 640x360"),
        (LEAST + "tile = 16", "tile 16 is too small; 32 is the least"),
        (ANY + "batch = -1", "a batch of -1 frames is nothing to compute"),
        (ANY + 'batch = "2"', "'batch' is '2', not a whole number"),
        (ANY + "optimization_level = 6", "optimization level 6 is not between 0 and 5"),
        (ANY + "optimization_level = 2.5", "'optimization_level' is 2.5, not a whole number"),
        (ANY + "workspace = -1", "a workspace of -1 GiB is not between 0 and 1024"),
        (ANY + 'workspace = "1 GiB"', "'workspace' is '1 GiB', not a number"),
        (ANY + 'precision = "half"', "'precision' is 'half'; it may be auto, fp32, bf16"),
        (ANY + 'chroma = "411"', "'chroma' is '411'; it may be 420, 422, 444, gray"),
        (ANY + "fps = 25", "it says 'fps'; a recipe has batch, chroma, chroma_location"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused_by_its_name(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = recipe(tmp_path, text)
    with pytest.raises(InputError) as refusal:
        read_recipe(path)
    assert str(refusal.value).startswith(f"{path}: {reason}")


def test_a_recipe_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    ran = vsr_here("engine", "build", tmp_path / "none.toml")
    assert (ran.code, ran.err) == (1, f"vsr: {tmp_path}/none.toml: No such file or directory\n")


# vsr engine.


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineStore:
    """With one engine in it; the one that the command finds by itself."""
    monkeypatch.setenv("VSR_ENGINES", str(tmp_path / "engines"))
    made = EngineStore()
    Builder().get(made)
    return made


def test_without_tensorrt_build_says_what_is_missing(tmp_path: Path) -> None:
    if find_spec("tensorrt") is not None:
        pytest.skip("TensorRT is here")
    ran = vsr_here("engine", "build", recipe(tmp_path, ANY))
    assert (ran.code, ran.words) == (1, "")
    assert ran.err == (
        "vsr: engines are built by TensorRT, which is not here: No module named 'tensorrt'; "
        "pip install 'vsr[tensorrt]'\n"
    )


def test_build_looks_at_all_recipes_before_it_begins(tmp_path: Path) -> None:
    path = recipe(tmp_path, ANY.replace("fast", "magic"))
    ran = vsr_here("engine", "build", path)
    assert (ran.code, ran.words) == (2, "")
    assert ran.err.startswith("vsr: no model 'magic'")


def test_list_shows_what_there_is(store: EngineStore) -> None:
    ran = vsr_here("engine", "list")
    first, second = ran.words.splitlines()
    assert first == f"1 engines, 0.0 MB in {store.folder}"
    assert second.startswith(f"{KEY.stem}  0.0 MB, used 20")
    [line] = vsr_here("engine", "list", "--json").words.splitlines()
    facts = json.loads(line)
    assert (facts["name"], facts["graph"], facts["size"]) == (KEY.stem, KEY.graph, len(PLAN))


def test_list_looks_into_another_folder(store: EngineStore, tmp_path: Path) -> None:
    ran = vsr_here("engine", "list", "--into", tmp_path / "other")
    assert ran.words.startswith("0 engines")


def test_info_tells_all_of_an_engine_by_the_beginning_of_its_name(store: EngineStore) -> None:
    ran = vsr_here("engine", "info", "fast_x2")
    for word in (KEY.graph, KEY.runtime, KEY.device, KEY.driver, KEY.shapes):
        assert word in ran.words
    assert "optimization level: 3\n" in ran.words
    assert json.loads(vsr_here("engine", "info", "fast_x2", "--json").words)["vsr"]
    ran = vsr_here("engine", "info", "slow")
    assert ran.err == "vsr: no engine 'slow'; vsr engine list shows which there are\n"
    assert ran.code == 2


def test_prune_removes_what_it_is_told_to_and_nothing_else(store: EngineStore) -> None:
    then = time.time() - 40 * 86400
    os.utime(plan_of(store), (then, then))
    assert vsr_here("engine", "prune", "--older-than", "41d").words == "0.0 MB freed\n"
    assert vsr_here("engine", "prune", "--gpu", "NVIDIA L4").words == "0.0 MB freed\n"
    words = ("--older-than", "960h", "--gpu", KEY.device, "--runtime-not", KEY.runtime)
    assert vsr_here("engine", "prune", *words).words == "0.0 MB freed\n"
    assert plan_of(store).exists()
    ran = vsr_here("engine", "prune", "--older-than", "39d")
    assert ran.words == f"removed {KEY.stem}\n0.0 MB freed\n"
    assert not plan_of(store).exists()


def test_prune_of_all_has_to_be_said(store: EngineStore) -> None:
    for words in ((), ("--all", "--gpu", "NVIDIA H200")):
        ran = vsr_here("engine", "prune", *words)
        assert (ran.code, plan_of(store).exists()) == (2, True)
        assert ran.err.startswith("vsr: say which: --older-than 30d")
    assert vsr_here("engine", "prune", "--older-than", "soon").code == 2
    [line] = vsr_here("engine", "prune", "--all", "--json").words.splitlines()
    assert json.loads(line)["name"] == KEY.stem
    assert EngineStore().entries() == []
