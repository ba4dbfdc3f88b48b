"""The only place where a thread is started."""

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class _End:
    """Behind the last item; carries the producer's error, if it had one."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


@contextmanager
def prefetch(items: Iterable[T], depth: int, name: str) -> Iterator[Iterator[T]]:
    """Run `items` in a thread of its own, at most `depth` items ahead of the consumer.

        with prefetch(frames, depth=4, name="decode") as ahead:
            for frame in ahead: ...

    Order is kept; at most depth + 2 items exist: those waiting, one being made, one being used.
    An error of the producer is raised at the consumer, with its traceback. Leaving the block, for
    any reason, stops the thread and waits for it; a generator is closed in the thread that ran it.
    """
    ahead: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
    room = threading.Semaphore(depth)
    stopped = threading.Event()

    def produce() -> None:
        end = _End()
        try:
            with closed_here(items):
                for item in items:
                    room.acquire()
                    if stopped.is_set():
                        break
                    ahead.put(item)
        except BaseException as error:  # noqa: BLE001 (raised again at the consumer)
            end = _End(error)
        ahead.put(end)

    def consume() -> Iterator[T]:
        while True:
            item = ahead.get()
            if not isinstance(item, _End):
                yield item
                room.release()
            elif item.error is not None:
                raise item.error
            else:
                return

    thread = threading.Thread(target=produce, name=f"vsr-{name}", daemon=True)
    thread.start()
    try:
        yield consume()
    finally:
        stopped.set()
        room.release()
        thread.join()


@contextmanager
def closed_here(items: object) -> Iterator[None]:
    try:
        yield
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
