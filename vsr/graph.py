"""Network + FrameFormat -> frame graph: a decoder's planes in, an encoder's planes out.

All work on pixels is in this ONNX graph, so that every backend does it on its device and none
does it differently. `tests/reference.py` is the same arithmetic written out in numpy.

- A luma network sees Y / (2**depth - 1); chroma is enlarged beside it by a polyphase filter.
- An RGB network sees R'G'B' in [0, 1]: chroma is brought to luma's size, the matrix is applied,
  and afterwards both are undone.
- Chroma keeps its place (`FrameFormat.chroma_location`).
- The result is clamped to the codes there are and rounded half up.

Shapes: y (n, 1, h, w) and uv (n, 2, h / vertical, w / horizontal, both rounded up), uint8 for
8 bits, uint16 above; y_large and uv_large the same at h * scale, w * scale. Gray has no uv.
Where a runtime has no uint16, words="bytes" makes a sample above 8 bits a pair of uint8, the low
byte first: one more axis of length 2, at the end. A little-endian uint16 array is that already.

Integers are cast to float by the first node that sees them, and from float by the last: TensorRT
knows uint8 nowhere else.
"""

from typing import Any, Literal

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, compose, helper, numpy_helper

from vsr.color import LUMA_WEIGHTS, CodeRange, code_range
from vsr.frame import FrameFormat
from vsr.kernels import chroma_shift, polyphase
from vsr.networks.classical import edge_pads, plane_filters
from vsr.networks.network import Network, network_input

WHOLE = 2**31 - 1
"""Behind the end of any line; TensorRT 8.6 knows no larger number."""


Words = Literal["uint16", "bytes"]


def frame_graph(network: Network, frame: FrameFormat, words: Words = "uint16") -> ModelProto:
    """The frame graph for frames of this format; sizes stay open, except for what they leave when
    divided by 2 and by what the network wants them to be multiples of."""
    graph = Builder(network, frame, words)
    if network.channels == 1:
        graph.build_luma()
    else:
        graph.build_rgb()
    return graph.finish()


class Builder:
    """Collects the nodes of one frame graph."""

    def __init__(self, network: Network, frame: FrameFormat, words: Words = "uint16") -> None:
        self.network, self.frame, self.scale = network, frame, network.scale
        self.in_bytes = words == "bytes" and frame.depth > 8
        self.codes: CodeRange = code_range(frame.depth, frame.full_range)
        self.model = network.model
        self.planes: dict[str, str] = {}
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    # Nodes. Each takes names of tensors and gives the name of its result.

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def constant(self, value: object, dtype: type = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def arithmetic(self, op: str, a: str, b: str | float) -> str:
        return self.node(op, a, b if isinstance(b, str) else self.constant(b))

    def read(self, plane: str) -> str:
        """The codes of a plane that goes in, as floats."""
        if plane not in self.planes:
            codes = self.node("Cast", plane, to=TensorProto.FLOAT)
            self.planes[plane] = self.join_bytes(codes) if self.in_bytes else codes
        return self.planes[plane]

    def write(self, codes: str, plane: str) -> str:
        """Clamp, round half up, store. Gives what is stored, as floats."""
        clamped = self.node("Clip", codes, self.constant(0), self.constant(self.codes.top))
        rounded = self.node("Floor", self.arithmetic("Add", clamped, 0.5))
        stored = self.split_bytes(rounded) if self.in_bytes else rounded
        self.nodes.append(helper.make_node("Cast", [stored], [plane], plane, to=self.element))
        return rounded

    def join_bytes(self, pairs: str) -> str:
        values = self.arithmetic("Mul", pairs, self.constant([1, 256]))
        return self.node("ReduceSum", values, self.constant([4], np.int64), keepdims=0)

    def split_bytes(self, codes: str) -> str:
        high = self.node("Floor", self.arithmetic("Mul", codes, 1 / 256))
        low = self.arithmetic("Sub", codes, self.arithmetic("Mul", high, 256))
        axis = self.constant([4], np.int64)
        return self.node("Concat", *(self.node("Unsqueeze", x, axis) for x in (low, high)), axis=4)

    @property
    def element(self) -> int:
        wide = self.frame.depth > 8 and not self.in_bytes
        return TensorProto.UINT16 if wide else TensorProto.UINT8

    def infer(self, x: str) -> str:
        """The network on a picture of any size: the last row and column are repeated up to the
        size that it takes, and what they became is cut off."""
        bottom, right = (
            -side % self.network.multiple for side in (self.frame.height, self.frame.width)
        )
        if not bottom and not right:
            return self.embed(x)
        pads = self.constant([0, 0, 0, 0, 0, 0, bottom, right], np.int64)
        large = self.embed(self.node("Pad", x, pads, mode="edge"))
        ends = [-more * self.scale if more else WHOLE for more in (bottom, right)]
        return self.node("Slice", large, *self.int64s([0, 0], ends, [2, 3]))

    def embed(self, x: str) -> str:
        """The network itself, its names kept apart by a prefix."""
        body = compose.add_prefix(self.model, "network_").graph
        source, result = network_input(self.model), self.model.graph.output[0].name
        self.nodes.append(helper.make_node("Identity", [x], [f"network_{source}"]))
        self.nodes.extend(body.node)
        self.constants.extend(body.initializer)
        return f"network_{result}"

    # The two kinds of network.

    def build_luma(self) -> None:
        unit = self.arithmetic("Mul", self.read("y"), 1 / self.codes.top)
        luma = self.write(self.arithmetic("Mul", self.infer(unit), self.codes.top), "y_large")
        if self.frame.is_gray:
            return
        chroma = self.arithmetic("Sub", self.read("uv"), self.codes.neutral)
        chroma = self.enlarge(chroma, self.scale, *self.chroma_shifts())
        horizontal, vertical = self.frame.subsampling
        if self.frame.width % horizontal or self.frame.height % vertical:
            chroma = self.crop(chroma, luma, vertical, horizontal)
        self.write(self.arithmetic("Add", chroma, self.codes.neutral), "uv_large")

    def build_rgb(self) -> None:
        luma = self.arithmetic("Sub", self.read("y"), self.codes.black)
        luma = self.arithmetic("Mul", luma, 1 / self.codes.luma)
        if self.frame.is_gray:
            rgb = self.node("Concat", luma, luma, luma, axis=1)
        else:
            chroma = self.arithmetic("Sub", self.read("uv"), self.codes.neutral)
            chroma = self.arithmetic("Mul", chroma, 1 / self.codes.chroma)
            rgb = self.to_rgb(luma, self.chroma_to_luma_size(chroma))
        rgb = self.node("Clip", rgb, self.constant(0), self.constant(1))
        luma, chroma = self.to_ycc(self.infer(rgb))
        luma = self.arithmetic("Mul", luma, self.codes.luma)
        self.write(self.arithmetic("Add", luma, self.codes.black), "y_large")
        if not self.frame.is_gray:
            chroma = self.arithmetic("Mul", self.chroma_to_own_size(chroma), self.codes.chroma)
            self.write(self.arithmetic("Add", chroma, self.codes.neutral), "uv_large")

    # Colour. Source: ITU-T H.273, section 8.3, equations 38 to 40.

    def to_rgb(self, luma: str, chroma: str) -> str:
        cb, cr = self.channels(chroma, 2)
        red, blue = LUMA_WEIGHTS[self.frame.color_matrix]
        green = 1 - red - blue
        r = self.arithmetic("Add", luma, self.arithmetic("Mul", cr, 2 - 2 * red))
        b = self.arithmetic("Add", luma, self.arithmetic("Mul", cb, 2 - 2 * blue))
        g = self.weighted({luma: 1 / green, r: -red / green, b: -blue / green})
        return self.node("Concat", r, g, b, axis=1)

    def to_ycc(self, rgb: str) -> tuple[str, str]:
        red, blue = LUMA_WEIGHTS[self.frame.color_matrix]
        r, g, b = self.channels(rgb, 3)
        luma = self.weighted({r: red, g: 1 - red - blue, b: blue})
        cb = self.arithmetic("Mul", self.arithmetic("Sub", b, luma), 0.5 / (1 - blue))
        cr = self.arithmetic("Mul", self.arithmetic("Sub", r, luma), 0.5 / (1 - red))
        return luma, self.node("Concat", cb, cr, axis=1)

    def channels(self, x: str, count: int) -> list[str]:
        axis = self.constant([1], np.int64)
        bounds = [self.constant([i], np.int64) for i in range(count + 1)]
        return [self.node("Slice", x, bounds[i], bounds[i + 1], axis) for i in range(count)]

    def weighted(self, weights: dict[str, float]) -> str:
        terms = [self.arithmetic("Mul", x, weight) for x, weight in weights.items()]
        total = terms[0]
        for term in terms[1:]:
            total = self.node("Add", total, term)
        return total

    # Chroma's size and place.

    def cosited(self) -> tuple[bool, bool]:
        """Whether chroma lies on the first of its luma samples, (vertically, horizontally)."""
        return self.frame.chroma_location == "topleft", self.frame.chroma_location != "center"

    def chroma_shifts(self) -> tuple[float, float]:
        if self.network.kernel == "nearest":
            return 0.0, 0.0
        horizontal, vertical = self.frame.subsampling
        top, left = self.cosited()
        return (
            chroma_shift(vertical, self.scale, top and vertical > 1),
            chroma_shift(horizontal, self.scale, left and horizontal > 1),
        )

    def enlarge(self, x: str, scale: int, vertical_shift: float, horizontal_shift: float) -> str:
        """Both chroma planes enlarged by a polyphase filter."""
        vertical, top = polyphase(self.network.kernel, scale, vertical_shift)
        horizontal, left = polyphase(self.network.kernel, scale, horizontal_shift)
        bottom, right = vertical.shape[1] - 1 - top, horizontal.shape[1] - 1 - left
        pads = self.constant([0, 0, top, left, 0, 0, bottom, right], np.int64)
        padded = self.node("Pad", x, pads, mode="edge")
        filters = self.constant(np.tile(plane_filters(vertical, horizontal), (2, 1, 1, 1)))
        phases = self.node("Conv", padded, filters, group=2)
        return self.node("DepthToSpace", phases, blocksize=scale, mode="CRD")

    def crop(self, chroma: str, luma: str, vertical: int, horizontal: int) -> str:
        """Chroma cut to the size that goes with `luma`: rounded up where luma's is odd."""
        size = self.node("Slice", self.node("Shape", luma), *self.int64s([2], [4], [0]))
        size = self.node("Add", size, self.constant([vertical - 1, horizontal - 1], np.int64))
        size = self.node("Div", size, self.constant([vertical, horizontal], np.int64))
        return self.node("Slice", chroma, *self.int64s([0, 0]), size, *self.int64s([2, 3]))

    def int64s(self, *values: list[int]) -> list[str]:
        return [self.constant(value, np.int64) for value in values]

    def chroma_to_luma_size(self, chroma: str) -> str:
        horizontal, vertical = self.frame.subsampling
        if horizontal == 1:
            return chroma
        top, left = self.cosited()
        shift_x = 0.25 if left else 0.0
        if vertical == 2:
            chroma = self.enlarge(chroma, 2, 0.25 if top else 0.0, shift_x)
        else:
            chroma = self.widen(chroma, shift_x)
        return self.crop(chroma, self.read("y"), 1, 1)

    def widen(self, x: str, shift: float) -> str:
        """Both chroma planes made twice as wide."""
        filters, left = polyphase(self.network.kernel, 2, shift)
        taps = filters.shape[1]
        pads = self.constant(edge_pads(left, taps, vertical=False), np.int64)
        padded = self.node("Pad", x, pads, mode="edge")
        phases = []
        for phase in filters:
            weights = self.constant(np.tile(phase, (2, 1, 1, 1)).reshape(2, 1, 1, taps))
            result = self.node("Conv", padded, weights, group=2)
            phases.append(self.node("Unsqueeze", result, self.constant([4], np.int64)))
        pairs = self.node("Concat", *phases, axis=4)
        return self.node("Reshape", pairs, self.constant([0, 0, 0, -1], np.int64))

    def chroma_to_own_size(self, chroma: str) -> str:
        horizontal, vertical = self.frame.subsampling
        if horizontal == 1:
            return chroma
        top, left = self.cosited()
        down, up = reduction(vertical, top)
        across, before = reduction(horizontal, left)
        filters = self.constant(np.tile(np.outer(down, across), (2, 1, 1, 1)))
        pads = self.constant([0, 0, up, before, 0, 0, vertical - 1, 1], np.int64)
        padded = self.node("Pad", chroma, pads, mode="edge")
        return self.node("Conv", padded, filters, group=2, strides=[vertical, horizontal])

    def finish(self) -> ModelProto:
        """The whole as a checked model."""
        names = ["y"] if self.frame.is_gray else ["y", "uv"]
        pairs: list[int | str] = [2] if self.in_bytes else []

        def planes(suffix: str) -> list[ValueInfoProto]:
            return [
                helper.make_tensor_value_info(
                    name + suffix,
                    self.element,
                    ["n", 1 + i, f"{name}_h{suffix}", f"{name}_w{suffix}", *pairs],
                )
                for i, name in enumerate(names)
            ]

        graph = helper.make_graph(
            self.nodes, f"{self.network.name}_frame", planes(""), planes("_large"), self.constants
        )
        return helper.make_model(
            graph, opset_imports=self.model.opset_import, ir_version=self.model.ir_version
        )


def reduction(factor: int, cosited: bool) -> tuple[list[float], int]:
    """The filter that makes chroma `factor` (1 or 2) times smaller, and its reach to the left."""
    if factor == 1:
        return [1.0], 0
    return ([0.25, 0.5, 0.25], 1) if cosited else ([0.5, 0.5], 0)
