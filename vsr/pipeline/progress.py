"""What a job says of itself: before it works, meanwhile, and afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vsr.frame import VideoInfo
from vsr.media.muxer import Muxer
from vsr.media.reader import ReadReport
from vsr.settings import Clip, UpscaleSettings


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    frames: int
    total: int | None
    """An estimate; None where nothing tells."""
    seconds: float
    """Since the first frame was asked for."""
    film_seconds: float
    """Time in the film, since that frame."""
    found: int = 0
    """Frames that an interrupted run had left done."""
    kept: int = 0
    """Frames that outlast whatever happens now."""

    @property
    def fps(self) -> float:
        return (self.frames - self.found) / self.seconds if self.seconds > 0 else 0.0

    @property
    def speed(self) -> float:
        """Against playback: 1.0 is as fast as the film runs."""
        return self.film_seconds / self.seconds if self.seconds > 0 else 0.0


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Start:
    """What is about to be done."""

    source: str
    info: VideoInfo
    output: str
    large: VideoInfo
    encoder: str
    network: str
    engine: str
    total: int | None
    """Frames, an estimate."""
    first: int = 0
    """Number of the first frame that is to be computed."""
    found: int = 0
    """Frames that an interrupted run had left done."""
    notes: list[str] = field(default_factory=list)
    """What there is to say of the engine, one sentence each."""


OnStart = Callable[[Start], None]

OnChunk = Callable[[], None]
"""Called when a chunk is on record; what it raises ends the work, and the chunk is kept."""


@dataclass
class UpscaleReport:
    """What was done, and what there is to know about it."""

    source: str
    output: str
    frames: int
    seconds: float
    """From opening the source to the finished file."""
    width: int
    height: int
    engine: str
    encoder: str
    repeated: int
    """Frames equal to the one before, computed once."""
    verified: bool
    found: int
    """Frames that an interrupted run had left done."""
    psnr: float | None
    """The worst sampled frame's, between the source and the result shrunk to its size, dB."""
    film_seconds: float | None = None
    """As the source says."""
    notes: list[str] = field(default_factory=list)
    """What was guessed, mended, damaged or left out, one sentence each."""


def expected_frames(info: VideoInfo, settings: UpscaleSettings) -> int | None:
    """How many frames there will most likely be."""
    clip = settings.clip
    if info.duration is None or info.rate is None:
        return clip.frames or info.frames
    end = info.duration if clip.end is None else min(info.duration, float(clip.end))
    total = info.frames or round(info.duration * float(info.rate))
    if clip.start or clip.end is not None:
        total = max(1, round(total * (end - float(clip.start)) / info.duration))
    return min(total, clip.frames) if clip.frames else total


def read_notes(report: ReadReport) -> list[str]:
    counts = {
        "damaged packets could not be decoded": report.damaged_packets,
        "packets gave no picture": report.without_picture,
        "pictures were decoded from damaged data": report.damaged_frames,
        "frames had a missing or backward time, which was mended": report.mended_times,
    }
    notes = [f"{count} {what}" for what, count in counts.items() if count]
    return notes + report.first_problems


def write_notes(muxer: Muxer) -> list[str]:
    mended = [
        f"stream {index}: {carried.mended} packets had a missing or backward time, which was mended"
        for index, carried in muxer.carrier.carried.items()
        if carried.mended
    ]
    return mended + muxer.losses()


def nothing_there(info: VideoInfo, clip: Clip) -> str:
    """Why not one frame was written."""
    if not clip:
        return "not one of its pictures could be decoded"
    length = f"; the film lasts {info.duration:.2f} s" if info.duration else ""
    end = f" and {float(clip.end):g}" if clip.end is not None else ""
    between = "between" if end else "from"
    on = "" if end else " on"
    return f"no picture {between} {float(clip.start):g}{end} s{on}{length}"
