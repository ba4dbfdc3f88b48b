"""Films finished by workers on one machine or on many, with Ray: the only file that imports it."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from vsr.errors import BackendError, MissingPackageError
from vsr.pipeline.store import Store
from vsr.remaster.film_job import FilmJob
from vsr.remaster.plan import Film
from vsr.remaster.runner import Finished, Watch
from vsr.remaster.schedule import Schedule
from vsr.remaster.tasks import LostWorkerError, Reply, Worker
from vsr.remaster.worker_process import Answer, WorkerProcess

try:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError as error:
    raise MissingPackageError("Ray", "cluster") from error

LOCAL = "local"
"""The address that means: on this machine, for this run."""

LOOK_AGAIN = 5.0
"""Seconds after which machines that joined are noticed."""

STARTS = 3
"""Of a worker on one machine that fail in a row, before the machine is left alone."""

ROOM_FOR_RESULTS = 80 * 2**20
"""Bytes of memory that Ray sets aside on this machine; ours are small."""


@dataclass(frozen=True)
class Needs:
    """What a worker asks its machine for. Where any machine has a GPU, only those that have one
    work, with one worker to a GPU."""

    cpus: int = 4
    """At most; all where a machine has fewer."""
    memory: int = 2 * 2**30
    """Bytes."""


class Cluster:
    """Finishes films on Ray; `address` is `local`, ray://HOST:PORT, or HOST:PORT of its head.

    Sources and outputs are paths, which have to be the same on all machines; or, where there is a
    `storage`, whose URL fsspec knows, are this machine's alone, and all files go by way of that.
    Raises: BackendError where there is no such cluster, or no machine of it can run a worker.
    """

    def __init__(
        self,
        store: Store,
        address: str = LOCAL,
        needs: Needs = Needs(),
        storage: str | None = None,
    ) -> None:
        self.store, self.address, self.needs = store, address, needs
        self.storage = storage and storage.rstrip("/")

    def finish(self, films: Iterable[Film], watch: Watch) -> Iterator[Finished]:
        """Every film as soon as it is finished or has failed; see `Runner`."""
        with connected(self.address):
            workers = RayWorkers(self.needs)
            jobs = (FilmJob(film, self.store, watch, self.storage) for film in films)
            for job, error in Schedule[FilmJob](workers, lambda: watch.stopping).run(jobs):
                assert error is not None or job.report is not None
                yield job.film, error or job.report  # type: ignore[misc]


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Ray, and nothing left of it afterwards."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    with tempfile.TemporaryDirectory(prefix="vsr-ray-", ignore_cleanup_errors=True) as folder:
        before = signal.getsignal(signal.SIGTERM)
        ray._private.worker.print_to_stdstream = quiet
        try:
            join_or_start(address, folder)
            with suppress(ValueError):  # not in the main thread, where Ray took nothing either
                signal.signal(signal.SIGTERM, before)
            yield
        finally:
            ray.shutdown()


def quiet(*words: object, **more: object) -> None:
    """In the place of Ray's own telling of every lost worker, which no setting turns off."""


def join_or_start(address: str, folder: str) -> None:
    """Join a cluster or, with its files in this folder, start Ray here. Raises BackendError."""
    for tries_left in (1, 0) if address == LOCAL else (0,):
        try:
            if address == LOCAL:
                start_here(folder)
            else:
                check_reachable(address)
                ray.init(address, log_to_driver=False, logging_level="error")
        except Exception as error:
            ray.shutdown()
            if not tries_left:  # Ray waits 30 s for its own processes, which a busy machine exceeds
                raise BackendError(f"Ray at {address}: {first_line(error)}") from error
        else:
            return


def check_reachable(address: str) -> None:
    """Raise OSError where nobody listens, which Ray would find out after minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not port.isdigit():
        raise ValueError("say local, ray://HOST:PORT, or HOST:PORT of its head")
    socket.create_connection((host, int(port)), timeout=10).close()


def first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def start_here(folder: str) -> None:
    ray.init(
        LOCAL,
        num_cpus=len(os.sched_getaffinity(0)),
        object_store_memory=ROOM_FOR_RESULTS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        _temp_dir=folder,
    )


@dataclass
class Hand:
    """A worker's process."""

    actor: Any
    node: str
    """Ray's number of the machine."""
    worker: Worker | None = None
    """None: it is not there yet."""


class RayWorkers:
    """An `Executor`: long-lived Ray actors, as many as each machine has room for."""

    def __init__(self, needs: Needs) -> None:
        self.needs = needs
        self.hands: dict[Worker, Hand] = {}
        self.asked: dict[Any, Hand] = {}
        """What is waited for -> from whom."""
        self.idle: dict[Worker, None] = {}
        self.counts: Counter[str] = Counter()
        """Processes on a machine, those that are only coming included."""
        self.failed: Counter[str] = Counter()
        """Starts on a machine, in a row."""
        self.reason = "it has none"
        self.looked = 0.0

    # The contract of `vsr.remaster.tasks.Executor`.

    def free(self) -> list[Worker]:
        return list(self.idle)

    def nodes(self) -> set[str]:
        return {worker.node for worker in self.hands}

    def submit(self, worker: Worker, work: Any) -> None:
        del self.idle[worker]
        self.ask(self.hands[worker], "do", work)

    def go_on(self, worker: Worker) -> None:
        self.ask(self.hands[worker], "go_on")

    def drop(self, worker: Worker) -> None:
        hand = self.hands.pop(worker, None)
        if hand is None:
            return
        self.asked = {ref: other for ref, other in self.asked.items() if other is not hand}
        self.idle.pop(worker, None)
        self.counts[hand.node] -= 1
        ray.kill(hand.actor)
        self.looked = 0.0

    def wait(self, seconds: float) -> list[Reply]:
        try:
            self.look()
            if not self.asked:
                time.sleep(seconds)
                return []
            refs = list(self.asked)
            ready, _ = ray.wait(refs, timeout=seconds)
            if ready:
                ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
            return [reply for ref in ready if (reply := self.heard(ref)) is not None]
        except (ConnectionError, ray.exceptions.RayError) as error:
            raise BackendError(f"the cluster is lost: {first_line(error)}") from error

    def now(self) -> float:
        return time.monotonic()

    # Ray.

    def ask(self, hand: Hand, what: str, *words: Any) -> None:
        self.asked[getattr(hand.actor, what).remote(*words)] = hand

    def heard(self, ref: Any) -> Reply | None:
        """What a worker answered; None: it is there now, or was not there at all."""
        hand = self.asked.pop(ref)
        try:
            answer: Answer | int = ray.get(ref)
        except ray.exceptions.RayError as error:
            return self.lose(hand, first_line(error))
        if isinstance(answer, int):
            hand.worker = Worker(f"{self.names[hand.node]} process {answer}", hand.node)
            self.hands[hand.worker] = hand
            self.failed[hand.node] = 0
        assert hand.worker is not None
        if isinstance(answer, int) or not answer.more:
            self.idle[hand.worker] = None
        if isinstance(answer, int):
            return None
        return Reply(hand.worker, answer.result, answer.error, answer.more)

    def lose(self, hand: Hand, reason: str) -> Reply | None:
        """A process is no more, or cannot be reached; another one is to take its place."""
        ray.kill(hand.actor)
        self.counts[hand.node] -= 1
        self.looked = 0.0
        if hand.worker is None:
            self.failed[hand.node] += 1
            self.reason = reason
            return None
        del self.hands[hand.worker]
        return Reply(hand.worker, error=LostWorkerError(reason))

    def look(self) -> None:
        """Start workers on machines that have room. Raises BackendError where none has any."""
        if self.now() - self.looked < LOOK_AGAIN:
            return
        self.looked = self.now()
        alive = [node for node in ray.nodes() if node["Alive"]]
        self.names = {node["NodeID"]: node["NodeManagerHostname"] for node in alive}
        gpus = any(node["Resources"].get("GPU", 0) >= 1 for node in alive)
        for node in alive:
            place = node["NodeID"]
            if self.failed[place] < STARTS:
                count, options = room(node["Resources"], self.needs, gpus)
                while self.counts[place] < count:
                    self.start(place, options)
        if not any(self.counts.values()):
            raise BackendError(f"no machine of the cluster can run a worker: {self.reason}")

    def start(self, node: str, options: dict[str, float]) -> None:
        where = NodeAffinitySchedulingStrategy(node, soft=False)
        create = ray.remote(WorkerProcess).options(
            **options, max_restarts=0, max_task_retries=0, scheduling_strategy=where
        )
        hand = Hand(create.remote(int(options["num_cpus"])), node)
        self.counts[node] += 1
        self.ask(hand, "hello")


def room(resources: dict[str, float], needs: Needs, gpus: bool) -> tuple[int, dict[str, float]]:
    """How many workers a machine has room for, and what each asks it for."""
    cpus, memory = int(resources.get("CPU", 0)), int(resources.get("memory", 0))
    if not cpus:
        return 0, {}
    own = int(resources.get("GPU", 0))
    count = own if gpus else max(1, cpus // needs.cpus)
    count = min(count, max(1, memory // needs.memory), cpus)
    if not count:
        return 0, {}
    options = {"num_cpus": min(needs.cpus, cpus // count), "num_gpus": int(gpus)}
    return count, {**options, "memory": min(needs.memory, memory // count)}
