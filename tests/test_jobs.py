"""What is on record can be looked at while a run goes on, and changed by people."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from films import Sound, Video, film, settings
from runs import Ran, listing, stopped_after, vsr_here

from vsr.pipeline.outcome import failed
from vsr.pipeline.progress import Progress
from vsr.pipeline.store import Store
from vsr.pipeline.upscale import upscale
from vsr.remaster.record import open_record, record_of

QUICK = ("-m", "nearest", "--preset", "ultrafast", "--chunk-seconds", "0.4", "--progress", "none")


class PowerCut(BaseException):
    """What no program can do anything about, but end."""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two films and a text."""
    (tmp_path / "films/deep").mkdir(parents=True)
    film(tmp_path / "films/a.mkv", Video(48))
    film(tmp_path / "films/deep/b.mp4", Video(14), Sound("aac"))
    (tmp_path / "films/notes.mp4").write_text("This is not a film.\n" * 100)
    return tmp_path / "films"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of an archive, as a run has left them; only to be looked at."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "films").mkdir()
    film(folder / "films/a.mkv", Video(48))
    film(folder / "films/b.mp4", Video(14))
    (folder / "films/notes.mp4").write_text("This is not a film.\n" * 100)
    vsr_here("remaster", folder / "films", "-o", folder / "out", *QUICK)
    return folder / "out"


def jobs(*words: str | Path, code: int = 0) -> Ran:
    ran = vsr_here("jobs", *words)
    assert ran.code == code, ran.err
    return ran


def states(out: Path) -> dict[str, str]:
    rows: list[dict[str, Any]] = json.loads(jobs("list", out, "--json").words)
    return {row["output"]: row["state"] for row in rows}


def test_a_film_is_cancelled_while_a_run_is_at_it(archive: Path, out: Path) -> None:
    process = stopped_after(1, "remaster", archive, "-o", out, *QUICK[:-2])
    assert states(out) == {"a.mkv": "begun", "deep/b.mp4": "waiting", "notes.mp4": "failed"}
    assert jobs("cancel", out, "a.mkv").words == "cancelled: a.mkv\n1 films\n"
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=120)
    end = json.loads(err.decode().splitlines()[-1])
    assert (process.returncode, end["done"], end["cancelled"]) == (1, 1, 1)
    assert states(out) == {"a.mkv": "cancelled", "deep/b.mp4": "done", "notes.mp4": "failed"}
    assert (out / ".a.mkv.vsr").is_dir()

    ran = vsr_here("remaster", archive, "-o", out, *QUICK[:-2])
    assert "1 cancelled" in ran.err
    assert not (out / "a.mkv").exists()
    assert jobs("clean", out).words == "cleaned: a.mkv\ncleaned: deep/b.mp4\n2 films\n"
    assert not (out / ".a.mkv.vsr").exists()
    assert states(out) == {"deep/b.mp4": "done", "notes.mp4": "failed"}


def test_a_cancelled_film_can_be_taken_up_again(archive: Path, out: Path) -> None:
    assert vsr_here("remaster", archive, "-o", out, *QUICK, "--exclude", "a.mkv").code == 1
    with Store(record_of(str(out))) as store:
        store.add("a.mkv", str(archive / "a.mkv"), {})
    jobs("cancel", out, archive / "a.mkv")  # by its source
    assert vsr_here("remaster", archive, "-o", out, *QUICK).code == 1
    assert not (out / "a.mkv").exists()
    assert jobs("retry", out, out / "a.mkv").words.startswith("to be done again: a.mkv\n")
    assert vsr_here("remaster", archive, "-o", out, *QUICK).code == 1
    assert states(out) == {"a.mkv": "done", "deep/b.mp4": "done", "notes.mp4": "failed"}


def test_a_list_is_for_people_too(finished: Path) -> None:
    assert jobs("list", finished).words.splitlines() == [
        "done            48/48       a.mkv",
        "done            14/14       b.mp4",
        "failed           0/?        notes.mp4: not a film that can be read "
        "(Invalid data found when processing input)",
    ]


def test_one_film_is_shown_with_its_chunks_and_attempts(finished: Path) -> None:
    found = json.loads(jobs("show", finished, "a.mkv", "--json").words)
    assert found["plan"]["network"] == "nearest x2"
    assert [chunk["start"] for chunk in found["chunks"]] == [0, 10, 20, 30, 40]
    assert [a["error"] for a in found["attempts"]] == [None] * 5
    assert found["outcome"]["size"] == (finished / "a.mkv").stat().st_size
    words = jobs("show", finished, "a.mkv").words
    assert "    network = nearest x2\n" in words
    assert "chunk of frames 40 to 47: " in words
    assert words.count("attempt at frame ") == 5


def test_to_look_changes_nothing(finished: Path) -> None:
    before = listing(finished)
    jobs("list", finished)
    jobs("show", finished, "a.mkv")
    assert listing(finished) == before


def test_what_is_clean_is_still_done(archive: Path, out: Path) -> None:
    vsr_here("remaster", archive, "-o", out, *QUICK)
    jobs("clean", out)
    assert jobs("clean", out).words == "0 films\n"
    assert json.loads(jobs("show", out, "a.mkv", "--json").words)["chunks"] == []
    before = listing(out)["a.mkv"]
    ran = vsr_here("remaster", archive, "-o", out, *QUICK[:-2])
    assert "2 done before" in ran.err
    assert listing(out)["a.mkv"] == before


def test_a_film_that_was_interrupted_on_its_own_is_shown_and_cleaned_up(
    archive: Path, out: Path
) -> None:
    out.mkdir()

    def cut(progress: Progress) -> None:
        if progress.frames == 25:
            raise PowerCut

    with pytest.raises(PowerCut):
        upscale(archive / "a.mkv", out / "large.mkv", settings=settings(), on_progress=cut)
    assert list(listing(out)) == []  # not one chunk of 10 s
    assert "nothing is on record" in jobs("list", out / "large.mkv", code=1).err

    job = replace(settings(), chunk_seconds=0.4)
    with pytest.raises(PowerCut):
        upscale(archive / "a.mkv", out / "large.mkv", settings=job, on_progress=cut)
    assert jobs("list", out / "large.mkv").words == "begun           20/?        large.mkv\n"
    assert "attempt at frame 20" in jobs("show", out / "large.mkv").words
    jobs("cancel", out / "large.mkv", "large.mkv")
    assert jobs("clean", out / "large.mkv").words == "cleaned: large.mkv\n1 films\n"
    assert list(listing(out)) == []


def test_what_is_kept_of_a_film_that_failed_stays(archive: Path, out: Path) -> None:
    def cut(progress: Progress) -> None:
        if progress.frames == 25:
            raise PowerCut

    job = replace(settings(), chunk_seconds=0.4)
    with open_record(str(out)) as store:
        with pytest.raises(PowerCut):
            upscale(archive / "a.mkv", out / "a.mkv", settings=job, on_progress=cut, store=store)
        recorded = store.job("a.mkv")
        assert recorded is not None
        store.settle(recorded, failed("no space", 1, lasting=False))
    assert jobs("clean", out).words == "0 films\n"
    assert jobs("list", out).words == "failed          20/?        a.mkv: no space\n"
    assert len(list((out / ".a.mkv.vsr").glob("*.chunk"))) == 2


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("show", "OUT", "c.mkv"), "c.mkv: not on record; vsr jobs list shows what is"),
        (("show", "OUT"), "3 films are on record; say which"),
        (("cancel", "OUT", "a.mkv"), "a.mkv: is done"),
        (("retry", "OUT", "a.mkv"), "a.mkv: has neither failed nor been cancelled"),
        (("list", "NOWHERE"), "NOWHERE: nothing is on record; it has to be the folder"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    finished: Path, words: tuple[str, ...], problem: str
) -> None:
    before = listing(finished)
    ran = jobs(*(str(finished) if word == "OUT" else word for word in words), code=1)
    [line] = ran.err.splitlines()
    assert problem in line
    assert listing(finished) == before
