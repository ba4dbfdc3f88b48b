"""Optimizers: what Muon and Adam do to a network's weights.

Needs torch: pip install 'vsr[train]'.
"""

from typing import Any, Literal

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'vsr[train]'")

from torch import nn  # noqa: E402

from vsr.train.optimizer import KernelMuon, Optimizer  # noqa: E402
from vsr.train.recipe import Schedule  # noqa: E402


def network() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 12, 3), nn.PReLU(12), nn.Conv2d(12, 4, 3), nn.Conv2d(4, 4, 1))
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def changes(optimizer: Literal["adam", "muon"], rate: float) -> dict[str, Any]:
    """How the first step changes each weight."""
    net = network()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    (net(torch.rand(2, 1, 9, 8)) ** 2).sum().backward()
    Optimizer(net, Schedule(steps=10, optimizer=optimizer, learning_rate=rate)).step()
    return {name: p.detach() - before[name] for name, p in net.named_parameters()}


def test_muon_changes_a_kernel_equally_in_all_directions() -> None:
    for name, change in changes("muon", 0.01).items():
        if change.ndim == 4:
            rows = change.movedim(1, -1).flatten(1)
            sizes = torch.linalg.svdvals(rows / (0.01 * 0.2 * max(rows.shape) ** 0.5))
            assert float(sizes.min()) > 0.4, name  # Newton and Schulz stop that far from 1
            assert float(sizes.max()) < 1.4, name


def test_muon_leaves_what_is_no_kernel_to_adam() -> None:
    adam, muon = changes("adam", 0.01), changes("muon", 0.01)
    vectors = [name for name, change in adam.items() if change.ndim == 1]
    assert len(vectors) == 4
    for name, change in adam.items():
        assert torch.equal(change, muon[name]) == (name in vectors)


def test_a_kernel_laid_out_otherwise_is_refused() -> None:
    kernel = nn.Parameter(torch.rand(3, 4, 3, 3))
    with pytest.raises(ValueError, match="channels last"):
        KernelMuon([kernel], 0.01)


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_the_learning_rate_falls_to_zero_along_half_a_cosine(
    optimizer: Literal["adam", "muon"],
) -> None:
    net = network()
    steps = Optimizer(net, Schedule(steps=4, optimizer=optimizer, learning_rate=0.4))
    rates = []
    for _ in range(4):
        rates.append(steps.learning_rate)
        (net(torch.rand(1, 1, 9, 8)) ** 2).sum().backward()
        steps.step()
    assert rates == pytest.approx([0.4, 0.3414, 0.2, 0.0586], abs=1e-4)
    assert steps.learning_rate == pytest.approx(0)
    before = [p.detach().clone() for p in net.parameters()]
    steps.step()
    assert all(torch.equal(p, was) for p, was in zip(net.parameters(), before, strict=True))
