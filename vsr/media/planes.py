"""libav's frames <-> numpy planes."""

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from vsr.frame import Frame, FrameFormat, Plane

SWSCALE_MATRICES = {"bt601": 5, "bt709": 1, "bt2020": 9}
"""swscale's numbers of the colour matrices (its SWS_CS constants)."""

CAREFUL = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)
"""swscale's flags for converting without its shortcuts."""


def plane_view(frame: av.VideoFrame, index: int, dtype: type) -> Plane:
    """One plane of a libav frame as a writable array (h, w), without a copy."""
    plane = frame.planes[index]
    rows = np.frombuffer(plane, dtype)  # type: ignore[call-overload]
    rows = rows[: plane.height * plane.line_size // np.dtype(dtype).itemsize]
    view: Plane = rows.reshape(plane.height, -1)[:, : plane.width]
    return view


def to_frame(picture: av.VideoFrame, form: FrameFormat, pts: int, duration: int) -> Frame:
    """Copy a planar libav frame of this format."""
    y = np.empty((form.height, form.width), form.dtype)
    np.copyto(y, plane_view(picture, 0, form.dtype))
    if form.uv_shape is None:
        return Frame(y, None, pts, duration)
    uv = np.empty(form.uv_shape, form.dtype)
    np.copyto(uv[0], plane_view(picture, 1, form.dtype))
    np.copyto(uv[1], plane_view(picture, 2, form.dtype))
    return Frame(y, uv, pts, duration)


def to_picture(frame: Frame, form: FrameFormat) -> av.VideoFrame:
    """Copy a frame of this format into a libav frame."""
    picture = av.VideoFrame(form.width, form.height, form.pix_fmt)
    np.copyto(plane_view(picture, 0, form.dtype), frame.y)
    if frame.uv is not None:
        np.copyto(plane_view(picture, 1, form.dtype), frame.uv[0])
        np.copyto(plane_view(picture, 2, form.dtype), frame.uv[1])
    picture.pts = frame.pts
    return picture


def to_rgb(frame: Frame, form: FrameFormat) -> NDArray[np.uint8]:
    """A frame of this format as (h, w, 3), uint8 R'G'B'."""
    picture = to_picture(frame, form).reformat(
        format="rgb24",
        src_colorspace=SWSCALE_MATRICES[form.color_matrix],
        src_color_range=2 if form.full_range else 1,
        dst_color_range=2,
        interpolation=CAREFUL,
    )
    return picture.to_ndarray()  # type: ignore[return-value]
