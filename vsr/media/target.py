"""What to write, and where to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av

from vsr.errors import MediaError, VsrError
from vsr.frame import VideoInfo
from vsr.settings import EncoderSettings


@dataclass(frozen=True)
class Target:
    """What to write, and where to, decided before any work is done."""

    path: str
    """A file's path, or "-" for standard output."""
    container: str
    """FFmpeg's name of the format."""
    info: VideoInfo
    """The large video."""
    pix_fmt: str
    encoder: EncoderSettings

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns libav's errors and the system's into MediaError with the output's name."""
        name = "standard output" if self.path == "-" else self.path
        try:
            yield
        except VsrError:
            raise
        except BrokenPipeError as error:
            raise MediaError(name, "closed by its reader before the film was done") from error
        except (av.FFmpegError, OSError) as error:
            problem = error.strerror or str(error)
            raise MediaError(name, f"cannot be written: {problem}") from error
