"""From the engine's frames to the size and pixel format that is encoded."""

from fractions import Fraction

import av

from vsr.frame import FrameFormat
from vsr.media.filters import FilterChain


def make_scaler(
    form: FrameFormat, final: FrameFormat, pix_fmt: str, time_base: Fraction
) -> FilterChain | None:
    """A Lanczos reduction that keeps matrix, range and chroma's place; None where not needed."""
    same_size = (form.width, form.height) == (final.width, final.height)
    if same_size and form.pix_fmt == pix_fmt:
        return None
    place, matrix = form.chroma_location, form.color_matrix
    # swscale takes gray for full range, whatever it is told; so it is told that of both sides
    color_range = "full" if form.full_range or form.is_gray else "limited"
    scale = (
        f"scale=w={final.width}:h={final.height}:flags=lanczos+accurate_rnd+full_chroma_int"
        f":in_chroma_loc={place}:out_chroma_loc={place}"
        f":in_range={color_range}:out_range={color_range}"
        f":in_color_matrix={matrix}:out_color_matrix={matrix}"
    )
    like = av.VideoFrame(form.width, form.height, form.pix_fmt)
    return FilterChain(like, time_base, scale, f"format={pix_fmt}")
