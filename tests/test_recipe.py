"""Recipes: what a TOML file has to say, and what is said of one that does not."""

from dataclasses import replace
from pathlib import Path

import pytest

from vsr.errors import InputError
from vsr.train.recipe import Int8, Recipe, as_json, difference, make, read_recipe

RECIPES = sorted((Path(__file__).parents[1] / "vsr" / "train" / "recipes").glob("*.toml"))

WORDS = """
name = "tiny_x2"
description = "for the tests"
licence = "MIT"
[network]
kind = "plain"
channels = 4
"""


def read(tmp_path: Path, words: str) -> Recipe:
    path = tmp_path / "tiny.toml"
    path.write_text(words)
    return read_recipe(path)


def test_a_recipe_says_everything_that_is_not_left_at_its_default(tmp_path: Path) -> None:
    recipe = read(tmp_path, WORDS + '[data]\npictures = ["a/*"]\n[schedule]\nlearning_rate = 1\n')
    assert (recipe.name, recipe.family, recipe.scale) == ("tiny_x2", "tiny", 2)
    assert recipe.network == {"kind": "plain", "channels": 4}
    assert recipe.data.pictures == ["a/*"]
    assert recipe.schedule.learning_rate == 1
    assert recipe.data.decay == "bicubic"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("name = ", "Invalid value"),
        ("name = 'tiny_x2'", "description, licence, network: missing"),
        (WORDS.replace("tiny_x2", "tiny"), "the name 'tiny' has to end in _x2"),
        (WORDS.replace("kind", "sort"), r"\[network\] says no kind"),
        (WORDS + "[data]\npatches = 3", "'data.patches' is not known; there is pictures, videos"),
        (WORDS + "[data]\npatch = '48'", "'data.patch' is '48', which does not suit int"),
        (WORDS + "[data]\npatch = true", "'data.patch' is True, which does not suit int"),
        (WORDS + "[data]\npictures = [1]", r"'data.pictures' is \[1\], which does not suit list"),
        (WORDS + "[data]\ndecay = 'rust'", "'data.decay' is 'rust', which does not suit Literal"),
        (WORDS + "[data]\nvideos = ['a']", 'videos are only trained on with decay = "film"'),
        (WORDS + "[data]\nsizes = [1.0, 2.0]", r"sizes \[1.0, 2.0\] are not fractions"),
        (WORDS + "[data]\nsizes = [0.5]\ndecay = 'film'", "chooses the sizes itself"),
        (WORDS + "[loss]\nperceptual_weight = 1", "set vgg to their file"),
        (WORDS + "[loss]\nteacher = 'a_x2'", "teacher and teacher_weight only make sense together"),
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_entry(
    tmp_path: Path, words: str, reason: str
) -> None:
    with pytest.raises(InputError, match=f"tiny.toml: .*{reason}"):
        read(tmp_path, words)


def test_single_entries_can_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(WORDS)
    changes = ["network.channels=8", "name=wide_x2", "schedule.learning_rate=1e-2", "seed = 4"]
    recipe = read_recipe(path, changes)
    assert recipe.network == {"kind": "plain", "channels": 8}
    assert (recipe.name, recipe.schedule.learning_rate, recipe.seed) == ("wide_x2", 0.01, 4)
    for change, reason in [
        ("network", "changes nothing"),
        ("name.first=a", "name is no table"),
        ("data.patch=big", "'data.patch' is 'big', which does not suit int"),
    ]:
        with pytest.raises(InputError, match=f"tiny.toml: .*{reason}"):
            read_recipe(path, [change])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: No such file"):
        read_recipe(tmp_path / "none.toml")


def test_two_recipes_differ_in_what_decides_the_weights(tmp_path: Path) -> None:
    recipe = read(tmp_path, WORDS)
    kept = as_json(recipe)
    assert difference(recipe, kept) is None
    assert difference(replace(recipe, description="other", licence="other"), kept) is None
    assert difference(replace(recipe, seed=3), kept) == "seed is 3, and was 0"
    wider = replace(recipe, network={"kind": "plain", "channels": 8})
    assert difference(wider, kept) == "network.channels is 8, and was 4"
    longer = replace(recipe, schedule=replace(recipe.schedule, stop=5, validate_every=1))
    assert difference(longer, kept) is None
    assert difference(replace(recipe, int8=Int8()), kept) is None
    slower = replace(recipe, schedule=replace(recipe.schedule, steps=5))
    assert difference(slower, kept) == "schedule.steps is 5, and was 200000"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_here_can_be_read_and_is_named_as_its_file(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert make(Recipe, as_json(recipe), "") == recipe
