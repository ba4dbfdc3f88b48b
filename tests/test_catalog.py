"""The bundled networks and their cards, and how a name becomes a network."""

import hashlib
import json
import math
import re
import shutil
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

import onnx
import pytest
from small_networks import in_8_bits, nearest_rgb, quantized_network, random_network

from vsr.errors import InputError, UsageError
from vsr.networks import catalog
from vsr.networks.catalog import (
    Int8Card,
    ModelCard,
    bundled,
    cards,
    find_network,
    read_card,
    weights_folder,
)
from vsr.networks.classical import NAMES as CLASSICAL
from vsr.networks.network import Network
from vsr.networks.published import PublishedFile, models_folder, published
from vsr.networks.pull import pull

CHECKPOINT = Path(__file__).parents[2] / "shared" / "data" / "checkpoints" / "carn_m" / "carn_m.pth"

CARDS = {f"{card.name}_x{card.scale}": card for card in cards()}


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue with the networks some x2, some x3 and some x4."""
    for scale in (4, 2, 3):
        onnx.save(random_network(1, scale).model, tmp_path / f"some_x{scale}.onnx")
        card = ModelCard("some", scale, "random", 0, "MIT", "", {}, {})
        (tmp_path / f"some_x{scale}.json").write_text(json.dumps(asdict(card)))
    monkeypatch.setattr(catalog, "weights_folder", lambda: tmp_path)


@pytest.mark.usefixtures("many")
def test_a_bundled_network_brings_its_twin(tmp_path: Path) -> None:
    assert bundled("some", 2).int8 is None
    twin = quantized_network(1, 2).quantized().model
    onnx.save(twin, tmp_path / "some_x2.int8.onnx")
    assert bundled("some", 2).int8 == twin
    assert bundled("some", 3).int8 is None
    assert find_network("some", Fraction(16)).int8 is None
    assert find_network("some", Fraction(2)).int8 == twin


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("twin", [
    in_8_bits(random_network(1, 3)),
    in_8_bits(random_network(3, 2)),
    in_8_bits(random_network(1, 2, convs=4)),
], ids=["another scale", "other channels", "another reach"])  # fmt: skip
def test_a_twin_that_is_another_network_is_refused(tmp_path: Path, twin: onnx.ModelProto) -> None:
    onnx.save(twin, tmp_path / "some_x2.int8.onnx")
    with pytest.raises(InputError, match="some x2: its int8 twin is not the same network"):
        bundled("some", 2)


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
    if card.int8 is not None:
        twin = weights_folder() / f"{name}.int8.onnx"
        assert hashlib.sha256(twin.read_bytes()).hexdigest() == card.int8.sha256


def test_every_bundled_network_has_a_card() -> None:
    names = {file.name for file in weights_folder().iterdir()}
    expected = {f"{name}.{kind}" for name in CARDS for kind in ("onnx", "json")}
    assert names == expected | {f"{name}.int8.onnx" for name in CARDS if CARDS[name].int8}


@pytest.mark.parametrize("int8", [None, Int8Card("12ab", {"Set5": {"psnr": 37.0, "ssim": 0.95}})])
def test_a_card_is_read_as_it_was_written(int8: Int8Card | None) -> None:
    card = ModelCard("some", 2, "random", 0, "MIT", "", {}, {"seed": 0}, int8)
    assert read_card(json.dumps(asdict(card))) == card


def test_a_card_from_before_there_was_int8_has_none() -> None:
    card = ModelCard("some", 2, "random", 0, "MIT", "", {}, {})
    fields = asdict(card)
    del fields["int8"]
    assert read_card(json.dumps(fields)) == card


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("factor", "scale"),
    [
        ("1", 2),
        ("1.5", 2),
        ("2", 2),
        ("2.01", 3),
        ("3", 3),
        ("4", 4),
        ("5", 8),
        ("9", 9),
        ("16", 16),
    ],
)
def test_the_scale_is_taken_that_reaches_and_passes_by_least_again_and_again_where_need_be(
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


# ---- what others have published -------------------------------------------------------------

PUBLISHED = published()


def file_name(file: PublishedFile) -> str:
    return file.url.rpartition("/")[2]


@pytest.mark.parametrize("file", PUBLISHED, ids=file_name)
def test_every_entry_of_the_catalogue_is_well_formed(file: PublishedFile) -> None:
    address = urlsplit(file.url)
    assert (address.scheme, address.query, address.fragment) == ("https", "", "")
    assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", address.netloc)
    assert re.fullmatch(r"[\w.-]+\.(pth|pt|safetensors)", file_name(file))
    assert re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}", file.sha256)
    assert file.size is None or 100_000 < file.size < 1_000_000_000
    assert set(file.scales) <= {2, 3, 4}
    assert file.channels in (1, 3)
    assert urlsplit(file.source).scheme == "https"
    assert file.licence in ("MIT", "Apache-2.0", "BSD-3-Clause")
    assert file.architecture
    assert file.description


@pytest.mark.parametrize("file", PUBLISHED, ids=file_name)
def test_a_digest_in_a_files_name_is_that_of_its_entry(file: PublishedFile) -> None:
    for digits in re.findall(r"-([0-9a-f]{8})\.", file_name(file)):
        assert file.sha256.startswith(digits)


def test_no_two_entries_are_in_each_others_way() -> None:
    scales = [(file.name, scale) for file in PUBLISHED for scale in file.scales]
    assert len(set(scales)) == len(scales)
    assert len({file.path for file in PUBLISHED}) == len(PUBLISHED)
    assert not {file.name for file in PUBLISHED} & {*CLASSICAL, *(card.name for card in cards())}


@pytest.fixture
def nothing_pulled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of pulled networks, empty."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    models_folder().mkdir(parents=True)
    return models_folder()


@pytest.mark.usefixtures("nothing_pulled")
@pytest.mark.parametrize(
    ("model", "factor", "refusal"),
    [
        ("realesrgan", "1.5", r"pull realesrgan --scale 2 fetches it \(67\.1 MB, BSD-3-Clause\)"),
        ("realesrgan", "2.5", r"pull realesrgan --scale 4 fetches it \(67\.0 MB, BSD-3-Clause\)"),
        ("mdsr", "16", r"pull mdsr --scale 4 fetches it \(size not known, MIT\)"),
    ],
)
def test_a_network_that_is_not_pulled_says_how_to(model: str, factor: str, refusal: str) -> None:
    with pytest.raises(UsageError, match=refusal):
        find_network(model, Fraction(factor))


@pytest.mark.parametrize(
    ("factor", "name"), [("2", "RealESRGAN_x2plus.pth"), ("3", "RealESRGAN_x4plus.pth")]
)
def test_a_pulled_network_is_read_from_its_file(
    factor: str, name: str, nothing_pulled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[Path, Fraction]] = []

    def read_foreign(path: Path, factor: Fraction) -> Network:
        read.append((path, factor))
        return random_network(3, 4)

    monkeypatch.setattr(catalog, "read_foreign", read_foreign)
    (nothing_pulled / name).write_bytes(b"weights")
    assert find_network("realesrgan", Fraction(factor)).scale == 4
    assert read == [(nothing_pulled / name, Fraction(factor))]


@pytest.mark.skipif(not CHECKPOINT.is_file(), reason=f"not here: {CHECKPOINT}")
def test_what_was_published_is_what_the_catalogue_says(nothing_pulled: Path) -> None:
    """The one published file that is at hand: it needs no fetching, and has all its scales."""
    pytest.importorskip("torch")
    shutil.copy(CHECKPOINT, nothing_pulled)
    [file] = published("carn-m")
    assert pull(file).stat().st_size == file.size
    for scale in file.scales:
        network = find_network("carn-m", Fraction(scale))
        assert (network.scale, network.channels) == (scale, file.channels)
