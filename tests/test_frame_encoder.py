"""The same frames give the same bytes, whatever lies in memory."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from films import moving

from vsr.frame import ColorTags, Frame, FrameFormat, VideoInfo
from vsr.media.frame_encoder import FrameEncoder, new_context
from vsr.media.recode import recode
from vsr.media.target import Target
from vsr.processor import processor_flags
from vsr.settings import EncoderSettings

M_PERTURB = -6
"""Of mallopt: a byte that fresh memory is filled with. Source: glibc's malloc.h."""


@contextmanager
def memory_filled_with(byte: int) -> Iterator[None]:
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        pytest.skip("only glibc fills fresh memory")
    libc.mallopt(M_PERTURB, byte)
    try:
        yield
    finally:
        libc.mallopt(M_PERTURB, 0)


def encoded(settings: EncoderSettings, width: int, height: int) -> bytes:
    form = FrameFormat(width, height)
    base, rate = Fraction(1, 25), Fraction(25)
    info = VideoInfo(form, "h264", "yuv420p", base, rate, ColorTags())
    target = Target("out.mkv", "matroska", info, "yuv420p", settings)
    encoder = FrameEncoder(target, form, new_context(target))
    packets = b""
    for number in range(6):
        y, u, v = moving(number // 3, width, height)
        uv = np.stack([u[::2, ::2], v[::2, ::2]])
        packets += b"".join(map(bytes, encoder.encode(Frame(y, uv, number))))
    return packets + b"".join(map(bytes, encoder.flush()))


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1"])
def test_no_byte_depends_on_memory_that_nothing_has_set(codec: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    settings = EncoderSettings(codec, options=options, threads=2)
    found = set()
    for byte in (1, 90, 165, 255):
        with memory_filled_with(byte):
            found.add(encoded(settings, 720, 288))
    assert len(found) == 1


def test_what_compression_leaves_of_frames_is_the_same_every_time() -> None:
    frames = np.stack([np.stack(moving(number // 3, 720, 288)) for number in range(6)])
    found = set()
    for byte in (1, 90, 165, 255):
        with memory_filled_with(byte):
            found.add(recode(frames, "libx264", {"crf": "28"}).tobytes())
    assert len(found) == 1


def test_a_processor_is_asked_what_it_has(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags\t\t: fpu sse2 avx2 avx512f avx512bw\n")
    assert "avx512f" in processor_flags(cpuinfo)
    cpuinfo.write_text("flags\t\t: fpu sse2 avx2\n")
    assert "avx512f" not in processor_flags(cpuinfo)
    assert processor_flags(tmp_path / "none") == set()
