"""One run of `vsr upscale` in a process of its own, and what it took."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from vsr.backends.gpus import Load, gpu_load
from vsr.errors import VsrError
from vsr.settings import EncoderSettings, EngineSettings


@dataclass(frozen=True)
class Whole:
    """One run of `vsr upscale` in a process of its own."""

    fps: float
    peak_mib: float
    processor_seconds: float
    gpu_busy: float | None = None
    """Percent, while it was busy at all; None without a GPU."""
    gpu_memory_mib: float | None = None
    """The most, less what was in use before."""


@dataclass(frozen=True)
class Job:
    """What is run as a whole."""

    film: Path
    folder: Path
    model: str
    engine: EngineSettings
    encoder: EncoderSettings
    scale: int

    @property
    def words(self) -> list[str]:
        """The command."""
        engine, encoder = self.engine, self.encoder
        words = [sys.executable, "-m", "vsr", "upscale", str(self.film)]
        words += ["-o", str(self.folder / "out.mkv"), "-x", str(self.scale)]
        words += ["--overwrite", "--progress", "none", "-m", self.model, "--codec", encoder.codec]
        words += ["--backend", engine.backend, "--device", engine.device]
        words += ["--precision", engine.precision, "--threads", str(engine.threads)]
        words += ["--batch", str(engine.batch)]
        if encoder.preset is not None:
            words += ["--preset", encoder.preset]
        if encoder.crf is not None:
            words += ["--crf", str(encoder.crf)]
        return words


def run_whole(job: Job, frames: int, gpu: int | None, *more: str) -> Whole:
    """`vsr upscale` as a user runs it, from the first import to the verified file."""
    idle = None if gpu is None else gpu_load(gpu)
    loads = []
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen([*job.words, *more], stderr=errors)
        peak = 0.0
        while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            peak = max(peak, memory_mark(process.pid))
            if gpu is not None and idle is not None:
                loads.append(gpu_load(gpu) or idle)
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise VsrError(f"vsr upscale failed: {errors.read().strip()}")
    processor_seconds = usage.ru_utime + usage.ru_stime
    if idle is None or not loads:
        return Whole(frames / seconds, peak, processor_seconds)
    memory = max(load.memory_mib for load in loads) - idle.memory_mib
    return Whole(frames / seconds, peak, processor_seconds, while_busy(loads), memory)


def while_busy(loads: Sequence[Load]) -> float:
    """Percent on average, from the first time that a GPU computes to the last."""
    busy = [number for number, load in enumerate(loads) if load.busy]
    between = loads[busy[0] : busy[-1] + 1] if busy else []
    return statistics.fmean(load.busy for load in between) if between else 0.0


def memory_mark(process: int) -> float:
    """The most memory that a process has had so far, MiB. (The kernel's own count at its end
    would begin with this process's, from which it was forked.)"""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return psutil.Process(process).memory_info().rss / 2**20  # type: ignore[no-any-return]
    marks = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
    return marks[0] if marks else 0.0
