"""Settings for the films of a folder, names of outputs, and folders that cannot be."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from vsr.errors import InputError, UsageError
from vsr.remaster.folders import Folders
from vsr.remaster.plan import check_folders, check_template, output_name
from vsr.settings import EncoderSettings, Size, UpscaleSettings

LINE = UpscaleSettings(
    model="nearest", size=Size(Fraction(3)), encoder=EncoderSettings("h264", crf=21, threads=2)
)
"""What the command line says."""


def say(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vsr.toml").write_text(text)
    return folder / "vsr.toml"


def test_the_command_line_is_for_the_whole_archive(tmp_path: Path) -> None:
    assert Folders(str(tmp_path), LINE).of("a/b").settings == LINE


def test_the_nearest_file_wins_key_by_key(tmp_path: Path) -> None:
    say(tmp_path, 'crf = 25\npreset = "fast"\ndeinterlace = "field"')
    say(tmp_path / "a/b", 'crf = 30.5\ntemporal = 1\nmodel = "lanczos"')
    folders = Folders(str(tmp_path), LINE)
    top, deep = folders.of("a").settings, folders.of("a/b/c").settings
    assert top == replace(
        LINE, deinterlace="field", encoder=replace(LINE.encoder, crf=25, preset="fast")
    )
    assert deep == replace(top, temporal=1, model="lanczos", encoder=replace(top.encoder, crf=30.5))


def test_a_size_takes_the_place_of_the_size_above(tmp_path: Path) -> None:
    say(tmp_path / "a", "height = 720")
    say(tmp_path / "a/b", 'scale = "4/3"')
    folders = Folders(str(tmp_path), LINE)
    assert folders.of("a").settings.size == Size(height=720)
    assert folders.of("a/b").settings.size == Size(Fraction(4, 3))


def test_a_codec_begins_anew(tmp_path: Path) -> None:
    say(tmp_path, '"encoder-opt" = {tune = "film", bf = 2}\npreset = "slow"')
    say(tmp_path / "a", 'crf = 30\ncodec = "hevc"')
    folders = Folders(str(tmp_path), LINE)
    options = {"tune": "film", "bf": "2"}
    assert folders.of("").settings.encoder == replace(LINE.encoder, preset="slow", options=options)
    assert folders.of("a").settings.encoder == EncoderSettings("hevc", crf=30, threads=2)


def test_a_folder_can_be_left_out_and_one_within_taken_in_again(tmp_path: Path) -> None:
    say(tmp_path / "a", "skip = true")
    say(tmp_path / "a/b", "skip = false")
    say(tmp_path / "a/c", "crf = 20")
    folders = Folders(str(tmp_path), LINE)
    assert [folders.of(path).skip for path in ("", "a", "a/c", "a/b")] == [
        False,
        True,
        True,
        False,
    ]


def test_a_networks_file_is_looked_for_in_the_same_folder(tmp_path: Path) -> None:
    say(tmp_path / "a", 'model = "own.onnx"')
    (tmp_path / "a/own.onnx").write_text("x")
    model = Folders(str(tmp_path), LINE).of("a/b").settings.model
    assert model == str(tmp_path / "a/own.onnx")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour = 3", "no key 'colour'; there is model, scale"),
        ("crf = 'low'", "crf = 'low': has to be a number"),
        ("height = 720.5", "height = 720.5: has to be a whole number"),
        ("height = true", "height = True: has to be a whole number"),
        ("skip = 1", "skip = 1: has to be true/false"),
        ("scale = 'double'", "scale: 'double' is no scale"),
        ("scale = -2", "scale: '-2' is no scale"),
        ("scale = 99", "scale: scale 99 is not between 1 and 16"),
        ("scale = 2\nheight = 720", "scale and height: give either a scale or a size"),
        ("deinterlace = 'maybe'", "deinterlace: no 'maybe'; there is auto, off"),
        ("temporal = 3", "temporal: --temporal 3 is not between 0 and 1"),
        ("crf = ", "not TOML: "),
        ("crf = '\x00'", "not TOML: "),
    ],
)
def test_what_a_file_says_wrong_is_named_with_file_and_key(
    tmp_path: Path, text: str, words: str
) -> None:
    path = say(tmp_path / "a", text)
    with pytest.raises(UsageError) as caught:
        Folders(str(tmp_path), LINE).of("a/b")
    assert str(caught.value).startswith(f"{path}: {words}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model = 'none'", "model: no model 'none'"),
        ("codec = 'none'", "codec: no encoder 'none'"),
        ("preset = 'hurried'", "preset: "),
        ("encoder-opt = {nonsense = 'x'}", "encoder-opt: "),
        ("container = 'y4m'", "container: y4m holds no sound"),
        ("pix-fmt = 'none'", "pix-fmt: "),
    ],
)
def test_what_cannot_be_had_is_named_with_file_and_key_before_any_work(
    tmp_path: Path, text: str, words: str
) -> None:
    path = say(tmp_path / "a", text)
    folders = Folders(str(tmp_path), LINE)
    folders.of("a/b")
    with pytest.raises(UsageError) as caught:
        folders.check()
    assert str(caught.value).startswith(f"{path}: {words}")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "vsr.toml").mkdir()
    with pytest.raises(InputError, match=r"vsr\.toml: cannot be read: Is a directory"):
        Folders(str(tmp_path), LINE).of("")


# ---- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{stem}{suffix}", "a/my.film.mkv"),
        ("{stem}.{size}{suffix}", "a/my.film.x3.mkv"),
        ("{source}{suffix}", "a/my.film.avi.mkv"),
        ("{model}-{stem}.mp4", "a/nearest-my.film.mp4"),
    ],
)
def test_names_are_made_by_a_template(template: str, name: str) -> None:
    check_template(template)
    assert output_name(template, "a/my.film.avi", ".mkv", LINE) == name


def test_a_size_in_a_name() -> None:
    names = [
        output_name("{stem}.{size}", "a.avi", "", replace(LINE, size=size))
        for size in (Size(Fraction(3, 2)), Size(height=1080), Size(width=1920))
    ]
    assert names == ["a.x1.5", "a.1080p", "a.1920w"]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{name}", "no field {name}; there is {stem}, {suffix}"),
        ("{stem", "expected '}'"),
        ("{stem.__class__}", "no field"),
        ("{stem!r}", "no field"),
        ("{}", "no field {}"),
        ("x/{stem}", "a name, not a path"),
        (".{stem}", "does not begin with a dot"),
        ("film{suffix}", "without {stem} or {source} all are called alike"),
    ],
)
def test_a_template_that_cannot_be_is_refused(template: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_template(template)
    assert words in str(caught.value)


# ---- folders --------------------------------------------------------------------------------


def test_folders_that_would_make_sources_of_results_are_refused(tmp_path: Path) -> None:
    archive = tmp_path / "out/archive"
    archive.mkdir(parents=True)
    (tmp_path / "link").symlink_to("out")
    (tmp_path / "file").touch()
    for out, words in [
        (archive, "is the archive itself"),
        (tmp_path / "out", "the archive lies in it"),
        (tmp_path / "link", "the archive lies in it"),
        (tmp_path, "the archive lies in it"),
        (tmp_path / "file", "not a folder; the results need one"),
    ]:
        with pytest.raises(InputError, match=words):
            check_folders(str(archive), str(out))
    for out in (archive / "results", tmp_path / "out/archive2", tmp_path / "other"):
        check_folders(str(archive), str(out))


def test_an_archive_has_to_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").touch()
    with pytest.raises(InputError, match="not a folder; vsr upscale takes single films"):
        check_folders(str(tmp_path / "a.mkv"), str(tmp_path / "out"))
    with pytest.raises(InputError, match="no such folder"):
        check_folders(str(tmp_path / "b"), str(tmp_path / "out"))
