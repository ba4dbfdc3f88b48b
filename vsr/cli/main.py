"""`vsr`: words -> settings -> one library call -> exit code. Only this package prints.

Exit codes: 0 done, 1 failed, 2 wrong words, 130 interrupted.
"""

import os
import signal
import sys
from typing import NoReturn

import typer

from vsr.cli.bench import bench, compare, evaluate
from vsr.cli.show import doctor, info, models
from vsr.cli.upscale import upscale
from vsr.errors import UsageError, VsrError

app = typer.Typer(
    name="vsr",
    help="Enlarge films with neural networks, changing nothing but their size.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (upscale, info, models, doctor, compare, bench):
    app.command()(command)
app.command("eval")(evaluate)


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    signal.signal(signal.SIGTERM, interrupt)
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 prints to stderr unless told not to
    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        leave(130, "interrupted; nothing was left behind")
    except UsageError as error:
        leave(2, str(error))
    except VsrError as error:
        leave(1, str(error))
    except Exception as error:  # noqa: BLE001 (the last resort: one line, not a traceback)
        if type(error).__module__.startswith(("click", "typer")):
            wrong_words(error)
        leave(1, f"{type(error).__name__}: {error} (VSR_DEBUG=1 shows where)")
    sys.exit(code or 0)


def interrupt(signal_number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def leave(code: int, message: str) -> NoReturn:
    """Print one line, or with VSR_DEBUG=1 the whole traceback, and exit."""
    if os.environ.get("VSR_DEBUG") == "1":
        import traceback

        traceback.print_exc()
    print(f"vsr: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def wrong_words(error: Exception) -> NoReturn:
    """What the command-line parser complains of; asking for help ends up here too."""
    message = getattr(error, "format_message", lambda: str(error))()
    if getattr(error, "exit_code", 2) == 0:
        sys.exit(0)
    leave(2, message) if message else sys.exit(2)
    sys.exit(2)
