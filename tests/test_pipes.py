"""vsr between other programs: films in through a pipe, films out through a pipe."""

import io
import os
import pty
import shlex
import subprocess
import threading
import time
from fractions import Fraction
from itertools import chain, repeat
from pathlib import Path

import av
import numpy as np
import pytest
from films import (
    Sound,
    Text,
    Video,
    film,
    frames_of,
    others_of,
    settings,
    streams_of,
    times_of,
)
from runs import LIMIT, VSR, environment, listing, vsr, vsr_here, vsr_piped

from vsr import Progress, UpscaledFilm, upscale

EXACT = ("-m", "nearest", "--preset", "ultrafast", "--crf", "0")
"""A job whose result can be foretold to the last sample."""

RAW = Video(frames=10, codec="ffv1")


def luma_of(data: bytes | Path) -> list[np.ndarray]:
    """The luma of every picture of a film."""
    source = io.BytesIO(data) if isinstance(data, bytes) else str(data)
    with av.open(source, "r") as container:
        return [picture.to_ndarray()[: picture.height] for picture in container.decode(video=0)]


def is_doubled(small: Path, large: bytes | Path) -> bool:
    """Whether every pixel of every frame became four."""
    double = np.ones((2, 2), np.uint8)
    pairs = zip(luma_of(small), luma_of(large), strict=True)
    return all(np.array_equal(np.kron(a, double), b) for a, b in pairs)


@pytest.mark.parametrize("container", ["mkv", "nut", "y4m", "mpegts"])
def test_a_film_goes_through_from_standard_input_to_standard_output(
    tmp_path: Path, container: str
) -> None:
    movie = film(tmp_path / "movie.mkv", RAW)
    words = ("upscale", "-", "-o", "-", "-f", container, *EXACT, "--progress", "none")
    ran = vsr_piped(*words, data=movie.read_bytes())
    assert (ran.code, ran.err) == (0, "")
    assert is_doubled(movie, ran.out)
    (tmp_path / "out").write_bytes(ran.out)
    moved = times_of(tmp_path / "out")[0] if container == "mpegts" else 0
    assert [time - moved for time in times_of(tmp_path / "out")] == [
        Fraction(n, 25) for n in range(10)
    ]


@pytest.mark.parametrize(
    ("name", "container"),
    [("a.mkv", None), ("a.nut", None), ("a.y4m", "yuv4mpegpipe"), ("a.ts", "mpegts")],
)
def test_a_film_comes_out_of_a_pipe_in_any_container_made_for_that(
    tmp_path: Path, name: str, container: str | None
) -> None:
    codec = {"a.y4m": "wrapped_avframe", "a.ts": "mpeg2video"}.get(name, "ffv1")
    movie = film(tmp_path / name, Video(frames=30, codec=codec), container=container)
    large = tmp_path / "large.mkv"
    ran = vsr_piped("upscale", "-", "-o", large, *EXACT, data=movie.read_bytes())
    assert ran.code == 0, ran.err
    assert "standard input: 64x48" in ran.err
    assert "verified" in ran.err
    assert is_doubled(movie, large)


def test_times_that_keep_no_beat_go_through(tmp_path: Path) -> None:
    pts = [0, 40, 41, 90, 1000, 1033, 2500]
    video = Video(frames=7, codec="ffv1", time_base=Fraction(1, 1000), pts=pts)
    movie = film(tmp_path / "movie.mkv", video)
    for container in ("mkv", "nut", "y4m"):
        words = ("upscale", "-", "-o", "-", "-f", container, *EXACT)
        ran = vsr_piped(*words, data=movie.read_bytes())
        assert ran.code == 0, ran.err
        out = tmp_path / "out"
        out.write_bytes(ran.out)
        if container == "y4m":
            assert "note: the container knows no times: " in ran.err
            assert len(times_of(out)) == 7
        else:
            assert times_of(out) == [Fraction(time, 1000) for time in pts]


@pytest.mark.parametrize("container", ["mkv", "nut"])
def test_sound_and_subtitles_go_through_too(tmp_path: Path, container: str) -> None:
    parts: list[Sound | Text] = [Sound(metadata={"language": "deu"})]
    if container == "mkv":  # NUT has no subtitles
        parts.append(Text(metadata={"language": "eng"}))
    movie = film(tmp_path / "movie.mkv", RAW, *parts)
    words = ("upscale", "-", "-o", "-", "-f", container, *EXACT)
    ran = vsr_piped(*words, data=movie.read_bytes())
    assert ran.code == 0, ran.err
    out = tmp_path / "out"
    out.write_bytes(ran.out)
    assert len(frames_of(out)) == 10
    for before, after in zip(others_of(movie), others_of(out), strict=True):
        assert (after.kind, after.codec, after.packets) == (
            before.kind,
            before.codec,
            before.packets,
        )
        assert after.metadata["language"] == before.metadata["language"]


def test_y4m_holds_the_pictures_alone(tmp_path: Path) -> None:
    movie = film(tmp_path / "movie.mkv", RAW, Sound(), Text())
    ran = vsr_piped("upscale", movie, "-o", "-", "-f", "y4m", "-m", "nearest")
    assert ran.code == 0, ran.err
    assert ran.out.startswith(b"YUV4MPEG2 W128 H96 F25:1 ")
    (tmp_path / "out.y4m").write_bytes(ran.out)
    assert [stream.kind for stream in streams_of(tmp_path / "out.y4m")] == ["video"]
    assert is_doubled(movie, ran.out)


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv444p12le", "gray"])
def test_y4m_takes_any_depth(tmp_path: Path, pix_fmt: str) -> None:
    movie = film(tmp_path / "movie.mkv", Video(frames=2, codec="ffv1", pix_fmt=pix_fmt))
    ran = vsr_here("upscale", movie, "-o", tmp_path / "large.y4m", "-m", "nearest")
    assert ran.code == 0, ran.err
    assert [p.format.name for p in frames_of(tmp_path / "large.y4m")] == [pix_fmt] * 2


@pytest.mark.parametrize("words", [("--end", "0.2"), ("--frames", "5")])
def test_of_an_endless_film_the_wanted_part_is_taken(
    tmp_path: Path, words: tuple[str, str]
) -> None:
    movie = film(tmp_path / "movie.mkv", Video(frames=500, codec="ffv1"))
    large = tmp_path / "large.mkv"
    process = subprocess.Popen(
        [*VSR, "upscale", "-", "-o", str(large), *EXACT, *words],
        env=environment(),
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    pieces = chain([movie.read_bytes()], repeat(bytes(1 << 16)))
    with pytest.raises(BrokenPipeError):  # the other side leaves, or this does not end
        process.stdin.writelines(pieces)
    assert process.wait(LIMIT) == 0
    assert len(frames_of(large)) == 5


def test_a_file_behind_standard_input_need_not_be_made_for_pipes(tmp_path: Path) -> None:
    movie = film(tmp_path / "movie.mp4", Video(frames=10))  # its index stands at its end
    with movie.open("rb") as stdin:
        ran = vsr("upscale", "-", "-o", tmp_path / "large.mp4", "-m", "nearest", stdin=stdin)
    assert ran.code == 0, ran.err
    assert len(frames_of(tmp_path / "large.mp4")) == 10


def test_a_shell_pipeline(tmp_path: Path) -> None:
    movie = film(tmp_path / "movie.mkv", RAW, Sound())
    words = shlex.join([*VSR, "upscale", "-", "-o", "-", *EXACT])
    command = f"set -o pipefail; cat movie.mkv | {words} | cat > large.mkv"
    subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment(), check=True)
    assert is_doubled(movie, tmp_path / "large.mkv")
    assert others_of(tmp_path / "large.mkv")[0].packets == others_of(movie)[0].packets


def test_a_named_pipe_is_read_like_standard_input(tmp_path: Path) -> None:
    movie = film(tmp_path / "movie.mkv", RAW)
    pipe, large = tmp_path / "pipe", tmp_path / "large.mkv"
    os.mkfifo(pipe)
    with subprocess.Popen(["cp", movie, pipe]):
        ran = vsr_here("upscale", pipe, "-o", large, *EXACT)
    assert ran.code == 0, ran.err
    assert is_doubled(movie, large)
    assert b"".join(content or b"" for content in listing(tmp_path).values())


NEAR_THE_STALL = 50 - max(2, len(os.sched_getaffinity(0))) - 3
"""The number of a frame that still comes out, while the threads before wait for more to read: the
engine keeps as many frames as there are processors."""


class Stalled:
    """A named pipe into which half a film went, and nothing more for five seconds."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "stalled"
        os.mkfifo(self.path)
        video = Video(frames=100, codec="rawvideo")
        self.data = film(folder / "whole.mkv", video).read_bytes()
        self.thread = threading.Thread(target=self.write)

    def write(self) -> None:
        with self.path.open("wb") as pipe:
            pipe.write(self.data[: len(self.data) // 2])
            pipe.flush()
            self.done.wait(5)

    def __enter__(self) -> Path:
        self.done = threading.Event()
        self.thread.start()
        self.began = time.monotonic()
        return self.path

    def __exit__(self, *_: object) -> None:
        took = time.monotonic() - self.began
        self.done.set()
        self.thread.join()
        assert took < 4, "it waited for the pipe"


def test_a_loop_over_a_pipe_that_stalls_can_be_left(tmp_path: Path) -> None:
    with Stalled(tmp_path) as pipe, UpscaledFilm(pipe, model="nearest") as large:
        for number, _ in enumerate(large):
            if number == NEAR_THE_STALL:
                break


def test_an_error_ends_a_job_whose_pipe_stalls(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.frames == NEAR_THE_STALL:
            raise LookupError("enough")

    with Stalled(tmp_path) as pipe, pytest.raises(LookupError, match="enough"):
        upscale(pipe, tmp_path / "large.mkv", settings=settings(), on_progress=stop)
    assert set(listing(tmp_path)) == {"stalled", "whole.mkv"}


# ---- what cannot be -------------------------------------------------------------------------


def one_line(err: str) -> str:
    [line] = err.splitlines()
    assert line.startswith("vsr: ")
    return line.removeprefix("vsr: ")


def test_a_reader_that_leaves_ends_the_job_with_a_word(tmp_path: Path) -> None:
    movie = film(tmp_path / "movie.mkv", Video(frames=100, codec="ffv1"))
    words = ["upscale", str(movie), "-o", "-", *EXACT, "-x", "8", "--progress", "none"]
    process = subprocess.Popen(
        [*VSR, *words], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert len(process.stdout.read(1000)) == 1000
    process.stdout.close()
    line = one_line(process.stderr.read().decode())
    assert process.wait(LIMIT) == 1
    assert line == "standard output: closed by its reader before the film was done"


def test_a_writer_that_brings_nothing(tmp_path: Path) -> None:
    large = tmp_path / "large.mkv"
    ran = vsr_piped("upscale", "-", "-o", large, "-m", "nearest")
    assert ran.code == 1
    assert one_line(ran.err) == "standard input: nothing came through the pipe"
    assert listing(tmp_path) == {}


def test_a_writer_that_brings_no_film() -> None:
    data = b"no film at all\n" * 1000
    ran = vsr_piped("upscale", "-", "-o", "-", "-m", "nearest", data=data)
    assert ran.code == 1
    assert one_line(ran.err).startswith("standard input: not a film that can be read (")
    assert ran.out == b""


def test_a_writer_that_dies_in_the_middle_is_noticed(tmp_path: Path) -> None:
    movie = film(tmp_path / "movie.mkv", Video(frames=250, options={"g": "10"}))
    data = movie.read_bytes()
    large = tmp_path / "large.mkv"
    words = ("upscale", "-", "-o", large, "-m", "nearest")
    ran = vsr_piped(*words, data=data[: len(data) // 2])
    assert ran.code == 0
    assert "note: the file is cut off: it ends at " in ran.err


def test_standard_input_needs_the_outputs_name(tmp_path: Path) -> None:
    movie = film(tmp_path / "movie.mkv", RAW)
    ran = vsr_piped("upscale", "-", "-m", "nearest", data=movie.read_bytes())
    assert ran.code == 2
    assert one_line(ran.err) == "reading from a pipe needs the output's name: -o FILE, or -o -"


def test_a_container_that_needs_a_file_is_not_written_to_a_pipe(tmp_path: Path) -> None:
    movie = film(tmp_path / "movie.mkv", RAW)
    ran = vsr_piped("upscale", movie, "-o", "-", "-f", "mp4", "-m", "nearest")
    assert ran.code == 2
    assert one_line(ran.err) == "mp4 cannot be written to a pipe; mkv, nut and y4m can"


def test_a_terminal_is_neither_read_from_nor_written_to(tmp_path: Path) -> None:
    movie = film(tmp_path / "movie.mkv", RAW)
    near, far = pty.openpty()
    with open(near, "rb"), open(far, "r+b", buffering=0) as terminal:
        ran = vsr("upscale", movie, "-o", "-", *EXACT, stdout=terminal)
        assert ran.code == 2
        line = "standard output is a terminal; send it into a pipe or a file"
        assert one_line(ran.err) == line
        ran = vsr("upscale", "-", "-o", tmp_path / "large.mkv", *EXACT, stdin=terminal)
        assert ran.code == 2
        line = "standard input is a terminal; let a film come through a pipe"
        assert one_line(ran.err) == line
