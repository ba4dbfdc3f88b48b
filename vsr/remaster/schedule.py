"""Which worker does what, and when: the tasks of many films, given to workers that come and go.

Nothing here knows what a task is, runs one, or reads a clock; `vsr.remaster.tasks` has the two
contracts that it stands between. Films are finished in their order; the next one begins where
workers would idle.

A worker that is lost costs what it was doing: that is given to another one. A task that failed
goes to another node, where there is one; after `TRIES` its film has failed, and the rest goes on.
Where workers have nothing left to do, they do the slowest tasks a second time: the first result
counts. That costs nobody anything, and a slow machine cannot hold up the end. One that hangs is
stopped at any time.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from vsr.errors import BackendError, InputError
from vsr.remaster.tasks import Executor, Job, LostWorkerError, Reply, Task, Worker

TRIES = 3
"""At a task, the first included."""

SLOW = 1.5
"""Times the film's mean, after which a task is done twice, if a worker has nothing else to do."""

HUNG, AT_LEAST = 30.0, 600.0
"""Times the film's mean, and seconds, after which a worker that does not come back is stopped."""

VERY_SLOW = 4.0
"""The same, times the mean of all films, where nothing is known of this one."""

SET_ASIDE = 5
"""Failures of a node in a row, after which it gets tasks only where no other node is better."""

PATIENCE = 1.0
"""Seconds after which the executor comes back, whether or not something happened."""


J = TypeVar("J", bound=Job)


@dataclass(eq=False)
class Open(Generic[J]):
    """A film in work."""

    number: int
    job: J
    left: int = 0
    """Tasks that are not done."""
    running: int = 0
    error: Exception | None = None
    seconds: float = 0.0
    done: int = 0
    """Tasks that may be done twice: how long they took, and how many there were."""


@dataclass
class Running(Generic[J]):
    """A task that a worker is at."""

    film: Open[J]
    task: Task
    since: float


class Schedule(Generic[J]):
    """Takes films to their end."""

    def __init__(self, executor: Executor, stopping: Callable[[], bool] = lambda: False) -> None:
        self.executor, self.stopping = executor, stopping
        self.open: dict[int, Open[J]] = {}
        self.ready: list[tuple[int, int, Task]] = []
        """A heap: number of the film, place within it."""
        self.running: dict[Worker, Running[J]] = {}
        self.at_work: Counter[Task] = Counter()
        """How many workers do the task."""
        self.failures: Counter[str] = Counter()
        """Of a node, in a row."""
        self.places = 0
        self.seconds, self.done = 0.0, 0
        """As a film's, of all."""
        self.looked = 0.0
        """When hung workers were looked for."""
        self.ended: list[Open[J]] = []
        self.all_begun = False

    def run(self, jobs: Iterable[J]) -> Iterator[tuple[J, Exception | None]]:
        """Every film with its error, or None, as it ends. Once `stopping`, what runs is finished
        and nothing is begun: films that have more to do are closed and left out.
        """
        coming = enumerate(jobs)
        try:
            while True:
                self.fill(coming)
                while self.ended:
                    film = self.ended.pop()
                    film.job.close()
                    yield film.job, film.error
                over = self.all_begun and not self.open
                if not self.running and (over or self.stopping()):
                    return
                for reply in self.executor.wait(PATIENCE):
                    self.take(reply)
        finally:
            for film in self.open.values():
                film.job.close()

    # What is given to whom.

    def fill(self, coming: Iterator[tuple[int, J]]) -> None:
        """Give every free worker something to do."""
        self.stop_hung()
        nodes = self.executor.nodes()
        nodes = {node for node in nodes if self.failures[node] < SET_ASIDE} or nodes
        free = [worker for worker in self.executor.free() if worker.node in nodes]
        while free and not self.stopping():
            if self.give(free, nodes):
                continue
            if (new := next(coming, None)) is None:
                self.all_begun = True
                self.double(free, nodes)
                return
            film = self.open[new[0]] = Open(*new)
            self.add(film, film.job.begin)

    def give(self, free: list[Worker], nodes: set[str]) -> bool:
        """Give the first task that suits one of these workers to it; whether there was one."""
        passed, given = [], False
        while self.ready and not given:
            entry = heapq.heappop(self.ready)
            film, task = self.open.get(entry[0]), entry[2]
            if film is None or film.error is not None:
                continue
            worker = suiting(task, free, nodes)
            if worker is None:
                passed.append(entry)
            else:
                given = self.submit(film, task, worker, free)
        for entry in passed:
            heapq.heappush(self.ready, entry)
        return given

    def submit(self, film: Open[J], task: Task, worker: Worker, free: list[Worker]) -> bool:
        """Give a free worker a task; False where nobody needs it any more."""
        try:
            work = film.job.send(task, worker)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is this film's)
            film.error = error
            work = None
        if work is None:
            film.left -= not self.at_work[task]
            self.end(film)
            return False
        self.executor.submit(worker, work)
        free.remove(worker)
        self.running[worker] = Running(film, task, self.executor.now())
        self.at_work[task] += 1
        film.running += 1
        return True

    def double(self, free: list[Worker], nodes: set[str]) -> None:
        """Have the slowest tasks done a second time."""
        now = self.executor.now()
        slow = [each for each in self.running.values() if self.is_slow(each, now)]
        for each in sorted(slow, key=lambda each: each.since):
            worker = suiting(each.task, free, nodes)
            if worker is not None:
                self.submit(each.film, each.task, worker, free)

    def is_slow(self, running: Running[J], now: float) -> bool:
        """Whether only one worker is at it, and that for long."""
        film, task = running.film, running.task
        if not task.twice or self.at_work[task] > 1 or film.error is not None:
            return False
        if film.done:
            return now - running.since > SLOW * film.seconds / film.done
        return self.done > 0 and now - running.since > VERY_SLOW * self.seconds / self.done

    def stop_hung(self) -> None:
        """Stop workers that have been at one chunk for longer than can be."""
        now = self.executor.now()
        if now - self.looked < AT_LEAST / 10:
            return
        self.looked = now
        for worker, at in list(self.running.items()):
            film, seconds = at.film, now - at.since
            known = at.task.twice and film.done > 0 and seconds > AT_LEAST
            if known and seconds > HUNG * film.seconds / film.done:
                self.executor.drop(worker)
                self.take(Reply(worker, error=LostWorkerError(f"no result after {seconds:.0f} s")))

    # What comes of it.

    def take(self, reply: Reply) -> None:
        """One result, or one failure."""
        at = self.running.get(reply.worker)
        if at is None:  # its task was another one's first
            return
        film, task = at.film, at.task
        if reply.error is None and reply.more:
            self.add(film, lambda: film.job.take(task, reply))
            if film.error is None and not self.stopping():
                self.executor.go_on(reply.worker)
            else:
                self.executor.drop(reply.worker)
                self.rest(reply.worker)
            return
        self.rest(reply.worker)
        if reply.error is not None:
            self.miss(film, task, reply.worker, reply.error)
            return
        self.failures[reply.worker.node] = 0
        if task.twice:
            for clock in (film, self):
                clock.seconds += self.executor.now() - at.since
                clock.done += 1
            for other in [w for w, r in self.running.items() if r.task is task]:
                self.executor.drop(other)
                self.rest(other)
        film.left -= 1
        self.add(film, lambda: film.job.take(task, reply))

    def rest(self, worker: Worker) -> None:
        """The worker is at nothing any more."""
        at = self.running.pop(worker)
        at.film.running -= 1
        self.at_work[at.task] -= 1
        if not self.at_work[at.task]:
            del self.at_work[at.task]
        self.end(at.film)

    def add(self, film: Open[J], tasks: Callable[[], Sequence[Task]]) -> None:
        """Note what can be done now."""
        try:
            for task in tasks():
                film.left += 1
                self.places += 1
                heapq.heappush(self.ready, (film.number, self.places, task))
        except Exception as error:  # noqa: BLE001 (whatever it is, it is this film's)
            film.error = film.error or error
        self.end(film)

    def miss(self, film: Open[J], task: Task, worker: Worker, error: Exception) -> None:
        """A try came to nothing."""
        lost = isinstance(error, LostWorkerError)
        task.failures.append(f"{worker.name}: {error}")
        if not lost and not isinstance(error, InputError):
            self.failures[worker.node] += 1
            task.failed_on.add(worker.node)

        def again() -> Sequence[Task]:
            instead = film.job.miss(task, worker, error)
            if instead is not None:
                film.left -= 1
                return instead
            if self.at_work[task]:  # a second worker is still at it
                return ()
            if len(task.failures) >= TRIES or isinstance(error, InputError):
                raise error if len(task.failures) == 1 else given_up(task) from error
            film.left -= 1
            return [task]

        self.add(film, again)

    def end(self, film: Open[J]) -> None:
        """Let go of a film that has nothing left to do, or has failed and come to rest."""
        over = film.running == 0 and (film.left == 0 or film.error is not None)
        if over and self.open.pop(film.number, None) is not None:
            self.ended.append(film)


def suiting(task: Task, free: list[Worker], nodes: set[str]) -> Worker | None:
    """A worker on a node that has not failed at the task, if there is such a node."""
    wanted = nodes - task.failed_on or nodes
    return next((worker for worker in free if worker.node in wanted), None)


def given_up(task: Task) -> BackendError:
    """Why a film failed, with every reason."""
    reasons = "; ".join(dict.fromkeys(task.failures))
    return BackendError(f"given up after {len(task.failures)} tries ({reasons})")
