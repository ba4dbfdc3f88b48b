"""From the size that was asked for to the network's factor and the exact size to write."""

from fractions import Fraction

from vsr.errors import UsageError
from vsr.frame import VideoInfo
from vsr.settings import Size


def factors(info: VideoInfo, size: Size) -> tuple[Fraction, Fraction]:
    """(horizontal, vertical) enlargement of the stored picture.

    A width or height is meant as shown: for a film that players turn by 90 degrees, the other.
    Raises UsageError for a size below the film's own.
    """
    if size.scale is not None:
        return size.scale, size.scale
    width, height = size.width, size.height
    if info.rotation % 180:
        width, height = height, width
    across = Fraction(width, info.format.width) if width else None
    down = Fraction(height, info.format.height) if height else None
    either = across or down or Fraction(2)
    if max(across or either, down or either) < 1:
        words = f"{size.width or '...'}x{size.height or '...'}"
        raise UsageError(f"{words} is smaller than the film; vsr only enlarges")
    return across or either, down or either


def final_size(info: VideoInfo, size: Size, even: tuple[bool, bool]) -> tuple[int, int]:
    """(width, height) to write; `even` says which of them the encoder needs to be even."""
    wanted = zip((info.format.width, info.format.height), factors(info, size), even, strict=True)
    width, height = (round_size(side * factor, needs) for side, factor, needs in wanted)
    return width, height


def round_size(size: Fraction, even: bool) -> int:
    return max(2, round(size / 2) * 2) if even else max(1, round(size))


def final_sar(info: VideoInfo, size: Size) -> Fraction | None:
    """The sample aspect ratio that keeps the picture's shape."""
    across, down = factors(info, size)
    if across == down:
        return info.sar
    return (info.sar or Fraction(1)) * down / across
