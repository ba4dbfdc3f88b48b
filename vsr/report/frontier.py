"""Quality against time: the table by which it is decided which networks ship.

Quality is luma PSNR by the papers' protocol, of luma rounded to 8 bits as in films. Time is a
frame's share of a film: the frame graph from 8-bit 4:2:0 to 8-bit 4:2:0, with as many frames in
work as keep the engine busy. The models are timed in turn, over and over, so that whatever else
the machine does falls on all alike.
"""

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from tqdm import tqdm

from vsr.backends.base import Engine
from vsr.backends.select import build_engine
from vsr.errors import UsageError
from vsr.evaluate.protocol import measure
from vsr.frame import Frame, FrameFormat
from vsr.media.pictures import find_pictures
from vsr.networks.catalog import find_network
from vsr.networks.network import Network
from vsr.settings import EngineSettings, Precision

TURN = 0.5
"""Seconds for which a model is timed before the next one has its turn, at least."""

QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
WEIGHTS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT8)


@dataclass(frozen=True)
class Candidate:
    """A model that may ship, in the precision in which it would run."""

    name: str
    network: Network
    precision: Precision
    backend: str = "auto"
    device: str = "auto"
    """What it is timed on."""

    def build(self, form: FrameFormat) -> Engine:
        settings = EngineSettings(self.backend, self.device, self.precision)
        return build_engine(self.network, form, settings)


@dataclass(frozen=True)
class Result:
    """What was measured of a candidate."""

    model: str
    engine: str
    """Backend, device and precision."""
    weights: int
    psnr: dict[str, float]
    """Benchmark -> dB."""
    milliseconds: float
    """A frame, the median of the runs."""
    quartiles: tuple[float, float]
    """The lower and the upper quartile of the runs, milliseconds."""
    on_frontier: bool = False
    """Whether no other is both as fast and as good."""


def find_candidates(
    models: Sequence[str], scale: int, backend: str = "auto", device: str = "auto"
) -> list[Candidate]:
    """The models: what `vsr upscale -m` takes, then @ and a precision, or else auto's choice.

    Raises UsageError where there is no such model or precision, or it enlarges by another factor.
    """
    precisions = {str(precision): precision for precision in get_args(Precision)}
    short = [model.rpartition("/")[2] for model in models]
    candidates = []
    for model, name in zip(models, short, strict=True):
        where, at, precision = model.rpartition("@")
        if not at or Path(model).is_file():
            where, precision = model, "auto"
        if precision not in precisions:
            known = ", ".join(precisions)
            raise UsageError(f"'{precision}' in '{model}' is no precision; there is {known}")
        network = find_network(where, Fraction(scale))
        if network.scale != scale:
            raise UsageError(f"{model} enlarges by {network.scale}, not by {scale}")
        unique = name if short.count(name) == 1 else model
        candidates.append(Candidate(unique, network, precisions[precision], backend, device))
    return candidates


def find_benchmarks(data: Path) -> dict[str, Path]:
    """The folders of pictures below `data`/eval by name, the largest first: it decides, since its
    mean depends least on a single picture. Raises UsageError where there is none."""
    counts = {folder: len(find_pictures(folder)) for folder in sorted((data / "eval").glob("*/"))}
    folders = [folder for folder in sorted(counts, key=lambda f: -counts[f]) if counts[folder]]
    if not folders:
        raise UsageError(f"{data / 'eval'}: holds no folders of pictures, such as Set5")
    return {folder.name: folder for folder in folders}


def find_frontier(
    candidates: Sequence[Candidate], benchmarks: dict[str, Path], form: FrameFormat, runs: int
) -> list[Result]:
    """Quality and time of all candidates, the fastest first."""
    descriptions = []
    for candidate in candidates:
        with candidate.build(form) as engine:
            descriptions.append(engine.description)
    times = time_in_turn(candidates, form, runs)
    results = []
    quartiles = np.percentile(times, [25, 50, 75], axis=0).T.round(3).tolist()
    shown = tqdm(candidates, "quality", unit="model", file=sys.stderr)
    for candidate, description, (low, middle, high) in zip(
        shown, descriptions, quartiles, strict=True
    ):
        psnr = {
            name: measure(candidate.network, folder, candidate.precision, rounded=True)["psnr"]
            for name, folder in benchmarks.items()
        }
        weights = count_weights(candidate.network)
        results.append(Result(candidate.name, description, weights, psnr, middle, (low, high)))
    return marked(results)


def time_in_turn(
    candidates: Sequence[Candidate], form: FrameFormat, runs: int
) -> NDArray[np.float64]:
    """Milliseconds a frame, (runs, candidates). Engines are built anew for every turn, so that no
    more than one takes memory."""
    assert form.uv_shape is not None
    rng = np.random.default_rng(0)
    y = rng.integers(0, 256, (form.height, form.width), np.uint8)
    frame = Frame(y, rng.integers(0, 256, form.uv_shape, np.uint8), 0)
    times = np.empty((runs, len(candidates)))
    for row in tqdm(times, "time", unit="run", file=sys.stderr):
        for number, candidate in enumerate(candidates):
            with candidate.build(form) as engine:
                row[number] = time_turn(engine, frame)
    return times


def time_turn(engine: Engine, frame: Frame) -> float:
    """Milliseconds a frame while the engine is busy: each start waits for the oldest to end."""
    for _ in range(2 * engine.depth):
        engine.start(frame)
    began, count, seconds = time.perf_counter(), 0, 0.0
    while count < 2 * engine.depth or seconds < TURN:
        engine.start(frame)
        count, seconds = count + 1, time.perf_counter() - began
    return 1000 * seconds / count


def count_weights(network: Network) -> int:
    """How many numbers were trained; steps of quantisation do not count."""
    graph = network.model.graph
    nodes = (node for node in graph.node if node.op_type in QUANTIZERS)
    steps = {name for node in nodes for name in node.input[1:]}
    tensors = [] if network.exact else [t for t in graph.initializer if t.name not in steps]
    return sum(math.prod(t.dims) for t in tensors if t.data_type in WEIGHTS)


def marked(results: Sequence[Result]) -> list[Result]:
    """The results, the fastest first, with those on the frontier marked: the ones that are better
    on the first benchmark than all that are as fast."""
    best, found = -math.inf, []
    for result in sorted(results, key=lambda r: (r.milliseconds, -quality(r))):
        found.append(replace(result, on_frontier=quality(result) > best))
        best = max(best, quality(result))
    return found


def quality(result: Result) -> float:
    """PSNR on the benchmark that decides, dB."""
    return next(iter(result.psnr.values()))


def table(results: Sequence[Result]) -> str:
    """The results as Markdown."""
    names = list(results[0].psnr)
    lines = [
        f"| model | engine | weights | {', dB | '.join(names)}, dB | ms a frame | quartiles | |",
        f"|---|---|---|{'---|' * len(names)}---|---|---|",
    ]
    for r in results:
        psnr = " | ".join(f"{r.psnr[name]:.2f}" for name in names)
        spread = f"{r.quartiles[0]:.1f} to {r.quartiles[1]:.1f}"
        mark = "frontier" if r.on_frontier else ""
        lines.append(
            f"| {r.model} | {r.engine} | {r.weights} | {psnr} "
            f"| {r.milliseconds:.1f} | {spread} | {mark} |"
        )
    return "\n".join(lines)
