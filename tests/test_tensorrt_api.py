"""Our calls of TensorRT, held name by name against the real bindings of its newest version.

The bindings are a small package of their own, tensorrt_cu13_bindings, that can be imported where
there is no GPU and no TensorRT: `tensorrt_stub.c` stands in for its libraries.
"""

import ast
import ctypes
import importlib
import importlib.util
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
import pytest
from small_networks import random_network

from vsr.backends.base import OutOfMemoryError
from vsr.errors import BackendError
from vsr.frame import FrameFormat
from vsr.graph import frame_graph
from vsr.networks.half import half

BACKENDS = Path(__file__).parents[1] / "vsr" / "backends"
FILES = sorted(BACKENDS.glob("trt*.py"))
LIBRARIES = ("libnvinfer.so.11", "libnvinfer_plugin.so.11", "libnvonnxparser.so.11")

OBJECTS = {
    "builder": "Builder",
    "config": "IBuilderConfig",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "error": "ParserError",
    "layer": "ILayer",
    "result": "ITensor",
    "profile": "IOptimizationProfile",
    "cache": "ITimingCache",
    "loader": "Runtime",
    "engine": "ICudaEngine",
    "inspector": "EngineInspector",
    "context": "IExecutionContext",
}
"""What the variables and attributes of these names hold in HOLDERS."""

HOLDERS = ("trt_build.py", "trt_load.py", "trt_lane.py")
"""The files that have TensorRT's objects at hand; all others have at most the module."""

ONLY_8_6 = {
    *("trt.BuilderFlag.FP16", "trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS"),
    *("trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH",),
    *("layer.precision", "layer.set_output_type"),
}
"""Names that are gone, and used only where STRONGLY_TYPED says that it is TensorRT 8.6."""


@pytest.fixture(scope="module")
def trt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The real bindings, as `import tensorrt` finds them during these tests."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc) for the stand-ins of TensorRT's libraries")
    if importlib.util.find_spec("tensorrt_bindings") is None:
        pytest.skip("TensorRT's bindings are not installed: pip install tensorrt_cu13_bindings")
    folder = tmp_path_factory.mktemp("tensorrt")
    source = Path(__file__).with_name("tensorrt_stub.c")
    with pytest.MonkeyPatch.context() as patch:
        for name in LIBRARIES:
            words = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", name, str(source)]
            subprocess.run(words, cwd=folder, check=True)
            ctypes.CDLL(str(folder / name), ctypes.RTLD_GLOBAL)
        bindings = importlib.import_module("tensorrt_bindings")
        patch.setitem(sys.modules, "tensorrt", bindings)
        yield bindings
    for name in [name for name in sys.modules if name.startswith("vsr.backends.trt")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def build(trt: ModuleType) -> ModuleType:
    return importlib.import_module("vsr.backends.trt_build")


@pytest.fixture(scope="module")
def load(trt: ModuleType) -> ModuleType:
    return importlib.import_module("vsr.backends.trt_load")


@pytest.fixture(scope="module")
def log(trt: ModuleType) -> ModuleType:
    return importlib.import_module("vsr.backends.trt_log")


# Every name and every call, as it stands in our files.


@dataclass(frozen=True)
class Use:
    """An attribute of TensorRT's that our code uses."""

    place: str
    owner: str
    """`trt`, `trt.BuilderFlag`, or the name of a variable out of OBJECTS."""
    name: str
    call: ast.Call | None
    assigned: bool


def uses(path: Path) -> Iterator[Use]:
    tree = ast.parse(path.read_text())
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        owner = ast.unparse(node.value).removeprefix("self.")
        if owner.partition(".")[0] == "trt" or (owner in OBJECTS and path.name in HOLDERS):
            place = f"{path.name}:{node.lineno}"
            stored = isinstance(node.ctx, ast.Store)
            yield Use(place, owner, node.attr, calls.get(id(node)), stored)


USES = [use for path in FILES for use in uses(path)]


def holder(trt: ModuleType, owner: str) -> Any:
    """The module or class that a use's owner stands for."""
    if owner in OBJECTS:
        return getattr(trt, OBJECTS[owner])
    found: Any = trt
    for name in owner.split(".")[1:]:
        found = getattr(found, name)
    return found


def signatures(function: Any) -> list[tuple[list[str], int]]:
    """What pybind writes into a docstring, without self: parameters' names, and how many of them
    have no default."""
    found = []
    for words in re.findall(
        r"^(?:\d+\. )?\w+\((self.*)\) -> ", function.__doc__ or "", re.MULTILINE
    ):
        depth, parts = 0, [""]
        for letter in words:
            depth += {"[": 1, "(": 1, "<": 1, "]": -1, ")": -1, ">": -1}.get(letter, 0)
            if letter == "," and depth == 0:
                parts.append("")
            else:
                parts[-1] += letter
        names = [part.split(":")[0].strip() for part in parts[1:]]
        found.append((names, sum("=" not in part for part in parts[1:])))
    return found


def test_something_is_looked_at() -> None:
    assert len(USES) > 40
    assert OBJECTS.keys() - {use.owner for use in USES} == set()


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.place} {use.owner}.{use.name}")
def test_a_name_is_there_and_takes_what_it_is_given(trt: ModuleType, use: Use) -> None:
    if f"{use.owner}.{use.name}" in ONLY_8_6:
        assert not hasattr(holder(trt, use.owner), use.name), "it is there after all"
        return
    found = getattr(holder(trt, use.owner), use.name, None)
    assert found is not None, f"TensorRT {trt.__version__} has no {use.owner}.{use.name}"
    if use.assigned:
        assert isinstance(found, property), f"{use.name} cannot be set"
        assert found.fset is not None, f"{use.name} can only be read"
    if use.call is None:
        assert not inspect.isroutine(found) or use.name.startswith("__"), (
            f"{use.name} is not called"
        )
        return
    function = found.__init__ if inspect.isclass(found) else found
    given = len(use.call.args)
    if given and ast.unparse(use.call.args[0]) == "self":
        given -= 1
    words = {keyword.arg for keyword in use.call.keywords}
    fits = [
        names
        for names, needed in signatures(function)
        if given + len(words) in range(needed, len(names) + 1) and words <= set(names[given:])
    ]
    assert fits, f"{use.name} takes {signatures(function)}, not {given} and {words}"


# What our own classes are to TensorRT.


def test_that_cuda_cannot_start_is_kept_though_it_is_but_a_warning(log: ModuleType) -> None:
    kept = log.Log()
    kept.log(log.trt.ILogger.WARNING, "Unable to determine GPU memory usage")
    kept.log(log.trt.ILogger.WARNING, "CUDA initialization failure with error: 35. Please check")
    words = str(kept.failure("cannot start"))
    assert "cannot start: CUDA initialization failure with error: 35" in words
    assert "; install a newer driver of NVIDIA's" in words


def test_the_log_keeps_errors_only_and_gives_the_reason_once(log: ModuleType) -> None:
    kept = log.Log()
    assert isinstance(kept, log.trt.ILogger)
    for severity in ("VERBOSE", "INFO", "WARNING"):
        kept.log(getattr(log.trt.ILogger, severity), "no matter")
    kept.log(log.trt.ILogger.ERROR, "IBuilder: \n  no  such\tlayer")
    error = kept.failure("cannot build")
    assert str(error) == f"TensorRT {log.trt.__version__} cannot build: IBuilder: no such layer"
    assert not isinstance(error, OutOfMemoryError)
    assert str(kept.failure("cannot build")).endswith("it gave no reason")


@pytest.mark.parametrize(
    "words",
    [
        "[defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime (out of memory)",
        "Error Code 2: OutOfMemory (Requested size was 7340032 bytes.)",
        "Requested amount of GPU memory (1024 bytes) could not be allocated.",
    ],
)
def test_a_lack_of_memory_is_known_by_its_words(log: ModuleType, words: str) -> None:
    kept = log.Log()
    kept.log(log.trt.ILogger.ERROR, "tactic 7 failed")
    kept.log(log.trt.ILogger.INTERNAL_ERROR, words)
    error = kept.failure("cannot build")
    assert isinstance(error, OutOfMemoryError)
    assert words in str(error)


def test_the_monitor_has_tensorrts_methods_and_goes_on(log: ModuleType) -> None:
    told: list[float] = []
    monitor = log.Progress(told.append)
    base = log.trt.IProgressMonitor
    assert isinstance(monitor, base)
    for name in ("phase_start", "step_complete", "phase_finish"):
        ours = list(inspect.signature(getattr(monitor, name)).parameters)
        assert [ours] == [names for names, _ in signatures(getattr(base, name))]
    monitor.phase_start("build", None, 2)
    assert monitor.step_complete("build", 0) is True
    monitor.phase_start("tactics", "build", 4)
    assert all(monitor.step_complete("tactics", step) is True for step in range(4))
    monitor.phase_finish("tactics")
    monitor.step_complete("build", 1)
    monitor.phase_finish("build")
    assert told == [0.5, 0.625, 0.75, 0.875, 1.0, 1.0]


def test_what_is_raised_meanwhile_ends_the_build_and_is_kept(log: ModuleType) -> None:
    """Ctrl-C above all: no error may go through TensorRT's own code."""

    def interrupted(share: float) -> None:
        raise KeyboardInterrupt

    monitor = log.Progress(interrupted)
    monitor.phase_start("build", None, 2)
    assert monitor.step_complete("build", 0) is False
    assert isinstance(monitor.failure, KeyboardInterrupt)
    monitor.tell = lambda share: None
    assert monitor.step_complete("build", 1) is False


# What happens where TensorRT cannot start.


def test_without_a_gpu_building_and_loading_say_so(
    build: ModuleType, load: ModuleType, tmp_path: Path
) -> None:
    graph = frame_graph(random_network(), FrameFormat(16, 16, chroma="gray"), words="bytes")
    shapes = build.fixed({"y": (1, 1, 16, 16)})
    with pytest.raises(BackendError, match=r"^TensorRT 11\.\S+ cannot start: it gave no reason$"):
        build.build_plan(graph, shapes, build.BuildOptions(fp16=False), tmp_path / "timings")
    with pytest.raises(BackendError, match="cannot start"):
        load.load_engine(b"plan")
    assert not list(tmp_path.iterdir())


# What needs no TensorRT at all.


def test_sizes_with_one_value_are_written_into_the_graph(build: ModuleType) -> None:
    form = FrameFormat(64, 36, depth=10)
    graph = frame_graph(half(random_network()), form, words="bytes")
    sizes = build.Sizes((1, 1, 36, 32, 2), (1, 1, 36, 64, 2), (1, 1, 36, 96, 2))
    chroma = (1, 2, 18, 32, 2)
    sized = build.with_sizes(graph, {"y": sizes, "uv": build.Sizes(chroma, chroma, chroma)})
    dims = {
        value.name: [d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim]
        for value in sized.graph.input
    }
    assert dims == {"y": [1, 1, 36, "y_w", 2], "uv": [*chroma]}
    onnx.checker.check_model(sized, full_check=True)


def test_shapes_in_words_tell_one_engine_from_another(build: ModuleType) -> None:
    fixed = build.fixed({"y": (1, 1, 36, 64)})["y"]
    assert str(fixed) == "1x1x36x64"
    assert str(build.Sizes((1, 1), (1, 2), (1, 3))) == "1x1..1x2..1x3"


TOLD_8_6 = """{"Layers": [
    {"Name": "x_fp16", "Outputs": [{"Format/Datatype": "Row major linear FP32"}]},
    {"Name": "a", "LayerType": "CaskConvolution",
     "Outputs": [{"Format/Datatype": "Channel major FP16 format where channel % 8 == 0"}]}]}"""
TOLD_11 = """{"Layers": [
    {"Name": "a", "LayerType": "CaskConvolution", "Outputs": [{"DataType": "Half"}]}],
    "I/O Tensors": [{"Name": "y", "DataType": "UINT8"}]}"""
TOLD_FP32 = """{"Layers": [
    {"Name": "x_fp16", "LayerType": "Conv", "Outputs": [{"Format/Datatype": "Float"}]}]}"""


@pytest.mark.parametrize(
    ("told", "found"), [(TOLD_8_6, (1, 1)), (TOLD_11, (1, 1)), (TOLD_FP32, (1, 0))]
)
def test_fp16_is_seen_in_what_the_inspector_tells(
    load: ModuleType, told: str, found: tuple[int, int]
) -> None:
    assert load.count_layers(told) == found


# CUDA's own packages, where they are installed.


@pytest.mark.parametrize(
    ("file", "package"), [("cuda.py", "pycuda.driver"), ("cuda_graph.py", "cuda.bindings.driver")]
)
def test_cudas_names_are_there(file: str, package: str) -> None:
    driver = pytest.importorskip(package, reason=f"needs {package}", exc_type=ImportError)
    tree = ast.parse((BACKENDS / file).read_text())
    names = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "driver"
    }
    assert len(names) > 5
    assert {name for name in names if not hasattr(driver, name)} == set()
