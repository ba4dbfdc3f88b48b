"""The training loop: a recipe in, a trained network out; interrupted at any time, it goes on."""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from vsr.media.pictures import Luma, find_pictures, read_luma
from vsr.networks.plain import PlainNet
from vsr.train.data import Patches, to_tensor
from vsr.train.evaluate import evaluate, read_set


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a network's weights."""

    name: str
    """FAMILY_xSCALE, as the shipped file is called."""
    description: str
    licence: str
    pictures: list[str]
    """Glob patterns below the data folder; what they find is trained on."""
    validation: str
    """Folder below the data folder that progress is judged on; never trained on."""
    scale: int = 2
    channels: int = 16
    convs: int = 8
    patch: int = 48
    """Side of a small patch, pixels."""
    batch: int = 16
    steps: int = 200_000
    """Steps in which the learning rate falls to zero."""
    stop: int | None = None
    """Steps after which training ends, if that is earlier."""
    learning_rate: float = 1e-3
    """Adam's, at the start; it falls to zero along half a cosine."""
    ema: float = 0.999
    """Decay of the exponential moving average of the weights, which is what is shipped."""
    seed: int = 0
    exclude: list[str] = field(default_factory=list)
    """Glob patterns of pictures left out, for their licence or for standing in a benchmark."""


def find_training_pictures(recipe: Recipe, data: Path) -> list[Path]:
    """The pictures that the recipe names, in a fixed order."""
    chosen = {path for pattern in recipe.pictures for path in data.glob(pattern)}
    left_out = {path for pattern in recipe.exclude for path in data.glob(pattern)}
    pictures = [path for path in find_pictures(data) if path in chosen - left_out]
    if not pictures:
        raise FileNotFoundError(f"no pictures under {data} match {recipe.pictures}")
    return pictures


def train(recipe: Recipe, data: Path, out: Path, report_every: int = 2000) -> PlainNet:
    """Train the recipe's network on the pictures below `data`; checkpoints and metrics go to `out`.

    A checkpoint in `out` is continued exactly. Returns the averaged network.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    pictures = [read_luma(path) for path in find_training_pictures(recipe, data)]
    patches = Patches(pictures, recipe.scale, recipe.patch, recipe.batch)
    validation = read_set(data / recipe.validation)

    net = PlainNet(recipe.scale, recipe.channels, recipe.convs)
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = AveragedModel(
        net,
        multi_avg_fn=get_ema_multi_avg_fn(recipe.ema),  # type: ignore[no-untyped-call]
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    state = State(out / "checkpoint.pt", net, average, optimizer, schedule, rng)

    first, last = state.load(), recipe.stop or recipe.steps
    bar = tqdm(range(first, last), recipe.name, initial=first, total=last)
    losses = []
    for step in bar:
        lr, hr = patches.draw(rng)
        loss = F.l1_loss(net(lr), hr)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        average.update_parameters(net)
        losses.append(loss.item())
        if (step + 1) % report_every == 0 or step + 1 == last:
            quality = evaluate(torch_upscaler(average.module), recipe.scale, validation)
            figures = {
                "step": step + 1,
                "loss": float(np.mean(losses)),
                "psnr": round(quality.psnr, 3),
                "ssim": round(quality.ssim, 4),
                "time": round(time.time()),
            }
            with (out / "metrics.jsonl").open("a") as metrics:
                metrics.write(json.dumps(figures) + "\n")
            bar.set_postfix(loss=f"{figures['loss']:.5f}", psnr=f"{quality.psnr:.2f}")
            state.save(step + 1)
            losses = []
    assert isinstance(average.module, PlainNet)
    return average.module


def torch_upscaler(net: nn.Module) -> Any:
    """The network as a function from an 8-bit plane to a larger one, for `evaluate`."""

    def upscale(plane: Luma) -> Luma:
        with torch.inference_mode():
            result = net(to_tensor(plane[None, None]))[0, 0]
        return (result.clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy()  # type: ignore[no-any-return]

    return upscale


class State:
    """What a checkpoint holds, written whole or not at all."""

    def __init__(self, path: Path, *parts: Any) -> None:
        self.path = path
        *self.parts, self.rng = parts

    def save(self, step: int) -> None:
        states = [part.state_dict() for part in self.parts]
        kept = {"step": step, "states": states, "rng": self.rng.bit_generator.state}
        temporary = self.path.with_suffix(".partial")
        torch.save(kept, temporary)
        os.replace(temporary, self.path)

    def load(self) -> int:
        """The step to go on from: 0 where there is no checkpoint."""
        if not self.path.exists():
            return 0
        kept = torch.load(self.path, weights_only=True)
        for part, state in zip(self.parts, kept["states"], strict=True):
            part.load_state_dict(state)
        self.rng.bit_generator.state = kept["rng"]
        return int(kept["step"])
