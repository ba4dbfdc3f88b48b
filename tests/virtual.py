"""Workers of a virtual cluster under a virtual clock: an `Executor` that computes nothing."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vsr.remaster.tasks import LostWorkerError, Reply, Worker

Work = Any
Answers = Callable[[Work, Worker], tuple[float, Any]]
"""What a worker is sent -> seconds that it takes at speed 1, and the result or the error."""


@dataclass
class Node:
    """A machine."""

    name: str
    speed: float = 1.0
    workers: int = 1
    fails_every: float = 0.0
    """Seconds between two failures of the machine, on average; 0: never."""
    repair: float = 600.0
    """Seconds until it is there again."""


@dataclass(order=True)
class Event:
    time: float
    place: int
    what: Callable[[], None] = field(compare=False)


class VirtualWorkers:
    """Time passes only in `wait`, from one event to the next."""

    def __init__(self, nodes: list[Node], answers: Answers, seed: int = 0) -> None:
        self.answers, self.chance = answers, random.Random(seed)
        self.time, self.places = 0.0, 0
        self.events: list[Event] = []
        self.replies: list[Reply] = []
        self.idle: dict[Worker, None] = {}
        self.speeds: dict[Worker, float] = {}
        self.tasks: dict[Worker, int] = {}
        """Number of the task that a worker is at."""
        self.busy_seconds = self.lost_seconds = 0.0
        self.since: dict[Worker, float] = {}
        self.names: set[str] = set()
        self.starts = 0
        for node in nodes:
            self.come(node)

    # The machines.

    def come(self, node: Node) -> None:
        workers = []
        for _ in range(node.workers):
            self.starts += 1
            worker = Worker(f"{node.name}/{self.starts}", node.name)
            workers.append(worker)
            self.idle[worker] = None
            self.speeds[worker] = node.speed
        self.names.add(node.name)
        if node.fails_every:
            seconds = self.chance.expovariate(1 / node.fails_every)
            self.at(seconds, lambda: self.fail(node, workers))

    def fail(self, node: Node, workers: list[Worker]) -> None:
        """The machine is gone, with all its workers."""
        self.names.discard(node.name)
        for worker in workers:
            self.lose(worker, self.tasks.get(worker))
        self.at(node.repair, lambda: self.come(node))

    def lose(self, worker: Worker, task: int | None) -> None:
        self.idle.pop(worker, None)
        self.speeds.pop(worker, None)
        if task is not None and self.tasks.pop(worker, None) == task:
            self.lost_seconds += self.time - self.since[worker]
            self.replies.append(Reply(worker, error=LostWorkerError("gone")))

    def at(self, seconds: float, what: Callable[[], None]) -> None:
        self.places += 1
        heapq.heappush(self.events, Event(self.time + seconds, self.places, what))

    # The contract.

    def free(self) -> list[Worker]:
        return list(self.idle)

    def nodes(self) -> set[str]:
        return self.names

    def submit(self, worker: Worker, work: Work) -> None:
        del self.idle[worker]
        seconds, result = self.answers(work, worker)
        self.places += 1
        task = self.tasks[worker] = self.places
        self.since[worker] = self.time

        def answer() -> None:
            if self.tasks.get(worker) != task:
                return
            del self.tasks[worker]
            self.idle[worker] = None
            took = self.time - self.since[worker]
            if isinstance(result, Exception):
                self.lost_seconds += took
                self.replies.append(Reply(worker, error=result))
            else:
                self.busy_seconds += took
                self.replies.append(Reply(worker, result))

        self.at(seconds / self.speeds[worker], answer)

    def go_on(self, worker: Worker) -> None:
        raise NotImplementedError

    def drop(self, worker: Worker) -> None:
        """As on a real cluster, a new worker takes the place of one that is stopped."""
        if worker not in self.speeds:
            return
        if self.tasks.pop(worker, None) is not None:
            self.lost_seconds += self.time - self.since[worker]
        self.idle.pop(worker, None)
        speed = self.speeds.pop(worker)
        self.starts += 1
        fresh = Worker(f"{worker.node}/{self.starts}", worker.node)
        self.speeds[fresh] = speed
        self.idle[fresh] = None

    def wait(self, seconds: float) -> list[Reply]:
        end = self.time + seconds
        while not self.replies and self.events and self.events[0].time <= end:
            event = heapq.heappop(self.events)
            self.time = event.time
            event.what()
        if not self.replies:
            self.time = end
        replies, self.replies = self.replies, []
        return replies

    def now(self) -> float:
        return self.time
