"""vsr doctor"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vsr.backends.base import BackendReport
    from vsr.backends.gpus import Gpu
    from vsr.backends.plan_file import Entry

ADVICE = {
    "tensorrt": "the fastest; wants NVIDIA's driver, CUDA's compiler (nvcc) and a C++ compiler: "
    "pip install 'vsr[tensorrt]'",
    "torch": "the simplest; wants only NVIDIA's driver: pip install 'vsr[cuda]'",
}
"""For people with a GPU that stands idle."""


def doctor() -> None:
    """What this machine can run, and what would be used."""
    import av
    import psutil

    from vsr import __version__
    from vsr.backends.gpus import gpu_load, nvidia_gpus
    from vsr.backends.select import reports
    from vsr.backends.store import EngineStore
    from vsr.media.encoder import CODEC_NAMES, NVENC, opens

    gib = psutil.virtual_memory().total / 2**30
    print(f"vsr {__version__}, Python {platform.python_version()}, {sys.platform}")
    print(f"processor: {psutil.cpu_count()} cores, {gib:.1f} GiB of memory")
    store = EngineStore()
    gpus, found, entries = nvidia_gpus(), reports(), store.entries()
    for number, gpu in enumerate(gpus):
        print(f"GPU {number}: {gpu}")
        load = gpu_load(number)
        if load is not None:
            print(f"  now: {load.busy:.0f} % busy, {load.memory_mib / 1024:.1f} GiB in use")
        for line in gpu_lines(gpu, found, entries):
            print(f"  {line}")
    if not gpus:
        print("GPU: no driver of NVIDIA's tells of one; nvidia-smi has to list it first")
    used = False
    for report in found:
        named = "" if report.automatic else ", when named"
        state = f"usable{named}" if report.usable else "not usable"
        print(f"backend {report.name}: {state}; {report.reason}")
        if gpus and not report.usable and report.name in ADVICE:
            print(f"  {ADVICE[report.name]}")
        for device in report.devices:
            print(f"  {device}")
        if report.usable and report.automatic and not used:
            print("  this is what --backend auto uses")
            used = True
    if gpus:
        print(cache_words(store.folder))
    able = [name for name, encoder in CODEC_NAMES.items() if encoder in av.codecs_available]
    print(f"PyAV {av.__version__}; encoders: {', '.join([*able, 'ffv1'])}")
    if gpus:
        on_gpu = [name for name in NVENC if opens(name, "yuv420p", 640, 480)]
        print(f"  on the GPU: {', '.join(on_gpu) or 'none'}; {decoding_words()}")


def gpu_lines(gpu: Gpu, reports: list[BackendReport], entries: list[Entry]) -> list[str]:
    """What works on it, what does not and why, and what is built for it."""
    from vsr.backends.select import FOR_GPUS

    lines = []
    for report in reports:
        if report.name in FOR_GPUS:
            works = report.usable and any(gpu.name in device for device in report.devices)
            lines.append(f"{report.name}: {'works' if works else f'not usable; {report.reason}'}")
    sizes = [entry.size for entry in entries if entry.key.device == gpu.name]
    return [*lines, f"engines in the cache: {len(sizes)}, {sum(sizes) / 1e6:.1f} MB"]


def cache_words(folder: Path) -> str:
    """Where engines are kept, and how much room there is."""
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    if not os.access(there, os.W_OK):
        return f"engines are kept in {folder}, where nothing may be written; set VSR_ENGINES"
    return f"engines are kept in {folder}, {shutil.disk_usage(there).free / 1e9:.1f} GB free"


def decoding_words() -> str:
    """Whether --hwaccel cuda works, or why not."""
    from vsr.errors import UsageError
    from vsr.media.opening import gpu_decoder

    try:
        gpu_decoder("cuda")
    except UsageError as error:
        return str(error)
    return "--hwaccel cuda decodes there"
