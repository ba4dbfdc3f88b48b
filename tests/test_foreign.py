"""Other people's weights: recognised by their names, computed as published, converted once."""

import os
import subprocess
import sys
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_names import PUBLISHED, published_state
from reference import run_onnx

torch = pytest.importorskip("torch", reason="needs torch")

from vsr.errors import InputError, MissingPackageError, StoreError  # noqa: E402
from vsr.evaluate.quality import psnr  # noqa: E402
from vsr.media.pictures import find_pictures, luma_of, read_rgb  # noqa: E402
from vsr.networks.architectures import build  # noqa: E402
from vsr.networks.catalog import find_network  # noqa: E402
from vsr.networks.foreign import cache_folder, read_foreign, scale_in_name  # noqa: E402
from vsr.networks.foreign.checkpoint import load_checkpoint  # noqa: E402
from vsr.shrink import bicubic_shrink  # noqa: E402

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
CARN_M = SHARED / "checkpoints" / "carn_m" / "carn_m.pth"

needs_carn = pytest.mark.skipif(not CARN_M.is_file(), reason=f"CARN-M is not here: {CARN_M}")


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def compact(scale: int = 2, colors: int = 3, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return build("compact", scale, channels=4, convs=1, colors=colors).eval()


# Recognised by their names, and computed as published.


@pytest.mark.parametrize(
    ("name", "scale"), [(name, scale) for name, p in PUBLISHED.items() for scale in p.scales]
)
def test_published_layouts_load_as_the_networks_that_they_are(
    name: str, scale: int, tmp_path: Path
) -> None:
    published = PUBLISHED[name]
    torch.manual_seed(0)
    net: Any = build(published.kind, scale, **published.sizes).eval()
    path = tmp_path / published.file
    torch.save(published_state(net, published), path)
    found = load_checkpoint(path)
    assert found.kind == published.kind
    assert scale in found.scales
    again = found.build(scale).eval()
    x = torch.rand(1, found.colors, 4, 8)
    with torch.inference_mode():
        torch.testing.assert_close(again(x), net(x), atol=1e-5, rtol=1e-5)


def test_luma_networks_are_told_from_rgb_ones(tmp_path: Path) -> None:
    for colors in (1, 3):
        torch.save(compact(colors=colors).state_dict(), tmp_path / "network.pth")
        assert load_checkpoint(tmp_path / "network.pth").colors == colors


@pytest.mark.parametrize(
    ("name", "scale"),
    [("srcnn_x2.pth", 2), ("FSRCNN-X3-T91.pt", 3), ("4x_sharp.pth", 4), ("max2.pth", None)],
)
def test_a_scale_is_read_in_a_files_name(name: str, scale: int | None) -> None:
    assert scale_in_name(Path(name)) == scale


def test_weights_that_do_not_tell_their_scale_want_it_in_the_files_name(tmp_path: Path) -> None:
    published = PUBLISHED["yjn870, FSRCNN"]
    state = published_state(build("fsrcnn", 4, **published.sizes), published)
    torch.save(state, tmp_path / "network.pth")
    with pytest.raises(InputError, match=r"FSRCNN's weights do not tell by how much .*_x2.pth"):
        load_checkpoint(tmp_path / "network.pth")


WRAPPED: dict[str, Any] = {
    "bare": lambda state: state,
    "ordered": OrderedDict,
    "params": lambda state: {"params": state},
    "averaged": lambda state: {"params_ema": state, "params": {k: v + 1 for k, v in state.items()}},
    "state_dict": lambda state: {"epoch": 7, "state_dict": state, "optimizer": {"lr": 1e-4}},
    "model": lambda state: {"model": {"state_dict": state}},
    "parallel": lambda state: {f"module.{name}": value for name, value in state.items()},
    "parameters": lambda state: {k: torch.nn.Parameter(v) for k, v in state.items()},
    "half": lambda state: {name: value.half() for name, value in state.items()},
}


@pytest.mark.parametrize("how", sorted(WRAPPED))
@pytest.mark.parametrize("zipped", [True, False])
def test_what_training_wraps_around_weights_is_taken_off(
    how: str, zipped: bool, tmp_path: Path
) -> None:
    net = compact()
    path = tmp_path / "network.pth"
    torch.save(WRAPPED[how](net.state_dict()), path, _use_new_zipfile_serialization=zipped)
    x = torch.rand(1, 3, 5, 6)
    with torch.inference_mode():
        found, expected = load_checkpoint(path).build(2)(x), net(x)
    torch.testing.assert_close(found, expected, atol=1e-2 if how == "half" else 1e-6, rtol=0)


def test_safetensors_are_read(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch", reason="needs safetensors")
    net, path = compact(), tmp_path / "network.safetensors"
    safetensors.save_file(net.state_dict(), path)
    x = torch.rand(1, 3, 5, 6)
    torch.testing.assert_close(load_checkpoint(path).build(2)(x), net(x))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=f"^{path}: cannot be read as weights"):
        load_checkpoint(path)


# What is refused, and what was found.


class Evil:
    """Leaves a trace where it is unpickled."""

    trace = ""

    def __reduce__(self) -> Any:
        return (os.mkdir, (self.trace,))


def test_code_in_a_file_is_not_run_but_named(tmp_path: Path) -> None:
    path = tmp_path / "network.pth"
    Evil.trace = str(tmp_path / "trace")
    torch.save({"state_dict": compact().state_dict(), "more": Evil()}, path)
    with pytest.raises(InputError, match=f"^{path}: holds Python code .posix.mkdir., .* not run"):
        load_checkpoint(path)
    assert not Path(Evil.trace).exists()


def test_a_whole_pickled_network_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "network.pth"
    torch.save({"epoch": 50, "model": compact()}, path)
    with pytest.raises(InputError, match=r"compact.Compact.*torch.save\(network.state_dict\(\)"):
        load_checkpoint(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "network.pt"
    torch.jit.save(torch.jit.trace(compact(), torch.rand(1, 3, 8, 8)), path)
    with pytest.raises(InputError, match="holds a TorchScript program, which is not run"):
        load_checkpoint(path)


REFUSED: dict[str, tuple[Any, str]] = {
    "a list": ([1, 2], "holds a list, not a network's state dict"),
    "one tensor": (torch.zeros(3), "holds a Tensor, not a network's state dict"),
    "settings": ({"epoch": 3, "seed": 1}, "holds no tensors, but epoch, seed"),
    "nothing": ({}, "holds no tensors, but nothing"),
    "another network": (
        torch.nn.Linear(2, 2).state_dict(),
        r"2 tensors \(weight, bias ...\) of no network that is known; .*spandrel",
    ),
    "one tensor too many": (
        compact().state_dict() | {"body.9.weight": torch.zeros(3)},
        "9 tensors .body.0.weight, body.0.bias, body.1.weight ...",
    ),
    "other shapes": (
        {name: value[:3] for name, value in compact().state_dict().items()},
        "of no network that is known",
    ),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_what_is_no_known_network_is_refused_with_what_was_found(what: str, tmp_path: Path) -> None:
    path = tmp_path / "network.pth"
    torch.save(REFUSED[what][0], path)
    with pytest.raises(InputError, match=f"^{path}: .*{REFUSED[what][1]}"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\3\4 no zip", b"\x80\2]q\0."])
def test_files_that_are_no_weights_are_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "network.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{path}: "):
        load_checkpoint(path)


def test_a_truncated_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "network.pth"
    torch.save(compact().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=f"^{path}: cannot be read as weights"):
        load_checkpoint(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    for name in ("missing.pth", "missing.safetensors", "missing.onnx"):
        with pytest.raises(InputError, match=f"{name}: no such file"):
            read_foreign(tmp_path / name, Fraction(2))


def test_networks_that_only_spandrel_knows_load_through_it(tmp_path: Path) -> None:
    try:
        from spandrel.architectures.SPAN import SPAN
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"spandrel cannot be used here: {error}")
    net = SPAN(num_in_ch=3, num_out_ch=3, feature_channels=16, upscale=2).eval()
    path = tmp_path / "network.pth"
    torch.save(net.state_dict(), path)
    found = load_checkpoint(path)
    assert (found.program, found.kind, found.scales) == ("spandrel", "SPAN", (2,))
    assert read_foreign(path, Fraction(2)).scale == 2


# Converted once.


def test_a_checkpoint_becomes_an_equal_onnx_network(tmp_path: Path) -> None:
    net, path = compact(3), tmp_path / "my network.pth"
    torch.save(net.state_dict(), path)
    network = find_network(str(path), Fraction(3))
    assert (network.name, network.scale, network.channels) == ("my network", 3, 3)
    x = torch.rand(1, 3, 6, 5)
    [found] = run_onnx(network.model, {"x": x.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(found, net(x).numpy(), atol=1e-5)


def converted() -> list[Path]:
    return sorted(cache_folder().rglob("*"))


def test_a_file_is_converted_once_wherever_it_lies(tmp_path: Path) -> None:
    path, moved = tmp_path / "network.pth", tmp_path / "moved.pth"
    torch.save(compact().state_dict(), path)
    first = read_foreign(path, Fraction(2))
    kept = [(file, file.stat().st_mtime_ns) for file in converted()]
    path.rename(moved)
    second = read_foreign(moved, Fraction(2))
    assert [(file, file.stat().st_mtime_ns) for file in converted()] == kept
    assert (second.name, second.model) == ("moved", first.model)
    torch.save(compact(seed=1).state_dict(), moved)
    assert read_foreign(moved, Fraction(2)).model != first.model


def test_of_several_scales_the_one_that_is_wanted_is_converted(tmp_path: Path) -> None:
    published = PUBLISHED["CARN"]
    path = tmp_path / "carn.pth"
    torch.save(published_state(build("carn", 2, **published.sizes), published), path)
    for factor, scale in [
        (Fraction(3, 2), 2),
        (Fraction(3), 3),
        (Fraction(4), 4),
        (Fraction(9), 3),
    ]:
        assert read_foreign(path, factor).scale == scale


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from fractions import Fraction
from pathlib import Path
from vsr.errors import MissingPackageError
from vsr.networks.catalog import find_network
try:
    print(find_network(sys.argv[1], Fraction(2)).scale)
except MissingPackageError as error:
    print(error)
"""


def test_without_torch_what_was_converted_works_and_the_rest_names_the_extra(
    tmp_path: Path,
) -> None:
    path, new = tmp_path / "network.pth", tmp_path / "new.pth"
    torch.save(compact().state_dict(), path)
    torch.save(compact(seed=1).state_dict(), new)
    read_foreign(path, Fraction(2))
    said = []
    for file in (path, new):
        words = [sys.executable, "-c", WITHOUT_TORCH, str(file)]
        ran = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
        said.append(ran.stdout.strip())
    assert said == ["2", str(MissingPackageError("torch", "train"))]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "network.pth"
    torch.save(compact().state_dict(), path)
    cache_folder().parent.mkdir(parents=True)
    cache_folder().write_text("in the way")
    with pytest.raises(StoreError, match=f"^{cache_folder()}.*cannot be written"):
        read_foreign(path, Fraction(2))


# The real thing.


@needs_carn
def test_carn_m_reaches_its_published_quality() -> None:
    pictures = find_pictures(SHARED / "eval" / "Set5")
    if not pictures:
        pytest.skip("Set5 is not here")
    found = load_checkpoint(CARN_M)
    assert (found.program, found.kind, found.scales) == ("CARN-pytorch", "carn_m", (2, 3, 4))
    net = found.build(2).eval()
    scores = []
    for path in pictures:
        rgb = read_rgb(path)
        truth = rgb[: rgb.shape[0] // 2 * 2, : rgb.shape[1] // 2 * 2]
        small = np.stack([bicubic_shrink(truth[..., c].copy(), 2) for c in range(3)])
        with torch.inference_mode():
            large = net(torch.from_numpy(small)[None] / 255)[0].clamp(0, 1)
        result = (large * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).numpy()
        inside = np.s_[2:-2, 2:-2]
        scores.append(psnr(luma_of(result)[inside], luma_of(truth)[inside]))
    # CARN (2018), table 1: 37.53 dB.
    assert float(np.mean(scores)) > 37.53
