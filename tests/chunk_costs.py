"""What chunks cost: time and bytes against one uninterrupted stream, and the join of a long film.

    python tests/chunk_costs.py overhead [FILM] [--model fast-video] [--seconds 10]
    python tests/chunk_costs.py join [--hours 2]

The stream is what `-o -` writes. Both are timed in turn, three times, in processor time, and the
least of each compared: what others do on the machine only adds.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from films import Sound, Video, film, settings  # noqa: E402

from vsr.frame import Frame  # noqa: E402
from vsr.media.chunk import Chunk, ChunkFile  # noqa: E402
from vsr.media.frame_encoder import FrameEncoder, new_context  # noqa: E402
from vsr.media.join import join  # noqa: E402
from vsr.media.muxer import Muxer  # noqa: E402
from vsr.media.reader import Reader  # noqa: E402
from vsr.pipeline.plan import Plan, make_plan  # noqa: E402
from vsr.report.clip import lengthen  # noqa: E402

ROUNDS = 3
FRAMES = 480
"""Of the film that the overhead is measured on: the clip, again and again."""
RATE = 24
LENGTH = 10 * RATE
STEP = 10_100
"""Milliseconds from one part of the long film to the next."""


def overhead(source: Path, model: str, seconds: float, folder: Path) -> None:
    """Both ways in turn; neither is verified as a whole, as only a file can be."""
    long = folder / "long.mkv"
    print(f"{lengthen(source, long, FRAMES)} frames")
    whole, chunked = folder / "whole.mkv", folder / "chunked.mkv"
    times: dict[str, list[float]] = {"stream": [], "chunks": []}
    for _ in range(ROUNDS):
        words = [sys.executable, "-m", "vsr", "upscale", str(long), "-m", model]
        words += ["--progress", "none", "--chunk-seconds", f"{seconds:g}", "-o"]
        with whole.open("wb") as out:
            times["stream"].append(timed([*words, "-"], out.fileno()))
        more = [str(chunked), "--overwrite", "--no-verify"]
        times["chunks"].append(timed([*words, *more], subprocess.DEVNULL))
    one, other = (min(times[name]) for name in ("stream", "chunks"))
    print(*(f"{name}: {', '.join(f'{t:.2f}' for t in each)} s" for name, each in times.items()))
    print(f"the least: {100 * (other / one - 1):+.1f} % of time")
    a, b = whole.stat().st_size, chunked.stat().st_size
    print(f"stream {a} bytes, chunks {b} bytes: {100 * (b / a - 1):+.2f} %")


def timed(words: list[str], stdout: int) -> float:
    """Seconds of processor time; the clock's are the machine's other guests', too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, cwd=ROOT, stdout=stdout, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def join_hours(hours: float, folder: Path) -> None:
    """Join a film of small pictures, with one sound track."""
    count = round(hours * 3600 * RATE) // LENGTH
    source = long_film(folder / "in.mkv", count)
    with Reader(source) as reader:
        job = settings(options={"preset": "medium", "bf": "2"})
        plan = make_plan(reader, folder / "out.mkv", job)
        chunks = list(long_chunks(plan, count, folder))
        began = time.monotonic(), time.process_time()
        muxer = Muxer(plan.target, reader, str(folder / "whole.partial"))
        join([folder / f"{chunk.start}.chunk" for chunk in chunks], chunks, muxer)
        seconds, worked = time.monotonic() - began[0], time.process_time() - began[1]
    frames, sounds = len(muxer.pts), sum(c.packets for c in muxer.carrier.carried.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = Path(muxer.path).stat().st_size / 2**20
    print(
        f"{len(chunks)} chunks, {frames} frames, {sounds} packets of sound, {size:.0f} MiB: joined "
        f"in {seconds:.1f} s ({worked:.1f} s of processor time), {peak:.0f} MiB of memory at most"
    )


def long_film(path: Path, count: int) -> Path:
    """`count` times the same ten seconds."""
    part = film(
        path.with_name("part.mkv"),
        Video(LENGTH, rate=Fraction(RATE), options={"preset": "ultrafast"}),
        Sound("aac", seconds=Fraction(10)),
    )
    with av.open(str(part)) as one, av.open(path, "w") as out:
        streams = [out.add_stream_from_template(stream, opaque=True) for stream in one.streams]
        packets = [(p.stream_index, bytes(p), p.pts or 0) for p in one.demux() if p.size]
        for number in range(count):
            for index, data, pts in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base = streams[index], Fraction(1, 1000)
                packet.pts = packet.dts = pts + number * STEP
                packet.is_keyframe = True
                out.mux_one(packet)
    return path


def long_chunks(plan: Plan, count: int, folder: Path) -> Iterator[Chunk]:
    """`count` chunks with the packets of one."""
    form, context = plan.engine_format, new_context(plan.target)
    encoder = FrameEncoder(plan.target, form, context)
    y = np.zeros((form.height, form.width), np.uint8)
    uv = np.full(form.uv_shape or (), 128, np.uint8)
    packets: list[av.Packet[VideoStream]] = []
    for number in range(LENGTH):
        y[:] = number
        packets += encoder.encode(Frame(y, uv, number * 1000 // RATE))
    packets += encoder.flush()
    for chunk in range(count):
        file = ChunkFile(folder / f"{chunk * LENGTH}.chunk", context)
        for packet in packets:
            file.put(packet)
        yield file.finish(chunk * LENGTH, sorted(file.pts))
        for packet in packets:
            assert packet.pts is not None
            packet.pts += STEP


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["overhead", "join"])
    parser.add_argument("film", nargs="?", type=Path, default=ROOT / "samples" / "scene.mkv")
    parser.add_argument("--model", default="fast-video")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--hours", type=float, default=2.0)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if words.what == "overhead":
            overhead(words.film, words.model, words.seconds, Path(folder))
        else:
            join_hours(words.hours, Path(folder))


if __name__ == "__main__":
    main()
