"""A film in pieces, by many workers: the same bytes and the same record as in one go, here."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from films import Sound, Text, Video, film, moving, settings, woven
from runs import listing

from vsr.backends.base import Building
from vsr.errors import BackendError, InputError, MediaError, VerificationError
from vsr.media.index import index_of
from vsr.pipeline.progress import Progress, Start, UpscaleReport
from vsr.pipeline.store import CANCELLED, DONE, Outcome, Store
from vsr.pipeline.upscale import upscale
from vsr.pipeline.worker import ChunkTask
from vsr.remaster.away import Away
from vsr.remaster.ending import EndTask
from vsr.remaster.film_job import FilmJob
from vsr.remaster.plan import Film
from vsr.remaster.runner import CancelledError
from vsr.remaster.schedule import Schedule
from vsr.remaster.survey import SurveyTask
from vsr.remaster.tasks import LostWorkerError, Reply, Worker
from vsr.remaster.worker_process import Answer, WorkerProcess, to_be_sent
from vsr.settings import Clip, UpscaleSettings

JOB = replace(settings(options={"preset": "medium", "bf": "3"}), chunk_seconds=0.4)
MS = Fraction(1, 1000)


class PowerCut(BaseException):
    """What no program can do anything about, but end."""


class Here:
    """An `Executor` whose workers do their real work in this process, one after the other."""

    def __init__(self, workers: int = 2, before: Callable[[Any], None] = lambda work: None) -> None:
        self.before = before
        self.sent: list[Any] = []
        self.processes: dict[Worker, WorkerProcess] = {}
        self.idle: list[Worker] = []
        self.asked: list[tuple[Worker, Any]] = []
        for _ in range(workers):
            self.start()

    def start(self) -> None:
        worker = Worker(f"w{len(self.processes)}", "here")
        self.processes[worker] = WorkerProcess(1)
        self.idle.append(worker)

    def free(self) -> list[Worker]:
        return self.idle[:]

    def nodes(self) -> set[str]:
        return {"here"}

    def submit(self, worker: Worker, work: Any) -> None:
        self.sent.append(work)
        self.idle.remove(worker)
        self.asked.append((worker, work))

    def go_on(self, worker: Worker) -> None:
        self.asked.append((worker, None))

    def drop(self, worker: Worker) -> None:
        self.asked = [asked for asked in self.asked if asked[0] is not worker]
        self.start()

    def wait(self, seconds: float) -> list[Reply]:
        worker, work = self.asked.pop()  # the last first: they come in any order
        process = self.processes[worker]
        try:
            self.before(work.work if isinstance(work, Away) else work)
            answer: Answer = process.go_on() if work is None else process.do(work)
        except LostWorkerError as error:
            self.start()
            return [Reply(worker, error=error)]
        if not answer.more:
            self.idle.append(worker)
        return [Reply(worker, answer.result, answer.error, answer.more)]

    def now(self) -> float:
        return 0.0

    @property
    def chunks(self) -> list[ChunkTask]:
        return [work for work in self.sent if isinstance(work, ChunkTask)]


class Looking:
    """A `Watch` that notes what it is told."""

    def __init__(self) -> None:
        self.starts: list[Start] = []
        self.steps: list[Progress] = []
        self.stopping = False

    def built(self, film: Film, building: Building) -> None: ...

    def started(self, film: Film, start: Start) -> None:
        self.starts.append(start)

    def progressed(self, film: Film, progress: Progress) -> None:
        self.steps.append(progress)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out" / ".vsr").mkdir(parents=True)
    return tmp_path / "out"


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    sound = Sound("flac", seconds=Fraction(48, 25))
    return film(tmp_path / "movie.mkv", Video(48, options={"g": "12", "bf": "2"}), sound, Text())


def planned(source: Path, out: Path, job: UpscaleSettings = JOB) -> Film:
    return Film(str(source), str(out / "large.mkv"), job, "large.mkv")


def finish(
    todo: Film,
    out: Path,
    here: Here | None = None,
    watch: Looking | None = None,
    storage: str | None = None,
) -> UpscaleReport:
    """In pieces."""
    watch = watch or Looking()
    with Store(out / ".vsr" / "jobs.sqlite") as store:
        job = FilmJob(todo, store, watch, storage)
        for _, error in Schedule[FilmJob](here or Here(), lambda: watch.stopping).run([job]):
            if error is not None:
                raise error
            assert job.report is not None
            return job.report
    raise AssertionError("the film was left out")


def in_one_go(source: Path, folder: Path, job: UpscaleSettings = JOB) -> bytes:
    upscale(source, folder / "whole.mkv", settings=job)
    return (folder / "whole.mkv").read_bytes()


def visible(folder: Path) -> list[str]:
    return [name for name in listing(folder) if not name.startswith(".vsr")]


@pytest.mark.parametrize("temporal", [0.0, 0.8])
def test_a_film_in_pieces_has_the_bytes_of_one_in_one_go(
    tmp_path: Path, movie: Path, out: Path, temporal: float
) -> None:
    if temporal:
        pytest.importorskip("cv2")
    job, here, watch = replace(JOB, temporal=temporal), Here(3), Looking()
    whole = in_one_go(movie, tmp_path, job)
    report = finish(planned(movie, out, job), out, here, watch)
    assert (out / "large.mkv").read_bytes() == whole
    assert visible(out) == ["large.mkv"]
    assert [task.start for task in here.chunks] == [0, 10, 20, 30, 40]
    assert all(task.index is not None and len(task.index.pts) <= 26 for task in here.chunks)
    assert (report.frames, report.found, report.verified) == (48, 0, True)
    assert report.psnr is not None
    assert report.psnr > 30
    [start] = watch.starts
    assert (start.total, start.found) == (48, 0)
    assert [step.frames for step in watch.steps][-1] == 48


def test_what_is_on_record_is_what_a_run_in_one_process_records(movie: Path, out: Path) -> None:
    report = finish(planned(movie, out), out)
    with Store(out / ".vsr" / "jobs.sqlite") as store:
        job = store.job("large.mkv")
        assert job is not None
        assert job.finished is not None
        pieces, attempts = store.outcome(job), store.attempts(job)
        assert {attempt.error for attempt in attempts} == {None}
        assert sorted(attempt.start for attempt in attempts) == [0, 10, 20, 30, 40]
        other = out / "other.mkv"
        one = upscale(movie, other, settings=JOB, store=store)
        again = store.job("other.mkv")
        assert again is not None
        whole = store.outcome(again)
        assert again.plan == job.plan
    assert pieces is not None
    assert whole is not None
    assert pieces.state == DONE
    assert without(pieces, "ended", "seconds", "mtime_ns") == without(
        whole, "ended", "seconds", "mtime_ns"
    )
    assert without(report, "seconds", "output", "psnr") == without(one, "seconds", "output", "psnr")


def without(values: Outcome | UpscaleReport, *names: str) -> dict[str, Any]:
    return {name: value for name, value in asdict(values).items() if name not in names}


KINDS = {
    "fields": (Video(20, (64, 240), paint=woven("tff"), fields="tff"), {"deinterlace": "field"}),
    "repeated": (Video(30, paint=lambda n, w, h: moving(n // 4, w, h)), {}),
    "variable rate": (Video(12, pts=[0, 40, 80, 300, 305, 480, *range(500, 1100, 100)]), {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_films_of_all_kinds_are_the_same_in_pieces(tmp_path: Path, out: Path, kind: str) -> None:
    video, more = KINDS[kind]
    video = replace(video, time_base=MS) if video.pts else video
    source = film(tmp_path / "in.mkv", video, Sound("flac"))
    job = replace(JOB, chunk_seconds=0.2, **more)  # type: ignore[arg-type]
    whole, here = in_one_go(source, tmp_path, job), Here()
    finish(planned(source, out, job), out, here)
    assert (out / "large.mkv").read_bytes() == whole
    assert (len(here.chunks) == 1) == (kind == "fields")


def test_a_film_without_a_middle_is_done_by_one_worker_from_chunk_to_chunk(
    tmp_path: Path, out: Path
) -> None:
    source = film(tmp_path / "in.ts", Video(30), Sound("aac"))
    whole, here, watch = in_one_go(source, tmp_path), Here(3), Looking()
    finish(planned(source, out), out, here, watch)
    assert (out / "large.mkv").read_bytes() == whole
    assert [(task.start, task.count) for task in here.chunks] == [(0, None)]
    assert [step.frames for step in watch.steps] == [10, 20, 30]


@pytest.mark.parametrize("ending", ["mkv", "ts"])
def test_a_lost_worker_costs_only_the_chunk_it_was_at(
    tmp_path: Path, out: Path, ending: str
) -> None:
    source = film(tmp_path / f"in.{ending}", Video(40), Sound("aac", seconds=Fraction(8, 5)))
    lost: list[Any] = []

    def losing(work: Any) -> None:
        if not lost and len(watch.steps) == 2:
            lost.append(work)
            raise LostWorkerError("killed")

    whole, here, watch = in_one_go(source, tmp_path), Here(2, losing), Looking()
    finish(planned(source, out), out, here, watch)
    assert (out / "large.mkv").read_bytes() == whole
    assert [step.frames for step in watch.steps] == [10, 20, 30, 40]
    assert len(here.chunks) == (5 if ending == "mkv" else 2)
    with Store(out / ".vsr" / "jobs.sqlite") as store:
        job = store.job("large.mkv")
        assert job is not None
        assert [a.error for a in store.attempts(job)].count("killed") == 1


def spoil(path: Path, begin: float, length: int) -> None:
    data = bytearray(path.read_bytes())
    middle = int(len(data) * begin)
    data[middle : middle + length] = bytes(length)
    path.write_bytes(data)


@pytest.mark.parametrize("length", [30, 400])
def test_a_damaged_film_is_read_from_its_start_with_what_is_good_kept(
    tmp_path: Path, out: Path, length: int
) -> None:
    source = film(tmp_path / "in.mkv", Video(60, (96, 64), options={"g": "10"}), Sound("flac"))
    spoil(source, 0.6, length)
    whole, here = in_one_go(source, tmp_path), Here(2)
    report = finish(planned(source, out), out, here)
    assert (out / "large.mkv").read_bytes() == whole
    assert any("damaged" in note for note in report.notes)


def test_a_film_whose_index_is_wrong_is_read_from_its_start(
    tmp_path: Path, movie: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(path: str) -> Any:
        index = index_of(path)
        assert index is not None
        return replace(index, pts=(*index.pts, 5000))

    monkeypatch.setattr("vsr.remaster.survey.index_of", wrong)
    whole, here = in_one_go(movie, tmp_path), Here()
    report = finish(planned(movie, out), out, here)
    assert (out / "large.mkv").read_bytes() == whole
    assert any(note.startswith("read from its start: ") for note in report.notes)
    assert [task.start for task in here.chunks if task.count is None] == [0]


# ---- broken off ----------------------------------------------------------------------------


def cut_after(chunks: int) -> Callable[[Any], None]:
    done: list[Any] = []

    def before(work: Any) -> None:
        if len(done) == chunks:
            raise PowerCut
        if isinstance(work, ChunkTask):
            done.append(work)

    return before


def test_what_was_begun_in_one_process_is_finished_in_pieces(
    tmp_path: Path, movie: Path, out: Path
) -> None:
    def cut(progress: Progress) -> None:
        if progress.frames == 25:
            raise PowerCut

    with Store(out / ".vsr" / "jobs.sqlite") as store, pytest.raises(PowerCut):
        upscale(movie, out / "large.mkv", settings=JOB, store=store, on_progress=cut)
    here = Here()
    report = finish(planned(movie, out), out, here)
    assert (report.found, [task.start for task in here.chunks]) == (20, [20, 30, 40])
    assert (out / "large.mkv").read_bytes() == in_one_go(movie, tmp_path)


@pytest.mark.parametrize("chunks", [1, 3])
def test_what_was_begun_in_pieces_is_finished_in_one_process(
    tmp_path: Path, movie: Path, out: Path, chunks: int
) -> None:
    with pytest.raises(PowerCut):
        finish(planned(movie, out), out, Here(before=cut_after(chunks)))
    with Store(out / ".vsr" / "jobs.sqlite") as store:
        report = upscale(movie, out / "large.mkv", settings=JOB, store=store)
    assert report.found >= 8 * chunks
    assert (out / "large.mkv").read_bytes() == in_one_go(movie, tmp_path)
    assert visible(out) == ["large.mkv"]


def test_a_driver_that_ends_at_any_moment_loses_no_chunk(
    tmp_path: Path, movie: Path, out: Path
) -> None:
    whole, computed = in_one_go(movie, tmp_path), 0
    for _ in range(9):
        here = Here(before=cut_after(1))
        try:
            finish(planned(movie, out), out, here)
        except PowerCut:
            computed += 1
        else:
            break
    assert computed == 5
    assert (out / "large.mkv").read_bytes() == whole


def test_a_chunk_that_was_damaged_meanwhile_is_computed_again_aloud(
    movie: Path, out: Path, tmp_path: Path
) -> None:
    with pytest.raises(PowerCut):
        finish(planned(movie, out), out, Here(1, before=cut_after(3)))
    folder = out / ".large.mkv.vsr"
    spoil(folder / "000000010.chunk", 0.5, 20)
    (folder / "000000000.chunk").unlink()
    report = finish(planned(movie, out), out)
    assert report.found == 10
    assert "the chunk of frames 0 to 9 is missing: computed again" in report.notes
    assert "the chunk of frames 10 to 19 is damaged: computed again" in report.notes
    assert (out / "large.mkv").read_bytes() == in_one_go(movie, tmp_path)


def test_other_settings_are_refused_with_the_difference(movie: Path, out: Path) -> None:
    with pytest.raises(PowerCut):
        finish(planned(movie, out), out, Here(before=cut_after(2)))
    other = replace(JOB, encoder=replace(JOB.encoder, crf=30))
    with pytest.raises(InputError, match=r"encoder\.crf was not said, is 30; --restart"):
        finish(planned(movie, out, other), out)
    here = Here()
    finish(planned(movie, out, replace(other, restart=True)), out, here)
    assert len(here.chunks) == 5


def test_the_encoders_threads_are_those_of_the_driver_and_later_those_of_then(
    movie: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsr.remaster.film_job.encoder_threads", lambda: 3)
    with pytest.raises(PowerCut):
        finish(planned(movie, out), out, Here(before=cut_after(2)))
    monkeypatch.setattr("vsr.remaster.film_job.encoder_threads", lambda: 7)
    here = Here()
    assert finish(planned(movie, out), out, here).found > 0
    assert {task.target.encoder.threads for task in here.chunks} == {3}


# ---- machines that share no disk -----------------------------------------------------------


class Elsewhere(Here):
    """Workers to which neither the archive nor the folder of results exists."""

    def __init__(self, *hidden: Path, before: Callable[[Any], None] = lambda work: None) -> None:
        super().__init__(2, before)
        self.hidden = hidden

    def wait(self, seconds: float) -> list[Reply]:
        moved = [path.rename(path.with_name(f"{path.name}.hidden")) for path in self.hidden]
        try:
            return super().wait(seconds)
        finally:
            for path in moved:
                path.rename(path.with_name(path.name.removesuffix(".hidden")))


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(cache))
    return f"file://{tmp_path}/storage"


@pytest.mark.parametrize("ending", ["mkv", "ts"])
def test_files_go_by_way_of_a_storage_where_machines_share_no_disk(
    tmp_path: Path, out: Path, storage: str, ending: str
) -> None:
    pytest.importorskip("fsspec")
    source = film(tmp_path / f"in.{ending}", Video(30), Sound("aac", seconds=Fraction(6, 5)))
    whole = in_one_go(source, tmp_path)
    here = Elsewhere(source, out)
    report = finish(planned(source, out), out, here, storage=storage)
    assert (out / "large.mkv").read_bytes() == whole
    assert report.output == str(out / "large.mkv")
    assert visible(out) == ["large.mkv"]
    assert not [name for name in listing(tmp_path / "storage") if "large" in name]
    assert len(list((tmp_path / "cache").glob("vsr-sources-*/*/in.*"))) == 1
    with Store(out / ".vsr" / "jobs.sqlite") as store:
        job = store.job("large.mkv")
        assert job is not None
        outcome = store.outcome(job)
        upscale(source, out / "other.mkv", settings=JOB, store=store)
        other = store.job("other.mkv")
        assert other is not None
        assert other.plan == job.plan
    assert outcome is not None
    assert outcome.mtime_ns == (out / "large.mkv").stat().st_mtime_ns


def test_work_that_lies_in_a_storage_is_gone_on_with(
    tmp_path: Path, movie: Path, out: Path, storage: str
) -> None:
    pytest.importorskip("fsspec")
    here = Elsewhere(movie, out, before=cut_after(3))
    with pytest.raises(PowerCut):
        finish(planned(movie, out), out, here, storage=storage)
    chunks = sorted((tmp_path / "storage" / "large.mkv.vsr").glob("*.chunk"))
    chunks[0].unlink()
    here = Elsewhere(movie, out)
    report = finish(planned(movie, out), out, here, storage=storage)
    assert report.found == 10 * (len(chunks) - 1) - 2 * (chunks[-1].name == "000000040.chunk")
    assert (out / "large.mkv").read_bytes() == in_one_go(movie, tmp_path)


def test_a_source_is_fetched_again_when_it_has_changed(tmp_path: Path, storage: str) -> None:
    pytest.importorskip("fsspec")
    from vsr.remaster.storage import KEPT, fetch, offer

    source = tmp_path / "film.mkv"
    places = []
    for number in range(KEPT + 3):
        source.write_bytes(b"%d" % number)
        depot = offer(str(source), storage)
        places.append(Path(fetch(depot)))
        assert fetch(depot) == str(places[-1])
        assert places[-1].read_bytes() == source.read_bytes()
        assert places[-1].stat().st_mtime_ns == source.stat().st_mtime_ns
    assert len({*places}) == len(places)
    assert [place for place in places if place.exists()] == places[-KEPT:]


# ---- errors --------------------------------------------------------------------------------


def test_once_it_is_stopping_chunks_at_work_are_kept_and_the_film_is_left_out(
    movie: Path, out: Path
) -> None:
    watch = Looking()

    def stop(work: Any) -> None:
        watch.stopping = isinstance(work, ChunkTask)

    with pytest.raises(AssertionError, match="left out"):
        finish(planned(movie, out), out, Here(2, stop), watch)
    assert finish(planned(movie, out), out).found == 20


def test_a_cancelled_film_is_broken_off(movie: Path, out: Path) -> None:
    def cancel(work: Any) -> None:
        if isinstance(work, ChunkTask):
            with Store(out / ".vsr" / "jobs.sqlite") as store:
                job = store.job("large.mkv")
                assert job is not None
                store.settle(job, Outcome(CANCELLED, 0.0))

    with pytest.raises(CancelledError):
        finish(planned(movie, out), out, Here(1, cancel))
    assert not (out / "large.mkv").exists()


def test_a_part_of_a_film_is_refused(movie: Path, out: Path) -> None:
    with pytest.raises(InputError, match="a part of a film is nothing for a cluster"):
        finish(planned(movie, out, replace(JOB, clip=Clip(frames=5))), out)


def test_an_output_that_is_worked_on_is_refused(movie: Path, out: Path) -> None:
    from vsr.pipeline.work import WorkFolder

    with (
        WorkFolder(str(out / "large.mkv")),
        pytest.raises(InputError, match=r"another vsr .* is writing it now"),
    ):
        finish(planned(movie, out), out)


@pytest.mark.parametrize("ending", ["mkv", "ts"])
def test_an_output_that_does_not_pass_the_check_gets_no_name(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    def failing(*_: object) -> None:
        raise VerificationError("does not resemble the source")

    source = film(tmp_path / f"in.{ending}", Video(20))
    monkeypatch.setattr("vsr.remaster.ending.verify", failing)
    here = Here()
    with pytest.raises(BackendError, match=r"given up after 3 tries .*does not resemble"):
        finish(planned(source, out), out, here)
    assert len([work for work in here.sent if isinstance(work, EndTask)]) == 3
    assert not (out / "large.mkv").exists()
    assert not [name for name in listing(out) if name.endswith(".partial")]
    monkeypatch.undo()
    assert finish(planned(source, out), out).found == 20


def test_a_film_that_is_none_is_said_to_be_none(tmp_path: Path, out: Path) -> None:
    (tmp_path / "text.mkv").write_text("no film")
    here = Here()
    with pytest.raises(InputError, match=r"text\.mkv"):
        finish(planned(tmp_path / "text.mkv", out), out, here)
    assert [type(work) for work in here.sent] == [SurveyTask]
    assert visible(out) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InputError("no film"), "no film"),
        (MediaError("a.mkv", "cannot be written"), "a.mkv: cannot be written"),
        (KeyError("x"), "'x'"),
        (av.InvalidDataError(1, "bad", "a.mkv"), None),
    ],
)
def test_an_error_outlasts_its_way_to_the_driver(error: Exception, words: str | None) -> None:
    sent = pickle.loads(pickle.dumps(to_be_sent(error)))
    assert str(sent) == words or (words is None and "bad" in str(sent))
    assert isinstance(sent, InputError) == isinstance(error, InputError)
