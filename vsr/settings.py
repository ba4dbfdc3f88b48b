"""Every knob, checked when it is set."""

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from vsr.errors import UsageError

Deinterlace = Literal["auto", "off", "frame", "field"]
DEFAULT_MODEL = "fast-video"
MOST_THREADS = 16
"""Of an encoder: x265 takes no more, and the others gain little."""

MOST_WORKSPACE = 1024
"""GiB; more than any GPU has."""

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]


@dataclass(frozen=True)
class Clip:
    """The part of a film that is worked on; by default all of it."""

    start: Fraction = Fraction(0)
    """Seconds; the result's time 0 is its first frame."""
    end: Fraction | None = None
    """Seconds of the source; frames from here on are left out."""
    frames: int | None = None

    def __post_init__(self) -> None:
        if self.start < 0:
            raise UsageError(f"start {float(self.start)} s is before the film begins")
        if self.end is not None and self.end <= self.start:
            raise UsageError(f"the end, {float(self.end)} s, is not after the start")
        if self.frames is not None and self.frames < 1:
            raise UsageError(f"{self.frames} frames is nothing to do")

    def __bool__(self) -> bool:
        return self != Clip()


@dataclass(frozen=True)
class Size:
    """How large the result is to be: by a factor, or by its height or width as shown."""

    scale: Fraction | None = None
    width: int | None = None
    height: int | None = None

    def __post_init__(self) -> None:
        if self.scale is not None and (self.width or self.height):
            raise UsageError("give either a scale or a size, not both")
        if self.scale is not None and not 1 <= self.scale <= 16:
            raise UsageError(f"scale {float(self.scale):g} is not between 1 and 16")
        for name, value in (("width", self.width), ("height", self.height)):
            if value is not None and not 2 <= value <= 16384:
                raise UsageError(f"{name} {value} is not between 2 and 16384")


def parse_scale(word: str) -> Fraction:
    """Of "2", "1.5" or "4/3". Raises UsageError."""
    if not re.fullmatch(r"\d+(\.\d+)?|\d+/0*[1-9]\d*", word):
        raise UsageError(f"'{word}' is no scale; say 2, 1.5 or 4/3")
    return Fraction(word)


@dataclass(frozen=True)
class EngineSettings:
    """What computes, and how."""

    backend: str = "auto"
    device: str = "auto"
    precision: Precision = "auto"
    threads: int = 0
    """Processor threads; 0: all there are."""
    tile: int = 0
    """Side of a tile in small pixels; 0: whole frames where memory allows."""
    batch: int = 0
    """Frames that are computed together; 0: as the backend likes best."""
    optimization_level: int | None = None
    """How long TensorRT searches when it builds an engine, 0 to 5; None: 3, or as what is built
    already was."""
    workspace: float | None = None
    """GiB that one layer of a TensorRT engine may use beside its planes; 0: all that there is;
    None: that, or as what is built already was."""
    verdict: str | None = None
    """What fp16 was found to need in an earlier part of the job, as `vsr.backends.verdict` has it;
    None: that is still to be found out."""

    def __post_init__(self) -> None:
        if self.batch < 0:
            raise UsageError(f"a batch of {self.batch} frames is nothing to compute")
        if self.threads < 0:
            raise UsageError(f"{self.threads} threads is nothing to compute with")
        if self.tile and self.tile < 32:
            raise UsageError(f"tile {self.tile} is too small; 32 is the least")
        if self.optimization_level is not None and not 0 <= self.optimization_level <= 5:
            raise UsageError(f"optimization level {self.optimization_level} is not between 0 and 5")
        if self.workspace is not None and not 0 <= self.workspace <= MOST_WORKSPACE:
            raise UsageError(
                f"a workspace of {self.workspace:g} GiB is not between 0 and {MOST_WORKSPACE}"
            )


@dataclass(frozen=True)
class EncoderSettings:
    """How the result is encoded."""

    codec: str = "libx264"
    """Any video encoder that PyAV has, by its FFmpeg name, or a key of `CODEC_NAMES`."""
    crf: float | None = None
    """Constant rate factor, lower is better; None: the codec's own choice below."""
    preset: str | None = None
    pix_fmt: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    """More options of the encoder, by FFmpeg's names."""
    threads: int = 0
    """Of the encoder, whose bytes may depend on them; 0: as many as processors, at most 16."""

    def __post_init__(self) -> None:
        if not 0 <= self.threads <= MOST_THREADS:
            raise UsageError(f"{self.threads} encoder threads; 0 to {MOST_THREADS} can be")


@dataclass(frozen=True)
class UpscaleSettings:
    """One job."""

    model: str = DEFAULT_MODEL
    """A name from the catalogue, or the path of an ONNX file or a checkpoint."""
    size: Size = Size(Fraction(2))
    clip: Clip = Clip()
    deinterlace: Deinterlace = "auto"
    engine: EngineSettings = EngineSettings()
    encoder: EncoderSettings = EncoderSettings()
    container: str | None = None
    """FFmpeg's name of the container; None: by the output's name."""
    overwrite: bool = False
    verify: bool = True
    hwaccel: str = "none"
    """What decodes the film: none, which is the processor, or the GPU: cuda or cuda:N."""
    temporal: float = 0.0
    """How much neighbouring frames are made to agree: 0, not at all, to 1; about 0.6 suits clean
    films, 1 noisy and compressed ones."""
    temporal_radius: int = 1
    """Frames on each side that are looked at: 1 or 2."""
    restart: bool = False
    """Throw away what an interrupted run for the same output has left, and begin anew."""
    chunk_seconds: float = 10.0
    """Of film, after which what is done is on the disk for good."""

    @property
    def look(self) -> int:
        """Frames before and after a frame that its result depends on."""
        return self.temporal_radius if self.temporal else 0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"none|cuda(:\d+)?", self.hwaccel):
            raise UsageError(f"no --hwaccel '{self.hwaccel}'; there is none, cuda, cuda:1 ...")
        if not 0 <= self.temporal <= 1:
            raise UsageError(f"--temporal {self.temporal:g} is not between 0 and 1")
        if self.temporal_radius not in (1, 2):
            raise UsageError(f"a temporal radius of {self.temporal_radius} frames; 1 or 2 can be")
        if not self.chunk_seconds > 0:
            raise UsageError(f"chunks of {self.chunk_seconds:g} s are none")


@dataclass(frozen=True)
class ClusterSettings:
    """Where workers are, and what they get."""

    address: str
    """local, ray://HOST:PORT, or HOST:PORT of Ray's head."""
    storage: str | None = None
    """URL of a folder by way of which all files go; None: all machines see the same paths."""
    worker_cpus: int = 4
    """Processors of a worker, at most; where there are GPUs, there is one worker to each."""

    def __post_init__(self) -> None:
        if self.worker_cpus < 1:
            raise UsageError(f"workers with {self.worker_cpus} processors do nothing")
        if self.storage is not None and "://" not in self.storage:
            raise UsageError(f"--storage '{self.storage}' is no URL, such as s3://bucket/folder")
