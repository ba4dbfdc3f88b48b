"""The estimate of what an engine takes, against what it takes."""

import os
import subprocess
import sys
from fractions import Fraction

import psutil
import pytest
from small_networks import nearest_rgb, random_network

from vsr.frame import FrameFormat
from vsr.networks.catalog import find_network
from vsr.networks.classical import classical
from vsr.networks.network import Network
from vsr.pipeline import memory
from vsr.pipeline.memory import bytes_per_pixel, free_memory, largest_tile

FORM = FrameFormat(640, 360)

NETWORKS = {
    "fast": find_network("fast", Fraction(2)),
    "wide": random_network(1, 2, width=64),
    "rgb x4": nearest_rgb(4),
    "lanczos": classical("lanczos", 2),
}


def test_free_memory_is_some_and_not_more_than_the_machine_has() -> None:
    assert 0 < free_memory() <= psutil.virtual_memory().total


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_estimate_holds_two_neighbouring_activations(name: str) -> None:
    network = NETWORKS[name]
    widest = {"fast": 2 * 16, "wide": 2 * 64, "rgb x4": 3 + 48, "lanczos": 1 + 4}[name]
    assert 4 * widest <= bytes_per_pixel(network, FORM) <= 4 * 4 * widest + 12 * 17


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from Linux")
def test_the_estimate_holds_what_openvino_takes() -> None:
    script = """if True:
        from small_networks import noise, random_network
        from vsr.backends.select import build_engine
        from vsr.frame import FrameFormat
        from vsr.pipeline.memory import bytes_per_pixel
        from vsr.settings import EngineSettings

        def run(form):
            with build_engine(network, form, EngineSettings(precision="fp32")) as engine:
                for work in [engine.start(frame) for frame in [noise(form)] * engine.depth]:
                    work.result()
                with open("/proc/self/status") as status:
                    [peak] = (line.split()[1] for line in status if line.startswith("VmHWM"))
                return int(peak) * 1024, engine.depth

        network = random_network(1, 2, width=64)
        before, _ = run(FrameFormat(64, 64))
        form = FrameFormat(640, 360)
        after, depth = run(form)
        print((after - before) / depth / 640 / 360, bytes_per_pixel(network, form))
    """
    paths = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    taken, estimate = map(float, ran.stdout.split())
    assert estimate / 8 < taken < estimate


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_tiles_are_as_large_as_memory_allows(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bytes_per_pixel(network, FORM) * 640 * 360 * len(os.sched_getaffinity(0))
    sides = []
    for part in (Fraction(9, 4), Fraction(7, 4), Fraction(1), Fraction(1, 100), Fraction(0)):
        monkeypatch.setattr(memory, "free_memory", lambda part=part: int(whole * part))
        sides.append(largest_tile(network, FORM))
    assert sides[0] == 0  # half of what is free is planned with
    assert 640 * 360 * 0.8 < sides[1] ** 2 < 640 * 360 * 7 / 8
    assert 640 * 360 * 0.45 < sides[2] ** 2 < 640 * 360 / 2
    assert sides[3:] == [64, 64]
    assert all(side % 2 == 0 for side in sides)
