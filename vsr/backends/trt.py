"""TensorRT: frame graphs on NVIDIA's GPUs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import tensorrt as trt

from vsr.backends.base import BackendReport, OnBuild
from vsr.backends.cuda import Gpu, driver_version, find_gpu, gpus
from vsr.backends.cuda_graph import can_record
from vsr.backends.guard import GuardedEngine
from vsr.backends.store import EngineKey, EngineStore
from vsr.backends.trt_build import BuildOptions, build_plan, fixed
from vsr.backends.trt_load import load_engine, new_builder
from vsr.backends.trt_runner import Runner
from vsr.backends.watch import BuildWatch
from vsr.errors import BackendError
from vsr.frame import FrameFormat
from vsr.graph import frame_graph
from vsr.networks.half import half
from vsr.networks.network import Network
from vsr.settings import EngineSettings

PRECISIONS = ("fp32", "fp16")
GIB = 2**30

Tell = Callable[[str], None]


def report() -> BackendReport:
    """The GPUs that TensorRT can use."""
    try:
        new_builder()
        devices = tuple(f"{gpu} ({', '.join(PRECISIONS)})" for gpu in gpus())
    except BackendError as error:
        return BackendReport("tensorrt", False, (), str(error))
    graphs = "" if can_record() else "; faster with CUDA graphs: pip install cuda-bindings"
    return BackendReport(
        "tensorrt", True, devices, f"{trt.__version__}, fp16 on 8-bit films{graphs}"
    )


def choose_precision(network: Network, form: FrameFormat, wanted: str) -> str:
    """As wanted; by itself fp16, but fp32 for resampling and for more than 8 bits."""
    if wanted == "auto":
        return "fp32" if network.exact or form.depth > 8 else "fp16"
    if wanted not in PRECISIONS:
        raise BackendError(f"TensorRT here computes in {', '.join(PRECISIONS)}, not {wanted}")
    return wanted


class TensorRtEngine(GuardedEngine):
    """A frame graph built by TensorRT; keeps the contract of `vsr.backends.base`.

    In fp16 its first frames are held against fp32, see `vsr.backends.guard`.
    """

    def __init__(
        self,
        network: Network,
        form: FrameFormat,
        settings: EngineSettings,
        on_build: OnBuild | None = None,
    ) -> None:
        gpu = find_gpu(settings.device)

        def build(network: Network, precision: str) -> Runner:
            recipe = Recipe(network, form, settings, precision)
            words = f"TensorRT {gpu.name} {precision}"
            load = partial(recipe.engine, gpu, on_build=on_build)
            return Runner(gpu, load, recipe.shapes, form, network.scale, words)

        precision = choose_precision(network, form, settings.precision)
        super().__init__(build, network, form, precision, settings.verdict)


def prepare(
    network: Network,
    form: FrameFormat,
    settings: EngineSettings,
    tell: Tell = lambda words: None,
    on_build: OnBuild | None = None,
) -> EngineKey:
    """Builds the engine that a job would build, unless it is there already. Nothing is opened."""
    gpu = find_gpu(settings.device)
    precision = choose_precision(network, form, settings.precision)
    inner = half(network) if precision == "fp16" else network
    recipe = Recipe(inner, form, settings, precision)
    with gpu.current():
        recipe.engine(gpu, tell, on_build)
    return recipe.key(gpu)


class Recipe:
    """What an engine is made from: a network in the types that it is to compute in, and the rest.

    Its shapes are fixed: a film has one size, tactics are tuned for it, and memory is what that
    size needs. Tiles make all films one size. How the builder is to go about it is part of what an
    engine is, but what the settings leave open does as it was built, see `EngineStore.built_as`.
    """

    def __init__(
        self, network: Network, form: FrameFormat, settings: EngineSettings, precision: str
    ) -> None:
        self.network, self.form, self.precision = network, form, precision
        self.batch = settings.batch or 1
        self.graph = frame_graph(network, form, words="bytes")
        self.level, workspace = settings.optimization_level, settings.workspace
        self.workspace = None if workspace is None else round(workspace * GIB)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of every input."""
        words = (2,) if self.form.depth > 8 else ()
        shapes = {"y": (self.batch, 1, self.form.height, self.form.width, *words)}
        if self.form.uv_shape is not None:
            shapes["uv"] = (self.batch, *self.form.uv_shape, *words)
        return shapes

    def key(self, gpu: Gpu) -> EngineKey:
        form, usual = self.form, BuildOptions(fp16=False)
        key = EngineKey(
            graph=hashlib.sha256(self.graph.SerializeToString(deterministic=True)).hexdigest(),
            runtime=f"tensorrt {trt.__version__}",
            device=gpu.name,
            compute_capability=gpu.compute_capability,
            driver=driver_version(),
            precision=self.precision,
            shapes=", ".join(f"{name}={sizes}" for name, sizes in fixed(self.shapes).items()),
            optimization_level=usual.optimization_level if self.level is None else self.level,
            workspace=self.workspace or usual.workspace,
            title=f"{self.network.name}_x{self.network.scale} {form.width}x{form.height} "
            f"{form.pix_fmt}",
        )
        return EngineStore().built_as(key, self.level, self.workspace)

    def engine(self, gpu: Gpu, tell: Tell, on_build: OnBuild | None = None) -> Any:
        """The engine, loaded; from the cache, or built. Within `gpu.current`."""
        store, key = EngineStore(), self.key(gpu)
        fp16 = self.precision.startswith("fp16")
        options = BuildOptions(fp16, key.optimization_level, key.workspace)
        timings = store.timing_cache(key.runtime, key.device)
        watch = BuildWatch(f"{key.title} {key.precision}", key.device, tell, on_build)

        def build() -> bytes:
            watch.progress(0.0)
            return build_plan(self.graph, fixed(self.shapes), options, timings, watch.progress)

        engine = store.load_or_build(key, build, load_engine, watch.say)
        watch.done()
        return engine
