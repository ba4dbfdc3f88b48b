"""Where and what to write."""

from dataclasses import dataclass

from vsr.frame import VideoInfo
from vsr.media.partial import partial_of
from vsr.settings import EncoderSettings


@dataclass(frozen=True)
class Target:
    """Where and what to write, decided before any work is done."""

    path: str
    """A file's path, or "-" for standard output."""
    container: str
    """FFmpeg's name of the format."""
    info: VideoInfo
    """The large video."""
    pix_fmt: str
    encoder: EncoderSettings

    @property
    def partial(self) -> str:
        """Where it is written until it is complete and verified."""
        return partial_of(self.path)
