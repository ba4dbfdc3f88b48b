"""How fast this machine is: every stage alone, and the whole from file to file.

Each stage is timed alone, with all processors to itself. `ideal` is what they would allow one
after the other, 1 / (sum of their times); the whole, in which they share the processors, is held
against it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import psutil
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from tqdm import tqdm

from vsr.backends.select import build_engine
from vsr.errors import VsrError
from vsr.frame import Frame, VideoInfo
from vsr.media.encoder import encoder_name, encoder_options, large_info, pixel_format, set_up
from vsr.media.planes import to_picture
from vsr.media.reader import Reader
from vsr.networks.catalog import find_network
from vsr.networks.network import Network
from vsr.report.rivals import Rival
from vsr.settings import EncoderSettings, EngineSettings

HELD = 48
"""Frames held in memory for timing engine and encoder."""


@dataclass(frozen=True)
class Stage:
    """One line of the table."""

    name: str
    milliseconds: float
    """Per frame, the median of the runs."""

    @property
    def fps(self) -> float:
        return 1000 / self.milliseconds


@dataclass(frozen=True)
class BenchReport:
    """What was measured."""

    clip: str
    size: str
    network: str
    engine: str
    encoder: str
    frames: int
    """In one run of the whole."""
    stages: list[Stage]
    ideal_fps: float
    whole_fps: float
    peak_memory_mib: float
    """Of the whole process."""
    processor_seconds: float
    """User and system, per run of the whole."""
    rivals: list[Stage]

    @property
    def share(self) -> float:
        """The whole against the ideal."""
        return self.whole_fps / self.ideal_fps


def bench(
    clip: Path,
    model: str,
    engine: EngineSettings,
    encoder: EncoderSettings,
    frames: int,
    runs: int,
    rivals: Sequence[Rival],
) -> BenchReport:
    """Time everything on `clip`, repeated to at least `frames` frames, `runs` times in turn."""
    with tempfile.TemporaryDirectory(prefix="vsr-bench-") as folder:
        film = Path(folder) / "film.mkv"
        count = lengthen(clip, film, frames)
        subject = Subject(film, model, engine, encoder)
        stages: dict[str, Callable[[], float]] = {
            "decode": subject.decode,
            "colour (part of engine)": subject.colour,
            "engine": subject.engine,
            "encode": subject.encode,
        }
        times: dict[str, list[float]] = {name: [] for name in stages}
        wholes: list[Whole] = []
        rival_times: dict[str, list[float]] = {rival.name: [] for rival in rivals}
        for _ in tqdm(range(runs), "bench", unit="run", file=sys.stderr):
            for name, measure in stages.items():
                times[name].append(measure())
            wholes.append(run_whole(film, Path(folder), model, engine, encoder, count))
            for rival in rivals:
                seconds = rival.upscale_film(film, Path(folder) / "rival.mkv", encoder)
                rival_times[rival.name].append(seconds)
    lines = [Stage(name, 1000 * statistics.median(t)) for name, t in times.items()]
    alone = {stage.name: stage.milliseconds for stage in lines}
    return BenchReport(
        clip=clip.name,
        size=subject.size,
        network=subject.network.name,
        engine=subject.description,
        encoder=" ".join([subject.encoder_name, *subject.encoder_words]),
        frames=count,
        stages=lines,
        ideal_fps=1000 / (alone["decode"] + alone["engine"] + alone["encode"]),
        whole_fps=statistics.median(whole.fps for whole in wholes),
        peak_memory_mib=max(whole.peak_mib for whole in wholes),
        processor_seconds=statistics.median(whole.processor_seconds for whole in wholes),
        rivals=[Stage(name, 1000 * statistics.median(t)) for name, t in rival_times.items()],
    )


class Subject:
    """A clip and what it takes to work on it, each stage to be timed alone, in seconds a frame."""

    def __init__(
        self, film: Path, model: str, engine: EngineSettings, encoder: EncoderSettings
    ) -> None:
        self.film, self.engine_settings = film, engine
        self.network: Network = find_network(model, Fraction(2))
        with Reader(film) as reader:
            self.info = reader.info
            self.small = [frame for frame, _ in zip(reader.frames(), range(HELD), strict=False)]
        form, scale = self.info.format, self.network.scale
        self.large_info = large_info(self.info, form.width * scale, form.height * scale)
        self.large = list(self.enlarge(self.network, self.small))
        self.encoder_name = encoder_name(encoder.codec)
        self.options = encoder_options(self.encoder_name, encoder, self.info.hdr)
        self.encoder_words = [f"{k} {v}" for k, v in self.options.items() if "params" not in k]
        self.pix_fmt = pixel_format(self.encoder_name, form, encoder.pix_fmt)
        large = self.large_info.format
        self.size = f"{form.width}x{form.height} -> {large.width}x{large.height}"

    def enlarge(self, network: Network, frames: Sequence[Frame]) -> Iterator[Frame]:
        with build_engine(network, self.info.format, self.engine_settings) as engine:
            self.description = engine.description
            pending = [engine.start(frame) for frame in frames]
            yield from (p.result() for p in pending)

    def decode(self) -> float:
        with Reader(self.film) as reader:
            began = time.perf_counter()
            count = sum(1 for _ in reader.frames())
            return (time.perf_counter() - began) / count

    def colour(self) -> float:
        """The frame graph with next to no network in it: conversion, chroma, rounding."""
        return self.time_engine(find_network("nearest", Fraction(self.network.scale)))

    def engine(self) -> float:
        return self.time_engine(self.network)

    def time_engine(self, network: Network) -> float:
        with build_engine(network, self.info.format, self.engine_settings) as engine:
            for frame in self.small[: 2 * engine.depth]:
                engine.start(frame)
            began = time.perf_counter()
            pending = [engine.start(frame) for frame in self.small]
            for work in pending:
                work.result()
            return (time.perf_counter() - began) / len(self.small)

    def encode(self) -> float:
        """Encode the held frames to and fro, so that no cut costs more than in the film."""
        context = av.CodecContext.create(self.encoder_name, "w")
        assert isinstance(context, VideoCodecContext)
        set_up(context, self.large_info, self.pix_fmt, self.options)
        frames = [*self.large, *reversed(self.large[1:-1])] * 2
        began = time.perf_counter()
        for number, frame in enumerate(frames):
            picture = to_picture(replace(frame, pts=number), self.large_info.format)
            picture.pts = round(number / (steady_rate(self.info) * self.info.time_base))
            picture.time_base = self.info.time_base
            context.encode(picture)
        context.encode(None)
        return (time.perf_counter() - began) / len(frames)


def steady_rate(info: VideoInfo) -> Fraction:
    return info.rate or Fraction(25)


@dataclass(frozen=True)
class Whole:
    """One run of `vsr upscale` in a process of its own."""

    fps: float
    peak_mib: float
    processor_seconds: float


def run_whole(
    film: Path,
    folder: Path,
    model: str,
    engine: EngineSettings,
    encoder: EncoderSettings,
    frames: int,
) -> Whole:
    """`vsr upscale` as a user runs it, from the first import to the verified file."""
    words = [sys.executable, "-m", "vsr", "upscale", str(film), "-o", str(folder / "out.mkv")]
    words += ["--overwrite", "--progress", "none", "-m", model, "--codec", encoder.codec]
    words += ["--backend", engine.backend, "--device", engine.device]
    words += ["--precision", engine.precision, "--threads", str(engine.threads)]
    words += ["--batch", str(engine.batch)]
    if encoder.preset is not None:
        words += ["--preset", encoder.preset]
    if encoder.crf is not None:
        words += ["--crf", str(encoder.crf)]
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(words, stderr=errors)
        peak = 0.0
        while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            peak = max(peak, memory_mark(process.pid))
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise VsrError(f"vsr upscale failed: {errors.read().strip()}")
    return Whole(frames / seconds, peak, usage.ru_utime + usage.ru_stime)


def memory_mark(process: int) -> float:
    """The most memory that a process has had so far, MiB. (The kernel's own count at its end
    would begin with this process's, from which it was forked.)"""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return psutil.Process(process).memory_info().rss / 2**20  # type: ignore[no-any-return]
    marks = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
    return marks[0] if marks else 0.0


def lengthen(clip: Path, film: Path, frames: int) -> int:
    """Copy the clip's video and sound, packet for packet, as often as it takes to get at least
    `frames` frames; returns how many there are."""
    with av.open(str(clip)) as source, av.open(str(film), "w", format="matroska") as out:
        video, sound = source.streams.best("video"), source.streams.best("audio")
        targets: dict[str, Stream] = {
            stream.type: out.add_stream_from_template(stream, opaque=True)
            for stream in (video, sound)
            if stream is not None
        }
        packets = first_packets(source.demux([s for s in (video, sound) if s]), frames)
        shown = [packet.pts or 0 for packet in packets if packet.stream is video]
        times = sorted(shown)
        delay = max(time - pts for time, pts in zip(times, shown, strict=True))
        end = max(((p.pts or 0) + (p.duration or 0)) * p.time_base for p in packets)
        rounds = -(-frames // len(times))
        for n in range(rounds):
            decoded = iter(times)
            for packet in packets:
                copied = av.Packet(bytes(packet))
                copied.stream, copied.time_base = targets[packet.stream.type], packet.time_base
                copied.is_keyframe, copied.duration = packet.is_keyframe, packet.duration or 0
                pts = packet.pts or 0
                dts = next(decoded) - delay if packet.stream is video else pts
                moved = round(n * end / packet.time_base)
                copied.pts, copied.dts = pts + moved, dts + moved
                out.mux_one(copied)
    return rounds * len(times)


def first_packets(demuxed: Iterator[av.Packet[Stream]], frames: int) -> list[av.Packet[Stream]]:
    """Up to the packet with frame number `frames`."""
    packets, count = [], 0
    for packet in demuxed:
        if packet.size == 0 or packet.pts is None:
            continue
        packets.append(packet)
        count += packet.stream.type == "video"
        if count == frames:
            break
    return packets
