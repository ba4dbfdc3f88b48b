"""NVIDIA's GPUs in this machine, as its driver tells of them; no backend is needed for that."""

import csv
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

DRIVER = Path("/proc/driver/nvidia")
"""Where the kernel driver tells of itself on Linux."""

QUERY = ("name", "uuid", "compute_cap", "memory.total", "driver_version")
LOAD = ("utilization.gpu", "memory.used")

SECONDS = 20
"""How long nvidia-smi may take; a GPU that has fallen off the bus lets it wait."""


@dataclass(frozen=True)
class Gpu:
    """One GPU; what nobody tells is None."""

    name: str
    uuid: str | None = None
    compute_capability: str | None = None
    memory_mib: int | None = None
    driver: str | None = None

    def __str__(self) -> str:
        mib = self.memory_mib
        facts = [
            f"compute capability {self.compute_capability or 'not told'}",
            f"{mib / 1024:.1f} GiB of memory" if mib else "memory not told",
            f"driver {self.driver or 'not told'}",
        ]
        return ", ".join([self.name, *facts])


@dataclass(frozen=True)
class Load:
    """What a GPU does at this moment, for all programs together."""

    busy: float
    """Percent of the last fraction of a second in which it computed."""
    memory_mib: int
    """In use."""


def gpu_names(driver: Path | None = None) -> list[str]:
    """The names of the GPUs, at next to no cost where the kernel tells them."""
    found = from_kernel(driver or DRIVER) or from_nvidia_smi()
    return [gpu.name for gpu in found]


def nvidia_gpus(driver: Path | None = None) -> list[Gpu]:
    """The GPUs, by whoever tells most: NVML where nvidia-ml-py is installed, else nvidia-smi, else
    the kernel."""
    return from_nvml() or from_nvidia_smi() or from_kernel(driver or DRIVER)


def gpu_load(index: int) -> Load | None:
    """What the GPU of this number does; None where nobody tells."""
    return load_from_nvml(index) or load_from_nvidia_smi(index)


def from_kernel(driver: Path) -> list[Gpu]:
    """What stands in /proc: the names, and the driver's version."""
    found = []
    for card in sorted(driver.glob("gpus/*/information")):
        try:
            lines = card.read_text().splitlines()
        except OSError:
            continue
        facts = {key.strip(): value.strip() for key, _, value in (s.partition(":") for s in lines)}
        uuid = facts.get("GPU UUID", "")
        found.append(
            Gpu(
                facts.get("Model", "NVIDIA GPU"),
                uuid=uuid if uuid and "?" not in uuid else None,
                driver=kernel_driver(driver),
            )
        )
    return found


def kernel_driver(driver: Path) -> str | None:
    """The version in words such as `NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06 ...`,
    where it is the first that has the form of a number with points."""
    try:
        words = (driver / "version").read_text().split()
    except OSError:
        return None
    return next((word for word in words if word.replace(".", "").isdigit() and "." in word), None)


def from_nvidia_smi() -> list[Gpu]:
    return parse_nvidia_smi(ask_nvidia_smi(*QUERY))


def load_from_nvidia_smi(index: int) -> Load | None:
    busy, _, memory = ask_nvidia_smi(*LOAD, options=("-i", str(index))).partition(",")
    known = busy.strip().isdigit() and memory.strip().isdigit()
    return Load(float(busy), int(memory)) if known else None


def ask_nvidia_smi(*query: str, options: tuple[str, ...] = ()) -> str:
    """One line a GPU; nothing where there is no such program, or it fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    words = [program, f"--query-gpu={','.join(query)}", "--format=csv,noheader,nounits", *options]
    try:
        ran = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout if ran.returncode == 0 else ""


def parse_nvidia_smi(text: str) -> list[Gpu]:
    """The GPUs in nvidia-smi's answer to QUERY; it says [N/A] or the like of what it knows not."""
    found = []
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) != len(QUERY):
            continue
        name, uuid, capability, memory, driver = (
            None if word.startswith("[") else word.strip() for word in row
        )
        mib = int(memory) if memory and memory.isdigit() else None
        found.append(Gpu(name or "NVIDIA GPU", uuid, capability, mib, driver))
    return found


def from_nvml() -> list[Gpu]:
    """By the package nvidia-ml-py, where it is installed and finds a driver."""
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        driver = text_of(pynvml.nvmlSystemGetDriverVersion())
        found = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            gpu = pynvml.nvmlDeviceGetHandleByIndex(index)
            major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(gpu)
            mib = pynvml.nvmlDeviceGetMemoryInfo(gpu).total // 2**20
            name, uuid = pynvml.nvmlDeviceGetName(gpu), pynvml.nvmlDeviceGetUUID(gpu)
            found.append(Gpu(text_of(name), text_of(uuid), f"{major}.{minor}", int(mib), driver))
    except pynvml.NVMLError:
        return []
    return found


def load_from_nvml(index: int) -> Load | None:
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByIndex(index)
        busy = pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu
        return Load(float(busy), int(pynvml.nvmlDeviceGetMemoryInfo(gpu).used) // 2**20)
    except pynvml.NVMLError:
        return None


def text_of(word: str | bytes) -> str:
    return word.decode() if isinstance(word, bytes) else word
