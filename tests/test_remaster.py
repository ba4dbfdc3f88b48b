"""An archive is finished, whatever happens: no film is lost, none done twice, all are checked."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from films import Sound, Video, film, flat, frames_of
from runs import Ran, begin, killed_after, listing, mounted, stopped_after, vsr_here, wait_for

from vsr.backends.ov import OpenVinoEngine
from vsr.cli.archive_bars import make_archive_display
from vsr.cli.options import Style
from vsr.media.chunk import sha256_of
from vsr.media.muxer import Muxer
from vsr.pipeline import upscale as pipeline
from vsr.pipeline.outcome import failed
from vsr.pipeline.progress import UpscaleReport
from vsr.pipeline.store import DONE, Store
from vsr.pipeline.work import WorkFolder
from vsr.remaster import look
from vsr.remaster.plan import Film
from vsr.remaster.record import open_record, record_of
from vsr.settings import UpscaleSettings

QUICK = ("-m", "nearest", "--preset", "ultrafast", "--chunk-seconds", "0.4")
SLOWLY = ("-m", "nearest", "--preset", "veryslow", "-x", "8", "--chunk-seconds", "0.4")
"""At work for longer than any test waits, a chunk takes no more than a moment."""

BY_TIME = ("looking", "progress")
"""Events of which a slow machine tells more than a fast one."""


class PowerCut(BaseException):
    """What no program can do anything about, but end."""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two films, in two folders."""
    (tmp_path / "films/deep").mkdir(parents=True)
    film(tmp_path / "films/a.mkv", Video(24), Sound("flac"))
    film(tmp_path / "films/deep/b.mp4", Video(14), Sound("aac"))
    return tmp_path / "films"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def remaster(archive: Path, out: Path, *words: str | Path, style: str = "none") -> Ran:
    return vsr_here("remaster", archive, "-o", out, *QUICK, *words, "--progress", style)


def outputs(out: Path) -> dict[str, bytes]:
    """Everything that a user sees of the results, but for the manifest."""
    return {
        name: data
        for name, data in listing(out).items()
        if data is not None and not name.startswith((".vsr", "manifest."))
    }


def manifest(out: Path) -> dict[str, dict[str, Any]]:
    """The manifest's films by their sources' names."""
    rows = json.loads((out / "manifest.json").read_text())["films"]
    return {Path(row["source"]).name: row for row in rows}


def times(out: Path) -> dict[str, int]:
    """When every file was changed, but for the lock, which says who had it last."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name != "lock"]
    return {str(path): path.stat().st_mtime_ns for path in files}


# ---- the whole ------------------------------------------------------------------------------


def test_a_broken_archive_is_done_as_far_as_can_be_and_the_second_run_does_nothing(
    archive: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (archive / "empty.mp4").touch()
    (archive / "notes.mp4").write_text("This is not a film.\n" * 100)
    shutil.copytree(archive / "deep", archive / "x.mp4")
    (archive / "loop").symlink_to(".")
    whole = film(archive / "cut.mp4", Video(24)).read_bytes()
    (archive / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    bad = [
        "vsr: cut.mp4: not a film that can be read (Invalid data found when processing input)",
        "vsr: empty.mp4: the file is empty",
        "vsr: loop: a link to a folder that it lies in; not followed",
        "vsr: notes.mp4: not a film that can be read (Invalid data found when processing input)",
        "vsr: x.mp4: a folder, not a film; what is in it is searched",
    ]
    ran = remaster(archive, out)
    assert (ran.code, ran.err.splitlines()) == (1, bad)
    assert sorted(outputs(out)) == ["a.mkv", "deep/b.mp4", "x.mp4/b.mp4"]
    assert len(frames_of(out / "a.mkv")) == 24
    assert {row["state"] for row in manifest(out).values()} == {"done", "failed"}
    before = times(out)

    for module, name in ((look, "look"), (pipeline, "open_engine")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("there was something to do"))
    ran = remaster(archive, out)
    assert (ran.code, ran.err.splitlines()) == (1, bad)
    assert times(out) == before
    ran = remaster(archive, out, "--check", style="auto")
    assert "3 done before, 5 could not be done" in ran.err


def test_the_films_are_those_that_vsr_upscale_makes(
    archive: Path, out: Path, tmp_path: Path
) -> None:
    assert remaster(archive, out).code == 0
    large = tmp_path / "large.mkv"
    ran = vsr_here("upscale", archive / "a.mkv", *QUICK, "-o", large, "--progress", "none")
    assert ran.code == 0
    assert large.read_bytes() == (out / "a.mkv").read_bytes()


def test_an_archive_may_hold_its_results(archive: Path) -> None:
    assert remaster(archive, archive / "large").code == 0
    before = times(archive)
    assert remaster(archive, archive / "large").code == 0
    assert times(archive) == before


def test_a_film_that_comes_later_is_all_that_is_done(archive: Path, out: Path) -> None:
    assert remaster(archive, out).code == 0
    before = times(out)
    film(archive / "c.mkv", Video(3))
    ran = remaster(archive, out, style="json")
    assert [event["film"] for event in ran.events if event["event"] == "start"] == ["c.mkv"]
    changed = {path for path, when in times(out).items() if before.get(path) != when}
    assert {Path(path).name for path in changed} == {
        "c.mkv",
        "jobs.sqlite",
        "manifest.csv",
        "manifest.json",
    }


def test_machines_are_told_everything_with_the_films_names(archive: Path, out: Path) -> None:
    (archive / "loop").symlink_to("deep")
    events = [e for e in remaster(archive, out, style="json").events if e["event"] not in BY_TIME]
    assert [event["event"] for event in events] == [
        *("stock", "start", "done", "start", "done", "end"),
    ]
    assert events[0]["to do"] == 2
    assert events[0]["notes"] == ["loop: a link to deep, which is searched there"]
    assert {event["film"] for event in events if "film" in event} == {"a.mkv", "deep/b.mp4"}
    assert events[-1] == {
        **{"event": "end", "done": 2, "bad": 0},
        **{"done before": 0, "cancelled": 0, "skipped": 0, "left": 0},
    }


@pytest.mark.parametrize("verified", [False, True])
def test_people_are_told_that_a_film_is_verified_where_it_is(
    capsys: pytest.CaptureFixture[str], verified: bool
) -> None:
    report = UpscaleReport("a", "b", 6, 2.0, 128, 96, "engine", "x264", 0, verified, 0, None)
    display = make_archive_display(Style.auto)
    display.finished(Film("a", "b", UpscaleSettings(), "b"), report)
    words = "b: 6 frames in 2.0 s (3.0 frames/s)"
    assert capsys.readouterr().err == f"{words}{', verified' if verified else ''}\n"


def test_the_manifest_says_what_was_made_of_what(archive: Path, out: Path) -> None:
    (archive / "empty.mp4").touch()
    assert remaster(archive, out, "--crf", "20").code == 1
    rows = manifest(out)
    row = rows["a.mkv"]
    assert row["source_sha256"] == sha256_of(archive / "a.mkv")
    assert row["output_sha256"] == sha256_of(out / "a.mkv")
    assert row["bytes"] == (out / "a.mkv").stat().st_size
    assert (row["frames"], row["state"], row["error"]) == (24, "done", None)
    assert row["film_seconds"] == pytest.approx(24 / 25, abs=0.05)
    assert row["network"] == "nearest x2"
    assert row["engine"].startswith("OpenVINO CPU")
    assert row["settings"]["encoder.crf"] == "20.0"
    assert any("not tagged" in warning for warning in row["warnings"])
    assert rows["empty.mp4"]["error"] == "the file is empty"
    with (out / "manifest.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert {Path(line["source"]).name: line["output_sha256"] for line in lines} == {
        name: row["output_sha256"] or "" for name, row in rows.items()
    }


# ---- which films, and by which settings -----------------------------------------------------


def test_folders_have_settings_and_names_of_their_own(archive: Path, out: Path) -> None:
    film(archive / "deep/c.avi", Video(4, codec="mpeg4"))
    film(archive / "other.mkv", Video(4))
    (archive / "deep/vsr.toml").write_text('scale = 3\ncodec = "ffv1"\ncontainer = "mkv"')
    ran = remaster(archive, out, "--name", "{stem}.{size}{suffix}", "--exclude", "other.*")
    assert ran.code == 0
    assert sorted(outputs(out)) == ["a.x2.mkv", "deep/b.x3.mkv", "deep/c.x3.mkv"]
    assert [picture.width for picture in frames_of(out / "deep/c.x3.mkv")] == [192] * 4


def test_a_film_that_is_large_enough_is_left_out(archive: Path, out: Path) -> None:
    film(archive / "large.mkv", Video(3, (160, 120)))
    ran = vsr_here("remaster", archive, "-o", out, "--height", "120", "-m", "nearest")
    assert ran.code == 0
    assert "large.mkv: is 160x120 already" in ran.err
    assert "2 done now, 1 skipped" in ran.err
    assert sorted(outputs(out)) == ["a.mkv", "deep/b.mp4"]


def test_two_films_of_one_name_are_refused_both(archive: Path, out: Path) -> None:
    film(archive / "a.avi", Video(4, codec="mpeg4"))
    ran = remaster(archive, out)
    assert ran.code == 1
    assert [line.partition(" would")[0] for line in ran.err.splitlines()] == [
        "vsr: a.avi: a.mkv",
        "vsr: a.mkv: a.avi",
    ]
    assert sorted(outputs(out)) == ["deep/b.mp4"]
    assert remaster(archive, out, "--name", "{source}{suffix}").code == 0


def test_one_of_them_that_is_done_stays_done(archive: Path, out: Path) -> None:
    assert remaster(archive, out).code == 0
    film(archive / "a.avi", Video(4, codec="mpeg4"))
    before = outputs(out)
    ran = remaster(archive, out, "--overwrite")
    [line] = ran.err.splitlines()
    assert line.startswith("vsr: a.avi: a.mkv would get the same output, a.mkv; --name ")
    assert outputs(out) == before


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("crf = 'x'", 2, "deep/vsr.toml: crf = 'x': has to be a number"),
        ("preset = 'x'", 2, "deep/vsr.toml: preset: "),
    ],
)
def test_wrong_words_end_the_run_before_it_begins(
    archive: Path, out: Path, text: str, code: int, words: str
) -> None:
    (archive / "deep/vsr.toml").write_text(text)
    ran = remaster(archive, out)
    assert ran.code == code
    assert ran.err.startswith(f"vsr: {archive}/{words}")
    assert not out.exists()


def test_an_archive_without_films_is_named(tmp_path: Path, out: Path) -> None:
    (tmp_path / "films").mkdir()
    ran = remaster(tmp_path / "films", out)
    assert ran.code == 1
    assert "no films in it, by their names; --include" in ran.err
    assert not out.exists()


# ---- what is done, and what is not any more -------------------------------------------------


def again(archive: Path, out: Path, *words: str) -> list[str]:
    """The films that another run begins."""
    events = remaster(archive, out, *words, style="json").events
    return [event["film"] for event in events if event["event"] == "start"]


def test_an_output_that_is_gone_is_done_again(archive: Path, out: Path) -> None:
    assert remaster(archive, out).code == 0
    before = outputs(out)
    (out / "a.mkv").unlink()
    assert again(archive, out) == ["a.mkv"]
    assert outputs(out) == before


def test_an_output_that_is_not_what_was_written_is_refused(archive: Path, out: Path) -> None:
    assert remaster(archive, out).code == 0
    before = outputs(out)
    data = bytearray(before["a.mkv"])
    data[-100] ^= 1
    (out / "a.mkv").write_bytes(data)
    ran = remaster(archive, out)
    assert ran.code == 1
    assert "a.mkv is not what was written: it was changed, or is damaged; --overwrite" in ran.err
    assert again(archive, out, "--overwrite") == ["a.mkv"]
    assert outputs(out) == before


def test_a_bit_that_fell_over_in_silence_is_found_by_check(archive: Path, out: Path) -> None:
    assert remaster(archive, out).code == 0
    state = (out / "a.mkv").stat()
    data = bytearray((out / "a.mkv").read_bytes())
    data[-100] ^= 1
    (out / "a.mkv").write_bytes(data)
    os.utime(out / "a.mkv", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert remaster(archive, out).code == 0
    assert remaster(archive, out, "--check").code == 1


def test_copies_of_archive_and_results_are_still_done(
    archive: Path, out: Path, tmp_path: Path
) -> None:
    assert remaster(archive, out).code == 0
    for name in ("films", "out"):
        shutil.copytree(tmp_path / name, tmp_path / "moved" / name, copy_function=shutil.copyfile)
    moved = tmp_path / "moved"
    assert again(moved / "films", moved / "out") == []
    with Store(record_of(str(moved / "out"))) as store:  # which knows their times by now
        for job in store.jobs():
            outcome = store.outcome(job)
            assert outcome is not None
            assert outcome.mtime_ns == (moved / "out" / job.output).stat().st_mtime_ns
            source = moved / "films" / job.output
            assert job.plan["source's change, Unix time in ns"] == str(source.stat().st_mtime_ns)
    before = times(moved)
    assert again(moved / "films", moved / "out") == []
    assert times(moved) == before


def test_other_settings_and_another_source_are_refused_with_the_difference(
    archive: Path, out: Path
) -> None:
    assert remaster(archive, out).code == 0
    before = outputs(out)
    ran = remaster(archive, out, "--crf", "30")
    assert ran.code == 1
    [line, _] = ran.err.splitlines()
    assert line == (
        "vsr: a.mkv: it was done otherwise: encoder.crf was not said, is 30.0; "
        "--overwrite does it again"
    )
    film(archive / "a.mkv", Video(24, paint=flat(90)))
    assert "source's ends, sha256 was " in remaster(archive, out).err
    assert outputs(out) == before
    assert again(archive, out, "--overwrite") == ["a.mkv"]
    assert outputs(out)["deep/b.mp4"] == before["deep/b.mp4"]
    assert remaster(archive, out).code == 0


def test_who_computes_is_no_difference(
    archive: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert remaster(archive, out).code == 0
    monkeypatch.setattr(OpenVinoEngine, "runtime", "OpenVINO 2099.1")
    words = ("--backend", "openvino", "--threads", "1", "--chunk-seconds", "5")
    ran = remaster(archive, out, *words, style="json")
    assert ran.code == 0
    assert ran.events[-1]["done before"] == 2


def test_files_of_others_are_not_replaced_unasked(archive: Path, out: Path) -> None:
    out.mkdir()
    (out / "a.mkv").write_text("precious")
    ran = remaster(archive, out)
    assert ran.code == 1
    assert "a.mkv exists already, and is not on record; --overwrite replaces it" in ran.err
    assert sorted(outputs(out)) == ["a.mkv", "deep/b.mp4"]
    assert (out / "a.mkv").read_text() == "precious"
    assert again(archive, out, "--overwrite") == ["a.mkv"]


# ---- errors ---------------------------------------------------------------------------------


def test_a_full_disk_is_tried_again_and_the_next_run_goes_on(
    archive: Path, out: Path, tmp_path: Path
) -> None:
    film(archive / "a.mkv", Video(80, (160, 120)))
    words = ("-m", "nearest", "--crf", "0", "--preset", "ultrafast", "--chunk-seconds", "0.4")
    with mounted(tmp_path / "disk", "size=768k") as disk:
        line = ("remaster", archive, "-o", disk / "out", *words, "--progress", "json")
        events = vsr_here(*line).events
        again = {event["film"]: event["message"] for event in events if event["event"] == "retry"}
        assert "No space left on device" in again["a.mkv"]
        job = listed(disk / "out")[0]
        assert (job["output"], job["state"], job["tries"]) == ("a.mkv", "failed", 2)
        assert job["done"] > 0
        subprocess.run(["mount", "-o", "remount,size=32m", str(disk)], check=True)
        assert vsr_here(*line).code == 0
        broken = outputs(disk / "out")
    assert vsr_here("remaster", archive, "-o", out, *words).code == 0
    assert broken == outputs(out)


def listed(out: Path) -> list[dict[str, Any]]:
    ran = vsr_here("jobs", "list", out, "--json")
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = json.loads(ran.words)
    return found


def test_a_film_for_which_there_is_no_room_stops_no_other(archive: Path, tmp_path: Path) -> None:
    with (archive / "a.mkv").open("ab") as file:
        file.truncate(300_000)  # sparse, and as good a film as before
    with mounted(tmp_path / "disk", "size=512k") as disk:
        ran = remaster(archive, disk / "out")
        assert ran.code == 1
        [line] = ran.err.splitlines()
        assert "out/a.mkv: no room for it: about 600 kB are needed until it is joined, " in line
        assert sorted(outputs(disk / "out")) == ["deep/b.mp4"]


def test_a_failure_that_would_last_is_not_tried_again_unless_that_is_asked_for(
    archive: Path, out: Path
) -> None:
    assert remaster(archive, out).code == 0
    with Store(record_of(str(out))) as store:
        job = store.job("a.mkv")
        assert job is not None
        store.settle(job, failed("beyond repair", 1, lasting=True))
    ran = remaster(archive, out)
    assert (ran.code, ran.err) == (1, "vsr: a.mkv: beyond repair\n")
    (out / "a.mkv").unlink()
    assert vsr_here("jobs", "retry", out).words == "to be done again: a.mkv\n1 films\n"
    assert again(archive, out) == ["a.mkv"]


def test_two_at_once_are_refused(archive: Path, out: Path) -> None:
    with open_record(str(out)):
        ran = remaster(archive, out)
    assert ran.code == 1
    assert f"another vsr (process {os.getpid()}) is at work on it now" in ran.err


# ---- interruptions --------------------------------------------------------------------------


def test_a_killed_run_goes_on_to_the_same_bytes(archive: Path, out: Path, tmp_path: Path) -> None:
    film(archive / "c.mkv", Video(30))
    words = ("remaster", archive, *QUICK, "-o")
    for chunks in (1, 1, 2):
        killed_after(chunks, *words, out)
    rows = {row["output"]: row for row in listed(out)}
    assert {name: (row["state"], row["done"]) for name, row in rows.items()} == {
        "a.mkv": ("done", 24),
        "c.mkv": ("begun", 10),
        "deep/b.mp4": ("waiting", 0),
    }
    assert vsr_here(*words, out).code == 0
    assert vsr_here(*words, tmp_path / "whole").code == 0
    assert outputs(out) == outputs(tmp_path / "whole")
    assert not list(out.rglob(".*.vsr"))


def test_the_first_interrupt_finishes_the_chunk_and_the_second_leaves_at_once(
    archive: Path, out: Path, tmp_path: Path
) -> None:
    film(archive / "a.mkv", Video(100))
    words = ("remaster", archive, *SLOWLY, "-o")
    process = stopped_after(1, *words, out)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    events = [json.loads(line) for line in err.splitlines()]
    told = [event["event"] for event in events if event["event"] not in BY_TIME]
    assert told == ["stock", "start", "stopping", "end", "error"]
    assert events[-1]["message"] == (
        "interrupted; 0 of 2 films are dealt with, 20 frames of others are kept; "
        "the same command goes on from there"
    )
    assert listed(out)[0]["done"] == 20
    assert manifest(out)["a.mkv"]["state"] == "begun"
    with Store(record_of(str(out))) as store:
        assert all(a.ended for job in store.jobs() for a in store.attempts(job))

    process = begin(*words, out)
    wait_for("progress", process)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - began < 6
    assert vsr_here(*words, out).code == 0
    assert vsr_here(*words, tmp_path / "whole").code == 0
    assert outputs(out) == outputs(tmp_path / "whole")


@pytest.mark.parametrize("place", [(Muxer, "commit"), (WorkFolder, "remove")])
def test_a_run_killed_when_a_film_was_done_loses_nothing(
    archive: Path, out: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[Any, str]
) -> None:
    def cut(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(*place, cut)
        with pytest.raises(PowerCut):
            remaster(archive, out)
    assert (out / "a.mkv").exists() == (place[1] == "remove")
    events = remaster(archive, out, style="json").events
    found = {e["film"]: e["found"] for e in events if e["event"] == "start"}
    assert found == ({"deep/b.mp4": 0} | ({} if place[1] == "remove" else {"a.mkv": 24}))
    assert sorted(outputs(out)) == ["a.mkv", "deep/b.mp4"]
    with Store(record_of(str(out))) as store:
        assert {outcome.state for outcome in store.outcomes().values()} == {DONE}


# ---- beforehand -----------------------------------------------------------------------------


def test_a_dry_run_says_what_would_be_done_and_leaves_nothing(
    archive: Path, out: Path, tmp_path: Path
) -> None:
    (archive / "empty.mp4").touch()
    film(archive / "deep/c.avi", Video(4, codec="mpeg4"))
    before = listing(tmp_path)
    ran = remaster(archive, out, "--dry-run", style="auto")
    assert ran.code == 1
    assert ran.words.splitlines() == [
        "to do     a.mkv -> a.mkv: 64x48 -> 128x96, 24 frames",
        "to do     deep/b.mp4 -> deep/b.mp4: 64x48 -> 128x96, 14 frames",
        "to do     deep/c.avi -> deep/c.mkv: 64x48 -> 128x96, 4 frames",
        "failed    empty.mp4: the file is empty",
    ]
    [sampled, summed] = ran.err.splitlines()
    assert re.fullmatch(r"sampled: \d+ frames of a.mkv to 128x96: \d+.\d frames/s", sampled)
    assert summed.startswith("3 films: about 0:00:0")
    assert listing(tmp_path) == before

    assert remaster(archive, out).code == 1
    before, when = listing(out), times(out)
    ran = remaster(archive, out, "--dry-run")
    assert ran.words.splitlines()[0] == "done      a.mkv"
    assert (listing(out), times(out)) == (before, when)


def test_machines_are_told_what_a_dry_run_finds(archive: Path, out: Path) -> None:
    (archive / "empty.mp4").touch()
    events = remaster(archive, out, "--dry-run", "--no-estimate", style="json").events
    told = [each["event"] for each in events if each["event"] not in BY_TIME]
    assert told == ["stock", "plan", "plan", "error"]
    stock = next(each for each in events if each["event"] == "stock")
    assert (stock["films"], stock["to do"], stock["bad"], stock["notes"]) == (2, 2, 1, [])


def test_an_estimate_comes_near(archive: Path, out: Path) -> None:
    film(archive / "c.mkv", Video(150, (96, 64)))
    events = remaster(archive, out, "--estimate", style="json").events
    [estimate] = [event for event in events if event["event"] == "estimate"]
    assert {sample["width"] for sample in estimate["samples"]} == {128, 192}
    size = sum(len(data) for data in outputs(out).values())
    assert estimate["bytes"] == pytest.approx(size, rel=0.3)
    assert estimate["films"] == 3
    assert estimate["free"] > size
