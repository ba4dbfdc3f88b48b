"""Ray's workers make the bytes that one process makes, whoever is killed meanwhile."""

from __future__ import annotations

import importlib.util
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import psutil
import pytest
from films import Sound, Text, Video, film, settings
from runs import ROOT, environment, listing, vsr_here

from vsr.backends.base import Building
from vsr.errors import BackendError, MediaError, MissingPackageError, VsrError
from vsr.pipeline.progress import Progress, Start, UpscaleReport
from vsr.pipeline.store import Attempt, Store
from vsr.pipeline.upscale import upscale
from vsr.remaster.plan import Film

JOB = replace(settings(options={"preset": "medium"}), chunk_seconds=0.4)
FILMS = 2
CHUNKS = 6

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install '.[cluster]'"
)


class Killing:
    """A `Watch` that kills the worker of a chunk in the middle of the work: kill -9."""

    stopping = False

    def __init__(self, store: Store) -> None:
        self.store = store
        self.killed = 0

    def built(self, film: Film, building: Building) -> None: ...

    def started(self, film: Film, start: Start) -> None: ...

    def progressed(self, film: Film, progress: Progress) -> None:
        if self.killed or progress.frames < 10 * CHUNKS // 2:
            return
        for attempt in at_work(self.store):
            os.kill(int(attempt.worker.split()[-1]), signal.SIGKILL)
            self.killed += 1
            return


def at_work(store: Store) -> list[Attempt]:
    return [a for job in store.jobs() for a in store.attempts(job) if a.ended is None]


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    sound = Sound("flac", seconds=Fraction(12, 5))
    return film(tmp_path / "movie.mkv", Video(10 * CHUNKS, options={"g": "12"}), sound, Text())


@pytest.fixture
def whole(tmp_path: Path, movie: Path) -> bytes:
    """The output as one process makes it."""
    upscale(movie, tmp_path / "whole.mkv", settings=JOB)
    return (tmp_path / "whole.mkv").read_bytes()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out" / ".vsr").mkdir(parents=True)
    return tmp_path / "out"


def films(movie: Path, out: Path) -> list[Film]:
    names = [f"{number}.mkv" for number in range(FILMS)]
    return [Film(str(movie), str(out / name), JOB, name) for name in names]


@needs_ray
def test_two_workers_one_of_them_killed_make_the_same_bytes_as_one_process(
    movie: Path, whole: bytes, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from vsr.remaster.cluster import Cluster, Needs

    handler = signal.getsignal(signal.SIGTERM)
    with Store(out / ".vsr" / "jobs.sqlite") as store:
        watch = Killing(store)
        todo = [
            *films(movie, out),
            Film(str(movie.with_name("none.mkv")), str(out / "none.mkv"), JOB, "none.mkv"),
        ]
        cluster = Cluster(store, "local", Needs(cpus=1))
        ended = {one.name: what for one, what in cluster.finish(todo, watch)}
        workers, errors = set(), []
        for job in store.jobs():
            workers |= {attempt.worker for attempt in store.attempts(job)}
            errors += [a.error for a in store.attempts(job) if a.error is not None]
    assert watch.killed == 1
    assert 2 <= len(workers) <= 3  # where there was time, another took the place of the killed one
    assert len(errors) == 1
    for one in films(movie, out):
        report = ended[one.name]
        assert isinstance(report, UpscaleReport), report
        assert (report.frames, report.verified) == (10 * CHUNKS, True)
        assert (out / one.name).read_bytes() == whole
    assert "none.mkv: no such file" in str(ended["none.mkv"])
    assert signal.getsignal(signal.SIGTERM) == handler
    assert capfd.readouterr() == ("", "")


DRIVER = """
import sys
from pathlib import Path
from test_cluster import films, Store
from vsr.remaster.cluster import Cluster, Needs

class Telling:
    stopping = False
    def started(self, film, start): pass
    def progressed(self, film, progress): print(film.name, progress.frames, flush=True)

movie, out = map(Path, sys.argv[1:])
with Store(out / ".vsr" / "jobs.sqlite") as store:
    for film, report in Cluster(store, "local", Needs(cpus=1)).finish(films(movie, out), Telling()):
        print(film.name, "ended", flush=True)
"""


@pytest.fixture
def driver(movie: Path, out: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that finishes films on Ray; a killed one leaves Ray's files."""
    path = f"{ROOT}{os.pathsep}{Path(__file__).parent}"
    words = [sys.executable, "-c", DRIVER, str(movie), str(out)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        more = environment(PYTHONPATH=path, TMPDIR=folder)
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=more)
        yield process
        process.kill()
        process.wait()


@needs_ray
def test_what_a_killed_driver_left_is_finished_by_one_process(
    movie: Path, whole: bytes, out: Path, driver: subprocess.Popen[str]
) -> None:
    assert driver.stdout is not None
    for _ in range(3):
        assert driver.stdout.readline(), "the driver ended too early"
    rays = [
        process
        for process in psutil.Process(driver.pid).children(recursive=True)
        if process.name() in ("raylet", "gcs_server") or "ray::WorkerProcess" in process.name()
    ]
    assert len(rays) >= 3
    driver.kill()
    driver.wait()
    _, alive = psutil.wait_procs(rays, timeout=30)
    assert not alive
    found = 0
    with Store(out / ".vsr" / "jobs.sqlite") as store:
        for one in films(movie, out):
            report = upscale(one.source, one.output, settings=JOB, store=store)
            found += report.found
            assert (out / one.name).read_bytes() == whole
    assert found >= 10
    assert [name for name in listing(out) if ".vsr" not in name] == ["0.mkv", "1.mkv"]


def test_without_ray_the_extra_is_named(tmp_path: Path) -> None:
    script = "import sys; sys.modules['ray'] = None; import vsr.remaster.cluster"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "MissingPackageError: this needs Ray: pip install 'vsr[cluster]'" in ran.stderr


@needs_ray
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:9", "refused"),
        ("ray://127.0.0.1:9", "refused"),
        ("somewhere", "say local, ray://HOST:PORT, or HOST:PORT"),
    ],
)
def test_a_cluster_that_is_not_there_is_named(address: str, words: str) -> None:
    from vsr.remaster.cluster import connected

    with pytest.raises(BackendError, match=f"^Ray at {address}: .*{words}"), connected(address):
        pass


@needs_ray
def test_a_machine_has_as_many_workers_as_it_has_room_for() -> None:
    from vsr.remaster.cluster import Needs, room

    gib = 2.0**30
    needs = Needs(cpus=4, memory=2 * 2**30)

    def found(gpus: bool, **resources: float) -> tuple[int, float, float]:
        count, options = room(resources, needs, gpus)
        return count, options.get("num_cpus", 0), options.get("num_gpus", 0)

    assert found(False, CPU=64, memory=256 * gib) == (16, 4, 0)
    assert found(False, CPU=2, memory=12 * gib) == (1, 2, 0)
    assert found(False, CPU=64, memory=8 * gib) == (4, 4, 0)
    assert found(True, CPU=64, memory=256 * gib, GPU=8) == (8, 4, 1)
    assert found(True, CPU=12, memory=256 * gib, GPU=8) == (8, 1, 1)
    assert found(True, CPU=64, memory=256 * gib) == (0, 0, 0)
    assert found(False, memory=256 * gib) == (0, 0, 0)


@pytest.mark.parametrize("error", [MediaError("a.mkv", "is broken"), MissingPackageError("x", "y")])
def test_errors_get_from_worker_to_driver_as_what_they_are(error: VsrError) -> None:
    sent = pickle.loads(pickle.dumps(error))
    assert (type(sent), str(sent), vars(sent)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--storage", "s3://here/there"], "--storage is for a --cluster; without, name folders"),
        (["--cluster", "local", "--storage", "/mnt/films"], "--storage '/mnt/films' is no URL"),
        (["--cluster", "local", "--worker-cpus", "0"], "workers with 0 processors do nothing"),
    ],
)
def test_words_for_a_cluster_that_make_no_sense_are_refused(
    tmp_path: Path, words: list[str], problem: str
) -> None:
    ran = vsr_here("remaster", tmp_path, "-o", tmp_path / "out", *words)
    assert ran.code == 2
    assert ran.err.startswith(f"vsr: {problem}")
