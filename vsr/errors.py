"""Every error that this package raises on purpose.

VsrError
├── InputError          (ValueError)    a file of the user's: missing, no film, in the way
│   └── UsageError                      the user's words: an unknown option, an impossible value
├── MissingPackageError (ImportError)   an optional package is not installed; names the extra
├── BackendError        (RuntimeError)  no backend can run here, or a named one cannot
├── MediaError          (OSError)       a container or codec failed; carries the path
├── DownloadError       (OSError)       a file cannot be fetched
├── VerificationError   (RuntimeError)  a finished result is not what was promised
└── StoreError          (OSError)       a cache or a record on disk cannot be used

Interrupted (KeyboardInterrupt) is Ctrl-C, and no error.

A message is one line: what failed, on which value, what to do.
"""

from pathlib import Path
from typing import Self


class VsrError(Exception):
    """The root: `except VsrError` catches every error that this package raises on purpose."""


class InputError(VsrError, ValueError):
    """A file of the user's is missing, is not what it should be, or is in the way."""


class UsageError(InputError):
    """The user's words: an unknown name or option, a value that makes no sense."""


class MissingPackageError(VsrError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs {package}: pip install 'vsr[{extra}]'")
        self.asked = package, extra

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """So that it gets through to another process."""
        return type(self), self.asked


class BackendError(VsrError, RuntimeError):
    """No backend can run here, or the named one cannot; the message gives every reason."""


class MediaError(VsrError, OSError):
    """A container or codec failed."""

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = str(path), problem

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """So that it gets through to another process."""
        return type(self), (self.path, self.problem)


class DownloadError(VsrError, OSError):
    """A file cannot be fetched."""


class VerificationError(VsrError, RuntimeError):
    """A finished result is not what was promised."""


class StoreError(VsrError, OSError):
    """A cache, or the record of what is done, cannot be used."""


def one_line(error: Exception, unforeseen: str = "not foreseen") -> str:
    """What to tell people of an error; `unforeseen`, of one that is not ours."""
    words = "; ".join([str(error), *getattr(error, "__notes__", [])])
    if not isinstance(error, VsrError):
        words = f"{type(error).__name__}: {words} ({unforeseen})"
    return " ".join(words.split())


class Interrupted(KeyboardInterrupt, Exception):  # noqa: N818 (no error)
    """Ctrl-C, in a form that also gets through libraries that pass on Exceptions only."""
