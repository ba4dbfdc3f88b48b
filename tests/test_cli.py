"""The command line: words, sizes, names, progress, and what the other commands say."""

import json
import os
import pty
import subprocess
import sys
import termios
from fractions import Fraction
from pathlib import Path

import av
import pytest
from films import Attachment, Sound, Text, Video, film, frames_of, times_of
from runs import LIMIT, QUICK, ROOT, VSR, environment, listing, vsr, vsr_here
from typer.main import get_command

from vsr import __version__
from vsr.cli.main import app
from vsr.cli.upscale import parse_time
from vsr.errors import InputError, one_line
from vsr.networks.catalog import cards
from vsr.settings import parse_scale

HDR10 = (
    "hdr-opt=1:repeat-headers=1:log-level=none:"
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):"
    "max-cll=1000,400"
)


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return film(tmp_path / "movie.mkv", Video(frames=10))


def size_of(path: Path) -> tuple[int, int]:
    picture = frames_of(path)[0]
    return picture.width, picture.height


# ---- the program ----------------------------------------------------------------------------


def test_it_says_its_version() -> None:
    ran = vsr("--version")
    assert (ran.code, ran.words, ran.err) == (0, f"vsr {__version__}\n", "")


def test_alone_it_shows_its_help() -> None:
    alone, asked = vsr_here(), vsr_here("--help")
    assert alone.code == asked.code == 0
    assert alone.out == asked.out
    for word in ("Usage: vsr ", "upscale", "info", "models", "doctor"):
        assert word in alone.words


def test_every_command_and_every_word_is_explained() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert {"upscale", "info", "models", "doctor"} <= set(commands)
    groups = [commands[name].commands for name in ("models", "engine")]
    for command in [*commands.values(), *(c for group in groups for c in group.values())]:
        assert command.help
        assert all(word.help for word in command.params), command.name


def test_an_error_is_one_line_whatever_it_is() -> None:
    known, unknown = InputError("in.mkv:\nnone"), KeyError("key")
    known.add_note("20 frames are kept")
    assert one_line(known, "a fault of ours") == "in.mkv: none; 20 frames are kept"
    assert one_line(unknown) == "KeyError: 'key' (not foreseen)"
    assert one_line(unknown, "a fault of ours") == "KeyError: 'key' (a fault of ours)"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["dance"], "vsr: No such command 'dance' (see vsr --help)"),
        (["--dance"], "vsr: No such option: --dance (see vsr --help)"),
        (["upscale"], "vsr: Missing argument 'films' (see vsr upscale --help)"),
    ],
)
def test_wrong_words_exit_with_2_and_one_line(words: list[str], line: str) -> None:
    ran = vsr_here(*words)
    assert (ran.code, ran.out, ran.err) == (2, b"", line + "\n")


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys, vsr.cli.main;"
        "print(*{'av', 'numpy', 'onnx', 'openvino', 'torch', 'tqdm', 'cv2'} & set(sys.modules))"
    )
    words = [sys.executable, "-c", program]
    ended = subprocess.run(words, env=environment(), capture_output=True, check=True)
    assert ended.stdout == b"\n"


def test_who_stops_reading_a_list_is_not_shouted_at(movie: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    ran = vsr("info", movie, stdout=write)
    os.close(write)
    assert (ran.code, ran.err) == (1, "")


# ---- where the result goes ------------------------------------------------------------------


def test_without_a_name_the_result_lies_beside_the_film(movie: Path) -> None:
    assert vsr_here("upscale", movie, *QUICK).code == 0
    assert sorted(listing(movie.parent)) == ["movie.mkv", "movie.x2.mkv"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["-x", "1.5"], "movie.x1.5.mkv"),
        (["--height", "72"], "movie.72p.mkv"),
        (["-f", "nut"], "movie.x2.nut"),
        (["-f", "y4m"], "movie.x2.y4m"),
    ],
)
def test_the_results_name_tells_its_size_and_container(
    movie: Path, words: list[str], name: str
) -> None:
    ran = vsr_here("upscale", movie, *QUICK, *words)
    assert ran.code == 0, ran.err
    assert set(listing(movie.parent)) == {"movie.mkv", name}


def test_several_films_go_into_a_folder(tmp_path: Path, movie: Path) -> None:
    other = film(tmp_path / "other.mp4", Video(frames=3))
    out = tmp_path / "out"
    out.mkdir()
    assert vsr_here("upscale", movie, other, *QUICK, "-o", out).code == 0
    assert sorted(listing(out)) == ["movie.x2.mkv", "other.x2.mp4"]


def test_several_films_without_a_name_lie_beside_their_films(tmp_path: Path, movie: Path) -> None:
    other = film(tmp_path / "other.mp4", Video(frames=3))
    assert vsr_here("upscale", movie, other, *QUICK).code == 0
    names = ["movie.mkv", "movie.x2.mkv", "other.mp4", "other.x2.mp4"]
    assert sorted(listing(tmp_path)) == names


@pytest.mark.parametrize(
    "name",
    [
        "Dune: Part Two.mkv",
        "file:x.mkv",
        "100 % [1080p] %03d.mkv",
        'it\'s "quoted", {braced} & more.mkv',
        "Amélie 天空 🎬.mkv",
        "-x.mkv",
        "no UTF-8 \udcff.mkv",
        ".hidden.mkv",
        "ends in a dot..mkv",
    ],
)
def test_films_have_names_of_all_kinds(
    tmp_path: Path, movie: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    movie.rename(name)
    ran = vsr_here("upscale", *QUICK, "--", name)
    assert ran.code == 0, ran.err
    stem = name.removesuffix(".mkv")
    assert set(listing(tmp_path)) == {name, f"{stem}.x2.mkv"}


# ---- sizes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ([], (128, 96)),
        (["-x", "3"], (192, 144)),
        (["-x", "1.5"], (96, 72)),
        (["-x", "4/3"], (86, 64)),
        (["-x", "1"], (64, 48)),
        (["--height", "120"], (160, 120)),
        (["--width", "100"], (100, 76)),
        (["--width", "100", "--height", "100"], (100, 100)),
    ],
)
def test_the_picture_gets_the_size_asked_for(
    tmp_path: Path, movie: Path, words: list[str], size: tuple[int, int]
) -> None:
    ran = vsr_here("upscale", movie, *QUICK, *words, "-o", tmp_path / "large.mkv")
    assert ran.code == 0, ran.err
    assert size_of(tmp_path / "large.mkv") == size


@pytest.mark.parametrize(
    ("word", "factor"), [("2", 2), ("1.5", Fraction(3, 2)), ("4/3", Fraction(4, 3)), ("03", 3)]
)
def test_factors_are_exact(word: str, factor: Fraction) -> None:
    assert parse_scale(word) == factor


# ---- parts of a film ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "seconds"),
    [
        ("90", 90),
        ("90.5", Fraction(181, 2)),
        ("0.001", Fraction(1, 1000)),
        ("1:30", 90),
        ("1:30.25", Fraction(361, 4)),
        ("1:02:03", 3723),
        ("0:01:30.5", Fraction(181, 2)),
        ("100:00:00", 360000),
        (None, None),
    ],
)
def test_times_are_said_as_people_say_them(word: str | None, seconds: Fraction | None) -> None:
    assert parse_time(word) == seconds


@pytest.mark.parametrize(
    ("words", "moments"),
    [
        (["--start", "0.2"], [0, 1, 2, 3, 4]),
        (["--end", "0:00.12"], [0, 1, 2]),
        (["--frames", "4"], [0, 1, 2, 3]),
        (["--start", "0:00:00.08", "--end", "0.2"], [0, 1, 2]),
        (["--start", "0.08", "--frames", "2"], [0, 1]),
        (["--frames", "99"], range(10)),
    ],
)
def test_the_part_asked_for_is_enlarged(
    tmp_path: Path, movie: Path, words: list[str], moments: list[int]
) -> None:
    ran = vsr_here("upscale", movie, *QUICK, *words, "-o", tmp_path / "part.mkv")
    assert ran.code == 0, ran.err
    assert times_of(tmp_path / "part.mkv") == [Fraction(n, 25) for n in moments]


# ---- encoders -------------------------------------------------------------------------------


def test_options_reach_the_encoder(tmp_path: Path, movie: Path) -> None:
    words = ("--encoder-opt", "g=3", "--encoder-opt", "x264-params=scenecut=0:bframes=0")
    ran = vsr_here("upscale", movie, *QUICK, *words, "-o", tmp_path / "large.mkv")
    assert ran.code == 0, ran.err
    keys = [n for n, picture in enumerate(frames_of(tmp_path / "large.mkv")) if picture.key_frame]
    assert keys == [0, 3, 6, 9]


def test_less_quality_takes_fewer_bytes(tmp_path: Path, movie: Path) -> None:
    for crf in ("5", "40"):
        words = ("--crf", crf, "-o", tmp_path / f"{crf}.mkv")
        assert vsr_here("upscale", movie, *QUICK, *words).code == 0
    assert (tmp_path / "40.mkv").stat().st_size < (tmp_path / "5.mkv").stat().st_size


def test_a_bit_rate_or_a_fixed_quantizer_goes_before_the_default_quality(
    tmp_path: Path, movie: Path
) -> None:
    sizes = {}
    for option in ("qp=0", "qp=50"):
        large = tmp_path / f"{option}.mkv"
        ran = vsr_here("upscale", movie, *QUICK, "--encoder-opt", option, "-o", large)
        assert ran.code == 0, ran.err
        sizes[option] = large.stat().st_size
    assert sizes["qp=50"] < sizes["qp=0"] / 2


def test_another_codec_and_pixel_format(tmp_path: Path, movie: Path) -> None:
    words = ("-m", "nearest", "--codec", "ffv1", "--pix-fmt", "yuv422p10le")
    ran = vsr_here("upscale", movie, *words, "-o", tmp_path / "large.mkv")
    assert ran.code == 0, ran.err
    with av.open(str(tmp_path / "large.mkv")) as large:
        [stream] = large.streams.video
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("ffv1", "yuv422p10le")


def test_what_was_not_read_back_is_not_called_verified(tmp_path: Path, movie: Path) -> None:
    ran = vsr_here("upscale", movie, *QUICK, "-o", tmp_path / "a.mkv")
    assert ", verified: " in ran.err
    ran = vsr_here("upscale", movie, *QUICK, "-o", tmp_path / "b.mkv", "--no-verify")
    assert ran.code == 0
    assert ", not verified: " in ran.err


# ---- progress -------------------------------------------------------------------------------


def test_json_lines_tell_the_whole_story(tmp_path: Path, movie: Path) -> None:
    empty = tmp_path / "empty.mkv"
    empty.touch()
    ran = vsr("upscale", empty, movie, *QUICK, "--progress", "json")
    assert (ran.code, ran.out) == (1, b"")
    error, start, *progress, done = ran.events
    assert error == {
        "event": "error",
        "source": str(empty),
        "message": f"{empty}: the file is empty",
    }
    assert start["event"] == "start"
    assert (start["source"], start["output"]) == (str(movie), str(movie.with_name("movie.x2.mkv")))
    assert start["total"] == 10
    assert start["info"]["format"]["width"] == 64
    assert start["large"]["format"]["width"] == 128
    assert start["info"]["rate"] == "25/1"
    assert {event["event"] for event in progress} == {"progress"}
    last = progress[-1]
    assert (last["frames"], last["total"], last["seconds_left"]) == (10, 10, 0)
    assert last["fps"] > 0
    assert last["speed"] == pytest.approx(last["fps"] / 25)
    assert (done["event"], done["frames"], done["verified"]) == ("done", 10, True)
    assert (done["width"], done["height"], done["source"]) == (128, 96, str(movie))
    assert done["notes"]


def test_a_long_job_reports_on_the_way(tmp_path: Path) -> None:
    movie = film(tmp_path / "movie.mkv", Video(frames=40, size=(160, 120)))
    words = ("-m", "nearest", "-x", "10", "--codec", "ffv1", "--no-verify")
    ran = vsr("upscale", movie, *words, "-o", tmp_path / "large.mkv", "--progress", "json")
    frames = [event["frames"] for event in ran.events if event["event"] == "progress"]
    assert len(frames) >= 2
    assert frames == sorted(frames)
    assert frames[-1] == 40


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9", "ffv1"])
def test_no_encoder_writes_between_the_json_lines(tmp_path: Path, movie: Path, codec: str) -> None:
    words = ("-m", "nearest", "--codec", codec, "-o", tmp_path / "large.mkv")
    ran = vsr("upscale", movie, *words, "--progress", "json")
    assert (ran.code, ran.out) == (0, b"")
    assert [ran.events[0]["event"], ran.events[-1]["event"]] == ["start", "done"]


@pytest.mark.parametrize("form", [["--progress", "json"], ["--progress=json"]])
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-x", "big"], 2, "'big' is no scale; say 2, 1.5 or 4/3"),
        (["--zzz"], 2, "No such option: --zzz (see vsr upscale --help)"),
        (["-m", "nosuch"], 2, "no model 'nosuch'; there is "),
    ],
)
def test_wrong_words_are_json_too(
    movie: Path, form: list[str], words: list[str], code: int, message: str
) -> None:
    ran = vsr_here("upscale", movie, *words, *form)
    [event] = ran.events
    assert ran.code == event["exit_code"] == code
    assert event["event"] == "error"
    assert event["message"].startswith(message)


def test_quiet_is_silent(tmp_path: Path, movie: Path) -> None:
    ran = vsr("upscale", movie, *QUICK, "--progress", "none")
    assert (ran.code, ran.out, ran.err) == (0, b"", "")


def test_without_a_terminal_there_are_plain_lines(movie: Path) -> None:
    ran = vsr("upscale", movie, *QUICK)
    lines = ran.err.splitlines()
    assert ran.out == b""
    assert lines[0] == f"{movie}: 64x48 h264, 25.000 fps"
    assert lines[1].startswith("  nearest x2 on OpenVINO CPU fp32")
    assert lines[2] == f"  -> {movie.with_name('movie.x2.mkv')}: 128x96 libx264"
    assert lines[3].startswith("  note: colour matrix not tagged")
    assert lines[4].startswith("  10 frames in ")
    assert "\r" not in ran.err


def test_a_terminal_shows_a_bar(tmp_path: Path) -> None:
    movie = film(tmp_path / "movie.mkv", Video(frames=60))
    near, far = pty.openpty()
    termios.tcsetwinsize(far, (24, 120))
    words = ["upscale", str(movie), "-m", "nearest", "-x", "8", "-o", str(tmp_path / "large.mkv")]
    process = subprocess.Popen([*VSR, *words], env=environment(), stderr=far)
    os.close(far)
    seen = b""
    try:
        while part := os.read(near, 4096):
            seen += part
    except OSError:
        pass  # as a terminal tells that the other side is gone
    os.close(near)
    assert process.wait(LIMIT) == 0
    text = seen.decode()
    assert "\r" in text
    for word in ("%|", "/60 [", "<", "frame/s", "x playback]"):
        assert word in text, text
    assert "60 frames in " in text


# ---- the other commands ---------------------------------------------------------------------


def test_info_tells_what_a_film_holds(tmp_path: Path) -> None:
    path = film(
        tmp_path / "rich.mkv",
        Video(frames=10, sar=Fraction(4, 3), rotation=90, tags=(1, 1, 1, 1)),
        Sound(metadata={"language": "deu"}),
        Text(metadata={"language": "eng"}),
        Attachment(),
        chapters=[(0, 200, "One"), (200, 400, "Two")],
    )
    ran = vsr_here("info", path)
    assert (ran.code, ran.err) == (0, "")
    rows = dict(line.split(":", 1) for line in ran.words.splitlines())
    assert {name: value.strip() for name, value in rows.items()} == {
        "size": "64x48, shown as 48x85",
        "codec": "h264, yuv420p",
        "frames": "number unknown, 25.000 a second, 0.40 s",
        "time base": "1/1000",
        "colour": "bt709, transfer bt709, limited range, chroma 420 left, 8 bits",
        "pixel shape": "4/3",
        "rotation": "90 degrees counter-clockwise",
        "interlaced": "no",
        "HDR10": "no",
        "chapters": "2",
        "other streams": "stream 1, audio flac (deu); stream 2, subtitle subrip (eng); "
        "stream 3, attachment font.ttf",
    }


def test_info_for_machines_holds_the_same(tmp_path: Path, movie: Path) -> None:
    path = film(tmp_path / "a.mp4", Video(frames=5, sar=Fraction(4, 3)), Sound("aac"))
    facts = json.loads(vsr_here("info", path, "--json").out)
    assert facts["format"]["width"] == 64
    assert facts["format"]["chroma"] == "420"
    assert (facts["frames"], facts["rate"], facts["sar"]) == (5, "25/1", "4/3")
    assert facts["other_streams"] == ["stream 1, audio aac (und)"]
    assert facts["notes"] == [
        "colour matrix not tagged: taken for bt601, from its size, and tagged so"
    ]


def test_info_knows_hdr10(tmp_path: Path) -> None:
    path = film(
        tmp_path / "hdr.mkv",
        Video(
            frames=2,
            codec="libx265",
            pix_fmt="yuv420p10le",
            tags=(9, 16, 9, 1),
            options={"x265-params": HDR10},
        ),
    )
    ran = vsr_here("info", path)
    words = ran.words
    assert "bt2020, transfer smpte2084, limited range, chroma 420 " in words
    assert ", 10 bits" in words
    assert "mastered at 0.005 to 1000 cd/m2, MaxCLL 1000, MaxFALL 400 cd/m2" in words


@pytest.mark.parametrize("words", [["models"], ["models", "list"]])
def test_models_lists_the_networks_at_hand_and_those_to_fetch(words: list[str]) -> None:
    ran = vsr_here(*words)
    assert (ran.code, ran.err) == (0, "")
    lines = [line.split() for line in ran.words.splitlines()]
    for card in cards():
        assert [card.name, f"x{card.scale}", str(card.weights)] in [line[:3] for line in lines]
    assert ["carn-m", "x2", "x3", "x4", "1.7", "MB"] in [line[:6] for line in lines]
    assert "nearest, bilinear, bicubic, lanczos" in ran.words
    assert vsr_here(*words, "--json").out == vsr_here("models", "list", "--json").out


def test_models_for_machines_hold_the_same() -> None:
    entries = json.loads(vsr_here("models", "--json").out)
    assert {entry["kind"] for entry in entries} == {"bundled", "published"}
    for entry in entries:
        assert {"name", "description", "licence", "sha256"} <= set(entry)
        if entry["kind"] == "bundled":
            file = f"{entry['name']}_x{entry['scale']}.onnx"
            assert (ROOT / "vsr" / "weights" / file).is_file()
            assert {"weights", "quality", "recipe"} <= set(entry)
        else:
            assert {"url", "scales", "size", "pulled", "path"} <= set(entry)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("fast", ["scale:           x2\n", "licence:         MIT\n", "weights:         "]),
        ("fast", ["quality:         Set5 37.", " dB, SSIM 0.9", "trained with:\n"]),
        ("bicubic", ["scale:           any whole factor"]),
        ("realesrgan", ["scale:           x2\n", "scale:           x4\n", "67.1 MB", "67.0 MB"]),
        ("realesrgan", ["RealESRGAN_x2plus.pth", "BSD-3-Clause", "RRDBNet, 23 blocks, RGB"]),
        (
            "mdsr",
            ["scale:           x2 x3 x4", "4a78bedf (checked against the first 8 digits only)"],
        ),
    ],
)
def test_models_info_tells_all_of_one_network(name: str, rows: list[str]) -> None:
    ran = vsr_here("models", "info", name)
    assert (ran.code, ran.err) == (0, "")
    for row in rows:
        assert row in ran.words


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["info", "best"], "vsr: no network 'best'; vsr models list shows which there are"),
        (["pull", "best"], "vsr: no network 'best'; vsr models list shows which there are"),
        (["pull", "fast"], "vsr: 'fast' comes with vsr: there is nothing to pull"),
        (["pull", "bicubic"], "vsr: 'bicubic' comes with vsr: there is nothing to pull"),
        (["pull", "bsrgan", "--scale", "3"], "vsr: no x3 of 'bsrgan'; there is x2, x4"),
        (["pull"], "vsr: Missing argument 'name' (see vsr models pull --help)"),
        (["--json", "list"], "vsr: --json stands behind the command: vsr models list --json"),
    ],
)
def test_wrong_words_about_models_are_answered_in_one_line(words: list[str], line: str) -> None:
    ran = vsr_here("models", *words)
    assert (ran.code, ran.out, ran.err) == (2, b"", line + "\n")


def test_doctor_says_what_would_be_used() -> None:
    ran = vsr("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert f"vsr {__version__}, Python {sys.version.split()[0]}" in ran.words
    assert "backend openvino: usable" in ran.words
    assert "this is what --backend auto uses" in ran.words
    assert "encoders: h264, " in ran.words
