"""Imports point down only, every package has its place, and starting costs nothing."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

BELOW: dict[str, set[str]] = {"errors": set()}
"""Box -> the boxes that it may import from, besides itself."""
for _box, _more in [
    ("frame", {"errors"}),
    ("settings", {"errors"}),
    ("kernels", set[str]()),
    ("color", set[str]()),
    ("processor", set[str]()),
    ("shrink", {"kernels"}),
    ("networks", {"kernels", "color", "frame", "settings"}),
    ("media", {"kernels", "color", "frame", "processor", "settings"}),
    ("graph", {"networks"}),
    ("backends", {"graph", "processor"}),
    ("pipeline", {"backends", "media"}),
    ("remaster", {"pipeline"}),
    ("evaluate", {"pipeline", "shrink"}),
    ("train", {"evaluate"}),
    ("report", {"train"}),
    ("cli", {"report", "remaster"}),
    ("__init__", {"cli"}),
    ("__main__", {"cli"}),
]:
    BELOW[_box] = _more.union(*(BELOW[box] for box in _more))

HOMES = {
    "av": ("media/", "pipeline/verify.py", "report/", "cli/show.py", "cli/doctor.py"),
    "openvino": ("backends/ov.py", "backends/ranges.py"),
    "tensorrt": ("backends/trt",),
    "pycuda": ("backends/cuda",),
    "torch": (
        "networks/architectures/",
        "networks/foreign/",
        "networks/export.py",
        "networks/trained.py",
        "evaluate/lpips.py",
        "train/",
        "report/rivals.py",
        "backends/torch_",
    ),
    "pynvml": ("backends/gpus.py",),
    "typer": ("cli/",),
    "threading": ("pipeline/prefetch.py", "cli/main.py"),
    "cv2": ("pipeline/temporal/", "evaluate/motion.py", "report/rivals.py"),
    "sqlite3": ("pipeline/store.py",),
    "ray": ("remaster/cluster.py",),
    "fsspec": ("remaster/storage.py",),
}
"""Package -> the only places that import it."""

FILES = sorted((ROOT / "vsr").rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """The full name of everything that a file imports, at its top or within its functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def box_of(path: Path) -> str:
    return path.relative_to(ROOT / "vsr").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_only(path: Path) -> None:
    box = box_of(path)
    for name in imports(path):
        package, _, rest = name.partition(".")
        if package == "vsr" and rest != "__version__":
            target = rest.partition(".")[0]
            assert target == box or target in BELOW[box], f"{box} imports {name}"


@pytest.mark.parametrize("package", sorted(HOMES))
def test_a_package_is_imported_only_where_it_belongs(package: str) -> None:
    for path in FILES:
        place = path.relative_to(ROOT / "vsr").as_posix()
        if any(name.partition(".")[0] == package for name in imports(path)):
            assert place.startswith(HOMES[package]), f"{place} imports {package}"


HEAVY = ("av", "torch", "openvino", "tensorrt", "pycuda", "cv2", "ray", "onnx")


@pytest.mark.parametrize("words", ["import", "--help", "--version"])
def test_starting_loads_nothing_heavy(words: str) -> None:
    run = f"sys.argv = ['vsr', '{words}']; runpy.run_module('vsr', run_name='__main__')"
    start = "import vsr" if words == "import" else run
    script = (
        f"import runpy, sys\ntry:\n    {start}\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stderr
    loaded = set(ran.stderr.split())
    assert "vsr" in loaded
    assert not loaded.intersection(HEAVY)
