"""The bundled networks and their cards, and how a name becomes a network."""

import hashlib
import json
import math
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import onnx
import pytest
from small_networks import nearest_rgb, random_network

from vsr.errors import InputError, UsageError
from vsr.networks import catalog
from vsr.networks.catalog import ModelCard, bundled, cards, find_network, weights_folder
from vsr.networks.classical import NAMES as CLASSICAL

CARDS = {f"{card.name}_x{card.scale}": card for card in cards()}


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue with the networks some x2, some x3 and some x4."""
    for scale in (4, 2, 3):
        onnx.save(random_network(1, scale).model, tmp_path / f"some_x{scale}.onnx")
        card = ModelCard("some", scale, "random", 0, "MIT", "", {}, {})
        (tmp_path / f"some_x{scale}.json").write_text(json.dumps(asdict(card)))
    monkeypatch.setattr(catalog, "weights_folder", lambda: tmp_path)


@pytest.mark.parametrize("name", sorted(CARDS))
def test_every_card_describes_its_file(name: str) -> None:
    card, file = CARDS[name], weights_folder() / f"{name}.onnx"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == card.sha256
    network = bundled(card.name, card.scale)
    weights = sum(math.prod(tensor.dims) for tensor in network.model.graph.initializer)
    assert (network.name, network.scale, weights) == (card.name, card.scale, card.weights)
    assert network.reach is not None
    assert card.licence
    assert card.description
    assert card.recipe["name"] == name


def test_every_bundled_network_has_a_card() -> None:
    names = {file.name for file in weights_folder().iterdir()}
    assert names == {f"{name}.{kind}" for name in CARDS for kind in ("onnx", "json")}


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("factor", "scale"),
    [("1", 2), ("1.5", 2), ("2", 2), ("2.01", 3), ("3", 3), ("4", 4), ("5", 16), ("16", 16)],
)
def test_the_smallest_scale_that_reaches_is_taken_or_the_largest_again_and_again(
    factor: str, scale: int
) -> None:
    assert find_network("some", Fraction(factor)).scale == scale


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize(("factor", "scale"), [("0.5", 1), ("1", 1), ("2.5", 3), ("7", 7)])
def test_classical_kernels_enlarge_by_any_whole_factor(name: str, factor: str, scale: int) -> None:
    assert find_network(name, Fraction(factor)).scale == scale


def test_the_path_of_a_file_is_a_model_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    onnx.save(nearest_rgb(3).model, path)
    found = find_network(str(path), Fraction(4))
    assert (found.name, found.channels, found.scale) == ("mine", 3, 9)
    path.rename(tmp_path / "mine")
    assert find_network(str(tmp_path / "mine"), Fraction(3)).scale == 3


def test_a_file_in_the_way_does_not_hide_a_bundled_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fast").write_text("a film of mine")
    assert find_network("fast", Fraction(2)).name == "fast"


def test_an_unknown_name_is_told_what_there_is() -> None:
    with pytest.raises(UsageError, match="no model 'best'") as refusal:
        find_network("best", Fraction(2))
    for name in (*CLASSICAL, "fast", "ONNX"):
        assert name in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.onnx: no such file"):
        find_network(str(tmp_path / "missing.onnx"), Fraction(2))


def test_a_network_that_does_not_enlarge_cannot_be_asked_to(tmp_path: Path) -> None:
    path = tmp_path / "denoise.onnx"
    onnx.save(nearest_rgb(1).model, path)
    assert find_network(str(path), Fraction(1)).scale == 1
    with pytest.raises(UsageError, match="denoise enlarges by 1, not by 2"):
        find_network(str(path), Fraction(2))
