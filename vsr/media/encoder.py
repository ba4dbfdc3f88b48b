"""Which encoder, with which options, in which pixel format."""

import time
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

import av
import av.logging
from av.video.codeccontext import VideoCodecContext

from vsr.color import MATRIX_NUMBERS
from vsr.errors import UsageError
from vsr.frame import SUBSAMPLING, ColorTags, FrameFormat, Hdr, VideoInfo
from vsr.media.hdr import hdr_options
from vsr.settings import EncoderSettings

CODEC_NAMES = {
    "h264": "libx264",
    "hevc": "libx265",
    "h265": "libx265",
    "av1": "libsvtav1",
    "vp9": "libvpx-vp9",
    "prores": "prores_ks",
}
"""What people say -> the encoder that is meant."""

DEFAULTS: dict[str, dict[str, str]] = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libx265": {"crf": "20", "preset": "fast", "x265-params": "log-level=none"},
    "libsvtav1": {"crf": "26", "preset": "10"},
    "libvpx-vp9": {"crf": "26", "b": "0", "row-mt": "1", "cpu-used": "4"},
    "ffv1": {"level": "3", "slices": "16", "slicecrc": "1"},
    "prores_ks": {"profile": "hq"},
    "h264_nvenc": {"cq": "19", "rc": "vbr", "b": "0", "preset": "p5", "tune": "hq"},
    "hevc_nvenc": {"cq": "21", "rc": "vbr", "b": "0", "preset": "p5", "tune": "hq"},
    "av1_nvenc": {"cq": "26", "rc": "vbr", "b": "0", "preset": "p5", "tune": "hq"},
}
"""Options that stand unless the user says otherwise; the presets by the README's measurements,
those of NVIDIA's encoders by their documentation alone."""

NVENC = tuple(name for name in DEFAULTS if name.endswith("_nvenc"))

SEMI_PLANAR = {"nv12": ("420", 8), "p010le": ("420", 10)}
"""Formats with both chroma planes in one, as GPUs have them."""

RATE_OPTIONS = {"b", "qp", "cqp", "rc"}
"""What asks for another kind of rate control; encoders would heed our own crf before it."""

SAME_TRANSFER = (1, 6, 14, 15)
"""Transfer characteristics that are one function. Source: ITU-T H.273, table 3."""

CHROMA_LOCATIONS = {"left": "left", "center": "center", "topleft": "topleft"}


def encoder_name(codec: str) -> str:
    """The encoder's FFmpeg name. Raises UsageError where PyAV has none such."""
    name = CODEC_NAMES.get(codec.lower(), codec)
    try:
        kind = av.Codec(name, "w").type
    except av.codec.codec.UnknownCodecError:
        raise UsageError(
            f"no encoder '{codec}'; there is {', '.join(CODEC_NAMES)}, ffv1, "
            "or any FFmpeg encoder by its name"
        ) from None
    if kind != "video":
        raise UsageError(f"'{codec}' encodes {kind}, not video")
    return name


def check_encoder(name: str) -> None:
    """Raise UsageError where an encoder of NVIDIA's is not to be had on this machine."""
    if name in NVENC and not opens(name, "yuv420p", 640, 480):
        refused = on_trial(name, "yuv420p", 640, 480)
        why = reason(refused, DEFAULTS[name]) or "it does not open"
        raise UsageError(
            f"no {name} here: {why}. It needs NVIDIA's driver and a GPU with an encoder, "
            f"which H200, H100 and A100 have not; --codec {name.partition('_')[0]} needs neither"
        )


def encoder_options(name: str, settings: EncoderSettings, hdr: Hdr) -> dict[str, str]:
    """Every option as FFmpeg takes it; the user's own win."""
    options = dict(DEFAULTS.get(name, {}))
    quality = "cq" if name in NVENC else "crf"
    if RATE_OPTIONS & set(settings.options):
        options.pop(quality, None)
    if settings.crf is not None:
        options[quality] = f"{settings.crf:g}"
    if settings.preset is not None:
        options["preset"] = settings.preset
    key, words = hdr_options(name, hdr)
    if words:
        options[key] = ":".join(filter(None, [options.get(key), words]))
    for key, value in settings.options.items():
        joined = key.endswith("-params") and key in options
        options[key] = f"{options[key]}:{value}" if joined else value
    return options


def same_tags(a: ColorTags, b: ColorTags) -> bool:
    """Whether they mean the same: four transfers are one function, and no range is limited."""
    one, other = (
        replace(
            tags,
            transfer=1 if tags.transfer in SAME_TRANSFER else tags.transfer,
            range=tags.range or 1,
        )
        for tags in (a, b)
    )
    return one == other


def pixel_format(name: str, form: FrameFormat, wanted: str | None) -> str:
    """The pixel format to encode: as wanted, else the frames' own, else the nearest that loses
    least: no less depth, no less chroma, where the encoder has one such.

    Raises UsageError where the encoder does not take `wanted`.
    """
    offered = [f.name for f in av.Codec(name, "w").video_formats or []]
    if wanted is not None:
        if offered and wanted not in offered:
            raise UsageError(f"{name} does not encode {wanted}; it takes {', '.join(offered)}")
        return wanted
    if not offered or form.pix_fmt in offered:
        return form.pix_fmt

    def fitness(candidate: str) -> tuple[bool, bool, int, int]:
        chroma, depth = planar(candidate)
        size = chroma_size(chroma)
        lossless = depth >= form.depth, size >= chroma_size(form.chroma)
        return (*lossless, -abs(depth - form.depth), -abs(size - chroma_size(form.chroma)))

    known = [f for f in offered if planar(f) != ("", 0)]
    if not known:
        raise UsageError(f"{name} takes none of the pixel formats known here ({offered})")
    return max(known, key=fitness)


def planar(pix_fmt: str) -> tuple[str, int]:
    """(chroma, depth) of a plain planar format's name; ("", 0) for any other."""
    if pix_fmt in SEMI_PLANAR:
        return SEMI_PLANAR[pix_fmt]
    for chroma in ("gray", *SUBSAMPLING):
        for depth in (8, 9, 10, 12, 14, 16):
            if FrameFormat(2, 2, depth, chroma).pix_fmt == pix_fmt:
                return chroma, depth
    return "", 0


def chroma_size(chroma: str) -> int:
    """Chroma samples per four luma samples, of each kind."""
    if chroma == "gray":
        return 0
    across, down = SUBSAMPLING[chroma]
    return 4 // (across * down)


def needs_even(name: str, pix_fmt: str) -> tuple[bool, bool]:
    """Whether this encoder refuses an odd (width, height) in this format: it is asked."""
    return (not opens(name, pix_fmt, 97, 96), not opens(name, pix_fmt, 96, 97))


def on_trial(name: str, pix_fmt: str, width: int, height: int) -> VideoCodecContext:
    """An encoder that is only opened to see whether it can be."""
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, pix_fmt
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    return context


def opens(
    name: str, pix_fmt: str, width: int, height: int, options: dict[str, str] | None = None
) -> bool:
    """Whether the encoder takes such pictures."""
    context = on_trial(name, pix_fmt, width, height)
    usual = {k: v for k, v in DEFAULTS.get(name, {}).items() if k != "slices"}
    context.options = dict(usual if options is None else options)
    try:
        context.open()
    except av.FFmpegError:
        return False
    return True


def set_up(
    context: VideoCodecContext, info: VideoInfo, pix_fmt: str, options: dict[str, str]
) -> None:
    """Tell an encoder what it is to encode and open it.

    Raises UsageError for an option that the encoder does not know or a value it refuses.
    """
    form, tags = info.format, info.tags
    context.width, context.height, context.pix_fmt = form.width, form.height, pix_fmt
    context.time_base = info.time_base
    context.framerate = encoder_rate(info.rate)
    if info.sar is not None:
        context.sample_aspect_ratio = info.sar
    context.color_primaries, context.color_trc = tags.primaries, tags.transfer
    if context.name == "prores_ks" and tags.transfer in SAME_TRANSFER:
        context.color_trc = 1  # the one of these names that ProRes knows
    context.colorspace = tags.matrix if tags.matrix else MATRIX_NUMBERS[form.color_matrix]
    context.color_range = tags.range
    if planar(pix_fmt)[0] in ("420", "422"):
        options = {"chroma_sample_location": CHROMA_LOCATIONS[form.chroma_location], **options}
    if context.name == "ffv1" and not opens("ffv1", pix_fmt, form.width, form.height, options):
        own = DEFAULTS["ffv1"]["slices"]  # not every odd size can be cut so
        options = {key: value for key, value in options.items() if (key, value) != ("slices", own)}
    context.options = options
    try:
        context.open()
    except av.FFmpegError as error:
        words = " ".join(f"{k}={v}" for k, v in options.items())
        problem = reason(context, options) or error.strerror or str(error)
        raise UsageError(
            f"{context.name} refuses {form.width}x{form.height} {pix_fmt} with {words}: {problem}"
        ) from error
    unknown = [key for key in context.options if key in options]
    if unknown:
        raise UsageError(f"{context.name} has no option {', '.join(unknown)}")


def reason(refused: VideoCodecContext, options: dict[str, str]) -> str:
    """Why an encoder does not open, in the words that libav tells its log alone.

    Where PyAV listens to that log, it takes the interpreter's lock, in threads of decoders too. One
    that waits for it while its decoder is being freed would wait forever: it is let through.
    """
    again = on_trial(refused.name, refused.pix_fmt or "", refused.width, refused.height)
    again.time_base, again.framerate = refused.time_base, refused.framerate
    again.options = dict(options)
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as lines, suppress(av.FFmpegError):
            again.open()
    finally:
        av.logging.set_level(level)
        time.sleep(0.05)
    return lines[-1][2].strip() if lines else ""


def tag(picture: av.VideoFrame, context: VideoCodecContext) -> None:
    """Give a picture the encoder's colour tags; ProRes takes them from there."""
    picture.color_primaries, picture.color_trc = context.color_primaries, context.color_trc
    picture.colorspace, picture.color_range = context.colorspace, context.color_range


def encoder_rate(rate: Fraction | None) -> Fraction:
    """A frame rate that rate control can live with; it decides no timestamp."""
    if not rate:
        return Fraction(25)
    return min(max(rate, Fraction(1)), Fraction(240)).limit_denominator(1001)


def large_info(info: VideoInfo, width: int, height: int) -> VideoInfo:
    """What is to be written: the source's info at another size, a mirror matrix's shift scaled."""
    matrix = info.display_matrix
    if matrix is not None:
        across, down = Fraction(width, info.format.width), Fraction(height, info.format.height)
        x, y = round(matrix[6] * across), round(matrix[7] * down)
        matrix = (*matrix[:6], x, y, matrix[8])
    form = replace(info.format, width=width, height=height)
    return replace(info, format=form, display_matrix=matrix)
