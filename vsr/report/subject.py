"""A clip and what it takes to work on it, each stage to be timed alone."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext

from vsr.backends.base import Building, Pending
from vsr.backends.select import build_engine
from vsr.frame import Frame, VideoInfo
from vsr.media.encoder import encoder_name, encoder_options, large_info, pixel_format, set_up
from vsr.media.planes import to_picture
from vsr.media.reader import Reader
from vsr.networks.catalog import find_network
from vsr.networks.network import Network
from vsr.report.floor import Floor, floor
from vsr.settings import EncoderSettings, EngineSettings

LEAST = 1.0
"""Seconds for which an engine is timed: a GPU is soon through with the frames that are held."""

HELD = 48
"""Frames held in memory for timing engine and encoder."""


class Subject:
    """A clip and what it takes to work on it, each stage to be timed alone, in seconds a frame."""

    def __init__(
        self,
        film: Path,
        model: str,
        engine: EngineSettings,
        encoder: EncoderSettings,
        scale: int = 2,
    ) -> None:
        self.film, self.engine_settings = film, engine
        self.build_seconds: float | None = None
        self.network: Network = find_network(model, Fraction(scale))
        with Reader(film) as reader:
            self.info = reader.info
            self.small = [frame for frame, _ in zip(reader.frames(), range(HELD), strict=False)]
        form, factor = self.info.format, self.network.scale
        self.large_info = large_info(self.info, form.width * factor, form.height * factor)
        self.large = list(self.enlarge(self.network, self.small))
        self.encoder_name = encoder_name(encoder.codec)
        self.options = encoder_options(self.encoder_name, encoder, self.info.hdr)
        self.encoder_words = [f"{k} {v}" for k, v in self.options.items() if "params" not in k]
        self.pix_fmt = pixel_format(self.encoder_name, form, encoder.pix_fmt)
        large = self.large_info.format
        self.size = f"{form.width}x{form.height} -> {large.width}x{large.height}"

    def enlarge(self, network: Network, frames: Sequence[Frame]) -> Iterator[Frame]:
        with build_engine(network, self.info.format, self.engine_settings, self.built) as engine:
            pending = [engine.start(frame) for frame in frames]
            yield from (p.result() for p in pending)
            self.description, self.device = engine.description, engine.device

    def built(self, building: Building) -> None:
        if building.share == 1:
            self.build_seconds = (self.build_seconds or 0) + building.seconds

    @property
    def gpu(self) -> int | None:
        """The number of the GPU that computes, None on the processor. (Of a GPU that is named
        otherwise the first is taken.)"""
        if self.device == "CPU":
            return None
        number = self.engine_settings.device.lower().removeprefix("cuda:")
        return int(number) if number.isdigit() else 0

    def floor(self) -> Floor:
        device = "cpu" if self.gpu is None else f"cuda:{self.gpu}"
        return floor(self.network, self.info.format, device, "fp16" in self.description)

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
            began, count = time.perf_counter(), 0
            work: deque[Pending] = deque()
            while count < len(self.small) or time.perf_counter() - began < LEAST:
                if len(work) == engine.depth:
                    work.popleft().result()
                work.append(engine.start(self.small[count % len(self.small)]))
                count += 1
            for pending in work:
                pending.result()
            return (time.perf_counter() - began) / count

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
