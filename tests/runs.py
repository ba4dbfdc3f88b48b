"""vsr as people run it: a process of its own, or the same in this one where that is enough."""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from vsr.cli.main import main

ROOT = Path(__file__).parents[1]
VSR = [sys.executable, "-m", "vsr"]
QUICK = ("-m", "nearest", "--preset", "ultrafast")
LIMIT = 60
"""Seconds until a run that should have ended is given up."""


@dataclass(frozen=True)
class Ran:
    """What came of a run."""

    code: int
    out: bytes
    err: str

    @property
    def words(self) -> str:
        return self.out.decode()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Standard error as JSON lines, every one of which has to be one."""
        return [json.loads(line) for line in self.err.splitlines()]


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **more}


def vsr(
    *words: str | Path,
    folder: Path | None = None,
    stdin: bytes | IO[bytes] | None = None,
    stdout: int | IO[bytes] = subprocess.PIPE,
    **more: str,
) -> Ran:
    """Run vsr in a process of its own; `more` are environment variables."""
    data = stdin if isinstance(stdin, bytes) else None
    process = subprocess.Popen(
        [*VSR, *map(str, words)],
        cwd=folder,
        env=environment(**more),
        stdin=subprocess.PIPE if isinstance(stdin, bytes) else stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
    try:
        out, err = process.communicate(data, timeout=LIMIT)
    finally:
        process.kill()
    return Ran(process.returncode, out or b"", err.decode())


def begin(
    *words: str | Path,
    folder: Path | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    **more: str,
) -> subprocess.Popen[bytes]:
    """Start vsr and come back at once; with JSON lines on standard error."""
    return subprocess.Popen(
        [*VSR, *map(str, words), "--progress", "json"],
        cwd=folder,
        env=environment(**more),
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )


SIGNALLING = """
import os, sys
from vsr.cli.main import main
from vsr.pipeline.chunks import ChunkedOutput

signal, left = int(sys.argv.pop(1)), int(sys.argv.pop(1))
complete, write = ChunkedOutput.complete, ChunkedOutput.write

def count(*what):
    global left
    left -= 1
    complete(*what)

def signal_and_write(*what):
    global left
    if left == 0:
        left = -1
        os.kill(os.getpid(), signal)
    write(*what)

ChunkedOutput.complete, ChunkedOutput.write = count, signal_and_write
main()
"""
"""A vsr that sends itself a signal at the first frame after so many chunks: there and not later,
however fast the machine is."""


def stopped_after(chunks: int, *words: str | Path) -> subprocess.Popen[bytes]:
    """Start vsr, with JSON lines on standard error, and come back when it stands still, so many
    chunks done; SIGCONT lets it go on."""
    process = signalled(signal.SIGSTOP, chunks, *words)
    state = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    assert state is not None
    assert state.si_code == os.CLD_STOPPED, process.communicate()[1].decode()
    return process


def killed_after(chunks: int, *words: str | Path) -> None:
    """Run vsr, and kill it (kill -9) when so many chunks are done."""
    process = signalled(signal.SIGKILL, chunks, *words)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == -signal.SIGKILL, err.decode()


def signalled(number: int, chunks: int, *words: str | Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SIGNALLING, str(int(number)), str(chunks), *map(str, words)]
    return subprocess.Popen(
        [*command, "--progress", "json"],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def wait_for(event: str, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Read a process' JSON lines until this event."""
    assert process.stderr is not None
    for line in process.stderr:
        fields: dict[str, Any] = json.loads(line)
        if fields["event"] == event:
            return fields
    raise AssertionError(f"the process ended without the event {event}")


def vsr_here(*words: str | Path) -> Ran:
    """Run vsr in this process: the same code, without the seconds that starting takes."""
    out, err = io.StringIO(), io.StringIO()
    with keeping_signals(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["vsr", *map(str, words)])
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
            main()
    assert isinstance(left.value.code, int)
    return Ran(left.value.code, out.getvalue().encode(), err.getvalue())


def vsr_piped(*words: str | Path, data: bytes = b"") -> Ran:
    """As `vsr_here`, with data coming through standard input, and standard output caught."""
    with (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat,
        tempfile.TemporaryFile() as out,
    ):
        assert cat.stdin is not None
        assert cat.stdout is not None
        with ThreadPoolExecutor(1) as feeder, replaced(0, cat.stdout), replaced(1, out):
            feeder.submit(feed, cat.stdin, data)
            ran = vsr_here(*words)
            cat.kill()
        out.seek(0)
        return Ran(ran.code, out.read(), ran.err)


def feed(pipe: IO[bytes], data: bytes) -> None:
    with suppress(BrokenPipeError), pipe:
        pipe.write(data)


@contextmanager
def replaced(descriptor: int, file: IO[bytes]) -> Iterator[None]:
    """This process' standard input or output is another file for a while."""
    kept = os.dup(descriptor)
    os.dup2(file.fileno(), descriptor)
    try:
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)


@contextmanager
def keeping_signals() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def listing(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder, hidden files included: name -> content."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own, in memory; skips the test, aloud, where mounting is not allowed."""
    folder.mkdir()
    command: Sequence[str] = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        ended = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if ended.returncode:
        pytest.skip(f"may not mount a file system here: {ended.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
