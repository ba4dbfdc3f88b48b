"""What vsr does with what it cannot work on: one clear line, an exit code, nothing left behind."""

import os
import shutil
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import av
import onnx
import pytest
from films import Cover, Sound, Text, Video, film, frames_of, png
from runs import QUICK, Ran, begin, listing, mounted, vsr, vsr_here, wait_for
from small_networks import model, node


def refused(folder: Path, *words: str | Path, code: int = 1) -> str:
    """The one line that `vsr upscale` says before it leaves; nothing in the folder changes."""
    before = listing(folder)
    ran = vsr_here("upscale", *words, *QUICK, "--progress", "none")
    assert listing(folder) == before
    return said(ran, code)


def said(ran: Ran, code: int) -> str:
    assert ran.code == code, ran.err
    assert ran.out == b""
    [line] = ran.err.splitlines()
    assert line.startswith("vsr: ")
    return line.removeprefix("vsr: ")


def cut(path: Path, keep: float) -> Path:
    """Cut a file off, as a full disk or a lost connection does."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


# ---- files that are no films ----------------------------------------------------------------


def test_a_text_that_calls_itself_a_film(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("This is not a film.\n" * 100)
    line = refused(tmp_path, path)
    assert line.startswith(f"{path}: not a film that can be read (")


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.mkv"
    path.touch()
    assert refused(tmp_path, path) == f"{path}: the file is empty"


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "gone.mkv"
    assert refused(tmp_path, path) == f"{path}: no such file"


def test_a_directory(tmp_path: Path) -> None:
    assert (
        refused(tmp_path, tmp_path) == f"{tmp_path}: a directory, not a film; name the films in it"
    )


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"), [("a.png", "png", "rgb24"), ("a.jpg", "mjpeg", "yuvj420p")]
)
def test_a_single_picture(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    path = film(tmp_path / name, Video(frames=1, codec=codec, pix_fmt=pix_fmt), container="image2")
    assert refused(tmp_path, path) == f"{path}: a single picture, not a film; vsr upscales films"


def test_sound_alone(tmp_path: Path) -> None:
    path = film(tmp_path / "song.mka", Sound(), container="matroska")
    assert (
        refused(tmp_path, path)
        == f"{path}: holds no video (audio only); there is nothing to upscale"
    )


def test_sound_with_a_cover_picture(tmp_path: Path) -> None:
    path = film(tmp_path / "song.mp4", Sound("aac"), Cover(png()), container="mp4")
    assert "holds no video" in refused(tmp_path, path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.mkv", "it ends before the first picture"),
        ("none.mp4", "holds no video, nor anything else; there is nothing to upscale"),
        ("none.nut", "not a film that can be read (Invalid data found when processing input)"),
    ],
)
def test_a_video_stream_without_a_picture(tmp_path: Path, name: str, reason: str) -> None:
    path = tmp_path / name
    with av.open(path, "w") as out:
        Video().add(out)
        out.start_encoding()
    assert refused(tmp_path, path) == f"{path}: {reason}"


@pytest.mark.parametrize(("name", "codec"), [("odd.mkv", b"V_MPEG4/ISO/AVC"), ("odd.mp4", b"avc1")])
def test_a_video_format_that_nobody_knows(tmp_path: Path, name: str, codec: bytes) -> None:
    path = film(tmp_path / name, Video(frames=2))
    path.write_bytes(path.read_bytes().replace(codec, codec[:-1] + b"?"))
    line = refused(tmp_path, path)
    assert line == f"{path}: its video is in a format that no decoder here knows"


# ---- films that are damaged -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["half.mkv", "half.mp4"])
def test_of_a_film_that_is_cut_off_all_is_enlarged_that_is_there_and_vsr_says_so(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    options = {"movflags": "+faststart"} if name.endswith("mp4") else None
    film(path, Video(frames=250, options={"g": "10"}), options=options)
    cut(path, 0.5)
    ran = vsr_here("upscale", path, *QUICK, "-o", tmp_path / "large.mkv")
    assert ran.code == 0
    assert "note: the file is cut off: it ends at " in ran.err
    assert 50 < len(frames_of(tmp_path / "large.mkv")) < 200


def test_a_film_that_is_whole_is_not_called_cut_off(tmp_path: Path) -> None:
    path = film(tmp_path / "whole.mkv", Video(frames=100), Sound(seconds=5))  # type: ignore[arg-type]
    ran = vsr_here("upscale", path, *QUICK, "-o", tmp_path / "large.mkv")
    assert ran.code == 0
    assert "cut off" not in ran.err


def test_an_mp4_cut_off_before_its_index(tmp_path: Path) -> None:
    path = cut(film(tmp_path / "half.mp4", Video(frames=100)), 0.5)
    assert "not a film that can be read" in refused(tmp_path, path)


def test_a_film_cut_off_before_its_first_picture(tmp_path: Path) -> None:
    path = film(tmp_path / "head.mkv", Video(frames=1))
    path.write_bytes(path.read_bytes()[:700])
    line = refused(tmp_path, path)
    assert "before the first picture" in line or "no picture" in line


# ---- films that are odd but whole -----------------------------------------------------------


def test_a_film_of_one_frame_is_enlarged(tmp_path: Path) -> None:
    path = film(tmp_path / "one.mkv", Video(frames=1))
    assert vsr_here("upscale", path, *QUICK, "-o", tmp_path / "large.mkv").code == 0
    [picture] = frames_of(tmp_path / "large.mkv")
    assert (picture.width, picture.height) == (128, 96)


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p"])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 2)])
def test_the_smallest_films_are_enlarged(
    tmp_path: Path, size: tuple[int, int], pix_fmt: str
) -> None:
    path = film(tmp_path / "tiny.mkv", Video(frames=2, size=size, codec="ffv1", pix_fmt=pix_fmt))
    ran = vsr_here("upscale", path, *QUICK, "-o", tmp_path / "large.mkv")
    assert ran.code == 0, ran.err
    pictures = frames_of(tmp_path / "large.mkv")
    assert [(p.width, p.height) for p in pictures] == [(2 * size[0], 2 * size[1])] * 2


# ---- outputs that cannot be -----------------------------------------------------------------


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return film(tmp_path / "movie.mkv", Video(frames=5))


def test_a_folder_that_may_not_be_written_to(tmp_path: Path, movie: Path) -> None:
    with mounted(tmp_path / "locked", "ro") as folder:
        line = refused(tmp_path, movie, "-o", folder / "large.mkv")
    assert line == f"{folder}/large.mkv: the folder {folder} may not be written to"


def test_a_folder_that_is_a_file(tmp_path: Path, movie: Path) -> None:
    (tmp_path / "file").write_text("x")
    line = refused(tmp_path, movie, "-o", tmp_path / "file/large.mkv")
    assert line == f"{tmp_path}/file/large.mkv: there is no folder {tmp_path}/file; make it first"


@pytest.mark.parametrize("output", ["none/large.mkv", "none/"])
def test_a_folder_that_is_missing(tmp_path: Path, movie: Path, output: str) -> None:
    line = refused(tmp_path, movie, "-o", f"{tmp_path}/{output}")
    assert "there is no folder" in line
    assert f"{tmp_path}/none" in line


def test_an_output_that_exists(tmp_path: Path, movie: Path) -> None:
    large = tmp_path / "large.mkv"
    large.write_text("precious")
    assert (
        refused(tmp_path, movie, "-o", large) == f"{large}: exists already; --overwrite replaces it"
    )


def test_an_output_that_exists_is_replaced_where_that_is_asked_for(
    tmp_path: Path, movie: Path
) -> None:
    large = tmp_path / "large.mkv"
    large.write_text("worthless")
    assert vsr_here("upscale", movie, *QUICK, "-o", large, "--overwrite").code == 0
    assert len(frames_of(large)) == 5


def test_an_output_that_exists_stays_where_its_replacement_fails(
    tmp_path: Path, movie: Path
) -> None:
    large = tmp_path / "large.mkv"
    large.write_text("precious")
    refused(tmp_path, cut(movie, 0.3), "-o", large, "--overwrite")
    refused(tmp_path, movie, "-o", large, "--overwrite", "--device", "GPU.9")


@pytest.mark.parametrize("make", [None, os.symlink, os.link])
def test_an_output_in_the_inputs_place(tmp_path: Path, movie: Path, make: object) -> None:
    other = movie
    if callable(make):
        other = tmp_path / "other.mkv"
        make(movie, other)
    line = refused(tmp_path, movie, "-o", other, "--overwrite")
    assert line == f"{other}: the output would take the source's place"


def test_a_device_or_a_pipe_is_never_replaced_by_a_file(tmp_path: Path, movie: Path) -> None:
    pipe = tmp_path / "pipe.mkv"
    os.mkfifo(pipe)
    for output in (pipe, Path("/dev/null")):
        line = refused(tmp_path, movie, "-o", output, "--overwrite", "-f", "mkv")
        assert line == f"{output}: not a file; for a pipe say -o - and send that there"


def test_an_output_whose_name_tells_no_container(tmp_path: Path, movie: Path) -> None:
    line = refused(tmp_path, movie, "-o", tmp_path / "large.film", code=2)
    assert "its name tells no container that can be written; end it in .mkv" in line


def test_subtitles_that_the_container_cannot_hold(tmp_path: Path) -> None:
    path = film(tmp_path / "movie.mkv", Video(frames=5), Text("ass"))
    line = refused(tmp_path, path, "-o", tmp_path / "large.mp4")
    assert "mp4 cannot hold stream 1, subtitle ass" in line
    assert ".mkv" in line


# ---- disks that are full --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["large.mkv", "large.mp4"])
def test_a_disk_that_becomes_full(tmp_path: Path, name: str) -> None:
    movie = film(tmp_path / "movie.mkv", Video(frames=60, size=(160, 120)))
    with mounted(tmp_path / "disk", "size=192k") as disk:
        line = refused(disk, movie, "-o", disk / name, "--crf", "0")
    assert line == f"{disk}/{name}: cannot be written: No space left on device"


def test_a_disk_that_is_too_small_by_a_few_bytes_is_noticed_without_verification(
    tmp_path: Path,
) -> None:
    movie = film(tmp_path / "movie.mkv", Video(frames=60, size=(160, 120)))
    words = ("-o", tmp_path / "large.mkv", "--no-verify")
    assert vsr_here("upscale", movie, *QUICK, *words).code == 0
    room = (tmp_path / "large.mkv").stat().st_size // 4096
    with mounted(tmp_path / "disk", f"size={room * 4}k") as disk:
        line = refused(disk, movie, "-o", disk / "large.mkv", "--no-verify")
    assert "No space left on device" in line


def test_a_disk_that_is_full_from_the_start(tmp_path: Path, movie: Path) -> None:
    with mounted(tmp_path / "disk", "size=32k") as disk:
        with (disk / "ballast").open("wb", buffering=0) as file:
            while file.write(bytes(10000)) == 10000:
                pass
        assert "No space left on device" in refused(disk, movie, "-o", disk / "large.mkv")


def test_a_full_disk_behind_standard_output(tmp_path: Path, movie: Path) -> None:
    with open("/dev/full", "wb") as full:
        ran = vsr("upscale", movie, *QUICK, "-o", "-", "--progress", "none", stdout=full)
    assert said(ran, 1) == "standard output: cannot be written: No space left on device"


# ---- runs that were killed ------------------------------------------------------------------


def slow(tmp_path: Path) -> tuple[Path, Sequence[str]]:
    """A film and words that keep vsr busy for longer than any test waits."""
    movie = film(tmp_path / "long.mkv", Video(frames=200))
    return movie, ("-m", "nearest", "-x", "16", "--preset", "placebo")


def hidden(folder: Path) -> set[str]:
    return {name for name in listing(folder) if name.endswith(".vsr")}


def test_what_a_killed_run_left_has_no_final_name_and_the_next_run_removes_it(
    tmp_path: Path, movie: Path
) -> None:
    long, words = slow(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    with begin("upscale", long, *words, "-o", out / "large.mkv") as process:
        wait_for("progress", process)
        process.send_signal(signal.SIGKILL)
    assert hidden(out) == {".large.mkv.vsr"}
    assert "large.mkv" not in listing(out)

    other = vsr_here("upscale", movie, *QUICK, "-o", out / "large2.mkv")
    assert other.code == 0
    assert hidden(out) == {".large.mkv.vsr"}  # it is another output's

    ran = vsr_here("upscale", movie, *QUICK, "-o", out / "large.mkv")
    assert ran.code == 0
    assert sorted(listing(out)) == ["large.mkv", "large2.mkv"]


def test_two_runs_do_not_write_the_same_output_at_once(tmp_path: Path, movie: Path) -> None:
    long, words = slow(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    with begin("upscale", long, *words, "-o", out / "large.mkv") as process:
        try:
            wait_for("start", process)
            ran = vsr_here("upscale", movie, *QUICK, "-o", out / "large.mkv", "--progress", "none")
            line = said(ran, 1)
            assert f"another vsr (process {process.pid}) is writing it now" in line
            assert ".large.mkv.vsr/000000000.partial" in listing(out)
        finally:
            process.kill()


def test_a_file_of_somebody_elses_in_the_work_folder_is_left_alone(
    tmp_path: Path, movie: Path
) -> None:
    (tmp_path / ".large.mkv.vsr").mkdir()
    (tmp_path / ".large.mkv.vsr" / "notes.txt").write_text("mine")
    assert vsr_here("upscale", movie, *QUICK, "-o", tmp_path / "large.mkv").code == 0
    assert listing(tmp_path)[".large.mkv.vsr/notes.txt"] == b"mine"
    assert len(listing(tmp_path / ".large.mkv.vsr")) == 1


def test_a_file_in_the_work_folders_place(tmp_path: Path, movie: Path) -> None:
    (tmp_path / ".large.mkv.vsr").write_text("mine")
    line = refused(tmp_path, movie, "-o", tmp_path / "large.mkv")
    assert line == f"{tmp_path}/.large.mkv.vsr: stands where the work is to be done"


# ---- words that make no sense ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["-m", "nosuch"], "no model 'nosuch'; there is "),
        (["--codec", "nosuch"], "no encoder 'nosuch'; there is h264, hevc, "),
        (["--codec", "aac"], "'aac' encodes audio, not video"),
        (["--backend", "nosuch"], "no backend 'nosuch'; there is tensorrt, torch, openvino"),
        (["--precision", "fp7"], "Invalid value for '--precision': 'fp7' is not one of 'auto', "),
        (["--precision", "int8", "-m", "bicubic"], "bicubic has no int8 twin; choose another "),
        (["--deinterlace", "x"], "Invalid value for '--deinterlace': 'x' is not one of 'auto', "),
        (["--pix-fmt", "nosuch"], "libx264 does not encode nosuch; it takes yuv420p, "),
        (["--encoder-opt", "nosuch=1"], "libx264 has no option nosuch"),
        (["--encoder-opt", "nosuch"], "encoder option 'nosuch' is not of the form key=value"),
        (["--encoder-opt", "=1"], "encoder option '=1' is not of the form key=value"),
        (["--preset", "warp"], "libx264 refuses "),
        (["-f", "nosuch"], "no container 'nosuch' can be written; say mkv, mp4 or mov"),
        (["-f", "mp4", "-o", "-"], "mp4 cannot be written to a pipe; mkv, nut and y4m can"),
        (["-x", "big"], "'big' is no scale; say 2, 1.5 or 4/3"),
        (["-x", "4/0"], "'4/0' is no scale; say 2, 1.5 or 4/3"),
        (["-x", "-2"], "'-2' is no scale; say 2, 1.5 or 4/3"),
        (["-x", "0.5"], "scale 0.5 is not between 1 and 16"),
        (["-x", "17"], "scale 17 is not between 1 and 16"),
        (["-x", "2", "--height", "100"], "give either a scale or a size, not both"),
        (["--height", "0"], "height 0 is not between 2 and 16384"),
        (["--width", "99999"], "width 99999 is not between 2 and 16384"),
        (["--start", "soon"], "'soon' is no time; say 90, 1:30 or 0:01:30.5"),
        (["--start", "-1"], "'-1' is no time; say 90, 1:30 or 0:01:30.5"),
        (["--end", "1:2:3:4"], "'1:2:3:4' is no time; say 90, 1:30 or 0:01:30.5"),
        (["--start", "3", "--end", "2"], "the end, 2.0 s, is not after the start"),
        (["--frames", "0"], "0 frames is nothing to do"),
        (["--threads", "-1"], "-1 threads is nothing to compute with"),
        (["--tile", "8"], "tile 8 is too small; 32 is the least"),
        (["--heigth", "100"], "No such option: --heigth (Possible options: --height, "),
        (["--crf", "low"], "Invalid value for '--crf': "),
    ],
)
def test_wrong_words_are_named_and_exit_with_2(
    tmp_path: Path, movie: Path, words: list[str], line: str
) -> None:
    before = listing(tmp_path)
    if "-o" not in words:
        words = [*words, "-o", str(tmp_path / "large.mkv")]
    if "-m" not in words:
        words = [*words, "-m", "nearest"]
    ran = vsr_here("upscale", movie, "--progress", "none", *words)
    assert line in said(ran, 2)
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--device", "GPU.9"], "OpenVINO has no device GPU.9 here; it has CPU"),
        (["--start", "5"], "no picture from 5 s on; the film lasts 0.20 s"),
        (["--start", "0.05", "--end", "0.06"], "no picture between 0.05 and 0.06 s"),
    ],
)
def test_words_that_do_not_fit_this_machine_or_film_exit_with_1(
    tmp_path: Path, movie: Path, words: list[str], line: str
) -> None:
    assert line in refused(tmp_path, movie, *words, "-o", tmp_path / "large.mkv")


# ---- networks that are none -----------------------------------------------------------------


def test_networks_that_are_none_are_refused_with_the_reason(tmp_path: Path, movie: Path) -> None:
    def reason(path: Path) -> str:
        words = ("-o", tmp_path / "large.mkv", "-m", path, "--progress", "none")
        return said(vsr_here("upscale", movie, *words), 1)

    path = tmp_path / "net.onnx"
    assert reason(path) == f"{path}: no such file"
    path.write_text("not a network")
    assert f"{path}: cannot be read as an ONNX model" in reason(path)
    onnx.save(model([node("Relu", "x", "y")], channels=4), path)
    assert f"{path}: not a super-resolution network: its input is" in reason(path)
    onnx.save(model([node("Relu", "x", "y")], inputs=("x", "z")), path)
    assert "it has 2 inputs and 1 outputs, not one and one" in reason(path)
    assert sorted(listing(tmp_path)) == ["movie.mkv", "net.onnx"]


# ---- several films --------------------------------------------------------------------------


def test_a_bad_film_stops_no_other_and_each_failure_is_named(tmp_path: Path, movie: Path) -> None:
    empty, gone = tmp_path / "empty.mkv", tmp_path / "gone.mkv"
    empty.touch()
    other = film(tmp_path / "other.mkv", Video(frames=3))
    out = tmp_path / "out"
    out.mkdir()
    films = (empty, movie, gone, other)
    ran = vsr("upscale", *films, *QUICK, "-o", out, "--progress", "none")
    assert ran.code == 1
    assert ran.err.splitlines() == [
        f"vsr: {empty}: the file is empty",
        f"vsr: {gone}: no such file",
        f"vsr: 2 of 4 films failed: {empty}, {gone}",
    ]
    assert sorted(listing(out)) == ["movie.x2.mkv", "other.x2.mkv"]


def test_a_failure_whose_words_name_no_film_gets_its_name(tmp_path: Path, movie: Path) -> None:
    other = film(tmp_path / "other.mkv", Video(frames=3))
    words = ("--device", "GPU.9", "--progress", "none")
    ran = vsr_here("upscale", movie, other, *QUICK, *words)
    assert ran.code == 1
    lines = ran.err.splitlines()
    assert lines[0].startswith(f"vsr: {movie}: OpenVINO has no device GPU.9")
    assert lines[1].startswith(f"vsr: {other}: OpenVINO has no device GPU.9")


def test_words_that_are_wrong_for_all_films_are_said_once(tmp_path: Path, movie: Path) -> None:
    other = film(tmp_path / "other.mkv", Video(frames=3))
    assert "no model 'nosuch'" in said(vsr_here("upscale", movie, other, "-m", "nosuch"), 2)


def test_several_films_need_a_folder(tmp_path: Path, movie: Path) -> None:
    for output in ("-", tmp_path / "large.mkv"):
        line = refused(tmp_path, movie, movie, "-o", output, code=2)
        assert line == f"2 films need a folder to go to; {output} is none"


def test_two_films_of_one_name_do_not_replace_each_other(tmp_path: Path, movie: Path) -> None:
    folder, out = tmp_path / "folder", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    other = folder / movie.name
    shutil.copy(movie, other)
    words = ("-o", out, "--overwrite", "--progress", "none")
    ran = vsr_here("upscale", movie, other, *QUICK, *words)
    assert ran.code == 1
    [line, _] = ran.err.splitlines()
    assert line == f"vsr: {other}: {out}/movie.x2.mkv was made just now, from another film"
    assert len(frames_of(out / "movie.x2.mkv")) == 5


# ---- looking on -----------------------------------------------------------------------------


def test_the_traceback_is_shown_only_where_it_is_asked_for(tmp_path: Path) -> None:
    empty = tmp_path / "empty.mkv"
    empty.touch()
    assert "Traceback" not in vsr("upscale", empty).err
    debug = vsr("upscale", empty, VSR_DEBUG="1").err
    assert "Traceback" in debug
    assert "open_input" in debug
    assert debug.splitlines()[-1] == f"vsr: {empty}: the file is empty"


def test_info_of_a_bad_film_fails_in_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty.mkv"
    empty.touch()
    assert said(vsr_here("info", empty), 1) == f"{empty}: the file is empty"
    assert said(vsr_here("info", tmp_path / "gone"), 1) == f"{tmp_path}/gone: no such file"
    assert "Missing argument" in said(vsr_here("info"), 2)


def test_no_thread_of_ours_outlives_a_failure(tmp_path: Path, movie: Path) -> None:
    refused(tmp_path, movie, "--start", "5", "-o", tmp_path / "large.mkv")
    assert not [t for t in threading.enumerate() if t.name.startswith("vsr")]
