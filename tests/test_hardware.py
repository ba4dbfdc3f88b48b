"""Decoding and encoding on NVIDIA's GPUs: as asked for, or refused in one line before any work."""

from pathlib import Path

import av
import numpy as np
import pytest
from films import Video, film
from runs import QUICK, listing, vsr_here

from vsr.errors import InputError, UsageError
from vsr.frame import FrameFormat, Hdr, Plane
from vsr.media.encoder import NVENC, check_encoder, encoder_options, opens, pixel_format, planar
from vsr.media.opening import gpu_decoder
from vsr.media.reader import Reader
from vsr.settings import EncoderSettings, UpscaleSettings


def decodes_on_gpu() -> bool:
    try:
        gpu_decoder("cuda")
    except UsageError:
        return False
    return True


needs_no_decoder = pytest.mark.skipif(decodes_on_gpu(), reason="a GPU here decodes video")
needs_decoder = pytest.mark.skipif(not decodes_on_gpu(), reason="no GPU here decodes video")


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return film(tmp_path / "movie.mkv", Video(frames=5))


# Decoding.


@needs_no_decoder
@pytest.mark.parametrize("word", ["cuda", "cuda:1"])
def test_without_a_gpu_hwaccel_is_refused_in_one_line_before_any_work(
    movie: Path, word: str
) -> None:
    ran = vsr_here("upscale", movie, *QUICK, "--hwaccel", word)
    assert (ran.code, ran.out) == (2, b"")
    assert ran.err.startswith(f"vsr: --hwaccel {word}: no such GPU decodes video here (")
    assert ran.err.endswith("); vsr doctor tells of the GPUs there are\n")
    assert listing(movie.parent) == {"movie.mkv": listing(movie.parent)["movie.mkv"]}


@pytest.mark.parametrize("word", ["", "vaapi", "cuda:", "cuda:x", "CUDA"])
def test_other_ways_to_decode_are_told_what_there_is(word: str) -> None:
    with pytest.raises(UsageError, match=f"no --hwaccel '{word}'; there is none, cuda, cuda:1"):
        UpscaleSettings(hwaccel=word)


@needs_decoder
@pytest.mark.parametrize("depth", [8, 10])
def test_the_gpu_decodes_what_the_processor_does(tmp_path: Path, depth: int) -> None:
    suffix = "" if depth == 8 else "10le"
    movie = film(tmp_path / "a.mkv", Video(codec="libx265", pix_fmt=f"yuv420p{suffix}", frames=5))
    with Reader(movie) as here, Reader(movie, hwaccel="cuda") as there:
        assert there.stream.codec_context.is_hwaccel
        for ours, theirs in zip(here.frames(), there.frames(), strict=True):
            assert ours.pts == theirs.pts
            np.testing.assert_array_equal(ours.y, theirs.y)
            np.testing.assert_array_equal(ours.uv, theirs.uv)


@needs_decoder
def test_a_codec_that_no_gpu_decodes_is_refused(tmp_path: Path) -> None:
    movie = film(tmp_path / "a.mkv", Video(codec="ffv1", frames=2))
    with pytest.raises(InputError, match="not decoded on a GPU; leave out --hwaccel"):
        Reader(movie, hwaccel="cuda")


@pytest.mark.parametrize(
    ("semi", "whole", "dtype"),
    [("nv12", "yuv420p", np.uint8), ("p010le", "yuv420p10le", np.uint16)],
)
def test_what_a_gpu_gives_is_taken_apart_without_loss(
    movie: Path, semi: str, whole: str, dtype: type
) -> None:
    rng = np.random.default_rng(0)
    picture = av.VideoFrame(64, 48, semi)
    bits = planar(semi)[1]
    luma: Plane = rng.integers(0, 2**bits, (48, 64)).astype(dtype)
    pairs: Plane = rng.integers(0, 2**bits, (24, 64)).astype(dtype)
    for plane, values in zip(picture.planes, (luma, pairs), strict=True):
        rows = np.frombuffer(plane, dtype).reshape(plane.height, -1)  # type: ignore[call-overload]
        rows[:, :64] = values << (16 - bits if bits > 8 else 0)
    form = FrameFormat(64, 48, bits)
    assert form.pix_fmt == whole
    with Reader(movie) as reader:
        plain = reader.to_working_format(picture, form)
    planes = [np.frombuffer(p, dtype) for p in plain.planes]  # type: ignore[call-overload]
    y, u, v = (
        rows.reshape(plane.height, -1)[:, : plane.width]
        for rows, plane in zip(planes, plain.planes, strict=True)
    )
    np.testing.assert_array_equal(y, luma)
    np.testing.assert_array_equal(u, pairs[:, ::2])
    np.testing.assert_array_equal(v, pairs[:, 1::2])


# Encoding.


@pytest.mark.parametrize("name", NVENC)
def test_an_encoder_that_is_not_here_is_refused_in_one_line_before_any_work(
    movie: Path, name: str
) -> None:
    if opens(name, "yuv420p", 640, 480):
        pytest.skip(f"{name} is here")
    ran = vsr_here("upscale", movie, "-m", "nearest", "--codec", name)
    assert (ran.code, ran.out) == (2, b"")
    [line] = ran.err.splitlines()
    assert line.startswith(f"vsr: no {name} here: ")
    assert line.endswith(f"; --codec {name.partition('_')[0]} needs neither")
    assert list(listing(movie.parent)) == ["movie.mkv"]


def test_encoders_of_the_processors_are_not_asked() -> None:
    check_encoder("libx264")
    check_encoder("ffv1")


@pytest.mark.parametrize("name", NVENC)
def test_crf_is_what_nvidia_calls_cq(name: str) -> None:
    options = encoder_options(name, EncoderSettings(name, crf=23), Hdr())
    assert options["cq"] == "23"
    assert "crf" not in options
    assert (options["rc"], options["b"]) == ("vbr", "0")


def test_another_rate_control_leaves_no_quality_of_ours() -> None:
    for own in ({"rc": "constqp", "qp": "20"}, {"b": "5M"}):
        options = encoder_options("hevc_nvenc", EncoderSettings(options=own), Hdr())
        assert "cq" not in options
        assert options.items() >= own.items()


@pytest.mark.parametrize("name", NVENC)
def test_all_our_options_are_known_to_the_encoder(name: str) -> None:
    context = av.CodecContext.create(name, "w")
    options = encoder_options(name, EncoderSettings(name), Hdr())
    assert options.pop("b") == "0"  # an option of all encoders
    known = {option.name: option for option in context.supported_options.private}
    for word, value in options.items():
        choices = {choice.name for choice in known[word].choices}
        assert value in choices or not choices


@pytest.mark.parametrize("name", NVENC)
def test_no_film_loses_depth_or_becomes_444_on_the_way_to_the_gpu(name: str) -> None:
    assert pixel_format(name, FrameFormat(64, 48), None) == "yuv420p"
    assert pixel_format(name, FrameFormat(64, 48, 10), None) == "p010le"
    assert pixel_format(name, FrameFormat(64, 48, 8, "444"), None) == "yuv444p"
