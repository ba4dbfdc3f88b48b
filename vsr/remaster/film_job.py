"""A film in work on a cluster: its tasks in turn, and its record, which the driver alone writes."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vsr.errors import VerificationError
from vsr.media.chunk import Chunk
from vsr.media.muxer import sync
from vsr.pipeline.outcome import done
from vsr.pipeline.plan import encoder_threads
from vsr.pipeline.progress import Progress, UpscaleReport
from vsr.pipeline.resume import again_note
from vsr.pipeline.store import Store
from vsr.pipeline.work import PARTIAL, WorkFolder
from vsr.pipeline.worker import ChunkTask, Computed, Ended
from vsr.remaster.away import Away
from vsr.remaster.ending import EndTask, Whole, looks
from vsr.remaster.film_record import FilmRecord
from vsr.remaster.plan import Film
from vsr.remaster.runner import Watch
from vsr.remaster.storage import get_checked, offer, remove
from vsr.remaster.survey import Survey, SurveyTask
from vsr.remaster.tasks import Reply, Task, Worker
from vsr.settings import UpscaleSettings


@dataclass(frozen=True)
class Piece:
    """Chunks of the film."""

    start: int
    whole_rest: bool = False
    """All from here on, by one worker, since the film has to be read from its start."""


class FilmJob:
    """Survey, chunks, ending. Its record and its work folder are those of an `upscale` here, either
    of which can go on with what the other has begun.

    Raises: InputError, CancelledError, StoreError, VerificationError; what is recorded is kept.
    """

    def __init__(self, film: Film, store: Store, watch: Watch, storage: str | None = None) -> None:
        self.film, self.store, self.watch = film, store, watch
        self.storage = None if storage is None else f"{storage}/{store.name(film.output)}.vsr"
        """URL of the film's folder in the storage; None: workers see this machine's files."""
        self.source, self.output = (os.path.abspath(path) for path in (film.source, film.output))
        """Workers may stand in other folders."""
        self.began = time.monotonic()
        self.held = ExitStack()
        self.record: FilmRecord | None = None
        self.notes: list[str] = []
        self.repeated = self.found = 0
        """Frames."""
        self.ending = False
        self.report: UpscaleReport | None = None
        """Once the output is complete."""

    def begin(self) -> Sequence[Task]:
        """Lock the output, and let a worker look at the film."""
        self.work = self.held.enter_context(WorkFolder(self.output, self.store))
        self.record = record = FilmRecord(self.film, self.store)
        record.go_on()
        if self.film.settings.restart:
            self.clear()
        self.work.sweep()
        if self.storage is not None:
            self.depot = offer(self.source, self.storage)
        settings = as_begun(self.film.settings, record.begun_as)
        chunks, folder = tuple(record.done.values()), str(self.work.path)
        return [Task(SurveyTask(self.source, self.output, settings, folder, chunks))]

    # What workers are sent.

    def send(self, task: Task, worker: Worker) -> Any:
        work = self.work_of(task, worker)
        return work if work is None or self.storage is None else Away(work, self.depot)

    def work_of(self, task: Task, worker: Worker) -> Any:
        assert self.record is not None
        if isinstance(task.what, EndTask):
            whole = self.work.path / f"whole.{secrets.token_hex(4)}{PARTIAL}"
            return replace(task.what, whole=str(whole))
        if not isinstance(task.what, Piece):
            return task.what
        rest = task.what.whole_rest
        if not rest and (self.index is None or task.what.start in self.record.done):
            return None
        start = self.record.first_missing() if rest else task.what.start
        self.record.begin(task, worker, start)
        look, length = self.plan.settings.look, self.plan.length
        part = None
        if self.index is not None and not rest:
            part = self.index.part(max(0, start - look), start + length + look)
        return ChunkTask(
            source=self.source,
            target=self.plan.target,
            settings=self.plan.settings,
            folder=str(self.work.path),
            start=start,
            length=length,
            count=None if rest else 1,
            index=part,
            identity=self.plan.identity,
        )

    # What comes of it.

    def take(self, task: Task, reply: Reply) -> Sequence[Task]:
        result = reply.result
        if isinstance(result, Survey):
            return self.take_survey(result)
        if isinstance(result, Whole):
            self.commit(result)
            return ()
        assert self.record is not None
        if isinstance(result, Computed):
            if self.is_short(task, result.chunk):
                return self.from_its_start("it ends before its packets do")
            self.take_chunk(task, reply.worker, result)
        if isinstance(result, Ended):
            self.notes += result.notes
            self.record.end(task, reply.worker)
            return self.ended()
        self.record.go_on()
        if self.index is not None and self.record.frames == len(self.index.pts):
            return self.ended()
        return ()

    def take_survey(self, plan: Survey) -> Sequence[Task]:
        """Take up the work as it was begun, or begin it."""
        assert self.record is not None
        self.plan, self.index = plan, plan.index
        total = len(self.index.pts) if self.index is not None else plan.start.total
        self.record.plan(plan.identity, total)
        for start, problem in plan.bad.items():
            self.notes.append(again_note(self.record.forget(start), problem))
        self.found, first = self.record.frames, self.record.first_missing()
        self.start = replace(plan.start, found=self.found, first=first, total=total)
        self.watch.started(self.film, self.start)
        if self.index is None:
            return [Task(Piece(first, whole_rest=True))]
        starts = range(0, len(self.index.pts), plan.length)
        missing = [Piece(start) for start in starts if start not in self.record.done]
        return [Task(piece, twice=True) for piece in missing] or self.ended()

    def take_chunk(self, task: Task, worker: Worker, made: Computed) -> None:
        """Record a chunk."""
        assert self.record is not None
        chunk, total = made.chunk, self.start.total
        goes_on = task.what.whole_rest and (total is None or chunk.end < total)
        self.record.take(task, worker, chunk, goes_on)
        self.repeated += made.repeated
        self.notes += [note for note in made.notes if note not in self.notes]
        self.watch.progressed(self.film, self.progress())

    def is_short(self, task: Task, chunk: Chunk) -> bool:
        """Whether there were fewer frames than the index says."""
        if self.index is None or task.what.whole_rest:
            return False
        return chunk.end < min(chunk.start + self.plan.length, len(self.index.pts))

    def miss(self, task: Task, worker: Worker, error: Exception) -> Sequence[Task] | None:
        assert self.record is not None
        self.record.end(task, worker, str(error))
        piece = isinstance(task.what, Piece) and not task.what.whole_rest
        if not piece or not isinstance(error, VerificationError):
            return None
        return self.from_its_start(str(error))

    def from_its_start(self, reason: str) -> Sequence[Task]:
        """Have one worker do all the rest, since the index is of no use."""
        assert self.record is not None
        if self.index is None:  # another chunk showed it before
            return ()
        self.index = None
        self.notes.append(f"read from its start: {reason}")
        return [Task(Piece(self.record.first_missing(), whole_rest=True))]

    # The end.

    def progress(self) -> Progress:
        assert self.record is not None
        frames, rate = self.record.frames, self.start.info.rate
        shown = (frames - self.found) / float(rate) if rate else 0.0
        seconds = time.monotonic() - self.began
        return Progress(frames, self.start.total, seconds, shown, self.found, frames)

    def ended(self) -> Sequence[Task]:
        """All chunks are done: the film can be put together."""
        assert self.record is not None
        if self.ending:
            return ()
        self.ending = True
        plan = self.plan
        at = looks(self.index) if self.index is not None else None
        chunks = tuple(self.record.done[start] for start in sorted(self.record.done))
        folder = str(self.work.path)
        return [Task(EndTask(self.source, plan.target, plan.settings, folder, chunks, "", at))]

    def commit(self, whole: Whole) -> None:
        """Give the output its name; the work is done."""
        assert self.record is not None
        file = whole.file
        if self.storage is not None:
            get_checked(self.depot.file(Path(whole.path).name), whole.path, file.sha256)
            file = replace(file, mtime_ns=os.stat(whole.path).st_mtime_ns)
            sync(whole.path)
        info = self.start.info
        report = UpscaleReport(
            source=self.film.source,
            output=self.film.output,
            frames=whole.frames,
            seconds=time.monotonic() - self.began,
            width=self.start.large.format.width,
            height=self.start.large.format.height,
            engine=self.start.engine,
            encoder=self.start.encoder,
            repeated=self.repeated,
            verified=self.plan.settings.verify,
            found=self.found,
            psnr=whole.psnr,
            film_seconds=info.duration,
            notes=[*info.notes, *self.notes, *whole.notes],
        )
        self.record.finish(done(report, whole.source_sha256, file))
        os.replace(whole.path, self.output)
        sync(Path(self.output).parent)
        self.report = report

    def close(self) -> None:
        with self.held:
            if self.record is not None:
                self.record.close()
            if self.report is not None:
                self.clear()
            elif self.record is not None:
                self.work.sweep()

    def clear(self) -> None:
        """Remove all that was done."""
        self.work.clear()
        if self.storage is not None:
            remove(self.storage)


def as_begun(settings: UpscaleSettings, plan: Mapping[str, str]) -> UpscaleSettings:
    """The settings with what is left open as it was decided when the film was begun, or else here:
    no byte is to depend on which machine looked at the film."""
    encoder, engine = settings.encoder, settings.engine
    threads = encoder.threads or int(plan.get("encoder's threads", encoder_threads()))
    verdict = engine.verdict or plan.get("engine.verdict")
    model = settings.model
    return replace(
        settings,
        model=os.path.abspath(model) if os.path.isfile(model) else model,
        encoder=replace(encoder, threads=threads),
        engine=replace(engine, verdict=verdict),
    )
