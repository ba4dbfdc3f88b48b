"""TensorRT's start, and a plan -> an engine."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import tensorrt as trt

from vsr.backends.trt_log import LOG
from vsr.errors import BackendError


def check_fp16(plan: bytes) -> None:
    """Raises BackendError where an engine that should compute in fp16 does not: TensorRT 11 takes
    an fp32 graph for just that, without a word."""
    inspector = load_engine(plan).create_engine_inspector()
    told = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    convolutions, in_fp16 = count_layers(told)
    if convolutions and not in_fp16:
        raise BackendError(f"TensorRT {trt.__version__} built an engine with no fp16 in it")


def count_layers(information: str) -> tuple[int, int]:
    """An engine's convolutions, and its layers with fp16 in them, by its inspector's JSON.

    Where types stand in it differs: "Half" from 10 on, "FP16" before. What is fused into a block
    may not be listed at all.
    """
    told = [json.dumps(layer) for layer in json.loads(information)["Layers"]]
    convolutions = sum("conv" in words.lower() for words in told)
    return convolutions, sum("Half" in words or "FP16" in words for words in told)


def load_engine(plan: bytes) -> Any:
    """The engine in a plan. Raises BackendError where this GPU or TensorRT does not take it."""
    loader = runtime()
    LOG.errors.clear()
    engine = loader.deserialize_cuda_engine(plan)
    if engine is None:
        raise LOG.failure("does not take the plan")
    return engine


@cache
def runtime() -> Any:
    """One for all engines: it has to outlive them. Raises BackendError as `new_builder` does."""
    return started(trt.Runtime)


def new_builder() -> Any:
    """Raises BackendError where TensorRT cannot start: no GPU, or a driver that is too old."""
    return started(trt.Builder)


def started(kind: Any) -> Any:
    LOG.errors.clear()
    try:
        return kind(LOG)
    except (TypeError, RuntimeError) as error:  # what pybind makes of a null pointer
        raise LOG.failure("cannot start") from error
