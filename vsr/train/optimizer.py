"""What turns gradients into steps: Adam, or Muon for all that is a matrix and Adam for the rest."""

from typing import Any

import torch
from torch import Tensor, nn

from vsr.train.recipe import Schedule


class KernelMuon(torch.optim.Muon):
    """Muon for the kernels of convolutions, (out, in, h, w), each as a matrix of `out` rows.

    Its steps are as long as Adam's at the same learning rate would be.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), which
    flattens kernels likewise; the length from Liu et al., "Muon is Scalable for LLM Training"
    (2025), section 2.2.
    """

    def __init__(self, kernels: list[nn.Parameter], learning_rate: float) -> None:
        """The kernels lie in memory with channels last."""
        self.kernels = kernels
        matrices = [matrix(kernel.detach()) for kernel in kernels]
        if any(m.data_ptr() != k.data_ptr() for m, k in zip(matrices, kernels, strict=True)):
            raise ValueError("Muon's kernels have to lie in memory with channels last")
        super().__init__(
            matrices,
            lr=learning_rate,
            weight_decay=0.0,
            adjust_lr_fn="match_rms_adamw",
        )

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for kernel, rows in zip(self.kernels, self.param_groups[0]["params"], strict=True):
            rows.grad = None if kernel.grad is None else matrix(kernel.grad)
        super().step(closure)


def matrix(kernel: Tensor) -> Tensor:
    """A kernel's weights as (out, h * w * in), in the memory of a kernel with channels last."""
    return kernel.movedim(1, -1).flatten(1)


class Optimizer:
    """Steps at a learning rate that falls to zero along half a cosine."""

    def __init__(self, net: nn.Module, schedule: Schedule) -> None:
        """`net` has its kernels with channels last in memory."""
        weights = [p for p in net.parameters() if p.requires_grad]
        rate = schedule.learning_rate
        self.parts: dict[str, torch.optim.Optimizer] = {}
        if schedule.optimizer == "muon":
            self.parts["muon"] = KernelMuon([p for p in weights if p.ndim == 4], rate)
            weights = [p for p in weights if p.ndim != 4]
        self.parts["adam"] = torch.optim.Adam(weights, lr=rate)
        self.cosines = {
            name: torch.optim.lr_scheduler.CosineAnnealingLR(part, schedule.steps)
            for name, part in self.parts.items()
        }

    @property
    def learning_rate(self) -> float:
        return float(self.cosines["adam"].get_last_lr()[0])

    def step(self) -> None:
        for part in self.parts.values():
            part.step()
        for cosine in self.cosines.values():
            cosine.step()

    def state_dict(self) -> dict[str, Any]:
        return {
            name: {"optimizer": part.state_dict(), "cosine": self.cosines[name].state_dict()}
            for name, part in self.parts.items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(state[name]["optimizer"])
            self.cosines[name].load_state_dict(state[name]["cosine"])
