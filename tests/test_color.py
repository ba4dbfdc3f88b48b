"""Matrices and ranges, held against published numbers."""

import numpy as np
import pytest
import reference
from small_networks import largest_difference, nearest_rgb

from vsr.color import LUMA_WEIGHTS, MATRIX_NAMES, MATRIX_NUMBERS, code_range, guess_matrix
from vsr.frame import Frame, FrameFormat
from vsr.graph import frame_graph

BARS = {
    "bt601": {
        "white": (235, 128, 128),
        "red": (81, 90, 240),
        "green": (145, 54, 34),
        "blue": (41, 240, 110),
        "black": (16, 128, 128),
    },
    "bt709": {
        "white": (235, 128, 128),
        "red": (63, 102, 240),
        "green": (173, 42, 26),
        "blue": (32, 240, 118),
        "black": (16, 128, 128),
    },
}
"""Y', Cb, Cr of 100 % colour bars, 8 bits, limited range.
Source: ITU-R BT.601-7 and BT.709-6, as every generator of colour bars gives them."""

RGB = {
    "white": (1, 1, 1),
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "black": (0, 0, 0),
}


def flat(codes: tuple[int, int, int]) -> Frame:
    planes = np.ones((3, 2, 2), np.uint8) * np.array(codes, np.uint8)[:, None, None]
    return Frame(planes[0], planes[1:], 0)


@pytest.mark.parametrize("matrix", sorted(BARS))
@pytest.mark.parametrize("color", sorted(RGB))
def test_colour_bars_have_the_published_codes(matrix: str, color: str) -> None:
    form = FrameFormat(2, 2, chroma="444", color_matrix=matrix)
    rgb = np.ones((3, 2, 2)) * np.array(RGB[color])[:, None, None]
    frame = reference.from_rgb(rgb, flat((0, 0, 0)), form)
    assert largest_difference(frame, flat(BARS[matrix][color])) == 0


@pytest.mark.parametrize("matrix", sorted(BARS))
@pytest.mark.parametrize("color", sorted(RGB))
def test_colour_bars_pass_through_rgb_unchanged(matrix: str, color: str) -> None:
    form = FrameFormat(2, 2, chroma="444", color_matrix=matrix)
    frame = flat(BARS[matrix][color])
    assert frame.uv is not None
    feeds = {"y": frame.y[None, None], "uv": frame.uv[None]}
    y, uv = reference.run_onnx(frame_graph(nearest_rgb(1), form), feeds)
    assert largest_difference(frame, Frame(y[0, 0], uv[0], 0)) == 0


def test_limited_range_leaves_room_below_and_above() -> None:
    for depth, unit in ((8, 1), (10, 4), (12, 16)):
        codes = code_range(depth, full=False)
        assert (codes.black, codes.black + codes.luma) == (16 * unit, 235 * unit)
        assert (codes.neutral, codes.chroma) == (128 * unit, 224 * unit)
        assert codes.top == 2**depth - 1


def test_full_range_uses_every_code() -> None:
    for depth in (8, 10, 12):
        codes = code_range(depth, full=True)
        assert (codes.black, codes.luma, codes.chroma) == (0, 2**depth - 1, 2**depth - 1)
        assert codes.neutral == 2 ** (depth - 1)


def test_matrices_have_numbers_and_numbers_matrices() -> None:
    assert set(MATRIX_NUMBERS) == set(LUMA_WEIGHTS)
    assert all(MATRIX_NAMES[number] == name for name, number in MATRIX_NUMBERS.items())


def test_untagged_films_are_bt709_from_high_definition_on() -> None:
    sizes = {(720, 576): "bt601", (1280, 544): "bt709", (960, 720): "bt709", (1278, 718): "bt601"}
    assert {size: guess_matrix(*size) for size in sizes} == sizes
