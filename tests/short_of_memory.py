"""Enlarges frames in tiles while there is little memory to be had; test_tiling runs it as a
process of its own.

    python short_of_memory.py build|start|compute [BACKEND [BATCH [MEBIBYTES]]]

`build`: nothing fits but small tiles. `start`: memory runs out with frames in work. `compute`: so
it does, for a backend that gives memory back between frames. Prints the
tiles' side and their number, the batch, and what the engine noted; fails where a result is not the
source's pixels, each four times.
"""

import resource
import sys

import numpy as np
from small_networks import network, node, noise

from vsr.backends.base import Engine
from vsr.backends.select import build_engine
from vsr.frame import FrameFormat
from vsr.pipeline.tiling import TiledEngine
from vsr.settings import EngineSettings

FORM = FrameFormat(800, 600, chroma="gray")
MIB = 2**20
BACKEND = sys.argv[2] if len(sys.argv) > 2 else "openvino"
BATCH = int(sys.argv[3]) if len(sys.argv) > 3 else 0
MEBIBYTES = int(sys.argv[4]) if len(sys.argv) > 4 else 80

WIDE, BACK = np.zeros((64, 1, 3, 3), np.float32), np.zeros((4, 64, 3, 3), np.float32)
WIDE[:, 0, 1, 1], BACK[:, :, 1, 1] = 1 / 64, 1
NODES = [
    node("Conv", "x wide", "many", pads=[1] * 4),
    node("Conv", "many back", "few", pads=[1] * 4),
    node("DepthToSpace", "few", "y", blocksize=2),
]
NETWORK = network(NODES, {"wide": WIDE, "back": BACK})
"""64 channels that do nothing but take memory: 117 MiB for a whole frame."""


def build(form: FrameFormat, batch: int, verdict: str | None = None) -> Engine:
    settings = EngineSettings(backend=BACKEND, device="cpu", precision="fp32", batch=batch)
    return build_engine(NETWORK, form, settings)


def limit_memory(mebibytes: int) -> None:
    """Allow this process no more than it has and `mebibytes`."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    most = pages * resource.getpagesize() + mebibytes * MIB
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def fill_memory() -> list[bytearray]:
    """Take all memory that can still be had, but for a little."""
    taken = []
    try:
        while True:
            taken.append(bytearray(MIB))
    except MemoryError:
        return taken[:-2]


def main(when: str) -> None:
    small = FrameFormat(64, 64, chroma="gray")
    with build(small, 1) as engine:  # so that all libraries are loaded and all threads started
        engine.start(noise(small)).result()
    frames = [noise(FORM, seed) for seed in range(8 if when == "start" else 3)]
    if when == "build":
        limit_memory(MEBIBYTES)
    with TiledEngine(build, NETWORK, FORM, tile=0, batch=BATCH) as engine:
        pending = [engine.start(frame) for frame in frames[:2]]
        taken = []
        if when == "start":
            limit_memory(0)
            taken = fill_memory()
        elif when == "compute":
            limit_memory(MEBIBYTES)
        pending += [engine.start(frame) for frame in frames[2:]]
        results = [work.result() for work in pending]
        tiles = engine.tile, len(engine.cuts), engine.batch
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    taken.clear()
    for frame, result in zip(frames, results, strict=True):
        large = result.y.reshape(FORM.height, 2, FORM.width, 2)
        np.testing.assert_array_equal(
            large, np.broadcast_to(frame.y[:, None, :, None], large.shape)
        )
    print(*tiles, "; ".join(engine.notes))


if __name__ == "__main__":
    main(sys.argv[1])
