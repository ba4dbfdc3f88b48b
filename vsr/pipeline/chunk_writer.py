"""Frames -> one chunk: all that a worker writes."""

from __future__ import annotations

from pathlib import Path

from vsr.frame import Frame, FrameFormat
from vsr.media.chunk import Chunk, ChunkFile
from vsr.media.frame_encoder import FrameEncoder, new_context
from vsr.media.target import Target


class ChunkWriter:
    """A chunk in the making, from frame `start` of the film on; its bytes depend on nothing else
    than the target and the frames.

    Raises: MediaError where writing fails, VerificationError where the chunk is not what went in.
    """

    def __init__(self, path: Path, start: int, target: Target, form: FrameFormat) -> None:
        self.start, self.target = start, target
        context = new_context(target)
        self.encoder = FrameEncoder(target, form, context)
        self.pts: list[int] = []
        with target.translated():
            self.file = ChunkFile(path, context)

    def write(self, frame: Frame) -> None:
        """Encode the next frame."""
        self.pts.append(frame.pts)
        with self.target.translated():
            for packet in self.encoder.encode(frame):
                self.file.put(packet)

    def finish(self) -> Chunk:
        """Complete the file, check it, and give it its name."""
        with self.target.translated():
            for packet in self.encoder.flush():
                self.file.put(packet)
            return self.file.finish(self.start, self.pts)

    def close(self) -> None:
        """Let go of the file; one that was not finished has no name yet."""
        self.file.close()
