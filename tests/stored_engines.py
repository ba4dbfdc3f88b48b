"""Engines for the tests of their store: plans of a few bytes, built by nothing."""

from collections.abc import Callable
from pathlib import Path

from vsr.backends.store import EngineKey, EngineStore

KEY = EngineKey(
    graph="a" * 64,
    runtime="tensorrt 11.4.0.106",
    device="NVIDIA H200",
    compute_capability="9.0",
    driver="580.65.06",
    precision="fp16",
    shapes="y=1x1x360x640, uv=1x2x180x320",
    optimization_level=3,
    workspace=0,
    title="fast_x2 640x360 yuv420p",
)
PLAN = b"plan" * 1000


class Builder:
    """Counts what it is asked for."""

    def __init__(self, plan: bytes = PLAN) -> None:
        self.plan, self.builds = plan, 0
        self.told: list[str] = []

    def __call__(self) -> bytes:
        self.builds += 1
        return self.plan

    def get(
        self,
        store: EngineStore,
        key: EngineKey = KEY,
        load: Callable[[bytes], bytes | None] = lambda plan: plan,
    ) -> bytes:
        return store.load_or_build(key, self, load, self.told.append)


def plan_of(store: EngineStore, key: EngineKey = KEY) -> Path:
    return store.folder / f"{key.stem}.plan"
