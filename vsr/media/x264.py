"""What makes x264 give the same bytes for the same frames."""

from collections.abc import Mapping

from vsr.processor import processor_flags

X264 = ("libx264", "libx264rgb")
WITHOUT_AVX512 = "asm=avx2,fma3,bmi1,bmi2,lzcnt"
"""What x264 may use of a processor that has AVX-512. Its AVX-512 code for the lookahead reads past
the end of a row of macroblocks, unless their number is a multiple of 16, into memory that nothing
has set: the same frames then give other bytes from run to run, as glibc's M_PERTURB shows.
Processors without AVX-512 give the same bytes as this."""


def repeatable(encoder: str, options: Mapping[str, str]) -> dict[str, str]:
    """The options of an FFmpeg encoder, with what it needs to be repeatable here."""
    if encoder not in X264 or "avx512f" not in processor_flags():
        return dict(options)
    words = WITHOUT_AVX512, options.get("x264-params", "")
    return {**options, "x264-params": ":".join(filter(None, words))}
