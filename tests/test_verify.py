"""A result that is not what was promised is found out, and no output remains."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Stream
from films import Attachment, Sound, Text, Video, film, flat, moving, png, settings, times_of

import vsr.pipeline.upscale as job
from vsr.errors import VerificationError
from vsr.frame import Frame, FrameFormat
from vsr.media.carry import add_stream, is_cover
from vsr.media.muxer import Muxer
from vsr.pipeline.upscale import upscale
from vsr.pipeline.verify import Samples, luma_psnr, verify
from vsr.settings import UpscaleSettings

MS = Fraction(1, 1000)
Tamper = Callable[[Muxer], None]


def source_film(path: Path) -> Path:
    return film(
        path,
        Video(12),
        Sound("flac", seconds=Fraction(1)),
        Text("subrip"),
        Attachment("font.ttf"),
        Attachment("cover.png", "image/png", png()),
    )


def found_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tamper: Tamper,
    name: str = "out.mkv",
    source: Path | None = None,
) -> str:
    """The message when `tamper` was at the finished file, or at the muxer's record of it."""

    def tampered(muxer: Muxer, samples: Samples, form: FrameFormat) -> dict[int, float]:
        tamper(muxer)
        return verify(muxer, samples, form)

    source = source or source_film(tmp_path / "in.mkv")
    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr(job, "verify", tampered)
    with pytest.raises(VerificationError) as caught:
        upscale(source, tmp_path / name, settings=settings())
    left = set(os.listdir(tmp_path)) - set(before)
    assert left == {f".{name}.vsr"}  # with the chunks, which are not to blame
    assert not list((tmp_path / f".{name}.vsr").glob("*.partial"))
    assert str(caught.value).startswith(str(tmp_path / name))
    return str(caught.value)


def remuxed(edit: Callable[[Packet[Stream]], bool]) -> Tamper:
    """Copies the finished file through `edit`, which may change a packet, or drop it by False."""

    def tamper(muxer: Muxer) -> None:
        path = Path(muxer.path)
        copy = path.with_suffix(".copy")
        with av.open(str(path)) as film, av.open(copy, "w", format=muxer.target.container) as out:
            streams: dict[int, Stream] = {}
            kept = [p for p in film.demux() if p.size and edit(p)]
            for stream in film.streams:
                own = [p for p in kept if p.stream_index == stream.index]
                if own or stream.type == "attachment":
                    cover = bytes(own[0]) if is_cover(stream) else None
                    streams[stream.index] = add_stream(out, stream, cover)
            for packet in kept:
                if not is_cover(packet.stream):
                    packet.stream = streams[packet.stream_index]
                    out.mux_one(packet)
        os.replace(copy, path)

    return tamper


def test_a_film_as_promised_passes_and_resembles_its_source(tmp_path: Path) -> None:
    report = upscale(source_film(tmp_path / "in.mkv"), tmp_path / "out.mkv", settings=settings())
    assert report.verified
    assert report.psnr is not None
    assert report.psnr > 30


@pytest.mark.parametrize("model", ["bilinear", "bicubic", "lanczos"])
def test_real_results_measure_far_above_the_limit(tmp_path: Path, model: str) -> None:
    source = film(tmp_path / "in.mp4", Video(6))
    report = upscale(source, tmp_path / "out.mp4", settings=settings(model=model))
    assert report.psnr is not None
    assert report.psnr > 30


def test_a_dropped_frame_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tamper(muxer: Muxer) -> None:
        muxer.pts.insert(3, muxer.pts[2] + 1)

    assert "13 frames went in and 12 came out" in found_out(tmp_path, monkeypatch, tamper)


def test_a_frame_cut_off_the_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def last(packet: Packet[Stream]) -> bool:
        return packet.stream.type != "video" or packet.pts is None or packet.pts < 440

    assert "12 frames went in and 11 came out" in found_out(tmp_path, monkeypatch, remuxed(last))


@pytest.mark.parametrize(("name", "by"), [("out.mp4", 1), ("out.mkv", 2)])
def test_a_changed_time_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, by: int
) -> None:
    def tamper(muxer: Muxer) -> None:
        muxer.pts[3] += by

    source = film(tmp_path / "in.mkv", Video(12))
    words = found_out(tmp_path, monkeypatch, tamper, name, source)
    assert "frame 3, at" in words
    assert f"-{by / 1000:.4f} s off" in words


def test_a_time_changed_in_the_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(packet: Packet[Stream]) -> bool:
        if packet.stream.type == "video" and packet.pts == 200:
            packet.pts = packet.dts = 202
        return True

    assert "frame 5, at 0.2000 s" in found_out(tmp_path, monkeypatch, remuxed(late))


def test_a_missing_stream_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = found_out(tmp_path, monkeypatch, remuxed(lambda p: p.stream.type != "audio"))
    assert "2 other streams went in and 1 came out" in words


def test_a_missing_video_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = found_out(tmp_path, monkeypatch, remuxed(lambda p: p.stream.type != "video"))
    assert "holds no video" in words


def test_a_changed_byte_of_another_stream_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tamper(muxer: Muxer) -> None:
        path = Path(muxer.path)
        path.write_bytes(path.read_bytes().replace(b"second", b"secund"))

    words = found_out(tmp_path, monkeypatch, tamper)
    assert "stream 2, subtitle subrip changed on the way (2 packets in, 2 out)" in words


def test_a_missing_packet_of_another_stream_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fourth(packet: Packet[Stream]) -> bool:
        return packet.stream.type != "audio" or packet.pts != 288

    assert "stream 1, audio flac changed" in found_out(tmp_path, monkeypatch, remuxed(fourth))


def test_sound_out_of_step_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(packet: Packet[Stream]) -> bool:
        if packet.stream.type == "audio" and packet.pts is not None and packet.dts is not None:
            packet.pts, packet.dts = packet.pts + 60, packet.dts + 60
        return True

    words = found_out(tmp_path, monkeypatch, remuxed(late))
    assert "stream 1, audio flac is +0.060 s off" in words


def test_sound_that_runs_away_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(packet: Packet[Stream]) -> bool:
        if packet.stream.type == "audio" and packet.pts is not None:
            packet.pts = packet.dts = round(packet.pts * 1.1)
        return True

    assert "stream 1, audio flac is" in found_out(tmp_path, monkeypatch, remuxed(slow))


def test_a_changed_attachment_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tamper(muxer: Muxer) -> None:
        path = Path(muxer.path)
        path.write_bytes(path.read_bytes().replace(b"really a font", b"totally a fun"))

    words = found_out(tmp_path, monkeypatch, tamper)
    assert "1 attached files went in and 0 came out unchanged" in words


def test_a_changed_cover_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tamper(muxer: Muxer) -> None:
        path, picture = Path(muxer.path), png()
        path.write_bytes(path.read_bytes().replace(picture, picture[:-20] + b"\0" * 20))

    words = found_out(tmp_path, monkeypatch, tamper)
    assert "1 cover pictures went in and 0 came out unchanged" in words


@pytest.mark.parametrize("paint", [flat(16), flat(235), moving])
def test_black_white_and_foreign_pictures_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paint: object
) -> None:
    def mirrored(number: int, width: int, height: int) -> tuple[np.ndarray, ...]:
        return tuple(plane[:, ::-1].copy() for plane in moving(number, width, height))

    def tamper(muxer: Muxer) -> None:
        painter = mirrored if paint is moving else paint
        other = film(tmp_path / "other.mkv", Video(12, (128, 96), paint=painter))  # type: ignore[arg-type]
        shutil.move(other, muxer.path)

    source = film(tmp_path / "in.mkv", Video(12))
    words = found_out(tmp_path, monkeypatch, tamper, source=source)
    assert "does not resemble the source" in words
    assert "dB)" in words


def test_a_film_that_is_one_frame_late_throughout_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right count and right times, but the pictures belong to their neighbours."""

    def cuts(number: int, width: int, height: int) -> tuple[np.ndarray, ...]:
        return flat(40 if number // 3 % 2 else 200)(number, width, height)

    def tamper(muxer: Muxer) -> None:
        late = Video(12, (128, 96), paint=lambda n, w, h: cuts(max(0, n - 1), w, h))
        shutil.move(film(tmp_path / "other.mkv", late), muxer.path)

    source = film(tmp_path / "in.mkv", Video(12, paint=cuts))
    assert "resemble" in found_out(tmp_path, monkeypatch, tamper, source=source)


def test_pictures_that_do_not_decode_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wiped(packet: Packet[Stream]) -> bool:
        if packet.stream.type == "video":
            np.frombuffer(packet, np.uint8)[:] = 0  # type: ignore[call-overload]
        return True

    source = film(tmp_path / "in.mkv", Video(12))
    words = found_out(tmp_path, monkeypatch, remuxed(wiped), source=source)
    assert any(word in words for word in ("decode", "resemble", "cannot be read back"))


def test_a_file_that_cannot_be_read_back_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tamper(muxer: Muxer) -> None:
        Path(muxer.path).write_bytes(b"nothing of the kind" * 100)

    words = found_out(tmp_path, monkeypatch, tamper)
    assert "cannot be read back" in words


def test_verification_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> dict[int, float]:
        raise AssertionError

    monkeypatch.setattr(job, "verify", never)
    source = film(tmp_path / "in.mkv", Video(3))
    report = upscale(source, tmp_path / "o.mkv", settings=UpscaleSettings("nearest", verify=False))
    assert not report.verified
    assert report.psnr is None


def test_gray_of_limited_range_resembles_itself(tmp_path: Path) -> None:
    def contrast(number: int, width: int, height: int) -> tuple[np.ndarray, ...]:
        return tuple(
            np.clip(3 * p.astype(int) - 300, 16, 235).astype(np.uint8)
            for p in moving(number, width, height)
        )

    for codec, pix_fmt in (("libx264", "gray"), ("libsvtav1", "gray10le"), ("ffv1", "gray")):
        video = Video(3, codec="ffv1", pix_fmt=pix_fmt, paint=contrast, tags=(1, 1, 2, 1))
        source = film(tmp_path / f"{codec}.mkv", video)
        report = upscale(source, tmp_path / f"{codec}.x2.mkv", settings=settings(codec=codec))
        assert report.psnr is not None
        assert report.psnr > 38


def test_a_film_of_hours_is_sampled_evenly_and_sparsely() -> None:
    plane = np.zeros((2, 2), np.uint8)

    def frames() -> Iterator[Frame]:
        for number in range(10_000):
            yield Frame(plane, None, 7 * number)

    samples = Samples()
    assert sum(1 for _ in samples.passing(frames())) == 10_000
    numbers = sorted(samples.kept)
    assert 16 <= len(numbers) <= 32
    assert len(set(np.diff(numbers))) == 1
    assert numbers[0] == 0
    assert numbers[-1] > 9000
    assert all(samples.kept[n][0] == 7 * n for n in numbers)


def test_psnr_is_what_it_is_defined_as() -> None:
    a = np.zeros((4, 4), np.uint8)
    assert luma_psnr(a, a, 8) == 100
    assert luma_psnr(a, a + 255, 8) == 0
    assert luma_psnr(a, a + 1, 8) == pytest.approx(48.13, abs=0.01)
    deep = a.astype(np.uint16)
    assert luma_psnr(deep, deep + 4, 10) == pytest.approx(48.16, abs=0.01)


def test_times_are_compared_as_finely_as_the_container_counts(tmp_path: Path) -> None:
    pts = [1001 * n for n in range(6)]
    source = film(tmp_path / "in.mp4", Video(6, pts=pts, time_base=Fraction(1, 30_000)))
    upscale(source, tmp_path / "out.mkv", settings=settings())
    assert times_of(tmp_path / "out.mkv") == [round(p / 30) * MS for p in pts]
