"""The backends there are, and the choice among them."""

import importlib
import sys
from collections.abc import Collection

from vsr.backends.base import BackendReport, Engine, OnBuild, OutOfMemoryError
from vsr.backends.gpus import gpu_names
from vsr.backends.hints import advised
from vsr.errors import BackendError, UsageError
from vsr.frame import FrameFormat
from vsr.networks.network import Network
from vsr.settings import EngineSettings

BACKENDS = {
    "tensorrt": ("vsr.backends.trt", "TensorRtEngine"),
    "torch": ("vsr.backends.torch_cuda", "TorchEngine"),
    "openvino": ("vsr.backends.ov", "OpenVinoEngine"),
}
"""Name -> module and engine class, in the order in which `auto` tries them. A backend's runtime
is imported only when it is tried."""

FOR_GPUS = ("tensorrt", "torch")
"""What `auto` tries only where there is a GPU: to import them takes seconds."""

EXTRAS = {"tensorrt": "tensorrt", "torch": "cuda"}
"""Backend -> the extra of this package that brings it."""


def build_engine(
    network: Network,
    form: FrameFormat,
    settings: EngineSettings,
    on_build: OnBuild | None = None,
) -> Engine:
    """An engine of the backend that the settings name; of the first that can run for `auto`.

    `on_build` is told how far it is, where that takes a while. Where it computes on the processor
    of a machine with an NVIDIA GPU, its first note says why.

    Raises UsageError for a name that is none, BackendError with every reason where none can run,
    OutOfMemoryError where one can, but not with frames of this size.
    """
    gpus = gpu_names()
    names = candidates(settings, bool(gpus))
    reasons: list[str] = []
    for name in names:
        try:
            built = make(name, network, form, settings, on_build)
        except OutOfMemoryError:
            raise
        except ImportError as error:
            reasons.append(f"{name}: {why_not_imported(name, error)}")
        except BackendError as error:
            if len(names) == 1:
                raise
            reasons.append(f"{name}: {error}")
        else:
            if gpus and built.device == "CPU":
                built.notes.insert(0, idle_gpus(gpus, settings, reasons))
            return built
    raise BackendError(f"no backend can run here ({'; '.join(reasons)})")


def make(
    name: str,
    network: Network,
    form: FrameFormat,
    settings: EngineSettings,
    on_build: OnBuild | None,
) -> Engine:
    module, engine = BACKENDS[name]
    kind = getattr(importlib.import_module(module), engine)
    built: Engine = kind(network, form, settings, on_build)
    return built


def candidates(settings: EngineSettings, gpu: bool) -> list[str]:
    """The backends to try, in turn: the one named; for `auto` those that the device belongs to."""
    if settings.backend != "auto":
        if settings.backend not in BACKENDS:
            raise UsageError(f"no backend '{settings.backend}'; there is {', '.join(BACKENDS)}")
        return [settings.backend]
    device = settings.device.lower()
    if device.startswith(("cuda", "gpu-", "mps")):
        return [name for name in BACKENDS if name in FOR_GPUS]
    wanted = device == "auto" and (gpu or sys.platform == "darwin")
    return [name for name in BACKENDS if wanted or name not in FOR_GPUS]


def expects_gpu(settings: EngineSettings) -> bool:
    """Whether a GPU will most likely compute; only building the engine tells for sure."""
    return candidates(settings, bool(gpu_names()))[0] in FOR_GPUS and settings.device != "cpu"


def backend_for_pictures() -> str:
    """What enlarges pictures that all have other sizes: not TensorRT, which would build an engine
    for each of them, for minutes."""
    if not gpu_names():
        return "auto"
    return next((r.name for r in reports(("torch",)) if r.usable and r.automatic), "openvino")


def why_not_imported(name: str, error: ImportError) -> str:
    if isinstance(error, ModuleNotFoundError) and name in EXTRAS:
        return advised(f"{error}; pip install 'vsr[{EXTRAS[name]}]'")
    return advised(str(error))


def idle_gpus(gpus: list[str], settings: EngineSettings, reasons: list[str]) -> str:
    """That, and why, a GPU stands idle."""
    why = "; ".join(reasons)
    if not why:
        asked = {"backend": settings.backend, "device": settings.device}
        why = " ".join(f"--{key} {word}" for key, word in asked.items() if word != "auto")
    return f"NOT on the GPU ({', '.join(gpus)}) but on the processor: {why}"


def reports(names: Collection[str] | None = None) -> list[BackendReport]:
    """Every backend, or those that are named, usable or not."""
    found = []
    for name, (module, _) in BACKENDS.items():
        if names is not None and name not in names:
            continue
        try:
            found.append(importlib.import_module(module).report())
        except ImportError as error:
            why = f"cannot be imported: {why_not_imported(name, error)}"
            found.append(BackendReport(name, False, (), why))
    return found
