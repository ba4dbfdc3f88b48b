"""Reading from the middle of a film gives the very frames that reading from its start gives."""

from __future__ import annotations

import hashlib
from itertools import islice
from pathlib import Path

import av
import pytest
from av.video.frame import PictureType
from films import Data, Sound, Video, film, moving, woven
from whole_film_table import SAMPLES, SHARED, clips

from vsr.errors import UsageError, VerificationError
from vsr.frame import Frame
from vsr.media.index import FilmIndex, index_of
from vsr.media.reader import Reader
from vsr.settings import Clip

LONGEST = 400
"""Frames of a real film that are looked at."""


def digest(frame: Frame) -> tuple[int, bytes]:
    planes = hashlib.sha256(frame.y.tobytes())
    if frame.uv is not None:
        planes.update(frame.uv.tobytes())
    return frame.pts, planes.digest()


def whole(path: Path, count: int | None = None) -> list[tuple[int, bytes]]:
    with Reader(path) as reader:
        return [digest(frame) for frame in islice(reader.frames(), count)]


def middle(path: Path, index: FilmIndex, number: int, count: int) -> list[tuple[int, bytes]]:
    with Reader(path) as reader:
        reader.start_at(number, index)
        return [digest(frame) for frame in islice(reader.frames(), count)]


OPTIONS = {
    "libx264": {"preset": "medium", "bf": "3", "g": "12", "x264-params": "open-gop=1"},
    "libx265": {"preset": "fast", "x265-params": "keyint=12:open-gop=1:log-level=none"},
    "mpeg4": {"bf": "2", "g": "10"},
    "mpeg2video": {"bf": "2", "g": "10"},
    "libvpx-vp9": {"g": "10", "cpu-used": "8", "deadline": "realtime", "lag-in-frames": "8"},
    "ffv1": {},
}


@pytest.mark.parametrize("codec", OPTIONS)
@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_every_frame_can_be_begun_with(tmp_path: Path, codec: str, ending: str) -> None:
    if (codec, ending) == ("ffv1", "mp4"):
        pytest.skip("MP4 has no place for FFV1")
    source = film(tmp_path / f"in.{ending}", Video(45, codec=codec, options=OPTIONS[codec]))
    frames, index = whole(source), index_of(str(source))
    assert index is not None
    assert list(index.pts) == [pts for pts, _ in frames]
    for number in (0, 1, 9, 11, 12, 13, 29, 44):
        assert middle(source, index, number, 20) == frames[number : number + 20]


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the clips are not here: {SHARED}")
@pytest.mark.parametrize("path", clips(SHARED) + clips(SAMPLES), ids=lambda path: path.name)
def test_real_films_are_read_alike_from_the_middle_or_refused(path: Path) -> None:
    if "audio_only" in path.name:
        pytest.skip("no pictures")
    index = index_of(str(path))
    if index is None:
        pytest.skip("its packets do not tell its frames")
    frames = whole(path, LONGEST)
    for number in (len(frames) // 3, len(frames) - 5):
        try:
            found = middle(path, index, max(0, number), 4)
        except (UsageError, VerificationError) as error:
            pytest.skip(str(error))
        assert found == frames[max(0, number) : max(0, number) + 4]


def picture(pts: int, kind: PictureType) -> av.VideoFrame:
    made = av.VideoFrame(16, 16, "yuv420p")
    made.pts, made.pict_type = pts, kind
    return made


def test_pictures_before_the_keyframe_are_passed_over_and_one_that_leans_on_others_is_refused() -> (
    None
):
    index = FilmIndex("in.mkv", tuple(range(0, 100, 10)), (0, 40))
    shown = [picture(30, PictureType.B), picture(40, PictureType.I), picture(50, PictureType.P)]
    assert [p.pts for p in index.checked(iter(shown), 40, 5)] == [50]
    with pytest.raises(VerificationError):
        list(index.checked(iter([picture(40, PictureType.P)]), 40, 4))


def test_a_film_that_is_not_as_its_index_says_is_found_out(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", Video(30, options={"g": "10"}))
    index = index_of(str(source))
    assert index is not None
    less = FilmIndex(index.name, index.pts[:15] + index.pts[16:], index.keyframes)
    with pytest.raises(VerificationError, match="does not give frame 15 of the whole"):
        middle(source, less, 12, 10)


def test_films_that_only_their_start_makes_sense_of_are_refused(tmp_path: Path) -> None:
    fields = film(tmp_path / "fields.mkv", Video(10, (64, 240), paint=woven("tff"), fields="tff"))
    stream = film(tmp_path / "stream.ts", Video(10), Sound("mp2"), Data("klv"))
    for source in (fields, stream):
        index = index_of(str(source))
        assert index is not None
        with pytest.raises(UsageError, match="has to be read from its start"):
            middle(source, index, 3, 1)
    plain = film(tmp_path / "in.mkv", Video(10, paint=moving))
    index = index_of(str(plain))
    assert index is not None
    with Reader(plain, clip=Clip(frames=5)) as reader, pytest.raises(UsageError, match="start"):
        reader.start_at(3, index)
