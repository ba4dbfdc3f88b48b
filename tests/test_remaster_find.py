"""An archive's films are found, whatever lies about between them; what is none is named."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from vsr.remaster.find import Found, Search
from vsr.remaster.globs import matches

NOBODY = 65534


def tree(root: Path, *paths: str) -> Path:
    """Files that are not empty, with all folders above them."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")
    return root


def search(root: Path, **words: Any) -> Found:
    return Search(str(root), str(root / "out"), **words).run()


def reasons(found: Found) -> dict[str, str]:
    return {trouble.path: trouble.reason for trouble in found.troubles}


def test_films_are_found_in_all_folders_in_the_order_of_their_names(tmp_path: Path) -> None:
    tree(tmp_path, "b/2.MKV", "b/1.mp4", "a.avi", "b/notes.txt", "c/d/e/x.mts", "mp4")
    found = search(tmp_path)
    assert found.films == ["a.avi", "b/1.mp4", "b/2.MKV", "c/d/e/x.mts"]
    assert found.troubles == []


def test_names_that_begin_with_a_dot_are_passed_over(tmp_path: Path) -> None:
    tree(tmp_path, ".a.mkv.vsr/x.mp4", "._b.mp4", "b.mp4")
    assert search(tmp_path).films == ["b.mp4"]


def test_the_folder_of_the_results_is_not_searched_by_any_way(tmp_path: Path) -> None:
    tree(tmp_path, "a.mkv", "out/a.mkv", "b/c.mkv")
    (tmp_path / "b/link").symlink_to("../out")
    assert search(tmp_path).films == ["a.mkv", "b/c.mkv"]


def test_results_of_another_run_are_no_films(tmp_path: Path) -> None:
    tree(tmp_path, "a.mkv", "other/.vsr/jobs.sqlite", "other/a.mkv", "other/deep/b.mkv")
    found = search(tmp_path)
    assert found.films == ["a.mkv"]
    assert found.notes == ["other: holds results of vsr remaster; passed over"]


@pytest.mark.parametrize(
    ("words", "films"),
    [
        ({"include": ["*.gif"]}, ["b/c/z.gif", "y.gif"]),
        ({"include": ["b/**"]}, ["b/1.mkv", "b/c/2.mkv", "b/c/z.gif"]),
        ({"include": ["b/*.mkv", "y.*"]}, ["b/1.mkv", "y.gif"]),
        ({"exclude": ["c"]}, ["b/1.mkv"]),
        ({"exclude": ["**/c/*"]}, ["b/1.mkv"]),
        ({"exclude": ["*.mkv"], "include": ["b/**"]}, ["b/c/z.gif"]),
    ],
)
def test_what_is_a_film_can_be_said(
    tmp_path: Path, words: dict[str, list[str]], films: list[str]
) -> None:
    tree(tmp_path, "b/1.mkv", "b/c/2.mkv", "b/c/z.gif", "y.gif")
    assert search(tmp_path, **words).films == films


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("a/b/c.mkv", "a/**/c.mkv", True),
        ("a/c.mkv", "a/**/c.mkv", True),
        ("a/b/c.mkv", "a/*.mkv", False),
        ("a/b/c.mkv", "**", True),
        ("a/b/c.mkv", "./a/b/?.mkv", True),
        ("a/b/[c].mkv", "a/b/[[]c].mkv", True),
        ("1987.mkv", "19[0-8]?.mkv", True),
        ("1997.mkv", "19[!9]?.mkv", False),
        ("a+b(c).mkv", "a+b(c).*", True),
        ("aab(c).mkv", "a+b(c).*", False),
        ("line\nbreak.mkv", "line*.mkv", True),
    ],
)
def test_patterns_mean_what_they_mean_in_shells(path: str, pattern: str, fits: bool) -> None:
    assert matches(path, [pattern]) == fits


def test_everything_that_is_no_film_is_named_and_stops_nothing(tmp_path: Path) -> None:
    tree(tmp_path, "dir.mp4/inner.mkv", "z.mkv")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "gone.mkv").symlink_to("nowhere")
    (tmp_path / "self.mkv").symlink_to("self.mkv")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "above").symlink_to("..")
    (tmp_path / "dir.mp4/loop").symlink_to("../dir.mp4")
    os.mkfifo(tmp_path / "pipe.mkv")
    (tmp_path / "dead").symlink_to("nowhere")  # no film's name, and nothing there
    found = search(tmp_path)
    assert found.films == ["dir.mp4/inner.mkv", "z.mkv"]
    assert reasons(found) == {
        "above": "a link to a folder that it lies in; not followed",
        "dir.mp4": "a folder, not a film; what is in it is searched",
        "dir.mp4/loop": "a link to a folder that it lies in; not followed",
        "empty.mp4": "the file is empty",
        "gone.mkv": "a link to nowhere, which is not there",
        "loop": "a link to a folder that it lies in; not followed",
        "pipe.mkv": "neither a file nor a folder",
        "self.mkv": "a link that leads in a circle",
    }


def test_a_link_to_a_folder_elsewhere_is_followed_once(tmp_path: Path) -> None:
    tree(tmp_path / "elsewhere", "x.mkv")
    tree(tmp_path / "archive", "a.mkv", "z/b.mkv")
    for name in ("link1", "link2"):
        (tmp_path / "archive" / name).symlink_to("../elsewhere")
    (tmp_path / "archive/also").symlink_to("z")
    found = search(tmp_path / "archive")
    assert found.films == ["a.mkv", "link1/x.mkv", "z/b.mkv"]
    assert found.notes == [
        "also: a link to z, which is searched there",
        "link2: the same folder as link1",
    ]
    assert found.troubles == []


def test_a_link_that_leads_round_outside_comes_to_an_end(tmp_path: Path) -> None:
    tree(tmp_path / "elsewhere", "x.mkv")
    tree(tmp_path / "archive", "a.mkv")
    (tmp_path / "archive/link").symlink_to("../elsewhere")
    (tmp_path / "elsewhere/back").symlink_to("../archive")
    found = search(tmp_path / "archive")
    assert found.films == ["a.mkv", "link/x.mkv"]
    assert list(reasons(found)) == ["link/back"]


@contextmanager
def as_nobody() -> Iterator[Path]:
    """A folder, in which what is not for all is not for us either, not even for root."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        root = os.geteuid() == 0
        tree(Path(folder), "locked/a.mkv", "b.mkv", "c.mkv")
        os.chmod(f"{folder}/locked", 0)
        os.chmod(f"{folder}/b.mkv", 0)
        if root:
            os.seteuid(NOBODY)
        try:
            yield Path(folder)
        finally:
            if root:
                os.seteuid(0)
            os.chmod(f"{folder}/locked", 0o700)


def test_what_may_not_be_read_is_named() -> None:
    with as_nobody() as folder:
        found = search(folder)
    assert found.films == ["c.mkv"]
    assert reasons(found) == {
        "b.mkv": "no permission to read it",
        "locked": "cannot be searched: Permission denied",
    }


def test_a_name_that_is_no_text_is_found(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mkv")
    tree(tmp_path, name)
    assert search(tmp_path).films == [name]
