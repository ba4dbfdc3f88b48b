"""A chunk depends on its description alone: a worker makes the one that the whole run makes."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from films import Sound, Video, film, moving, settings

from vsr.errors import InputError
from vsr.media.index import index_of
from vsr.media.reader import Reader
from vsr.pipeline import chunks
from vsr.pipeline.plan import make_plan
from vsr.pipeline.upscale import upscale
from vsr.pipeline.worker import ChunkTask, compute
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
    file = source.with_name(f"{start}.chunk")
    return ChunkTask(str(source), target, job, start, start + 10, str(file), index)


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
    for start in (40, 10, 0):
        sent = pickle.loads(pickle.dumps(task(source, job, start, seek)))
        done = compute(sent)
        assert (done.start, done.end) == (start, min(start + 10, 45))
        assert Path(sent.file).read_bytes() == expected[start]


def test_a_chunk_behind_the_end_is_refused(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", Video(15))
    with pytest.raises(InputError, match="has no frame 20"):
        compute(task(source, JOB, 20, seek=False))
