"""vsr doctor"""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vsr.backends.base import BackendReport
    from vsr.backends.gpus import Gpu
    from vsr.backends.plan_file import Entry


def doctor() -> None:
    """What this machine can run, and what would be used."""
    import av
    import psutil

    from vsr import __version__
    from vsr.backends.gpus import nvidia_gpus
    from vsr.backends.select import reports
    from vsr.backends.store import EngineStore
    from vsr.media.encoder import CODEC_NAMES, NVENC, opens

    gib = psutil.virtual_memory().total / 2**30
    print(f"vsr {__version__}, Python {platform.python_version()}, {sys.platform}")
    print(f"processor: {psutil.cpu_count()} cores, {gib:.1f} GiB of memory")
    gpus, found, entries = nvidia_gpus(), reports(), EngineStore().entries()
    for number, gpu in enumerate(gpus):
        print(f"GPU {number}: {gpu}")
        for line in gpu_lines(gpu, found, entries):
            print(f"  {line}")
    if not gpus:
        print("GPU: no driver of NVIDIA's tells of one")
    used = False
    for report in found:
        named = "" if report.automatic else ", when named"
        state = f"usable{named}" if report.usable else "not usable"
        print(f"backend {report.name}: {state}; {report.reason}")
        for device in report.devices:
            print(f"  {device}")
        if report.usable and report.automatic and not used:
            print("  this is what --backend auto uses")
            used = True
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


def decoding_words() -> str:
    """Whether --hwaccel cuda works, or why not."""
    from vsr.errors import UsageError
    from vsr.media.opening import gpu_decoder

    try:
        gpu_decoder("cuda")
    except UsageError as error:
        return str(error)
    return "--hwaccel cuda decodes there"
