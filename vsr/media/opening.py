"""From a path to an open container and its video stream, or to the reason there is none."""

import os
import stat

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vsr.errors import InputError, UsageError
from vsr.media.pipes import PIPE_BUFFER, PipeReader

PICTURE_FORMATS = {"image2", "webp_pipe", "webp"}


def open_pipe(path: str) -> PipeReader | None:
    """Standard input for "-", or a named pipe; None for any other file. Raises InputError."""
    if path == "-":
        if os.isatty(0):
            raise UsageError("standard input is a terminal; let a film come through a pipe")
        return PipeReader(path)
    check_is_file(path)
    return PipeReader(path) if stat.S_ISFIFO(os.stat(path).st_mode) else None


def gpu_decoder(word: str) -> HWAccel | None:
    """What decodes on a GPU: of "cuda" or "cuda:N"; None for "none".

    What it cannot decode is not quietly decoded by the processor instead, but not at all.
    Raises UsageError where there is no such GPU, or no driver.
    """
    if word == "none":
        return None
    kind, _, number = word.partition(":")
    found = HWAccel(kind, number or None, allow_software_fallback=False)
    try:
        found.create(av.Codec("h264", "r"))
    except (av.FFmpegError, NotImplementedError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"--hwaccel {word}: no such GPU decodes video here ({why}); "
            "vsr doctor tells of the GPUs there are"
        ) from error
    return found


def check_decoded_on_gpu(stream: VideoStream, name: str) -> None:
    """Raise InputError where the stream's decoder is one of the processor's."""
    if not stream.codec_context.is_hwaccel:
        raise no_gpu_decoder(name, stream.codec_context.codec.name)


def no_gpu_decoder(name: str, codec: str) -> InputError:
    return InputError(f"{name}: {codec} is not decoded on a GPU; leave out --hwaccel")


def open_input(
    path: str, pipe: PipeReader | None, hwaccel: HWAccel | None = None
) -> InputContainer:
    """Open a film. Raises InputError."""
    name = "standard input" if path == "-" else path
    place = pipe or f"file:{path}"  # else libav takes what stands before a colon for a protocol
    try:
        container = av.open(
            place,
            "r",
            metadata_errors="replace",
            buffer_size=PIPE_BUFFER if pipe else 32768,
            hwaccel=hwaccel,
        )
    except av.FFmpegError as error:
        raise InputError(f"{name}: {why_unreadable(path, pipe, error)}") from error
    except RuntimeError as error:  # PyAV's, of a film with no stream that the GPU can decode
        raise no_gpu_decoder(name, "its video") from error
    if container.format.name in PICTURE_FORMATS or container.format.name.endswith("_pipe"):
        container.close()
        raise InputError(f"{name}: a single picture, not a film; vsr upscales films")
    return container


def why_unreadable(path: str, pipe: PipeReader | None, error: av.FFmpegError) -> str:
    if pipe is not None and not pipe.began:
        return "nothing came through the pipe"
    if pipe is None and os.path.getsize(path) == 0:
        return "the file is empty"
    if isinstance(error, av.EOFError):
        return "it ends before the first picture"
    return f"not a film that can be read ({error.strerror})"


def check_is_file(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: a directory, not a film; name the films in it")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: no permission to read it")


def best_video(container: InputContainer, path: str) -> VideoStream:
    """The stream to work on: of several the one with the largest picture, as ffmpeg chooses."""
    pictures = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not pictures:
        kinds = ", ".join(sorted({stream.type for stream in container.streams}))
        only = f" ({kinds} only)" if kinds else ", nor anything else"
        raise InputError(f"{path}: holds no video{only}; there is nothing to upscale")
    pictures = [s for s in pictures if s.codec_context is not None]
    if not pictures:
        raise InputError(f"{path}: its video is in a format that no decoder here knows")
    return max(pictures, key=lambda stream: stream.width * stream.height)
