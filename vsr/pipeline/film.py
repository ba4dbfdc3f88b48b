"""Large frames for people who bring their own loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vsr.backends.base import OnBuild
from vsr.errors import UsageError
from vsr.frame import Frame, VideoInfo
from vsr.media.encoder import large_info
from vsr.media.planes import to_rgb
from vsr.media.reader import Reader
from vsr.networks.catalog import find_network
from vsr.pipeline.enlarge import EnlargeReport, enlarge
from vsr.pipeline.prefetch import prefetch
from vsr.pipeline.upscale import DECODED_AHEAD, find_stage, open_engine
from vsr.settings import DEFAULT_MODEL, EngineSettings, UpscaleSettings


class UpscaledFilm:
    """A film's frames, enlarged by the network's own factor, one after the other.

        with UpscaledFilm("movie.mp4", scale=2) as film:
            for frame in film:
                print(frame.pts * film.info.time_base, film.rgb(frame).shape)

    `temporal` makes neighbouring frames agree, 0 to 1, as `UpscaleSettings` says. `on_build` is
    told how far an engine is that has to be built first. The film can be gone through once. Raises
    what `upscale` raises, and leaves nothing open.
    """

    def __init__(
        self,
        src: str | Path,
        scale: int = 2,
        model: str = DEFAULT_MODEL,
        engine: EngineSettings = EngineSettings(),  # noqa: B008 (frozen)
        temporal: float = 0.0,
        temporal_radius: int = 1,
        on_build: OnBuild | None = None,
    ) -> None:
        settings = UpscaleSettings(temporal=temporal, temporal_radius=temporal_radius)
        self.steady = find_stage(settings)
        self.stack = ExitStack()
        with ExitStack() as opening:
            self.reader = opening.enter_context(Reader(src))
            form = self.reader.info.format
            network = find_network(model, Fraction(scale))
            if network.scale != scale:
                raise UsageError(
                    f"{model} enlarges by {network.scale} here, not by {scale}; "
                    "vsr.upscale makes any size"
                )
            self.engine = opening.enter_context(
                open_engine(network, form, engine, on_build=on_build)
            )
            self.stack = opening.pop_all()
        size = form.width * network.scale, form.height * network.scale
        self.info: VideoInfo = large_info(self.reader.info, *size)
        """Of the large film."""
        self.begun = False

    def __iter__(self) -> Iterator[Frame]:
        if self.begun:
            raise UsageError(f"{self.reader.name}: can be gone through once; open it again")
        self.begun = True
        return self.frames()

    def frames(self) -> Iterator[Frame]:
        with (
            prefetch(self.reader.frames(), DECODED_AHEAD, "decode") as decoded,
            ExitStack() as leaving,
        ):
            leaving.callback(self.reader.stop)
            pairs = enlarge(decoded, self.engine, EnlargeReport())
            yield from self.steady(pairs, self.engine)

    def rgb(self, frame: Frame) -> NDArray[np.uint8]:
        """The frame as (h, w, 3), uint8 R'G'B', by the film's own matrix and range."""
        return to_rgb(frame, self.info.format)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()
