"""Every task is done, whoever is lost, fails or is slow; films are finished in their order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from virtual import Node, VirtualWorkers

from vsr.errors import BackendError, InputError, VsrError
from vsr.remaster.schedule import SET_ASIDE, TRIES, Schedule
from vsr.remaster.tasks import LostWorkerError, Reply, Task, Worker

CHUNK = 10.0
"""Seconds of a chunk's work."""


class Film:
    """A job of a survey, some chunks and an ending, each of which is to be done once."""

    def __init__(self, name: str, chunks: int, open_films: list[str] | None = None) -> None:
        self.name, self.chunks = name, chunks
        self.sent: list[Any] = []
        self.done: Counter[Any] = Counter()
        self.missed: list[str] = []
        self.open_films = open_films if open_films is not None else []
        self.closed = 0

    def begin(self) -> Sequence[Task]:
        self.open_films.append(self.name)
        return [Task("survey")]

    def send(self, task: Task, worker: Worker) -> Any:
        self.sent.append(task.what)
        return self.name, task.what

    def take(self, task: Task, reply: Reply) -> Sequence[Task]:
        self.done[task.what] += 1
        if task.what == "survey":
            return [Task(number, twice=True) for number in range(self.chunks)]
        if task.what == "end":
            return []
        return [Task("end")] if sum(self.done.values()) == self.chunks + 1 else []

    def miss(self, task: Task, worker: Worker, error: Exception) -> Sequence[Task] | None:
        self.missed.append(f"{task.what} on {worker.node}: {error}")
        return None

    def close(self) -> None:
        self.closed += 1


def quick(work: Any, worker: Worker) -> tuple[float, Any]:
    return (CHUNK if isinstance(work[1], int) else 1.0), "done"


def nodes(count: int, **more: Any) -> list[Node]:
    return [Node(f"n{number}", **more) for number in range(count)]


def run(
    films: list[Film], workers: VirtualWorkers, stopping: Any = lambda: False
) -> dict[str, Exception | None]:
    return {film.name: error for film, error in Schedule[Film](workers, stopping).run(films)}


def all_done(film: Film) -> bool:
    return set(film.done) == {"survey", "end", *range(film.chunks)} and film.closed == 1


def test_every_task_is_done_once_and_every_film_ends() -> None:
    films = [Film(f"f{n}", chunks=7) for n in range(9)]
    assert run(films, VirtualWorkers(nodes(4), quick)) == {f"f{n}": None for n in range(9)}
    assert all(all_done(film) and set(film.done.values()) == {1} for film in films)


def test_films_end_in_their_order() -> None:
    films = [Film(f"f{n}", chunks=5) for n in range(6)]
    assert list(run(films, VirtualWorkers(nodes(3), quick))) == [f"f{n}" for n in range(6)]


def test_the_next_film_begins_where_workers_would_idle_and_not_before() -> None:
    begun: list[str] = []
    films = [Film(f"f{n}", chunks=40, open_films=begun) for n in range(5)]
    seen: dict[str, float] = {}

    def noting(work: Any, worker: Worker) -> tuple[float, Any]:
        seen.setdefault(work[0], workers.now())
        return quick(work, worker)

    workers = VirtualWorkers(nodes(2), noting)
    run(films, workers)
    assert begun == [film.name for film in films]
    assert seen["f2"] > 150  # two films begin at once, as there is nothing but a survey to do


def test_no_worker_has_two_tasks_and_none_idles_while_there_is_work() -> None:
    films = [Film(f"f{n}", chunks=25) for n in range(4)]
    workers = VirtualWorkers(nodes(5), quick)
    run(films, workers)
    ideal = (4 * 25 * CHUNK + 4 * 2) / 5
    assert workers.now() < ideal + 2 * CHUNK + 4


def test_a_node_that_is_lost_costs_only_what_it_was_doing() -> None:
    films = [Film(f"f{n}", chunks=30) for n in range(10)]
    workers = VirtualWorkers(nodes(6, fails_every=100.0, repair=30.0, workers=2), quick)
    assert set(run(films, workers).values()) == {None}
    assert all(all_done(film) and set(film.done.values()) == {1} for film in films)
    lost = sum(len(film.missed) for film in films)
    assert lost > 20
    assert sum(len(film.sent) for film in films) <= 10 * 32 + 2 * lost


def test_a_task_that_fails_is_tried_elsewhere() -> None:
    def failing(work: Any, worker: Worker) -> tuple[float, Any]:
        bad = work[1] == 3 and worker.node == "n0"
        return (0.1, BackendError("driver too old")) if bad else quick(work, worker)

    film = Film("f", chunks=8)
    assert run([film], VirtualWorkers(nodes(2), failing)) == {"f": None}
    assert film.missed in ([], ["3 on n0: driver too old"])
    assert all_done(film)


def test_a_film_that_cannot_be_done_fails_with_every_reason_and_the_rest_goes_on() -> None:
    def failing(work: Any, worker: Worker) -> tuple[float, Any]:
        bad = work == ("f1", 3)
        return (5.0, BackendError(f"breaks on {worker.node}")) if bad else quick(work, worker)

    films = [Film(f"f{n}", chunks=8) for n in range(3)]
    ended = run(films, VirtualWorkers(nodes(4), failing))
    assert [name for name, error in ended.items() if error is None] == ["f0", "f2"]
    error = str(ended["f1"])
    assert f"given up after {TRIES} tries" in error
    assert error.count("breaks on n") == TRIES
    assert len({word for word in error.replace(";", " ").split() if word.startswith("n")}) >= TRIES
    assert films[1].closed == 1
    assert "end" not in films[1].sent


def test_bad_input_is_not_tried_again() -> None:
    def refusing(work: Any, worker: Worker) -> tuple[float, Any]:
        return 1.0, InputError("no film")

    film = Film("f", chunks=8)
    assert str(run([film], VirtualWorkers(nodes(3), refusing))["f"]) == "no film"
    assert film.sent == ["survey"]


def test_a_film_that_has_failed_gets_nothing_more_to_do_and_what_runs_is_recorded() -> None:
    def refusing(work: Any, worker: Worker) -> tuple[float, Any]:
        return (1.0, InputError("bad")) if work[1] == 0 else quick(work, worker)

    film = Film("f", chunks=40)
    assert str(run([film], VirtualWorkers(nodes(4), refusing))["f"]) == "bad"
    assert film.sent == ["survey", 0, 1, 2, 3]
    assert set(film.done) == {"survey", 1, 2, 3}


def test_an_error_in_the_records_is_the_films_own() -> None:
    class Unrecordable(Film):
        def take(self, task: Task, reply: Reply) -> Sequence[Task]:
            if task.what == 2:
                raise OSError("disk full")
            return super().take(task, reply)

    films = [Unrecordable("bad", chunks=5), Film("good", chunks=5)]
    ended = run(films, VirtualWorkers(nodes(2), quick))
    assert isinstance(ended["bad"], OSError)
    assert ended["good"] is None


def test_a_node_where_everything_fails_gets_nothing_more_to_do() -> None:
    tried: Counter[str] = Counter()

    def failing(work: Any, worker: Worker) -> tuple[float, Any]:
        tried[worker.node] += 1
        if worker.node == "n0":
            return 0.1, BackendError("broken GPU")
        return quick(work, worker)

    films = [Film(f"f{n}", chunks=40) for n in range(5)]
    assert set(run(films, VirtualWorkers(nodes(3), failing)).values()) == {None}
    assert tried["n0"] == SET_ASIDE


def test_a_node_where_some_things_fail_goes_on_getting_tasks() -> None:
    tried: Counter[str] = Counter()

    def failing(work: Any, worker: Worker) -> tuple[float, Any]:
        tried[worker.node] += 1
        if worker.node == "n0" and tried["n0"] % 3 == 0:
            return 0.1, BackendError("now and then")
        return quick(work, worker)

    films = [Film(f"f{n}", chunks=40) for n in range(5)]
    assert set(run(films, VirtualWorkers(nodes(3), failing)).values()) == {None}
    assert tried["n0"] > 50


def test_a_film_does_not_fail_while_a_worker_is_still_at_what_others_failed_at() -> None:
    def failing(work: Any, worker: Worker) -> tuple[float, Any]:
        if work[1] != 9:
            return quick(work, worker)
        return (300.0, "done") if film.sent.count(9) == 1 else (1.0, BackendError("breaks"))

    film = Film("f", chunks=10)
    assert run([film], VirtualWorkers(nodes(TRIES + 2), failing)) == {"f": None}
    assert len(film.missed) == TRIES + 1


def test_a_task_is_done_a_second_time_where_it_hangs_and_others_have_nothing_to_do() -> None:
    def hanging(work: Any, worker: Worker) -> tuple[float, Any]:
        if work[1] == 9 and film.sent.count(9) == 1:
            return 1e6, "done"
        return quick(work, worker)

    film = Film("f", chunks=10)
    workers = VirtualWorkers(nodes(3), hanging)
    assert run([film], workers) == {"f": None}
    assert film.sent.count(9) == 2
    assert film.done[9] == 1
    assert workers.now() < 100
    assert len(workers.idle) == 3


@pytest.mark.parametrize("fate", ["lost", "done"])
def test_both_who_did_a_task_may_be_heard_of_at_once(fate: str) -> None:
    class AtOnce(VirtualWorkers):
        def wait(self, seconds: float) -> list[Reply]:
            replies = super().wait(seconds)
            slow = next((w for w in self.tasks if film.sent.count(9) == 2), None)
            if replies and slow is not None:
                self.lose(slow, self.tasks[slow])
                replies += self.replies if fate == "lost" else [Reply(slow, "done")]
                self.replies = []
            return replies

    def hanging(work: Any, worker: Worker) -> tuple[float, Any]:
        return (1e9, "done") if film.sent.count(9) == 1 and work[1] == 9 else quick(work, worker)

    film = Film("f", chunks=10)
    assert run([film], AtOnce(nodes(2), hanging)) == {"f": None}
    assert film.done[9] == 1


def test_a_worker_that_hangs_is_stopped_while_others_have_enough_to_do() -> None:
    def hanging(work: Any, worker: Worker) -> tuple[float, Any]:
        if work[1] == 1 and film.sent.count(1) == 1:
            return 1e9, "done"
        return quick(work, worker)

    film = Film("f", chunks=1000)
    workers = VirtualWorkers(nodes(3), hanging)
    assert run([film], workers) == {"f": None}
    [missed] = film.missed
    assert re.fullmatch(r"1 on n\d: no result after 6\d\d s", missed)
    assert workers.now() < (1000 * CHUNK + 660) / 3 + 5 * CHUNK


def test_slow_workers_do_not_hold_up_the_end() -> None:
    def ends(doubling: bool) -> float:
        film = Film("f", chunks=10)
        workers = VirtualWorkers([Node("slow", speed=0.05), *nodes(3)], quick)
        if not doubling:
            film.take = lambda *words: [  # type: ignore[method-assign]
                Task(task.what) for task in Film.take(film, *words)
            ]
        assert run([film], workers) == {"f": None}
        return workers.now()

    assert ends(doubling=True) < 75 < 200 < ends(doubling=False)


def test_once_it_is_stopping_what_runs_is_finished_and_nothing_begun() -> None:
    film, later = Film("f", chunks=50), Film("g", chunks=5)
    workers = VirtualWorkers(nodes(4), quick)
    assert run([film, later], workers, lambda: film.done[7] > 0) == {}
    chunks = [what for what in film.sent if isinstance(what, int)]
    assert sorted(chunks) == sorted(what for what in film.done if isinstance(what, int))
    assert len(chunks) <= 12
    assert film.closed == 1


def test_a_film_gets_a_worker_only_when_there_is_one() -> None:
    class Late(VirtualWorkers):
        def wait(self, seconds: float) -> list[Reply]:
            if self.time > 5 and not self.names:
                self.come(Node("late"))
            return super().wait(seconds)

    film = Film("f", chunks=2)
    assert run([film], Late([], quick)) == {"f": None}


class Rest(Film):
    """A film whose chunks come one after the other out of one task."""

    def take(self, task: Task, reply: Reply) -> Sequence[Task]:
        if task.what == "survey":
            return [Task("rest")]
        if reply.more:
            self.done[reply.result] += 1
            return []
        return [Task("end")] if task.what == "rest" else []


class OneAfterTheOther(VirtualWorkers):
    """Gives the results of "rest" one by one, and loses its worker after the second."""

    def __init__(self, lose: bool) -> None:
        super().__init__(nodes(1), quick)
        self.coming: Iterator[int] = iter(())
        self.lose_next = lose

    def submit(self, worker: Worker, work: Any) -> None:
        if work[1] != "rest":
            super().submit(worker, work)
            return
        del self.idle[worker]
        self.coming = iter(range(5))
        self.go_on(worker)

    def go_on(self, worker: Worker) -> None:
        number = next(self.coming, None)
        if number == 2 and self.lose_next:
            self.lose_next = False
            self.replies.append(Reply(worker, error=LostWorkerError("gone")))
            self.idle[Worker("fresh", "n1")] = None
            self.speeds[Worker("fresh", "n1")] = 1.0
            self.names = {"n1"}
        elif number is None:
            self.idle[worker] = None
            self.replies.append(Reply(worker))
        else:
            self.replies.append(Reply(worker, number, more=True))

    def drop(self, worker: Worker) -> None:
        self.idle[worker] = None


@pytest.mark.parametrize("lose", [False, True])
def test_the_results_of_one_task_are_taken_one_by_one(lose: bool) -> None:
    film = Rest("f", chunks=5)
    assert run([film], OneAfterTheOther(lose)) == {"f": None}
    assert film.done == {n: 1 + (lose and n < 2) for n in range(5)}


def test_a_task_with_more_to_come_is_broken_off_between_two_results() -> None:
    film = Rest("f", chunks=5)
    workers = OneAfterTheOther(lose=False)
    assert run([film], workers, lambda: film.done[1] > 0) == {}
    assert film.done == {0: 1, 1: 1}
    assert film.closed == 1


def test_the_reason_of_a_lost_worker_is_told() -> None:
    def dying(work: Any, worker: Worker) -> tuple[float, Any]:
        return 1.0, LostWorkerError("killed by the system: out of memory")

    ended = run([Film("f", chunks=2)], VirtualWorkers(nodes(3), dying))
    assert isinstance(ended["f"], VsrError)
    assert "out of memory" in str(ended["f"])
