"""The thread primitive: order, bound, errors, and that no thread outlives its block."""

import gc
import threading
import time
import traceback
import weakref
from collections.abc import Iterator

import pytest

from vsr.pipeline.prefetch import prefetch


class Item:
    """Something whose life can be watched."""

    def __init__(self, number: int) -> None:
        self.number = number


class Numbers:
    """An iterator that says how far it was asked and in which thread it was closed."""

    def __init__(self, count: int | None = None) -> None:
        self.count, self.made = count, 0
        self.closed_in: threading.Thread | None = None

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if self.made == self.count:
            raise StopIteration
        self.made += 1
        return self.made - 1

    def close(self) -> None:
        self.closed_in = threading.current_thread()


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def settled(numbers: Numbers) -> int:
    """How many were made once no more are."""
    made = -1
    while made != numbers.made:
        made = numbers.made
        time.sleep(0.05)
    return made


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_items_come_in_order_and_all_of_them(depth: int) -> None:
    with prefetch(range(1000), depth, "test") as ahead:
        assert list(ahead) == list(range(1000))


def test_an_empty_source_gives_nothing() -> None:
    nothing: list[int] = []
    with prefetch(nothing, 3, "test") as ahead:
        assert list(ahead) == []


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_producer_runs_ahead_by_its_depth_and_no_further(depth: int) -> None:
    numbers = Numbers()
    with prefetch(numbers, depth, "test") as ahead:
        assert depth <= settled(numbers) <= depth + 1
        for used in range(1, 4):
            next(ahead)
            assert settled(numbers) <= used + depth + 1


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_at_most_depth_and_two_items_exist(depth: int) -> None:
    alive: weakref.WeakSet[Item] = weakref.WeakSet()
    most = 0

    def make() -> Iterator[Item]:
        for number in range(300):
            item = Item(number)
            alive.add(item)
            yield item

    with prefetch(make(), depth, "test") as ahead:
        for item in ahead:
            if item.number % 50 == 0:
                time.sleep(0.02)  # let the producer run as far as it may
            most = max(most, len(alive))
    del item
    assert depth < most <= depth + 2
    gc.collect()
    assert not alive


def test_an_error_of_the_producer_comes_after_the_items_before_it_and_with_its_traceback() -> None:
    def break_down() -> Iterator[int]:
        yield 1
        raise LookupError("lost")

    got: list[int] = []
    with (
        pytest.raises(LookupError, match="lost") as caught,
        prefetch(break_down(), 3, "test") as ahead,
    ):
        got.extend(ahead)
    assert got == [1]
    assert "break_down" in "".join(traceback.format_tb(caught.value.__traceback__))


def test_an_error_while_closing_reaches_a_consumer_that_waits() -> None:
    class Sticky(Numbers):
        def close(self) -> None:
            raise OSError("does not close")

    with pytest.raises(OSError, match="does not close"), prefetch(Sticky(3), 2, "test") as ahead:
        list(ahead)


def test_leaving_early_stops_an_endless_producer_and_closes_it_in_its_own_thread() -> None:
    numbers = Numbers()
    with prefetch(numbers, 3, "early") as ahead:
        assert next(ahead) == 0
    assert numbers.closed_in is not None
    assert numbers.closed_in.name == "vsr-early"
    made = numbers.made
    assert settled(numbers) == made


def test_leaving_without_taking_anything_stops_the_producer() -> None:
    numbers = Numbers()
    with prefetch(numbers, 1, "test"):
        pass
    assert numbers.closed_in is not None


def test_an_error_of_the_consumer_passes_and_stops_the_producer() -> None:
    numbers = Numbers()
    with pytest.raises(ZeroDivisionError), prefetch(numbers, 2, "test") as ahead:
        print(1 // next(ahead))
    assert numbers.closed_in is not None


def test_a_generator_is_closed_in_the_thread_that_ran_it() -> None:
    threads: list[threading.Thread] = []

    def count() -> Iterator[int]:
        threads.append(threading.current_thread())
        try:
            yield from range(100)
        finally:
            threads.append(threading.current_thread())

    with prefetch(count(), 2, "test") as ahead:
        next(ahead)
    first, last = threads
    assert first is last is not threading.current_thread()


def test_one_inside_the_other_keep_the_order() -> None:
    with (
        prefetch(range(500), 2, "inner") as inner,
        prefetch((n * n for n in inner), 3, "outer") as outer,
    ):
        assert list(outer) == [n * n for n in range(500)]


def test_an_error_passes_through_both_of_two() -> None:
    def break_down() -> Iterator[int]:
        yield from range(5)
        raise LookupError("lost")

    with (
        pytest.raises(LookupError, match="lost"),
        prefetch(break_down(), 2, "inner") as inner,
        prefetch((n + 1 for n in inner), 2, "outer") as outer,
    ):
        list(outer)


def test_leaving_two_early_stops_both() -> None:
    numbers = Numbers()
    with (
        prefetch(numbers, 2, "inner") as inner,
        prefetch((n + 1 for n in inner), 2, "outer") as outer,
    ):
        assert next(outer) == 1
    assert numbers.closed_in is not None


def test_after_the_end_there_is_still_nothing() -> None:
    with prefetch([1], 1, "test") as ahead:
        assert list(ahead) == [1]
        assert list(ahead) == []
