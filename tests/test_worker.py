"""A chunk depends on its description alone: a worker makes the one that the whole run makes."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from films import Sound, Video, film, moving, settings

from vsr.errors import BackendError, InputError, MediaError, VerificationError
from vsr.media.index import index_of
from vsr.media.reader import Reader
from vsr.pipeline import chunks
from vsr.pipeline.identity import identity_of
from vsr.pipeline.plan import make_plan
from vsr.pipeline.upscale import open_engine, upscale
from vsr.pipeline.worker import ChunkTask, Engines, compute
from vsr.settings import UpscaleSettings

JOB = replace(settings(options={"preset": "medium", "bf": "3"}), chunk_seconds=0.4)


def chunks_of(source: Path, job: UpscaleSettings) -> dict[int, bytes]:
    """First frame -> file, as one run over the whole film writes them."""

    class KeptError(Exception):
        pass

    def keep(*_: object) -> None:
        raise KeptError

    target = source.with_name("large.mkv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "join", keep)
        with pytest.raises(KeptError):
            upscale(source, target, settings=job)
    files = (source.parent / ".large.mkv.vsr").glob("*.chunk")
    return {int(file.stem): file.read_bytes() for file in files}


def task(source: Path, job: UpscaleSettings, start: int, seek: bool) -> ChunkTask:
    with Reader(source) as reader:
        target = make_plan(reader, source.with_name("other.mkv"), job).target
    index = index_of(str(source)) if seek else None
    if index is not None:
        index = index.part(max(0, start - job.look), start + 10 + job.look)
    folder = source.with_name("chunks")
    folder.mkdir(exist_ok=True)
    return ChunkTask(str(source), target, job, str(folder), start, 10, index=index)


def files_of(task: ChunkTask) -> dict[int, bytes]:
    """First frame -> file, of what a worker wrote; nothing else is there."""
    files = Path(task.folder).iterdir()
    return {int(file.name.removesuffix(".chunk")): file.read_bytes() for file in files}


@pytest.mark.parametrize("seek", [False, True])
@pytest.mark.parametrize("temporal", [0.0, 0.8])
def test_a_worker_makes_the_same_chunks_as_the_whole_run(
    tmp_path: Path, seek: bool, temporal: float
) -> None:
    if temporal:
        pytest.importorskip("cv2")
    video = Video(45, paint=lambda n, w, h: moving(n // 2, w, h), options={"g": "12", "bf": "2"})
    source = film(tmp_path / "in.mkv", video, Sound("flac"))
    job = replace(JOB, temporal=temporal, temporal_radius=2)
    expected = chunks_of(source, job)
    assert sorted(expected) == [0, 10, 20, 30, 40]
    engines = Engines()
    for start in (40, 10, 0):
        sent = pickle.loads(pickle.dumps(task(source, job, start, seek)))
        [done] = compute(sent, engines)
        assert (done.chunk.start, done.chunk.end) == (start, min(start + 10, 45))
    assert files_of(sent) == {start: expected[start] for start in (0, 10, 40)}


def test_a_worker_goes_on_from_chunk_to_chunk_of_a_film_that_has_no_middle(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", Video(45), Sound("flac"))
    expected = chunks_of(source, JOB)
    rest = replace(task(source, JOB, 20, seek=False), count=None)
    assert [done.chunk.start for done in compute(rest)] == [20, 30, 40]
    assert files_of(rest) == {start: expected[start] for start in (20, 30, 40)}


def test_an_engine_is_kept_for_the_next_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = film(tmp_path / "in.mkv", Video(25))
    opened: list[int] = []

    def counting(*words: Any) -> Any:
        opened.append(1)
        return open_engine(*words)

    monkeypatch.setattr("vsr.pipeline.worker.open_engine", counting)
    engines = Engines()
    for start in (0, 10):
        assert len([*compute(task(source, JOB, start, seek=True), engines)]) == 1
    assert len(opened) == 1
    other = replace(JOB, model="bilinear")
    assert len([*compute(task(source, other, 0, seek=True), engines)]) == 1
    assert len(opened) == 2


def test_a_chunk_behind_the_end_is_refused(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", Video(15))
    with pytest.raises(InputError, match="has no frame 20"):
        next(compute(task(source, JOB, 20, seek=False)))


@pytest.mark.parametrize("seek", [False, True])
def test_a_worker_that_would_give_other_bytes_refuses(tmp_path: Path, seek: bool) -> None:
    source = film(tmp_path / "in.mkv", Video(15))
    with Reader(source) as reader:
        plan = make_plan(reader, source.with_name("other.mkv"), JOB)
    sent = task(source, JOB, 0, seek)
    with open_engine(plan.network, reader.info.format, JOB.engine) as engine:
        identity = identity_of(str(source), sent.target, plan.network, engine, JOB)
    assert [*compute(replace(sent, identity=identity))]
    for name, other in [
        ("network's sha256", "0"),
        ("engine", "OpenVINO CPU int8"),
        ("engine", "TensorRT NVIDIA H200 fp32"),
        ("engine's runtime", "OpenVINO 2023.3"),
        ("libx264", "1"),
    ]:
        changed = replace(sent, identity={**identity, name: other})
        with pytest.raises(BackendError, match=f"other bytes: .*{name} was {other}, is "):
            next(compute(changed))
    moved = replace(sent, identity={**identity, "engine": "OpenVINO Xeon fp32"})
    assert [*compute(moved)]


def test_damage_sends_a_film_back_to_its_start(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mkv", Video(40, options={"g": "10"}))
    sent = task(whole, JOB, 20, seek=True)
    data = bytearray(whole.read_bytes())
    middle = len(data) * 6 // 10
    data[middle : middle + 40] = bytes(40)
    whole.write_bytes(data)
    with pytest.raises(VerificationError, match="read it from its start"):
        next(compute(sent))


def test_nothing_is_left_of_a_chunk_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = film(tmp_path / "in.mkv", Video(15))
    sent = task(source, JOB, 0, seek=True)

    def breaking(*_: object) -> None:
        raise MediaError("x", "breaks")

    monkeypatch.setattr("vsr.pipeline.chunk_writer.ChunkWriter.finish", breaking)
    with pytest.raises(MediaError, match="breaks"):
        next(compute(sent))
    assert files_of(sent) == {}
