"""Work that is broken off, however it is, goes on from what is recorded, to the same bytes."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from films import Sound, Text, Video, film, moving, settings, times_of, woven
from runs import begin, killed_after, listing, mounted, stopped_after, vsr, vsr_here

from vsr.backends.ov import OpenVinoEngine
from vsr.errors import InputError, StoreError, VerificationError
from vsr.frame import Frame
from vsr.media.chunk import ChunkFile
from vsr.pipeline import chunks
from vsr.pipeline.chunks import ChunkedOutput, chunk_length
from vsr.pipeline.progress import Progress, UpscaleReport
from vsr.pipeline.upscale import upscale
from vsr.pipeline.work import WorkFolder
from vsr.settings import Clip, UpscaleSettings

MS = Fraction(1, 1000)
FRAMES, LENGTH = 48, 10
JOB = replace(
    settings(options={"preset": "medium", "bf": "3", "b_strategy": "0"}), chunk_seconds=0.4
)
WORDS = ("-m", "nearest", "--chunk-seconds", "0.4", "--preset", "medium")


class PowerCut(BaseException):
    """What no program can do anything about, but end."""


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return film(
        tmp_path / "movie.mkv", Video(FRAMES), Sound("flac", seconds=Fraction(48, 25)), Text()
    )


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def breaking_off(after: int) -> Any:
    """An `on_progress` that ends the work after so many frames of this run."""

    def progressed(progress: Progress) -> None:
        if progress.frames - progress.found == after:
            raise PowerCut

    return progressed


def broken_off(source: Path, target: Path, job: UpscaleSettings, after: int) -> None:
    with pytest.raises(PowerCut):
        upscale(source, target, settings=job, on_progress=breaking_off(after))


def in_one_go(source: Path, folder: Path, job: UpscaleSettings, name: str = "whole.mkv") -> bytes:
    upscale(source, folder / name, settings=job)
    return (folder / name).read_bytes()


def gone_on(source: Path, target: Path, job: UpscaleSettings) -> UpscaleReport:
    """The rest of the work; nothing but the output is left in the end."""
    report = upscale(source, target, settings=job)
    assert f".{target.name}.vsr" not in os.listdir(target.parent)
    return report


# ---- the same bytes -------------------------------------------------------------------------


@pytest.mark.parametrize("after", [11, 40])
def test_a_run_that_goes_on_ends_with_the_same_bytes(
    tmp_path: Path, movie: Path, out: Path, after: int
) -> None:
    whole = in_one_go(movie, tmp_path, JOB)
    broken_off(movie, out / "large.mkv", JOB, after)
    report = gone_on(movie, out / "large.mkv", JOB)
    assert report.found == after // LENGTH * LENGTH
    assert report.frames == FRAMES
    assert (out / "large.mkv").read_bytes() == whole


@pytest.mark.parametrize("ending", ["mp4", "mov", "nut", "mkv"])
def test_two_runs_of_one_job_give_the_same_bytes(tmp_path: Path, ending: str) -> None:
    source = film(tmp_path / "in.mkv", Video(20), Sound("aac"))
    one = in_one_go(source, tmp_path, JOB, f"one.{ending}")
    assert in_one_go(source, tmp_path, JOB, f"two.{ending}") == one


def test_work_can_be_broken_off_again_and_again(tmp_path: Path, movie: Path, out: Path) -> None:
    whole = in_one_go(movie, tmp_path, JOB)
    for _ in range(4):
        broken_off(movie, out / "large.mkv", JOB, LENGTH + 1)
    assert gone_on(movie, out / "large.mkv", JOB).found == 40
    assert (out / "large.mkv").read_bytes() == whole


@pytest.mark.parametrize("start", [0, 1000])
def test_times_of_decoding_rise_from_chunk_to_chunk(tmp_path: Path, start: int) -> None:
    source = film(
        tmp_path / "in.mkv", Video(35, pts=[start + 40 * n for n in range(35)], time_base=MS)
    )
    upscale(source, tmp_path / "out.mp4", settings=JOB)
    with av.open(str(tmp_path / "out.mp4")) as large:
        packets = [p for p in large.demux(video=0) if p.size]
    times = [p.dts for p in packets if p.dts is not None]
    assert len(times) == 35
    assert all(one < other for one, other in pairwise(times))
    assert any(p.pts != p.dts for p in packets)
    assert all(p.pts is not None and p.dts is not None and p.dts <= p.pts for p in packets)


VARIABLE = [0, 1001, 2002, 3003, 7777, 7888, 12_000, 42_042, 43_043, 44_044, 45_045, 90_000]
BASE = Fraction(1, 30_000)


@pytest.mark.parametrize(
    ("video", "job"),
    [
        (Video(len(VARIABLE), pts=VARIABLE, time_base=BASE), JOB),
        (Video(20, (64, 240), paint=woven("tff"), fields="tff"), replace(JOB, deinterlace="field")),
        (Video(40), replace(JOB, clip=Clip(start=Fraction(1, 5), end=Fraction(6, 5)))),
        (Video(40), replace(JOB, clip=Clip(frames=25))),
        (Video(30, paint=lambda n, w, h: moving(n // 4, w, h)), JOB),
        (Video(30), replace(JOB, encoder=settings(codec="libx265").encoder)),
        (Video(30), replace(JOB, encoder=settings(codec="libsvtav1").encoder)),
        (Video(30), replace(JOB, encoder=settings(codec="ffv1").encoder)),
    ],
    ids=["variable rate", "fields", "part", "frames", "repeated", "hevc", "av1", "ffv1"],
)
def test_films_of_all_kinds_go_on_exactly(
    tmp_path: Path, out: Path, video: Video, job: UpscaleSettings
) -> None:
    source = film(tmp_path / "in.mp4", video, Sound("aac", seconds=Fraction(2)))
    job = replace(job, chunk_seconds=0.2)
    whole = in_one_go(source, tmp_path, job)
    broken_off(source, out / "large.mkv", job, 11)
    assert gone_on(source, out / "large.mkv", job).found > 0
    assert (out / "large.mkv").read_bytes() == whole
    assert times_of(out / "large.mkv") == times_of(tmp_path / "whole.mkv")


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("slowly", [1, 3])
def test_frames_that_are_blended_with_their_neighbours_go_on_exactly(
    tmp_path: Path, out: Path, radius: int, slowly: int
) -> None:
    pytest.importorskip("cv2")
    video = Video(24, (96, 64), paint=lambda n, w, h: moving(n // slowly, w, h))
    source = film(tmp_path / "in.mkv", video)
    job = replace(JOB, chunk_seconds=0.2, temporal=0.8, temporal_radius=radius)
    whole = in_one_go(source, tmp_path, job)
    for after in (7, 8):
        broken_off(source, out / "large.mkv", job, after)
    (out / ".large.mkv.vsr" / "000000005.chunk").unlink()
    gone_on(source, out / "large.mkv", job)
    assert (out / "large.mkv").read_bytes() == whole


def test_a_run_broken_off_while_it_was_joining_only_joins(
    tmp_path: Path, movie: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = in_one_go(movie, tmp_path, JOB)

    def cut(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(chunks, "join", cut)
        with pytest.raises(PowerCut):
            upscale(movie, out / "large.mkv", settings=JOB)
    assert gone_on(movie, out / "large.mkv", JOB).found == FRAMES
    assert (out / "large.mkv").read_bytes() == whole


def test_a_run_killed_when_all_was_done_leaves_nothing_to_the_next(
    movie: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_: WorkFolder) -> None:
        raise PowerCut

    for job in (JOB, replace(JOB, overwrite=True)):
        with monkeypatch.context() as patch:
            patch.setattr(WorkFolder, "remove", cut)
            with pytest.raises(PowerCut):
                upscale(movie, out / "large.mkv", settings=job)
        assert set(os.listdir(out)) == {"large.mkv", ".large.mkv.vsr"}
        with pytest.raises(InputError, match="exists already"):
            upscale(movie, out / "large.mkv", settings=JOB)
        assert os.listdir(out) == ["large.mkv"]


def test_work_on_an_output_that_is_to_be_replaced_is_not_lost(movie: Path, out: Path) -> None:
    (out / "large.mkv").write_text("old")
    job = replace(JOB, overwrite=True)
    broken_off(movie, out / "large.mkv", job, 25)
    with pytest.raises(InputError, match="exists already"):
        upscale(movie, out / "large.mkv", settings=JOB)
    assert (out / "large.mkv").read_text() == "old"
    assert gone_on(movie, out / "large.mkv", job).found == 20


def test_where_chunks_end_does_not_depend_on_where_a_run_began(movie: Path, out: Path) -> None:
    broken_off(movie, out / "large.mkv", JOB, 11)
    broken_off(movie, out / "large.mkv", JOB, 31)
    names = sorted(path.name for path in (out / ".large.mkv.vsr").glob("*.chunk"))
    assert names == [f"{start:09}.chunk" for start in (0, 10, 20, 30)]


# ---- what is recorded, and what of it is believed -------------------------------------------


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (spoil, "damaged"),
        (Path.unlink, "missing"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "damaged"),
    ],
)
def test_a_chunk_that_is_damaged_or_missing_is_computed_again_aloud(
    tmp_path: Path, movie: Path, out: Path, harm: Any, word: str
) -> None:
    whole = in_one_go(movie, tmp_path, JOB)
    broken_off(movie, out / "large.mkv", JOB, 45)
    harm(out / ".large.mkv.vsr" / "000000010.chunk")
    report = gone_on(movie, out / "large.mkv", JOB)
    assert report.found == 30  # those behind it are still good
    assert any(f"the chunk of frames 10 to 19 is {word}" in note for note in report.notes)
    assert (out / "large.mkv").read_bytes() == whole


def test_a_chunk_that_was_written_but_not_recorded_is_computed_again(
    tmp_path: Path, movie: Path, out: Path
) -> None:
    whole = in_one_go(movie, tmp_path, JOB)
    broken_off(movie, out / "large.mkv", JOB, 25)
    with sqlite3.connect(out / ".large.mkv.vsr" / "jobs.sqlite") as database:
        database.execute("DELETE FROM chunks WHERE start = 10")
    assert gone_on(movie, out / "large.mkv", JOB).found == 10
    assert (out / "large.mkv").read_bytes() == whole


def test_a_record_that_is_none_is_named(movie: Path, out: Path) -> None:
    broken_off(movie, out / "large.mkv", JOB, 25)
    record = out / ".large.mkv.vsr" / "jobs.sqlite"
    record.write_bytes(b"nothing of the kind" * 1000)
    for leftover in record.parent.glob("jobs.sqlite-*"):
        leftover.unlink()
    with pytest.raises(StoreError, match=r"jobs\.sqlite: .*not a database"):
        upscale(movie, out / "large.mkv", settings=JOB)
    upscale(movie, out / "large.mkv", settings=replace(JOB, restart=True))


def test_frames_that_an_encoder_loses_are_missed_at_once(
    movie: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = ChunkFile.put

    def losing(self: ChunkFile, packet: Any) -> None:
        if packet.pts != 520:
            put(self, packet)

    monkeypatch.setattr(ChunkFile, "put", losing)
    with pytest.raises(VerificationError, match="10 frames went into the encoder, and 9 came out"):
        upscale(movie, out / "large.mkv", settings=JOB)


def test_an_attempt_and_its_end_are_on_record(movie: Path, out: Path) -> None:
    broken_off(movie, out / "large.mkv", JOB, 15)
    with sqlite3.connect(out / ".large.mkv.vsr" / "jobs.sqlite") as database:
        rows = database.execute("SELECT start, ended IS NULL, error FROM attempts").fetchall()
    assert [row[:2] for row in rows] == [(0, 0), (10, 0)]
    assert [row[2] is None for row in rows] == [True, False]


# ---- another job for the same output --------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (replace(JOB, encoder=replace(JOB.encoder, crf=30)), "encoder.crf was not said, is 30"),
        (replace(JOB, model="bilinear"), "network was nearest x2, is bilinear x2"),
        (replace(JOB, chunk_seconds=1), "chunk_seconds was 0.4, is 1"),
        (replace(JOB, clip=Clip(frames=30)), "clip.frames was not said, is 30"),
        (replace(JOB, encoder=replace(JOB.encoder, threads=3)), "encoder's threads was "),
    ],
)
def test_other_settings_are_refused_with_the_difference(
    tmp_path: Path, movie: Path, out: Path, job: UpscaleSettings, words: str
) -> None:
    broken_off(movie, out / "large.mkv", JOB, 25)
    before = listing(out)
    with pytest.raises(InputError) as caught:
        upscale(movie, out / "large.mkv", settings=job)
    assert words in str(caught.value)
    assert "20 frames are kept of a run that was begun otherwise" in str(caught.value)
    kept = [name for name in before if name.endswith(".chunk")]
    assert {name: listing(out)[name] for name in kept} == {name: before[name] for name in kept}

    whole = in_one_go(movie, tmp_path, job)
    report = gone_on(movie, out / "large.mkv", replace(job, restart=True))
    assert report.found == 0
    assert (out / "large.mkv").read_bytes() == whole


def test_a_source_that_changed_is_refused(movie: Path, out: Path) -> None:
    broken_off(movie, out / "large.mkv", JOB, 25)
    spoil(movie)
    with pytest.raises(InputError, match="source's change, Unix time in ns was "):
        upscale(movie, out / "large.mkv", settings=JOB)


def test_an_update_of_what_computes_is_refused_until_the_film_is_done(
    movie: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(movie, out / "large.mkv", JOB, 25)
    monkeypatch.setattr(OpenVinoEngine, "runtime", "OpenVINO 2099.1")
    with pytest.raises(InputError, match=r"engine's runtime was OpenVINO .*, is OpenVINO 2099\.1;"):
        upscale(movie, out / "large.mkv", settings=JOB)
    assert gone_on(movie, out / "large.mkv", replace(JOB, restart=True)).found == 0


@pytest.mark.parametrize(("module", "name"), [("cv2", "OpenCV"), ("numba", "numba")])
def test_so_is_one_of_what_blends_frames_where_they_are(
    movie: Path, out: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    job = replace(JOB, temporal=0.5)
    broken_off(movie, out / "steady.mkv", job, 25)
    broken_off(movie, out / "large.mkv", JOB, 25)
    monkeypatch.setattr(pytest.importorskip(module), "__version__", "99.1")
    with pytest.raises(InputError, match=rf"otherwise: {name} was .*, is 99\.1; --restart"):
        upscale(movie, out / "steady.mkv", settings=job)
    assert gone_on(movie, out / "large.mkv", JOB).found == 20


def test_settings_that_change_no_byte_are_no_difference(movie: Path, out: Path) -> None:
    broken_off(movie, out / "large.mkv", JOB, 25)
    job = replace(JOB, verify=False, overwrite=True, engine=replace(JOB.engine, threads=1, tile=32))
    assert gone_on(movie, out / "large.mkv", job).found == 20


def test_an_output_is_the_same_by_any_way_to_it(
    movie: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(movie, out / "large.mkv", JOB, 25)
    moved = out.rename(out.with_name("moved"))
    monkeypatch.chdir(moved)
    assert upscale(movie, "large.mkv", settings=JOB).found == 20


def test_a_machine_with_other_processors_goes_on_with_the_threads_of_then(
    tmp_path: Path, movie: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = in_one_go(movie, tmp_path, JOB)
    broken_off(movie, out / "large.mkv", JOB, 25)
    monkeypatch.setattr("vsr.pipeline.plan.encoder_threads", lambda: 7)
    assert gone_on(movie, out / "large.mkv", JOB).found == 20
    assert (out / "large.mkv").read_bytes() == whole


def test_the_encoder_has_the_threads_it_is_given(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", Video(5, (96, 128)))
    jobs = [replace(JOB, encoder=replace(JOB.encoder, threads=count)) for count in (1, 3)]
    one, other = (in_one_go(source, tmp_path, job, f"{n}.mkv") for n, job in enumerate(jobs))
    assert one != other  # x264 cuts a picture into as many slices


def test_nothing_recorded_stands_in_nobodys_way(movie: Path, out: Path) -> None:
    killed_after(0, "upscale", movie, *WORDS, "-o", out / "large.mkv")
    assert gone_on(movie, out / "large.mkv", JOB).found == 0


# ---- the command line -----------------------------------------------------------------------


def test_an_interrupted_command_says_what_is_kept_and_the_same_one_goes_on(
    tmp_path: Path, movie: Path, out: Path
) -> None:
    words = ("upscale", movie, *WORDS, "-o", out / "large.mkv")
    process = stopped_after(1, *words)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    last = err.decode().splitlines()[-1]
    assert f"{LENGTH} of {FRAMES} frames are kept; the same command goes on from there" in last
    assert not list((out / ".large.mkv.vsr").glob("*.partial"))

    ran = vsr_here(*words)
    assert ran.code == 0
    assert ran.err.startswith(f"{movie}: going on at frame ")
    assert list(listing(out)) == ["large.mkv"]


def test_an_error_says_that_the_work_before_it_is_kept(tmp_path: Path, out: Path) -> None:
    movie = film(tmp_path / "movie.mkv", Video(80, (160, 120)))
    with mounted(tmp_path / "disk", "size=512k") as disk:
        words = ("upscale", movie, *WORDS, "-o", disk / "large.mkv", "--crf", "0")
        ran = vsr_here(*words)
        assert ran.code == 1
        assert "No space left on device; " in ran.err
        assert "0 frames are kept; the same command goes on from there" in ran.err
        subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
        assert vsr_here(*words).code == 0
        broken = (disk / "large.mkv").read_bytes()
    assert vsr_here("upscale", movie, *WORDS, "-o", out / "large.mkv", "--crf", "0").code == 0
    assert broken == (out / "large.mkv").read_bytes()


KILLS = int(os.environ.get("VSR_KILLS", "10"))


def test_kills_at_random_moments_change_no_byte(tmp_path: Path, out: Path) -> None:
    """kill -9; VSR_KILLS says how often."""
    video = Video(150, (96, 64), options={"g": "30", "bf": "2"})
    movie = film(tmp_path / "movie.mkv", video, Sound("aac", seconds=Fraction(6)), Text())
    words = ("upscale", movie, *WORDS, "-x", "4", "-o")
    assert vsr(*words, tmp_path / "whole.mkv").code == 0
    whole = (tmp_path / "whole.mkv").read_bytes()
    chance, killed, runs = random.Random(0), 0, 0
    while killed < KILLS:
        target = out / f"{runs}.mkv"
        runs += 1
        while not target.exists() and killed < KILLS:
            process = begin(*words, target)
            killed += killed_within(process, chance.uniform(0.3, 2.5))
        ran = vsr(*words, target)
        assert ran.code == 0 or "exists already" in ran.err  # which clears up, too
        assert target.read_bytes() == whole
        assert sorted(listing(out)) == [target.name]
        target.unlink()


def killed_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Kill the process after a while; whether it was still there."""
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    assert process.returncode == 0
    return False


# ---- which frames ---------------------------------------------------------------------------


def test_chunks_last_about_ten_seconds_whatever_the_rate() -> None:
    assert chunk_length(Fraction(24_000, 1001), 10) == 240
    assert chunk_length(None, 10) == 250
    assert chunk_length(Fraction(60), 0.001) == 1


def test_frames_near_a_missing_chunk_are_looked_at_and_no_others(
    movie: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(movie, out / "large.mkv", JOB, 45)
    (out / ".large.mkv.vsr" / "000000020.chunk").unlink()
    seen: list[int] = []
    write = ChunkedOutput.write

    def noting(self: ChunkedOutput, number: int, frame: Frame) -> None:
        seen.append(number)
        write(self, number, frame)

    init = ChunkedOutput.__init__

    def looking(self: ChunkedOutput, *args: Any) -> None:
        init(self, *args)
        self.look = 2

    monkeypatch.setattr(ChunkedOutput, "write", noting)
    monkeypatch.setattr(ChunkedOutput, "__init__", looking)
    gone_on(movie, out / "large.mkv", JOB)
    assert seen == [*range(18, 32), *range(38, FRAMES)]


def test_a_film_that_reads_otherwise_than_before_is_not_gone_on_with(
    movie: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(movie, out / "large.mkv", JOB, 25)
    skipping = ChunkedOutput.skipping

    def one_less(self: ChunkedOutput, frames: Iterator[Frame]) -> Iterator[Frame]:
        next(frames)
        return skipping(self, frames)

    monkeypatch.setattr(ChunkedOutput, "skipping", one_less)
    with pytest.raises(VerificationError, match="frame 0 is at another time than when the film"):
        upscale(movie, out / "large.mkv", settings=JOB)
