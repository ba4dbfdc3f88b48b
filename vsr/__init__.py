"""vsr: neural super-resolution for films, changing nothing but their size.

The names below are the library; they are loaded when first used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vsr.errors import BackendError as BackendError
    from vsr.errors import InputError as InputError
    from vsr.errors import MediaError as MediaError
    from vsr.errors import VerificationError as VerificationError
    from vsr.errors import VsrError as VsrError
    from vsr.frame import Frame as Frame
    from vsr.frame import VideoInfo as VideoInfo
    from vsr.pipeline.film import UpscaledFilm as UpscaledFilm
    from vsr.pipeline.progress import Progress as Progress
    from vsr.pipeline.progress import UpscaleReport as UpscaleReport
    from vsr.pipeline.upscale import upscale as upscale
    from vsr.settings import Clip as Clip
    from vsr.settings import EncoderSettings as EncoderSettings
    from vsr.settings import EngineSettings as EngineSettings
    from vsr.settings import Size as Size
    from vsr.settings import UpscaleSettings as UpscaleSettings

__version__ = "0.1.0"

_HOMES = {
    "vsr.errors": ("VsrError", "InputError", "BackendError", "MediaError", "VerificationError"),
    "vsr.frame": ("Frame", "VideoInfo"),
    "vsr.pipeline.film": ("UpscaledFilm",),
    "vsr.pipeline.progress": ("Progress", "UpscaleReport"),
    "vsr.pipeline.upscale": ("upscale",),
    "vsr.settings": ("UpscaleSettings", "EngineSettings", "EncoderSettings", "Size", "Clip"),
}
__all__ = [name for names in _HOMES.values() for name in names]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    import importlib

    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'vsr' has no attribute '{name}'")
