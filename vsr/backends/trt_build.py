"""A frame graph -> a plan: what TensorRT makes of it for one GPU, as bytes.

Written against TensorRT 8.6, 10 and 11: names of tensors, not numbers of bindings.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorrt as trt
from onnx import ModelProto

from vsr.backends.plan_file import replace_bytes
from vsr.backends.trt_load import check_fp16, new_builder
from vsr.backends.trt_log import LOG, OnProgress, Progress
from vsr.errors import BackendError

STRONGLY_TYPED = hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")
"""Whether a graph's own types are what is computed in, as from TensorRT 10 on. 8.6 picks types by
itself and has to be told to obey."""

OTHER_LIBRARIES = ("CUBLAS", "CUBLAS_LT", "CUDNN")
"""Where 8.6 may take convolutions from; left out, so that none of them need be installed."""


@dataclass(frozen=True)
class Sizes:
    """The shapes that an input may have: from `least` to `most`, and it is tuned for `usual`."""

    least: tuple[int, ...]
    usual: tuple[int, ...]
    most: tuple[int, ...]

    def __str__(self) -> str:
        shapes = ["x".join(map(str, shape)) for shape in (self.least, self.usual, self.most)]
        return shapes[0] if len(set(shapes)) == 1 else "..".join(shapes)


Shapes = dict[str, Sizes]
"""By the inputs' names."""


def fixed(shapes: dict[str, tuple[int, ...]]) -> Shapes:
    """One shape for each input. What is built is fastest so, and needs no more memory than that."""
    return {name: Sizes(shape, shape, shape) for name, shape in shapes.items()}


@dataclass(frozen=True)
class BuildOptions:
    """What TensorRT is told beside the graph."""

    fp16: bool
    """Whether there is fp16 in the graph. A plan without any is an error then."""
    optimization_level: int = 3
    """0 to 5: how long TensorRT searches. 3 is its own default."""
    workspace: int = 0
    """Bytes that one layer may use beside its tensors; 0: all that the GPU has."""


def build_plan(
    graph: ModelProto,
    shapes: Shapes,
    options: BuildOptions,
    timing_cache: Path,
    on_progress: OnProgress | None = None,
) -> bytes:
    """The plan for the GPU that is current, computing in the graph's own types.

    What `timing_cache` holds of earlier builds makes this one shorter; it is added to.

    Raises OutOfMemoryError where the GPU has too little memory, BackendError for all else, and what
    `on_progress` raises, Ctrl-C among it, which ends the build.
    """
    builder = new_builder()
    network, *kept = parse(builder, graph, shapes)
    config = configure(builder, network, shapes, options)
    monitor = Progress(on_progress or (lambda share: None))  # without which Ctrl-C would wait
    if hasattr(config, "progress_monitor"):
        config.progress_monitor = monitor
    cache = config.create_timing_cache(timing_cache.read_bytes() if timing_cache.exists() else b"")
    if cache is None or not config.set_timing_cache(cache, False):  # another GPU's, or damaged
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, False)
    LOG.errors.clear()
    plan = builder.build_serialized_network(network, config)
    if monitor.failure is not None:
        raise monitor.failure
    if plan is None:
        raise LOG.failure("cannot build an engine")
    cache = config.get_timing_cache()
    with suppress(OSError):  # it only helps; that the plan cannot be written either is said
        replace_bytes(timing_cache, bytes(cache.serialize()))
    del kept
    built = bytes(plan)
    if options.fp16:
        check_fp16(built)
    return built


def parse(builder: Any, graph: ModelProto, shapes: Shapes) -> tuple[Any, Any, bytes]:
    """TensorRT's network for the graph, with every size fixed that has only one value; and what
    holds its weights, to be kept until it is built."""
    if STRONGLY_TYPED:
        kind = trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    else:
        kind = trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH
    network = builder.create_network(1 << int(kind))
    parser = trt.OnnxParser(network, LOG)
    content = with_sizes(graph, shapes).SerializeToString()
    if not parser.parse(content):
        errors = [parser.get_error(i) for i in range(parser.num_errors)]
        wrong = "; ".join(error.desc() for error in errors) or "it gave no reason"
        raise BackendError(f"TensorRT {trt.__version__} cannot read the graph: {wrong}")
    if not STRONGLY_TYPED:
        keep_fp32(network, graph)
    return network, parser, content


def with_sizes(graph: ModelProto, shapes: Shapes) -> ModelProto:
    sized = ModelProto()
    sized.CopyFrom(graph)
    for value in sized.graph.input:
        sizes = shapes[value.name]
        for i, dim in enumerate(value.type.tensor_type.shape.dim):
            if sizes.least[i] == sizes.most[i]:
                dim.dim_value = sizes.most[i]
    return sized


def configure(builder: Any, network: Any, shapes: Shapes, options: BuildOptions) -> Any:
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # fp32 is asked for where fp16 is not exact enough
    config.builder_optimization_level = options.optimization_level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # for `check_fp16`
    config.max_aux_streams = 0  # there are several frames in work instead
    if options.workspace:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace)
    if any(sizes.least != sizes.most for sizes in shapes.values()):
        profile = builder.create_optimization_profile()
        for name, sizes in shapes.items():
            profile.set_shape(name, sizes.least, sizes.usual, sizes.most)
        config.add_optimization_profile(profile)
    if not STRONGLY_TYPED:
        config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
        if options.fp16:
            config.set_flag(trt.BuilderFlag.FP16)
        others = sum(1 << int(getattr(trt.TacticSource, name)) for name in OTHER_LIBRARIES)
        config.set_tactic_sources(config.get_tactic_sources() & ~others)
    return config


def keep_fp32(network: Any, graph: ModelProto) -> None:
    """Binds 8.6 to fp32 in all layers around the network."""
    ours = [node for node in graph.graph.node if not node.output[0].startswith("network_")]
    names = {node.name for node in ours}
    for layer in (network.get_layer(i) for i in range(network.num_layers)):
        results = [layer.get_output(i) for i in range(layer.num_outputs)]
        if layer.name in names and all(result.dtype == trt.float32 for result in results):
            layer.precision = trt.float32
            for i in range(layer.num_outputs):
                layer.set_output_type(i, trt.float32)
