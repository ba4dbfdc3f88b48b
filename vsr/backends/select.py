"""The backends there are, and the choice among them."""

import importlib
from pathlib import Path

from vsr.backends.base import BackendReport, Engine
from vsr.errors import BackendError, UsageError
from vsr.frame import FrameFormat
from vsr.networks.network import Network
from vsr.settings import EngineSettings

BACKENDS = {"openvino": ("vsr.backends.ov", "OpenVinoEngine")}
"""Name -> module and engine class, in the order in which `auto` tries them. A backend's runtime
is imported only when it is tried."""


def build_engine(network: Network, form: FrameFormat, settings: EngineSettings) -> Engine:
    """An engine of the backend that the settings name; of the first that can run for `auto`.

    Raises UsageError for a name that is none, BackendError with every reason where none can run.
    """
    names = list(BACKENDS) if settings.backend == "auto" else [settings.backend]
    reasons = []
    for name in names:
        if name not in BACKENDS:
            raise UsageError(f"no backend '{name}'; there is {', '.join(BACKENDS)}")
        module, engine = BACKENDS[name]
        try:
            built: Engine = getattr(importlib.import_module(module), engine)(
                network, form, settings
            )
        except ImportError as error:
            reasons.append(f"{name}: {error}")
        else:
            return built
    raise BackendError(f"no backend can run here ({'; '.join(reasons)})")


def reports() -> list[BackendReport]:
    """Every backend, usable or not."""
    found = []
    for name, (module, _) in BACKENDS.items():
        try:
            found.append(importlib.import_module(module).report())
        except ImportError as error:
            found.append(BackendReport(name, False, (), f"cannot be imported: {error}"))
    return found


def nvidia_gpus() -> list[str]:
    """The names of NVIDIA's GPUs that the kernel driver shows."""
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return [
        line.partition(":")[2].strip()
        for card in cards
        for line in card.read_text().splitlines()
        if line.startswith("Model")
    ]
