"""The training loop: a recipe in, a trained network out; interrupted at any time, it goes on."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vsr.evaluate.quality import Quality, psnr, ssim
from vsr.media.pictures import Luma, Planes, luma_of
from vsr.networks.architectures import build
from vsr.pipeline.prefetch import prefetch
from vsr.train.data import Batches, Judged, read_pairs, read_validation, to_tensor
from vsr.train.metrics import Look, Metrics
from vsr.train.objective import Objective
from vsr.train.optimizer import Optimizer
from vsr.train.quantize import calibrate, quantize
from vsr.train.recipe import Recipe
from vsr.train.state import CHECKPOINT, State, begin_with

CALIBRATION_STEPS = 20
"""Batches that an 8-bit network's ranges are first taken from."""
Batch = tuple[Tensor, Tensor]

AHEAD = 8
"""Batches that are drawn ahead of the step in work."""
EVERY = 20
"""Steps between two reports of progress: reading the loss waits for the device."""


@dataclass(frozen=True)
class Progress:
    """How far a training is."""

    step: int
    steps: int
    loss: float
    waiting: float
    """Share of the time that was spent waiting for data, 0 to 1."""
    look: Look | None
    """The latest look at the validation set."""


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    device: str = "auto",
    threads: int = 0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> nn.Module:
    """Train the recipe's network on files below `data`; all results go to `out`/NAME.

    A checkpoint found there is continued exactly. `threads` are of the processor; 0 is torch's own
    choice. Returns the averaged network, on the processor.
    Raises InputError and UsageError where the recipe, the data or the checkpoint do not do.
    """
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(recipe.seed)
    net = build(scale=recipe.scale, colors=recipe.colors, **recipe.network)
    folder = out / recipe.name
    if recipe.schedule.start and not (folder / CHECKPOINT).exists():
        begin_with(net, out / recipe.schedule.start / CHECKPOINT)
    return fit(net, recipe, data, out, folder, choose_device(device), on_progress)


def train_int8(
    net: nn.Module,
    recipe: Recipe,
    data: Path,
    out: Path,
    device: str = "auto",
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> nn.Module:
    """Train on what `train` gave, so that it bears computing in 8 bits; goes on as that does.

    Returns the network with 8-bit convolutions.
    """
    quantized = quantize(net)
    batches = Batches(read_pairs(recipe, data), recipe)
    calibrate(quantized, (batches.draw(step)[0] for step in range(CALIBRATION_STEPS)))
    finer = replace(recipe, schedule=recipe.int8_schedule)
    folder = out / recipe.name / "int8"
    return fit(quantized, finer, data, out, folder, choose_device(device), on_progress)


def fit(
    net: nn.Module,
    recipe: Recipe,
    data: Path,
    out: Path,
    folder: Path,
    place: torch.device,
    on_progress: Callable[[Progress], None],
) -> nn.Module:
    """Fit a network to the recipe's data and loss; returns its average, on the processor."""
    folder.mkdir(parents=True, exist_ok=True)
    schedule = recipe.schedule

    def autocast() -> AbstractContextManager[None]:
        return torch.autocast(place.type, torch.bfloat16, enabled=schedule.precision == "bf16")

    net = net.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = AveragedModel(
        net,
        multi_avg_fn=get_ema_multi_avg_fn(schedule.ema),  # type: ignore[no-untyped-call]
    )
    optimizer = Optimizer(net, schedule)
    objective = Objective(recipe, data, out, place, autocast)
    parts = {"net": net, "average": average, "optimizer": optimizer}
    if objective.adversary is not None:
        parts["adversary"] = objective.adversary.net
        parts["adversary optimizer"] = objective.adversary.optimizer
    state = State(folder / CHECKPOINT, recipe, parts)

    first, last = state.load(), schedule.stop or schedule.steps
    metrics = Metrics(folder, first)
    batches = Batches(read_pairs(recipe, data), recipe)
    validation = read_validation(recipe, data)
    losses: list[Tensor] = []
    clock = Clock()
    with prefetch(batches.draw_all(range(first, last)), AHEAD, "data") as ahead:
        for step, (lr, hr) in enumerate(clock.waiting_for(ahead), first + 1):
            lr = lr.to(place, memory_format=torch.channels_last)
            hr = hr.to(place)
            with autocast():
                sr = net(lr)
            sr = sr.float()
            loss = objective.loss(lr, sr, hr)
            net.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            if schedule.clip_norm:
                nn.utils.clip_grad_norm_(net.parameters(), schedule.clip_norm)
            optimizer.step()
            average.update_parameters(net)
            objective.learn(sr, hr)
            losses.append(loss.detach())
            if step % schedule.validate_every == 0 or step == last:
                quality = validate(average.module, validation, recipe.scale, place)
                figures = round(quality.psnr, 3), round(quality.ssim, 4)
                mean = float(torch.stack(losses).mean())
                rate = optimizer.learning_rate
                metrics.add(Look(step, mean, *figures, rate, clock.share, clock.seconds))
                metrics.plot(recipe.name)
                state.save(step)
                losses = []
            if step % EVERY == 0 or step == last:
                look = metrics.looks[-1] if metrics.looks else None
                on_progress(Progress(step, last, float(loss.detach()), clock.share, look))
    return average.module.cpu()  # type: ignore[no-any-return]


def choose_device(wanted: str) -> torch.device:
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wanted)


class Clock:
    """How long a run has taken, and how much of that it waited for data."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.waited = 0.0

    def waiting_for(self, items: Iterator[Batch]) -> Iterator[Batch]:
        while True:
            began = time.perf_counter()
            item = next(items, None)
            self.waited += time.perf_counter() - began
            if item is None:
                return
            yield item

    @property
    def seconds(self) -> float:
        return round(time.perf_counter() - self.began, 1)

    @property
    def share(self) -> float:
        return round(self.waited / (time.perf_counter() - self.began), 3)


def validate(net: nn.Module, pairs: Sequence[Judged], scale: int, device: torch.device) -> Quality:
    """Mean PSNR and SSIM of the network's luma, a border as wide as the scale left out."""
    scores = []
    for lr, truth in pairs:
        with torch.inference_mode():
            result = net(to_tensor(lr[None]).to(device))[0]
        codes = (result.clamp(0, 1) * 255 + 0.5).to(torch.uint8).cpu().numpy()
        inside = np.s_[scale:-scale, scale:-scale]
        a, b = luma_plane(codes)[inside], luma_plane(truth)[inside]
        scores.append((psnr(a, b), ssim(a, b)))
    means = np.mean(scores, axis=0)
    return Quality(psnr=float(means[0]), ssim=float(means[1]))


def luma_plane(planes: Planes) -> Luma:
    return planes[0] if len(planes) == 1 else luma_of(np.moveaxis(planes, 0, -1))
