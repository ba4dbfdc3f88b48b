"""How fast a device multiplies matrices and copies memory, measured by torch: what no network that
computes in these types can beat."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

SIDE = {"cuda": 8192, "mps": 2048, "cpu": 1024}
"""Of the square matrices."""

BYTES = {"cuda": 2**30, "mps": 2**27, "cpu": 2**27}
"""That are copied."""

TURNS = 7
"""Of which the fastest counts; the first ones warm up."""


def matmul_rate(device: str, fp16: bool) -> float:
    """Operations a second, a multiplication and an addition being two; fp32 without TF32."""
    where = torch.device(device)
    side = SIDE[where.type]
    kind = torch.float16 if fp16 else torch.float32
    a, b = (torch.randn(side, side, device=where, dtype=kind) for _ in range(2))
    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        return 2 * side**3 / shortest(lambda: torch.mm(a, b), where)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed


def copy_rate(device: str) -> float:
    """Bytes a second, read and written together."""
    where = torch.device(device)
    a = torch.zeros(BYTES[where.type], dtype=torch.uint8, device=where)
    b = torch.empty_like(a)
    return 2 * a.numel() / shortest(lambda: b.copy_(a), where)


def shortest(work: Callable[[], object], device: torch.device) -> float:
    """Seconds."""
    times = []
    for _ in range(TURNS):
        wait_for(device)
        began = time.perf_counter()
        work()
        wait_for(device)
        times.append(time.perf_counter() - began)
    return min(times)


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
