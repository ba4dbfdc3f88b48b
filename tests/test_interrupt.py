"""Ctrl-C and its kin: the process is gone within two seconds, with 130, and leaves nothing."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from films import Video, film, frames_of
from runs import QUICK, VSR, begin, environment, listing, wait_for
from small_networks import model, node

LONGEST = 6.0
"""Seconds from the signal to the end of the process: 2 are promised; a machine that has more to do
than this test gets the rest."""

LONG = ("-m", "nearest", "-x", "12", "--preset", "veryslow")
"""What keeps vsr busy with `movie` for longer than any test waits."""


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return film(tmp_path / "movie.mkv", Video(frames=200))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def ends(process: subprocess.Popen[bytes], *signals: int) -> None:
    """Send the signals, and see that the process ends as promised."""
    began = time.monotonic()
    for number in signals:
        process.send_signal(number)
        time.sleep(0.05)
    try:
        _, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert time.monotonic() - began < LONGEST
    assert process.returncode == 130
    last = err.decode().splitlines()[-1]
    assert last == (
        '{"event": "error", "message": "interrupted; no unfinished file was left", '
        '"exit_code": 130}'
    )
    assert "Traceback" not in err.decode()


def wait_until_it_listens(process: subprocess.Popen[bytes]) -> None:
    """Until the process has its signal handlers, and then some, so that it waits for input."""
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = int(status.split("SigCgt:")[1].split()[0], 16)
        if caught >> (signal.SIGTERM - 1) & 1:
            break
        time.sleep(0.05)
    time.sleep(0.7)
    assert process.poll() is None


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGINT, "large.mkv"), (signal.SIGTERM, "large.mp4"), (signal.SIGHUP, "large.mkv")],
)
def test_a_signal_ends_a_job_at_once_and_leaves_nothing(
    movie: Path, out: Path, number: int, name: str
) -> None:
    process = begin("upscale", movie, *LONG, "-o", out / name)
    wait_for("progress", process)
    assert f".{name}.vsr/000000000.partial" in listing(out)
    ends(process, number)
    assert listing(out) == {}


def test_impatience_does_not_disturb_cleaning_up(movie: Path, out: Path) -> None:
    process = begin("upscale", movie, *LONG, "-o", out / "large.mkv")
    wait_for("start", process)
    ends(process, signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGINT)
    assert listing(out) == {}


def test_an_output_that_was_to_be_replaced_stays_as_it_was(movie: Path, out: Path) -> None:
    (out / "large.mkv").write_text("precious")
    process = begin("upscale", movie, *LONG, "-o", out / "large.mkv", "--overwrite")
    wait_for("start", process)
    ends(process, signal.SIGINT)
    assert listing(out) == {"large.mkv": b"precious"}


def test_films_that_were_done_before_the_signal_stay(
    movie: Path, out: Path, tmp_path: Path
) -> None:
    first = film(tmp_path / "first.mkv", Video(frames=1))
    process = begin("upscale", first, movie, *LONG, "-o", out)
    wait_for("done", process)
    wait_for("start", process)
    ends(process, signal.SIGINT)
    assert list(listing(out)) == ["first.x12.mkv"]


def test_a_network_that_takes_seconds_for_a_frame_keeps_nobody_waiting(
    movie: Path, out: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    widths = [1, *[256] * 13, 4]
    weights = {
        f"w{n}": rng.normal(0, 0.01, (after, before, 3, 3)).astype(np.float32)
        for n, (before, after) in enumerate(pairwise(widths))
    }
    inputs = ["x", *(f"c{n}" for n in range(13))]
    nodes = [node("Conv", f"{x} w{n}", f"c{n}", pads=[1] * 4) for n, x in enumerate(inputs)]
    nodes.append(node("DepthToSpace", "c13", "y", blocksize=2))
    onnx.save(model(nodes, weights), tmp_path / "slow.onnx")
    movie = film(tmp_path / "wide.mkv", Video(frames=8, size=(320, 240)))
    words = ("-m", tmp_path / "slow.onnx", "--precision", "fp32", "-o", out / "large.mkv")
    process = begin("upscale", movie, *words, XDG_CACHE_HOME=str(tmp_path / "cache"))
    wait_for("start", process)
    time.sleep(0.5)
    ends(process, signal.SIGINT)
    assert listing(out) == {}


def test_a_signal_gets_through_while_standard_input_keeps_silent(out: Path) -> None:
    read, write = os.pipe()
    process = begin("upscale", "-", *QUICK, "-o", out / "large.mkv", stdin=read)
    wait_until_it_listens(process)
    ends(process, signal.SIGINT)
    assert listing(out) == {}
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_gets_through_while_standard_input_stalls_in_the_middle(
    movie: Path, out: Path, number: int
) -> None:
    process = begin("upscale", "-", *QUICK, "-o", out / "large.mkv", stdin=subprocess.PIPE)
    assert process.stdin is not None
    data = movie.read_bytes()
    process.stdin.write(data[: len(data) // 2])
    process.stdin.flush()
    wait_for("start", process)
    time.sleep(0.3)
    kept, process.stdin = process.stdin, None  # communicate would close it
    ends(process, number)
    assert listing(out) == {}
    kept.close()


def test_a_signal_gets_through_while_a_named_pipe_keeps_silent(tmp_path: Path, out: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = begin("upscale", pipe, *QUICK, "-o", out / "large.mkv")
    wait_until_it_listens(process)
    ends(process, signal.SIGINT)
    assert listing(out) == {}


def test_a_signal_gets_through_while_nobody_reads_standard_output(movie: Path) -> None:
    read, write = os.pipe()
    words = ("-m", "nearest", "-x", "8", "--codec", "ffv1", "-o", "-")
    process = begin("upscale", movie, *words, stdout=write)
    wait_for("start", process)
    time.sleep(1)  # the pipe is full by now
    ends(process, signal.SIGTERM)
    os.close(read)
    os.close(write)


def test_a_job_started_with_nohup_survives_its_terminal(tmp_path: Path, out: Path) -> None:
    movie = film(tmp_path / "short.mkv", Video(frames=50))
    program = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    words = ["upscale", str(movie), *QUICK, "-o", str(out / "large.mkv"), "--progress", "json"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *VSR, *words], env=environment(), stderr=subprocess.PIPE
    )
    wait_for("start", process)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    wait_for("done", process)
    process.communicate(timeout=10)
    assert process.returncode == 0
    assert len(frames_of(out / "large.mkv")) == 50
