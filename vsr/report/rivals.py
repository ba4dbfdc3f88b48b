"""What else people could use, run on the same film in the same way: one plain loop.

Decode a frame, enlarge it, encode it; no threads of our own, as such scripts are written.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vsr.errors import MissingPackageError
from vsr.frame import Hdr
from vsr.media.encoder import encoder_name, encoder_options
from vsr.media.pictures import Luma
from vsr.settings import EncoderSettings

FRAMES = 40
"""As many of the film's frames as a rival is timed on: some are slow."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Rival:
    """One of them."""

    name: str
    upscale: Callable[[Picture], Picture]
    """(h, w, 3) B'G'R' in, twice as large out."""

    def upscale_film(self, film: Path, out: Path, encoder: EncoderSettings) -> float:
        """Upscale the first frames of a film, file to file; returns seconds a frame."""
        name = encoder_name(encoder.codec)
        count = 0
        began = time.perf_counter()
        with av.open(str(film)) as source, av.open(str(out), "w") as target:
            rate = source.streams.video[0].average_rate or Fraction(25)
            stream = cast(VideoStream, target.add_stream(name, rate=rate))
            stream.pix_fmt = "yuv420p"
            stream.options = dict(encoder_options(name, encoder, Hdr()))
            for frame in itertools.islice(source.decode(video=0), FRAMES):
                large = self.upscale(cast(Picture, frame.to_ndarray(format="bgr24")))
                if count == 0:
                    stream.height, stream.width = large.shape[:2]
                picture = av.VideoFrame.from_ndarray(large, format="bgr24")
                picture.pts, picture.time_base = count, 1 / rate
                target.mux(stream.encode(picture))
                count += 1
            target.mux(stream.encode(None))
        return (time.perf_counter() - began) / max(count, 1)

    def upscale_luma(self, plane: Luma) -> Luma:
        """A luma plane by way of a gray picture, for judging quality."""
        return self.upscale(np.repeat(plane[..., None], 3, axis=2))[..., 1]


def opencv_rival(model: Path) -> Rival:
    """OpenCV's dnn_superres with a frozen TensorFlow graph named KIND_xSCALE.pb."""
    try:
        import cv2
        from cv2 import dnn_superres  # type: ignore[attr-defined, unused-ignore]
    except ImportError as error:
        raise MissingPackageError("OpenCV with dnn_superres", "eval") from error
    kind, _, scale = model.stem.partition("_x")
    network = dnn_superres.DnnSuperResImpl_create()  # type: ignore[attr-defined, unused-ignore]
    network.readModel(str(model))
    network.setModel(kind.split("-")[0].lower(), int(scale))
    return Rival(f"OpenCV {cv2.__version__} dnn_superres, {model.stem}", network.upsample)


def torch_rival(model: str, scale: int, compiled: bool = False) -> Rival:
    """A bundled network in torch: luma enlarged, chroma by bicubic. On CUDA in fp16, channels last,
    else in fp32; eager, or through torch.compile."""
    try:
        import torch
    except ImportError as error:
        raise MissingPackageError("torch", "train") from error
    from vsr.networks.trained import load_bundled

    cuda = torch.cuda.is_available()
    device, kind = ("cuda", torch.float16) if cuda else ("cpu", torch.float32)
    plain = load_bundled(model, scale).to(device, kind)
    plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]
    net = torch.compile(plain) if compiled else plain

    def upscale(picture: Picture) -> Picture:
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        planes = frame.reformat(format="yuv444p").to_ndarray()
        with torch.inference_mode():
            x = torch.from_numpy(planes).to(device).to(kind)[:, None] / 255
            luma = net(x[:1])
            chroma = torch.nn.functional.interpolate(x[1:], scale_factor=scale, mode="bicubic")
            large = torch.cat([luma, chroma]).float().clamp(0, 1) * 255 + 0.5
            large = large.byte()[:, 0].cpu()
        result = av.VideoFrame.from_ndarray(large.numpy(), format="yuv444p", channel_last=False)
        return result.to_ndarray(format="bgr24")  # type: ignore[return-value]

    way = "torch.compile" if compiled else "eager"
    where = " on CUDA in fp16" if cuda else ""
    return Rival(f"torch {torch.__version__} {way} loop{where}, {model}", upscale)
