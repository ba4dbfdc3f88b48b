"""Chunks -> the whole film, without encoding anything anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import av
from av.video.stream import VideoStream

from vsr.errors import VerificationError
from vsr.media.chunk import Chunk, header_of, read_header, read_packets, read_times
from vsr.media.muxer import Muxer

IN_STEP = 8
"""Pictures after which the other streams are carried on to the same time."""


def join(paths: Sequence[Path], chunks: Sequence[Chunk], muxer: Muxer) -> None:
    """Mux all packets of the chunks in turn, the other streams in step, and close the file.

    Every picture keeps its time of showing. The times of decoding are made anew, since each chunk's
    encoder began its own: the n-th packet is decoded when the picture that stands `delay` places
    before the n-th is shown, which is never later than its own picture is.
    Raises VerificationError where the chunks do not follow on, or have other headers than `muxer`.
    """
    base, pts = muxer.target.info.time_base, muxer.pts
    delay = max(chunk.delay for chunk in chunks)
    headers = header_of(muxer.stream.codec_context).extradata
    for path, chunk in zip(paths, chunks, strict=True):
        if chunk.start != len(pts):
            raise VerificationError(f"{path}: frames {len(pts)} to {chunk.start - 1} are missing")
        if read_header(path).extradata != headers:
            raise VerificationError(f"{path}: its encoder was another one's; --restart begins anew")
        pts += read_times(path)
        for number, stored in enumerate(read_packets(path), chunk.start):
            packet = cast("av.Packet[VideoStream]", av.Packet(stored.data))
            packet.time_base, packet.pts, packet.duration = base, stored.pts, stored.duration
            early = number < delay
            packet.dts = pts[number] - (pts[delay] - pts[0]) if early else pts[number - delay]
            packet.is_keyframe = stored.is_keyframe
            muxer.put(packet)
            if number % IN_STEP == 0:
                time = pts[number] * base
                muxer.reader.read_past(time)
                muxer.carry(until=time)
    muxer.reader.read_past(None)
    muxer.finish()
