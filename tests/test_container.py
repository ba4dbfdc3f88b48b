"""Which container is written, and the word beforehand where it could not hold everything."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import pytest
from films import Attachment, Cover, Data, Sound, Text, Video, film, png, settings, streams_of

from vsr.errors import InputError, UsageError
from vsr.media.carry import describe
from vsr.media.container import can_hold, container_of, holdable
from vsr.pipeline.upscale import upscale
from vsr.settings import UpscaleSettings


def ending_of(source: Path, job: UpscaleSettings | None = None) -> str:
    """Of the output that is written where none is named."""
    return Path(upscale(source, settings=job or settings()).output).suffix


# ---- the container where none is named ------------------------------------------------------


@pytest.mark.parametrize("ending", [".mp4", ".m4v", ".mov", ".mkv"])
def test_a_film_keeps_its_container(tmp_path: Path, ending: str) -> None:
    container = "mp4" if ending == ".m4v" else None
    source = film(tmp_path / f"a{ending}", Video(2), Sound("aac"), container=container)
    assert ending_of(source) == ending


def test_an_ending_may_be_written_large(tmp_path: Path) -> None:
    source = film(tmp_path / "A.MP4", Video(2), container="mp4")
    assert ending_of(source).lower() == ".mp4"


def test_webm_stays_webm_where_its_codecs_are_written(tmp_path: Path) -> None:
    source = film(tmp_path / "a.webm", Video(2, codec="libvpx-vp9"), Sound("libopus"))
    assert ending_of(source, settings(codec="libvpx-vp9")) == ".webm"
    assert ending_of(source) == ".mkv"


@pytest.mark.parametrize("ending", [".ts", ".avi", ".flv", ".mpg"])
def test_containers_that_keep_less_become_matroska(tmp_path: Path, ending: str) -> None:
    codec = "mpeg2video" if ending == ".mpg" else "mpeg4" if ending == ".avi" else "libx264"
    source = film(tmp_path / f"a{ending}", Video(20, codec=codec, options={"bf": "0"}))
    assert ending_of(source) == ".mkv"


def test_a_gif_becomes_matroska(tmp_path: Path) -> None:
    assert ending_of(film(tmp_path / "a.gif", Video(3, codec="gif", pix_fmt="rgb8"))) == ".mkv"


def test_mp4_becomes_matroska_where_the_codec_demands_it(tmp_path: Path) -> None:
    video = Video(2, tags=(1, 1, 1, 1), sar=Fraction(16, 11))
    source = film(tmp_path / "a.mp4", video)
    assert ending_of(source, settings(codec="mpeg4")) == ".mp4"
    assert ending_of(film(tmp_path / "b.mov", Video(2)), settings(codec="libvpx-vp9")) == ".mkv"


def test_what_a_camera_measures_goes_into_quicktime(tmp_path: Path) -> None:
    assert ending_of(film(tmp_path / "a.ts", Video(3), Data("klv"))) == ".mov"


def test_the_name_tells_the_factor_or_the_height(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", Video(2))
    from vsr.settings import Size

    assert Path(upscale(source, settings=settings()).output).name == "a.x2.mkv"
    tall = settings(size=Size(height=72))
    assert Path(upscale(source, settings=tall).output).name == "a.72p.mkv"


# ---- what a container cannot hold -----------------------------------------------------------


def refusal(tmp_path: Path, source: Path, name: str, job: UpscaleSettings | None = None) -> str:
    """The message; nothing may have been written."""
    before = sorted(os.listdir(tmp_path))
    asked: list[object] = []
    with pytest.raises(InputError) as caught:
        upscale(source, tmp_path / name, settings=job or settings(), on_start=asked.append)
    assert asked == []
    assert sorted(os.listdir(tmp_path)) == before
    return str(caught.value)


def test_srt_does_not_go_into_mp4(tmp_path: Path) -> None:
    text = Text("subrip", metadata={"language": "ger"})
    source = film(tmp_path / "a.mkv", Video(2), Sound("aac"), text)
    words = refusal(tmp_path, source, "b.mp4")
    assert words == "mp4 cannot hold stream 2, subtitle subrip (ger); .mkv can"


def test_fonts_do_not_go_into_mp4(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", Video(2), Attachment("font.ttf"))
    words = refusal(tmp_path, source, "b.mp4")
    assert words == "mp4 cannot hold stream 1, attachment font.ttf; .mkv can"


@pytest.mark.parametrize("ending", ["webm", "nut"])
def test_fonts_go_into_matroska_alone(tmp_path: Path, ending: str) -> None:
    video = Video(2, codec="libvpx-vp9")
    source = film(tmp_path / "a.mkv", video, Attachment("font.ttf"))
    words = refusal(tmp_path, source, f"b.{ending}", settings(codec="libvpx-vp9"))
    assert "attachment font.ttf" in words
    assert ".mkv can" in words


def test_the_shape_of_ffv1_pixels_does_not_go_into_matroska(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", Video(2, sar=Fraction(16, 11)))
    words = refusal(tmp_path, source, "b.mkv", settings(codec="ffv1"))
    assert "matroska cannot hold the sample aspect ratio 16/11 with ffv1" in words
    assert ".mp4" in words


def test_colours_that_would_go_untagged_are_refused(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", Video(2, tags=(9, 16, 9, 1)))
    words = refusal(tmp_path, source, "b.nut", settings(codec="ffv1"))
    assert "nut cannot hold the colour tags with ffv1" in words


def test_full_range_does_not_go_into_prores(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", Video(2, tags=(1, 1, 1, 2)))
    words = refusal(tmp_path, source, "b.mov", settings(codec="prores_ks"))
    assert "colour tags" in words


def test_hdr10_is_refused_to_an_encoder_that_would_lose_it(tmp_path: Path) -> None:
    options = {"x265-params": "max-cll=1000,400:hdr10=1:log-level=none"}
    video = Video(2, codec="libx265", pix_fmt="yuv420p10le", tags=(9, 16, 9, 1), options=options)
    source = film(tmp_path / "a.mp4", video)
    words = refusal(tmp_path, source, "b.mov", settings(codec="prores_ks"))
    assert "HDR10 metadata" in words


def test_everything_that_does_not_fit_is_named_at_once(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", Video(2), Text("subrip"), Text("ass"), Attachment("f.ttf"))
    words = refusal(tmp_path, source, "b.mp4")
    for part in ("subrip", "ass", "f.ttf", ".mkv can"):
        assert part in words


def test_where_no_container_can_hold_it_all_that_is_said(tmp_path: Path) -> None:
    source = film(tmp_path / "a.ts", Video(2), Data("klv"), Text("dvb_subtitle"))
    words = refusal(tmp_path, source, "b.mkv")
    assert "data klv" in words
    assert ".nut can" in words


def test_sound_that_mp4_refuses_only_at_the_end_is_refused_before(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", Video(2), Sound("pcm_s16le"))
    assert "audio pcm_s16le" in refusal(tmp_path, source, "b.mp4")


@pytest.mark.parametrize("ending", ["ts", "avi", "mpg", "wmv", "flv", "mxf", "gif", "h264", "png"])
def test_containers_without_exact_times_are_refused(tmp_path: Path, ending: str) -> None:
    source = film(tmp_path / "a.mkv", Video(2))
    words = refusal(tmp_path, source, f"b.{ending}")
    assert ".mp4, .mov, .mkv, .nut do" in words


def test_a_name_that_tells_no_container_is_refused(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", Video(2))
    assert "end it in .mkv, .mov, .mp4, .nut" in refusal(tmp_path, source, "b.txt")
    assert "end it in" in refusal(tmp_path, source, "b")


def test_the_source_is_never_overwritten(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", Video(2))
    before = source.read_bytes()
    job = UpscaleSettings(model="nearest", overwrite=True)
    assert "source's place" in refusal(tmp_path, source, "a.mkv", job)
    os.link(source, tmp_path / "same.mkv")
    assert "source's place" in refusal(tmp_path, source, "same.mkv", job)
    assert source.read_bytes() == before


# ---- asked directly -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "wanted", "name"),
    [
        ("a.mp4", None, "mp4"),
        ("a.m4v", None, "mp4"),
        ("a.mov", None, "mov"),
        ("a.mkv", None, "matroska"),
        ("a.webm", None, "webm"),
        ("a.film", "mkv", "matroska"),
        ("-", None, "matroska"),
        ("-", "y4m", "yuv4mpegpipe"),
    ],
)
def test_names_tell_containers(path: str, wanted: str | None, name: str) -> None:
    assert container_of(path, wanted) == name


def test_mp4_cannot_be_written_to_a_pipe() -> None:
    with pytest.raises(UsageError, match="mp4 cannot be written to a pipe; mkv"):
        container_of("-", "mp4")


def test_the_muxers_themselves_are_asked(tmp_path: Path) -> None:
    source = film(
        tmp_path / "a.mkv",
        Video(),
        Sound("flac"),
        Sound("libopus"),
        Text("subrip"),
        Attachment(),
        Attachment("cover.png", "image/png", png()),
    )
    with av.open(str(source)) as container:
        video, flac, opus, text, font, cover = container.streams
        takes = {
            name: [can_hold(name, s) for s in (video, flac, opus, text, font, cover)]
            for name in ("matroska", "mp4", "mov", "webm")
        }
        assert takes == {
            "matroska": [True, True, True, True, True, True],
            "mp4": [True, True, True, False, False, True],
            "mov": [True, False, False, False, False, True],
            "webm": [False, False, True, False, False, False],
        }
        assert describe(flac) == "stream 1, audio flac"
        assert describe(font) == "stream 4, attachment font.ttf"
        assert describe(cover) == "stream 5, cover art png"


def test_only_what_nothing_can_hold_is_left_out(tmp_path: Path) -> None:
    source = film(tmp_path / "a.ts", Video(2), Text("dvb_teletext"), Text("dvb_subtitle"))
    with av.open(str(source)) as container:
        kinds = [stream.index for stream in holdable(list(container.streams))]
    assert kinds == [0, 2]


def test_a_cover_in_mp4_is_no_second_video(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", Cover(png(640, 480)), Video(3))
    target = upscale(source, tmp_path / "b.mp4", settings=settings()).output
    assert [len(s.packets) for s in streams_of(target)] == [3, 1]
