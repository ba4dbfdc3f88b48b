"""What vsr remaster does with its words."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vsr.cli.kept import kept
from vsr.errors import InputError
from vsr.remaster.plan import check_folders
from vsr.remaster.record import (
    frames_on_record,
    on_record,
    open_record,
    read_record,
    record_of,
)
from vsr.remaster.space import free_space
from vsr.remaster.states import State
from vsr.remaster.stock import Archive, Result, Stock, take_stock

if TYPE_CHECKING:
    from vsr.cli.archive_bars import TextArchive
    from vsr.cli.archive_display import JsonArchive
    from vsr.pipeline.store import Store
    from vsr.remaster.runner import Runner
    from vsr.settings import ClusterSettings

    Display = TextArchive | JsonArchive

WORTH_IT = 600
"""Seconds of film from which on an estimate is made unasked: it takes some seconds itself."""


def preview(archive: Archive, display: Display, estimated: bool) -> int:
    """Say what would be done, and what it would take; nothing is left of it. An exit code."""
    check_folders(archive.folder, archive.out)
    with read_record(archive.out) as store:
        stock = checked(archive, take_stock(archive, on_record(store), display.looked))
        frames = frames_on_record(store)
    display.plan(stock)
    if estimated and stock.to_do:
        from vsr.remaster.estimate import estimate

        display.estimated(estimate(stock.to_do, frames), free_space(archive.out))
    return 1 if stock.bad else 0


def finish(
    archive: Archive,
    display: Display,
    cluster: ClusterSettings | None,
    retries: int,
    estimated: bool | None,
) -> int:
    """Do what is to be done. An exit code."""
    check_folders(archive.folder, archive.out)
    first = not record_of(archive.out).is_file()
    stock = (
        checked(archive, take_stock(archive, {}, display.looked)) if first else None
    )  # words that are wrong
    with open_record(archive.out) as store:  # leave nothing behind
        if stock is None:
            stock = checked(archive, take_stock(archive, on_record(store), display.looked))
        display.stock(stock)
        result = work_on(archive, stock, store, display, cluster, retries, estimated)
        frames = begun_frames(store)
    bad = sorted([*stock.bad, *result.bad], key=lambda trouble: trouble.path)
    other = {
        "done before": len(stock.by(State.DONE)),
        "cancelled": len(stock.by(State.CANCELLED)) + result.cancelled,
        "skipped": len(stock.by(State.SKIPPED)),
        "left": result.left,
    }
    display.summed_up(result.done, bad, other)
    if display.stopping and result.left:
        kept.set(frames, None)
        return 130
    kept.clear()
    return 1 if bad else 0


def begun_frames(store: Store) -> int:
    """Frames that are kept of films that are not finished."""
    outcomes, frames = store.outcomes(), store.frames_done()
    return sum(number for job, number in frames.items() if job not in outcomes)


def checked(archive: Archive, stock: Stock) -> Stock:
    """Raise InputError for an archive without films."""
    if not stock.standings and not stock.troubles:
        raise InputError(
            f"{archive.folder}: no films in it, by their names; --include '*.xyz' says which "
            "files are films"
        )
    return stock


def work_on(
    archive: Archive,
    stock: Stock,
    store: Store,
    display: Display,
    cluster: ClusterSettings | None,
    retries: int,
    estimated: bool | None,
) -> Result:
    """Finish the films that are to be done, and write the manifest."""
    from vsr.remaster.manifest import Manifest
    from vsr.remaster.register import put_on_record

    put_on_record(store, stock)
    manifest = Manifest(store, archive.out, os.path.abspath(archive.folder), stock.troubles)
    result = Result()
    if stock.to_do:
        from vsr.remaster.archive import Work

        sizes = expected_sizes(archive, stock, store, display, estimated)
        frames = sum(s.look.frames or 0 for s in stock.to_do if s.look is not None)
        display.begin(len(stock.to_do), frames)
        work = Work(stock, store, manifest, display, retries, sizes)
        with stopping_on_interrupt(display):
            result = work.run(make_runner(store, cluster))
    manifest.write()
    return result


def expected_sizes(
    archive: Archive, stock: Stock, store: Store, display: Display, wanted: bool | None
) -> dict[str, int]:
    """Film -> bytes of its output, where an estimate is wanted or worth it; shows it."""
    from vsr.remaster.estimate import estimate, film_seconds

    if wanted is False or (wanted is None and film_seconds(stock.to_do) < WORTH_IT):
        return {}
    found = estimate(stock.to_do, frames_on_record(store))
    display.estimated(found, free_space(archive.out))
    return dict(found.sizes) if found is not None else {}


def make_runner(store: Store, cluster: ClusterSettings | None) -> Runner:
    """What finishes the films. Raises MissingPackageError where Ray is wanted, but not there."""
    if cluster is None:
        from vsr.remaster.runner import InProcess

        return InProcess(store)
    from vsr.remaster.cluster import Cluster, Needs

    return Cluster(store, cluster.address, Needs(cpus=cluster.worker_cpus), cluster.storage)


@contextmanager
def stopping_on_interrupt(display: Display) -> Iterator[None]:
    """The first Ctrl-C lets the running chunk be finished; the second does what it always does."""
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: object) -> None:
        display.stopping = True
        signal.signal(signal.SIGINT, before)

    if before != signal.SIG_IGN:  # as nohup sets it
        signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
