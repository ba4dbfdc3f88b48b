"""The frame graph, run by ONNX's reference implementation, against the arithmetic it stands for."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import (
    bilinear_rgb,
    halving_network,
    largest_difference,
    nearest_rgb,
    network,
    node,
    noise,
    random_network,
)

from vsr.frame import Frame, FrameFormat
from vsr.graph import frame_graph
from vsr.networks.classical import classical
from vsr.networks.network import Network

FORMATS = st.builds(
    FrameFormat,
    width=st.integers(1, 17),
    height=st.integers(1, 17),
    depth=st.sampled_from([8, 10]),
    chroma=st.sampled_from(["420", "422", "444", "gray"]),
    color_matrix=st.sampled_from(["bt601", "bt709", "bt2020"]),
    full_range=st.booleans(),
    chroma_location=st.sampled_from(["left", "center", "topleft"]),
)


@cache
def get_network(name: str, scale: int) -> Network:
    if name in ("luma", "rgb"):
        return random_network({"luma": 1, "rgb": 3}[name], scale)
    if name.startswith("by "):  # "by 4" takes pictures whose sides are multiples of 4
        multiple = int(name.removeprefix("by "))
        return halving_network(3 if multiple == 2 else 1, multiple, scale)
    return classical(name, scale)


def run(network: Network, form: FrameFormat, frame: Frame) -> Frame:
    feeds = {"y": frame.y[None, None]} | ({} if frame.uv is None else {"uv": frame.uv[None]})
    results = reference.run_onnx(frame_graph(network, form), feeds)
    assert results[0].dtype == form.dtype
    return replace(frame, y=results[0][0, 0], uv=results[1][0] if len(results) > 1 else None)


@pytest.mark.parametrize(
    "name", ["luma", "rgb", "by 2", "by 4", "nearest", "bilinear", "bicubic", "lanczos"]
)
@pytest.mark.parametrize("chroma", ["420", "422", "444", "gray"])
@settings(max_examples=12)
@given(scale=st.integers(1, 4), form=FORMATS, seed=st.integers(0, 99))
def test_the_graph_computes_what_the_reference_does(
    name: str, chroma: str, scale: int, form: FrameFormat, seed: int
) -> None:
    form = replace(form, chroma=chroma)
    frame, network = noise(form, seed), get_network(name, scale)
    result, expected = run(network, form, frame), reference.enlarge(frame, form, network)
    assert result.y.shape == (form.height * scale, form.width * scale)
    large = replace(form, height=form.height * scale, width=form.width * scale)
    assert (None if result.uv is None else result.uv.shape) == large.uv_shape
    assert largest_difference(result, expected) <= 1


@given(st.integers(1, 4), FORMATS, st.integers(0, 99))
def test_nearest_shrunk_back_is_the_source(scale: int, form: FrameFormat, seed: int) -> None:
    frame = noise(form, seed)
    large = run(get_network("nearest", scale), form, frame)
    for row in range(scale):
        for column in range(scale):
            np.testing.assert_array_equal(large.y[row::scale, column::scale], frame.y)
    if frame.uv is None or large.uv is None:
        assert form.is_gray
        return
    _, rows, columns = large.uv.shape
    repeated = frame.uv.repeat(scale, axis=1).repeat(scale, axis=2)[:, :rows, :columns]
    np.testing.assert_array_equal(large.uv, repeated)


@given(st.integers(1, 4), FORMATS, st.integers(0, 99))
def test_rgb_nearest_on_444_shrunk_back_is_the_source(
    scale: int, form: FrameFormat, seed: int
) -> None:
    form = replace(form, chroma="444")
    rgb = np.random.default_rng(seed).choice([0, 0.3, 0.8, 1], (3, form.height, form.width))
    frame = reference.from_rgb(rgb, Frame(np.empty(0), None, 0), form)
    large = run(nearest_rgb(scale), form, frame)
    assert frame.uv is not None
    assert large.uv is not None
    for row in range(scale):
        for column in range(scale):
            y, uv = large.y[row::scale, column::scale], large.uv[:, row::scale, column::scale]
            assert largest_difference(Frame(y, uv, 0), frame) <= 1


def smooth_frame(form: FrameFormat, phase: float = 0.0) -> Frame:
    """Slow waves, all of whose colours exist."""
    v, u = np.mgrid[0 : form.height, 0 : form.width] / 24
    waves = [np.sin(u + phase), np.cos(v - phase), np.sin(u - v)]
    rgb = np.stack([0.5 + 0.3 * wave for wave in waves])
    return reference.from_rgb(rgb, Frame(np.empty(0), None, 0), form)


@given(FORMATS, st.integers(2, 4), st.floats(0, 6))
def test_rgb_keeps_smooth_pictures_of_any_subsampling(
    form: FrameFormat, scale: int, phase: float
) -> None:
    form = replace(form, width=form.width + 16, height=form.height + 16, depth=8)
    frame = smooth_frame(form, phase)
    large = run(nearest_rgb(scale), form, frame)
    y = large.y.reshape(form.height, scale, form.width, scale).mean(axis=(1, 3))
    assert np.abs(y - frame.y).max() <= 1
    if large.uv is None or frame.uv is None:
        return
    _, rows, columns = frame.uv.shape
    whole = np.pad(large.uv, [(0, 0), (0, scale), (0, scale)], mode="edge")
    whole = whole[:, : rows * scale, : columns * scale].astype(float)
    uv = whole.reshape(2, rows, scale, columns, scale).mean(axis=(2, 4))
    assert np.abs(uv - frame.uv)[:, 1:-1, 1:-1].max() <= 2


def ramp_frame(form: FrameFormat, scale: int) -> Frame:
    """Mid-grey luma under chroma that rises evenly to the right and downwards, sampled where
    H.273 places the samples of a picture `scale` times enlarged, in the small one's coordinates."""
    assert form.uv_shape is not None
    large = replace(form, width=form.width * scale, height=form.height * scale)
    across, down = form.subsampling
    _, rows, columns = large.uv_shape or (0, 0, 0)
    y = np.full((large.height, large.width), 0.5 * (2**form.depth - 1))
    x_offset, y_offset = (
        {"left": (0.5, down / 2), "center": (across / 2, down / 2), "topleft": (0.5, 0.5)}
    )[form.chroma_location]
    x = (np.arange(columns) * across + x_offset) / scale
    v = (np.arange(rows) * down + y_offset) / scale
    ramp = 2 ** (form.depth - 1) + 300 * (x - form.width / 2) + 200 * (v - form.height / 2)[:, None]
    uv = np.stack([ramp, 2**form.depth - ramp])
    return Frame(np.round(y).astype(form.dtype), np.round(uv).astype(form.dtype), 0)


@pytest.mark.parametrize("chroma", ["420", "422", "444"])
@pytest.mark.parametrize("location", ["left", "center", "topleft"])
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kind", ["luma", "rgb"])
def test_chroma_lies_where_it_lay(kind: str, scale: int, location: str, chroma: str) -> None:
    form = FrameFormat(24, 20, 16, chroma, full_range=True, chroma_location=location)
    network = bilinear_rgb(scale) if kind == "rgb" else classical("bicubic", scale)
    large = run(network, form, ramp_frame(form, 1))
    expected = ramp_frame(form, scale)
    assert large.uv is not None
    assert expected.uv is not None
    edge = 4 * scale  # the ramp ends with the picture
    inside = np.s_[:, edge:-edge, edge:-edge]
    difference = large.uv[inside].astype(int) - expected.uv[inside]
    assert np.abs(difference).max() <= 2  # a quarter of a luma sample would be 50 and 75


def line_frame(values: list[int]) -> tuple[FrameFormat, Frame]:
    form = FrameFormat(len(values), 1, chroma="444")
    line = np.array(values, np.uint8)
    return form, Frame(line[None], np.stack([line, line])[:, None], 0)


def test_halves_are_rounded_up_on_both_sides_of_neutral() -> None:
    form, frame = line_frame([126, 128, 130])
    large = run(classical("bilinear", 2), form, frame)
    assert large.uv is not None
    # 126, 126.5, 127.5, 128.5, 129.5 and 130
    assert large.uv[0, 0].tolist() == [126, 127, 128, 129, 130, 130]


def test_overshoot_is_clamped_to_the_codes_there_are() -> None:
    form, frame = line_frame([0, 0, 255, 255, 0, 0])
    large = run(classical("bicubic", 2), form, frame)
    assert large.uv is not None
    for line in (large.y[0], large.uv[0, 0], large.uv[1, 0]):
        assert line[:3].tolist() == [0, 0, 0]
        assert line[5:7].tolist() == [255, 255]


def test_rgb_networks_see_only_colours_that_exist() -> None:
    form = FrameFormat(8, 8, chroma="444")
    seen: list[float] = []

    def watch(x: np.ndarray) -> np.ndarray:
        seen.extend((float(x.min()), float(x.max())))
        return x.repeat(2, axis=2).repeat(2, axis=3)

    frame, rgb = noise(form), nearest_rgb(2)
    expected = reference.enlarge(frame, form, rgb, watch)
    assert (seen[0], seen[1]) == (0, 1)
    assert largest_difference(run(rgb, form, frame), expected) <= 1


def test_a_networks_names_do_not_meet_the_graphs_own() -> None:
    weights = {"constant_0": np.full((1, 1, 1, 1), 1, np.float32)}
    nodes = [
        node("Conv", "x constant_0", "y_large"),
        node("Conv", "y_large constant_0", "uv"),
        node("Conv", "uv constant_0", "y"),
    ]
    form = FrameFormat(6, 4)
    frame = noise(form)
    result = run(network(nodes, weights), form, frame)
    assert largest_difference(result, frame) == 0
