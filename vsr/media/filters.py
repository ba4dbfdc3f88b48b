"""libavfilter chains: frames in, frames out."""

from collections.abc import Iterator
from fractions import Fraction

import av
import av.filter

from vsr.frame import ColorTags

RANGE_WORDS = {0: "unspecified", 1: "tv", 2: "pc"}


class FilterChain:
    """A chain of filters, e.g. ("bwdif=mode=send_frame", "format=yuv420p"), for frames like one.

    Not covered: frames whose size or pixel format differ from the first one's.
    """

    def __init__(
        self,
        like: av.VideoFrame,
        time_base: Fraction,
        *filters: str,
        tags: ColorTags | None = None,
        threads: int = 0,
    ) -> None:
        self.graph = av.filter.Graph()
        self.graph.threads = threads
        words = (
            f"video_size={like.width}x{like.height}:pix_fmt={like.format.name}"
            f":time_base={time_base.numerator}/{time_base.denominator}:pixel_aspect=1/1"
        )
        if tags is not None:
            words += f":colorspace={tags.matrix}:range={RANGE_WORDS[tags.range]}"
        nodes = [self.graph.add("buffer", words)]
        for text in filters:
            name, _, arguments = text.partition("=")
            nodes.append(self.graph.add(name, arguments or None))
        nodes.append(self.graph.add("buffersink"))
        self.graph.link_nodes(*nodes).configure()

    def push(self, picture: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """What comes out when `picture` goes in; None asks for all that is left."""
        self.graph.vpush(picture)
        while True:
            try:
                yield self.graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
