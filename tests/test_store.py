"""What is planned and done outlasts the process, and can be read while it is written."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest
from runs import mounted

from vsr.errors import StoreError
from vsr.media.chunk import Chunk
from vsr.pipeline.schema import MIGRATIONS
from vsr.pipeline.store import CANCELLED, DONE, FAILED, Job, Outcome, Store

PLAN = {"encoder.crf": "18", "source": "ein «Film»"}


def chunk(start: int, sha256: str = "ab") -> Chunk:
    return Chunk(start, start + 240, 1001 * start, 2, 5_000_000, sha256)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.sqlite"


def begun(store: Store, output: str = "out.mkv") -> Job:
    return store.add(output, "in.mkv", PLAN)


def test_what_is_recorded_is_there_when_the_store_is_opened_again(path: Path) -> None:
    with Store(path) as store:
        job = begun(store)
        for start in (480, 0, 240):
            store.record(job, chunk(start))
        number = store.begin(job, 0, "process 1")
        store.end(number, "broke")
        store.begin(job, 240, "process 2")
    with Store(path) as store:
        assert store.job("out.mkv") == job
        assert job.finished is None
        assert job.plan == PLAN
        assert store.job("other.mkv") is None
        assert store.chunks(job) == [chunk(0), chunk(240), chunk(480)]
        first, second = store.attempts(job)
        assert (first.start, first.worker, first.error) == (0, "process 1", "broke")
        assert first.ended is not None
        assert (second.start, second.ended, second.error) == (240, None, None)


def test_a_chunk_that_is_done_again_takes_the_place_of_the_first(path: Path) -> None:
    with Store(path) as store:
        job = begun(store)
        store.record(job, chunk(0, "ab"))
        store.record(job, chunk(0, "cd"))
        assert store.chunks(job) == [chunk(0, "cd")]
        store.forget(job, chunk(0))
        assert store.chunks(job) == []


def test_jobs_do_not_see_each_others_chunks(path: Path) -> None:
    with Store(path) as store:
        one, other = begun(store, "one.mkv"), begun(store, "other.mkv")
        store.record(one, chunk(0))
        assert store.chunks(other) == []
        assert store.jobs() == [one, other]


def test_one_output_is_one_job(path: Path) -> None:
    with Store(path) as store:
        begun(store)
        with pytest.raises(StoreError, match=r"jobs\.sqlite: .*UNIQUE"):
            begun(store)


def test_a_finished_job_is_on_record(path: Path) -> None:
    with Store(path) as store:
        store.finish(begun(store))
        [job] = store.jobs()
        assert job.finished is not None
        assert job.finished >= job.begun


def test_a_job_is_removed_with_all_that_was_done_of_it(path: Path) -> None:
    with Store(path) as store:
        job = begun(store)
        store.record(job, chunk(0))
        store.begin(job, 240, "process 1")
        store.remove(job)
        assert store.jobs() == []
        assert store.chunks(job) == []
        assert store.attempts(job) == []


def outcome(state: str = DONE) -> Outcome:
    return Outcome(
        state=state,
        ended=1e9,
        tries=2,
        source_sha256="ab",
        sha256="cd",
        size=10**10,
        mtime_ns=10**18,
        frames=5,
        film_seconds=0.2,
        seconds=1.5,
        warnings=("«one»", "two"),
    )


def test_how_a_film_ended_is_on_record_apart_from_its_plan(path: Path) -> None:
    with Store(path) as store:
        one, other = begun(store, "one.mkv"), begun(store, "other.mkv")
        store.settle(one, replace(outcome(), state=FAILED, error="broke", lasting=True))
        store.finish(one, outcome())
        assert store.outcome(one) == outcome()
        assert store.outcomes() == {one.id: outcome()}
        assert store.outcome(other) is None
        store.reopen(one)
        assert store.outcomes() == {}
        job = store.job("one.mkv")
        assert job is not None
        assert job.finished is None


def test_a_job_is_planned_anew_in_its_own_place(path: Path) -> None:
    with Store(path) as store:
        job = begun(store)
        store.begin(job, 0, "process 1")
        store.expect(job, 99)
        new = store.replan(job, "other.mkv", {"a": "b"})
        assert (new.id, new.source, new.plan, new.frames) == (job.id, "other.mkv", {"a": "b"}, 99)
        assert len(store.attempts(new)) == 1
        store.amend(new, {"a": "c"})
        assert store.job("out.mkv") == replace(new, plan={"a": "c"})


def test_somebody_else_may_cancel(path: Path) -> None:
    with Store(path) as store, Store(path) as other:
        job = begun(store)
        assert not store.cancelled("out.mkv")
        other.settle(job, Outcome(CANCELLED, 1e9))
        assert store.cancelled("out.mkv")
        assert not store.cancelled("in.mkv")


def test_frames_that_are_done_are_counted(path: Path) -> None:
    with Store(path) as store:
        one, other = begun(store, "one.mkv"), begun(store, "other.mkv")
        for start in (0, 240):
            store.record(one, chunk(start))
        assert store.frames_done() == {one.id: 480}
        store.begin(other, 0, "process 1")
        store.forget_all(one)
        assert store.frames_done() == {}
        assert len(store.attempts(other)) == 1


def test_what_belongs_together_is_recorded_together_or_not_at_all(path: Path) -> None:
    with Store(path) as store, Store(path) as reader:
        job = begun(store)
        with store.transaction():
            store.record(job, chunk(0))
            assert reader.chunks(job) == []
        assert reader.chunks(job) == [chunk(0)]

        def break_off() -> None:
            with store.transaction():
                store.record(job, chunk(240))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            break_off()
        assert store.chunks(job) == [chunk(0)]


@pytest.mark.parametrize("at_work", [False, True])
def test_who_only_reads_writes_nothing(path: Path, at_work: bool) -> None:
    writer = Store(path)
    job = begun(writer)
    if not at_work:
        writer.close()
    before = {file.name for file in path.parent.iterdir()}
    with Store(path, read_only=True) as store:
        assert store.jobs() == [job]
        with pytest.raises(StoreError, match="readonly"):
            store.remove(job)
    assert {file.name for file in path.parent.iterdir()} == before
    writer.close()


def test_a_store_of_another_version_is_not_read(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 1")
    with pytest.raises(StoreError, match="written by an older vsr; use that one"):
        Store(path, read_only=True)


def test_an_output_is_named_by_its_place_around_the_record(tmp_path: Path) -> None:
    (tmp_path / "out/.vsr").mkdir(parents=True)
    with Store(tmp_path / "out/.vsr/jobs.sqlite") as store:
        assert store.name(str(tmp_path / "out/a/b.mkv")) == "a/b.mkv"


def test_the_first_version_of_a_store_is_brought_to_todays_form(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(path) as database:
        database.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
        values = (1, "out.mkv", "in.mkv", "{}", 5.0, None)
        database.execute("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?)", values)
    with Store(path) as store:
        job = store.job("out.mkv")
        assert job == Job(1, "out.mkv", "in.mkv", {}, 5.0, None, None)
        store.settle(job, outcome())
        assert store.outcomes() == {1: outcome()}


def test_others_read_while_one_writes(path: Path) -> None:
    with Store(path) as writer, Store(path) as reader:
        job = begun(writer)
        writer.database.execute("BEGIN IMMEDIATE")
        writer.record(job, chunk(0))
        assert reader.chunks(job) == []
        writer.database.execute("COMMIT")
        assert reader.chunks(job) == [chunk(0)]


def test_an_older_store_is_brought_to_todays_form(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(path) as store:
        job = begun(store)
    more = (*MIGRATIONS, "ALTER TABLE jobs RENAME COLUMN begun TO started;")
    monkeypatch.setattr("vsr.pipeline.store.MIGRATIONS", more)
    for _ in range(2):
        with Store(path) as store:
            assert store.execute("PRAGMA user_version") == [(len(more),)]
            assert store.execute("SELECT started FROM jobs") == [(job.begun,)]


def test_a_migration_that_fails_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(path):
        pass
    more = (*MIGRATIONS, "CREATE TABLE halfway (a); SELECT nonsense;")
    with monkeypatch.context() as patch:
        patch.setattr("vsr.pipeline.store.MIGRATIONS", more)
        with pytest.raises(StoreError, match="nonsense"):
            Store(path)
    with Store(path) as store:
        assert store.execute("PRAGMA user_version") == [(len(MIGRATIONS),)]
        assert store.execute("SELECT * FROM sqlite_master WHERE name = 'halfway'") == []


def test_a_store_of_a_newer_version_is_left_alone(path: Path) -> None:
    with Store(path) as store:
        store.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="written by a newer vsr"):
        Store(path)


def test_a_file_that_is_no_store(path: Path) -> None:
    path.write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(StoreError, match=r"jobs\.sqlite: .*not a database"):
        Store(path)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=160k") as disk, Store(disk / "jobs.sqlite") as store:
        job = begun(store)
        (disk / "ballast").write_bytes(bytes(40_000))

        def record_many() -> None:
            for start in range(10_000):
                store.record(job, chunk(start))

        with pytest.raises(StoreError, match="No space left on device"):
            record_many()


def test_the_hundred_thousandth_chunk_is_recorded_as_fast_as_the_first(path: Path) -> None:
    with Store(path) as store:
        job = begun(store)
        store.database.execute("PRAGMA synchronous = OFF")  # the disk's time is not the store's

        def hundred(first: int) -> float:
            began = time.process_time()
            for start in range(first, first + 100):
                store.record(job, chunk(start))
            return time.process_time() - began

        early = min(hundred(100 * n) for n in range(5))
        rows = ((job.id, n, n + 1, 0, 0, 0, "", 0.0) for n in range(1000, 100_000))
        store.database.execute("BEGIN")
        store.database.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        store.database.execute("COMMIT")
        late = min(hundred(100_000 + 100 * n) for n in range(5))
        assert late < 4 * early
        assert len(store.chunks(job)) == 500 + 99_000 + 500


def test_the_record_is_plain_sqlite(path: Path) -> None:
    with Store(path) as store:
        store.record(begun(store), chunk(0))
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT end - start FROM chunks").fetchall() == [(240,)]
        assert database.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
