"""OpenVINO: frame graphs on the processor (and on Intel's GPUs)."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import openvino as ov
import platformdirs

from vsr.backends.base import BackendReport, OnBuild, OutOfMemoryError, Pending
from vsr.errors import BackendError
from vsr.frame import Frame, FrameFormat
from vsr.graph import frame_graph
from vsr.networks.network import Network
from vsr.processor import CPUINFO, processor_flags
from vsr.settings import EngineSettings

PRECISIONS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}

DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8"}
"""Linux's names of the extensions with instructions that multiply and add 8-bit numbers, VNNI and
AMX."""


def report() -> BackendReport:
    """The devices that OpenVINO finds here."""
    core = ov.Core()
    devices = tuple(
        f"{device}: {core.get_property(device, 'FULL_DEVICE_NAME')} "
        f"({', '.join(precisions_of(core, device))})"
        for device in core.available_devices
    )
    able = precisions_of(core, "CPU")
    films = f"{fastest_float(able)} on 8-bit films"
    if "int8" in able:
        films += ", int8 where the network has such a twin"
    return BackendReport("openvino", True, devices, f"{ov.__version__}, {films}")


def precisions_of(core: ov.Core, device: str) -> list[str]:
    """What the device computes in natively.

    Of a CPU OpenVINO claims more: in "FP16" it quietly computes in bf16, and "INT8" it has on all,
    while those without dot products overflow in it and gain little.
    """
    able = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    cpu = device.startswith("CPU")
    found = ["fp32"]
    if "BF16" in able:
        found.append("bf16")
    if "FP16" in able and not cpu:
        found.append("fp16")
    if "INT8" in able and (not cpu or has_dot_products()):
        found.append("int8")
    return found


def has_dot_products(cpuinfo: Path = CPUINFO) -> bool:
    """Whether the processor has them; only Linux on x86 says so, anywhere else this is False."""
    return not DOT_PRODUCTS.isdisjoint(processor_flags(cpuinfo))


def fastest_float(able: list[str]) -> str:
    """The fastest that is exact enough for 8 bits, without quantisation."""
    return next(precision for precision in ("fp16", "bf16", "fp32") if precision in able)


def choose_precision(
    core: ov.Core, device: str, network: Network, form: FrameFormat, wanted: str
) -> str:
    """As wanted; by itself, fp32 for resampling and for more than 8 bits, else the fastest:
    int8 where the network has such a twin."""
    able = precisions_of(core, device)
    if wanted != "auto":
        if wanted not in able:
            raise BackendError(
                f"OpenVINO's {device} here computes in {', '.join(able)}, not {wanted}"
            )
        return wanted
    if network.exact or form.depth > 8:
        return "fp32"
    return "int8" if network.int8 is not None and "int8" in able else fastest_float(able)


class OpenVinoEngine:
    """A frame graph compiled by OpenVINO; keeps the contract of `vsr.backends.base`. That takes a
    second or less, so that `on_build` has nothing to be told."""

    runtime = f"OpenVINO {ov.__version__}"
    verdict: str | None = None

    def __init__(
        self,
        network: Network,
        form: FrameFormat,
        settings: EngineSettings,
        on_build: OnBuild | None = None,
    ) -> None:
        core = ov.Core()
        device = "CPU" if settings.device == "auto" else settings.device.upper()
        if device not in core.available_devices:
            raise BackendError(
                f"OpenVINO has no device {settings.device} here; "
                f"it has {', '.join(core.available_devices)}"
            )
        precision = choose_precision(core, device, network, form, settings.precision)
        self.format, self.scale = form, network.scale
        self.large = replace(form, width=form.width * self.scale, height=form.height * self.scale)
        with translated():
            compiled = compile_graph(core, device, precision, network, form, settings.threads)
            self.depth = max(2, compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
            self.free = [compiled.create_infer_request() for _ in range(self.depth)]
        self.busy: deque[OpenVinoPending] = deque()
        self.device = device
        self.notes = ["OpenVINO computes frames one by one: no batch"] * (settings.batch > 1)
        self.description = f"OpenVINO {device} {precision}"

    def start(self, frame: Frame) -> Pending:
        if not self.free:
            self.busy[0].result()
        pending = OpenVinoPending(self, self.free.pop(), frame)
        self.busy.append(pending)
        return pending

    def release(self, pending: OpenVinoPending, request: ov.InferRequest) -> None:
        self.busy.remove(pending)
        self.free.append(request)

    def close(self) -> None:
        for pending in list(self.busy):
            pending.result()
        self.free.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class OpenVinoPending:
    """A frame in work. Its planes, where they are contiguous, and its result's are shared with the
    request, not copied."""

    def __init__(self, engine: OpenVinoEngine, request: ov.InferRequest, frame: Frame) -> None:
        self.engine = engine
        self.request: ov.InferRequest | None = request
        large = engine.large
        with translated():
            y = np.empty((large.height, large.width), large.dtype)
            uv = None if large.uv_shape is None else np.empty(large.uv_shape, large.dtype)
            self.large = replace(frame, y=y, uv=uv)
            request.set_output_tensor(0, shared(y[None, None]))
            self.small = [np.ascontiguousarray(frame.y)]
            inputs = {"y": shared(self.small[0][None, None])}
            if uv is not None and frame.uv is not None:
                request.set_output_tensor(1, shared(uv[None]))
                self.small.append(np.ascontiguousarray(frame.uv))
                inputs["uv"] = shared(self.small[1][None])
            request.start_async(inputs, share_inputs=True)

    def result(self) -> Frame:
        if self.request is not None:
            with translated():
                self.request.wait()
            self.engine.release(self, self.request)
            self.request = None
            self.small.clear()
        return self.large


def shared(array: np.ndarray) -> ov.Tensor:
    return ov.Tensor(array, shared_memory=True)


def compile_graph(
    core: ov.Core, device: str, precision: str, network: Network, form: FrameFormat, threads: int
) -> ov.CompiledModel:
    """The frame graph, its sizes fixed, compiled; OpenVINO keeps the result in our cache.

    In int8 it is the network's twin's, with all that is not quantised in the fastest float.
    """
    if precision == "int8":
        network, precision = network.quantized(), fastest_float(precisions_of(core, device))
    model = core.read_model(frame_graph(network, form).SerializeToString())
    shapes: dict[str, list[int]] = {"y": [1, 1, form.height, form.width]}
    if form.uv_shape is not None:
        shapes["uv"] = [1, *form.uv_shape]
    model.reshape(shapes)
    options: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
        "PERFORMANCE_HINT": "THROUGHPUT",
        "CACHE_DIR": str(cache_folder()),
    }
    if device == "CPU":
        options["NUM_STREAMS"] = threads or len(os.sched_getaffinity(0))
        options["INFERENCE_NUM_THREADS"] = threads
        options["ENABLE_CPU_PINNING"] = False
    return core.compile_model(model, device, options)


def cache_folder() -> Path:
    return Path(platformdirs.user_cache_dir("vsr")) / "openvino"


@contextmanager
def translated() -> Iterator[None]:
    """Turns OpenVINO's errors into ours."""
    try:
        yield
    except BackendError:
        raise
    except (MemoryError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [""])[-1]
        if isinstance(error, MemoryError) or "alloc" in reason:
            raise OutOfMemoryError(f"OpenVINO is out of memory ({reason})") from error
        raise BackendError(f"OpenVINO failed: {reason}") from error
