"""`vsr`: words -> settings -> one library call -> exit code. Only this package prints.

Exit codes: 0 done, 1 failed, 2 wrong words, 130 interrupted.
"""

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from itertools import pairwise
from typing import Annotated, NoReturn

import typer

from vsr.cli.bench import bench, compare
from vsr.cli.doctor import doctor
from vsr.cli.engine import engine
from vsr.cli.evaluate import evaluate
from vsr.cli.frontier import frontier
from vsr.cli.jobs import jobs
from vsr.cli.kept import kept
from vsr.cli.models import models
from vsr.cli.remaster import remaster
from vsr.cli.show import info
from vsr.cli.train import train
from vsr.cli.upscale import UNFORESEEN, upscale
from vsr.errors import Interrupted, UsageError, one_line

PATIENCE = 1.5
"""Seconds that an interrupted job gets to clean up, before the process ends in any case."""

app = typer.Typer(
    name="vsr",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (upscale, remaster, compare, info, doctor, bench, train, frontier):
    app.command()(command)
app.command("eval")(evaluate)
app.add_typer(models)
app.add_typer(engine)
app.add_typer(jobs)


def show_version(wanted: bool) -> None:
    if wanted:
        from vsr import __version__

        print(f"vsr {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Enlarge films with neural networks, changing nothing but their size."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, interrupt)
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 prints to stderr unless told not to
    try:
        code = app(prog_name="vsr", standalone_mode=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        leave_interrupted()
    except BrokenPipeError:  # who read our standard output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except UsageError as error:
        leave(2, one_line(error))
    except Exception as error:  # noqa: BLE001 (the last resort: one line, not a traceback)
        if interrupted.is_set():  # a library has made another error of it
            leave_interrupted()
        if hasattr(error, "format_message"):
            leave(2, wrong_words(error))
        leave(1, one_line(error, UNFORESEEN))
    if code == 130 or (code and interrupted.is_set()):  # as typer passes a KeyboardInterrupt on
        leave_interrupted()
    sys.exit(code or 0)


interrupted = threading.Event()
"""Set once a signal has asked to end."""


def interrupt(number: int, frame: object) -> NoReturn:
    """Begin to leave; further signals change nothing."""
    interrupted.set()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    watch = threading.Timer(PATIENCE, give_up)
    watch.daemon = True
    watch.start()
    raise Interrupted


def leave_interrupted() -> NoReturn:
    """Leave when all is cleaned up."""
    with suppress(OSError):
        sys.stdout.flush()
    give_up()


def give_up() -> NoReturn:
    """Leave, be it in the middle of cleaning up: the output is gone, while a device may still be
    busy, which the interpreter's own way out would wait for."""
    say(130, kept.words())
    sys.stderr.flush()
    os._exit(130)


def leave(code: int, message: str) -> NoReturn:
    """Print one line, or with VSR_DEBUG=1 the whole traceback before it, and exit."""
    if os.environ.get("VSR_DEBUG") == "1":
        import traceback

        traceback.print_exc()
    say(code, message)
    sys.exit(code)


def say(code: int, message: str) -> None:
    """An error that ends the program, in the form that --progress asks for."""
    words = sys.argv[1:]
    if "--progress=json" in words or ("--progress", "json") in pairwise(words):
        message = json.dumps({"event": "error", "message": message, "exit_code": code})
    else:
        message = f"vsr: {message}"
    print(message, file=sys.stderr)


def wrong_words(error: Exception) -> str:
    """What the command-line parser complains of, and where to read on."""
    message = str(error.format_message())  # type: ignore[attr-defined]
    message = message.replace("Value error, ", "").rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{message} (see {context.command_path} --help)" if context else message
