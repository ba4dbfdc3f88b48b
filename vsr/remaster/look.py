"""A first look at a film: whether it can be done, and what would come of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction

from vsr.backends.select import candidates
from vsr.errors import UsageError, VsrError
from vsr.frame import ColorTags, FrameFormat, VideoInfo
from vsr.media.container import PICTURES_ONLY, container_of, lost_by_trial
from vsr.media.encoder import check_encoder, encoder_name, pixel_format
from vsr.media.reader import Reader
from vsr.networks.catalog import find_network
from vsr.pipeline.plan import make_plan
from vsr.pipeline.progress import expected_frames
from vsr.pipeline.sizes import factors
from vsr.settings import Size, UpscaleSettings


class LargeEnoughError(VsrError):
    """The film is as large already as it was to become."""


@dataclass(frozen=True)
class Look:
    """What is known of a film before any work."""

    info: VideoInfo
    width: int
    """Of the result."""
    height: int
    ending: str
    """Of the output's name: of a file that can hold everything."""
    frames: int | None
    """An estimate."""
    size: int
    """Bytes of the source."""

    @property
    def seconds(self) -> float:
        """Of film; where nothing tells, as its frames would take at 25 a second."""
        return self.info.duration or (self.frames or 0) / 25

    @property
    def pixels(self) -> int:
        """Of all frames of the result, as far as is known."""
        return self.width * self.height * (self.frames or round(self.seconds * 25))


def look(source: str, settings: UpscaleSettings, name: str, folder: str) -> Look:
    """Look at a film. `folder` is an empty one, in which nothing is made; `name`, where it is not
    empty, is the output's, else its ending is to be found.

    Raises LargeEnoughError where it is as large as it is to become, InputError and its kin where it
    cannot be done.
    """
    with Reader(source, settings.deinterlace) as reader:
        if is_large_enough(reader.info, settings.size):
            form = reader.info.format
            raise LargeEnoughError(f"{source}: is {form.width}x{form.height} already")
        plan = make_plan(reader, os.path.join(folder, name), settings)
        large = plan.target.info.format
        return Look(
            info=reader.info,
            width=large.width,
            height=large.height,
            ending=os.path.splitext(plan.target.path)[1],
            frames=expected_frames(reader.info, settings),
            size=os.path.getsize(source),
        )


def is_large_enough(info: VideoInfo, size: Size) -> bool:
    """Whether the height or width that is asked for is no more than the film's."""
    if size.scale is not None:
        return False
    try:
        return max(factors(info, size)) <= 1
    except UsageError:
        return True


def check_settings(settings: UpscaleSettings) -> None:
    """Raise UsageError for a model, an encoder, or an encoder's options that cannot be had."""
    check_model(settings)
    candidates(settings.engine, gpu=False)
    check_rest(settings)


def check_model(settings: UpscaleSettings) -> None:
    find_network(settings.model, Fraction(1))


def check_rest(settings: UpscaleSettings) -> None:
    """All but the model and what computes. Raises MissingPackageError, too."""
    if settings.temporal:
        import vsr.pipeline.temporal.stage  # noqa: F401 (which tells whether OpenCV is there)
    container = container_of("film.mkv", settings.container)
    if container == PICTURES_ONLY:
        raise UsageError("y4m holds no sound and is no file to keep; say mkv, mp4 or mov")
    name = encoder_name(settings.encoder.codec)
    check_encoder(name)
    form = FrameFormat(128, 128)
    pix_fmt = pixel_format(name, form, settings.encoder.pix_fmt)
    info = VideoInfo(form, "", "", Fraction(1, 25), Fraction(25), ColorTags())
    lost_by_trial(container, info, pix_fmt, settings.encoder)
