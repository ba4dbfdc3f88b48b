"""The arithmetic of `blend` as an ONNX graph, for backends that hold the large frames."""

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from vsr.frame import FrameFormat
from vsr.pipeline.temporal.blend import LIMIT, TOLERANCE
from vsr.pipeline.temporal.interpolate import FILTER, SHIFT, TAPS

OPSET, IR_VERSION = 17, 8
BINOMIAL = np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25])


def blend_graph(form: FrameFormat, scale: int, neighbours: int) -> ModelProto:
    """One large luma plane, blended with its neighbours' as `blend_frame` does it.

    Results may differ by 1 code, where sums fall between two. Places stay in float32, of which half
    precision has too little.

    `form` is the large frames' format, without its chroma.

    Shapes: `plane` (1, 1, h, w) and `others` (k, 1, h, w), codes as float32; `flow` (k, 2, h /
    scale, w / scale), small pixels; `shares` (k, 1, any, any), each neighbour's share of a
    sample; `detail` and `rest` (1), the Amounts. Gives `blended` (1, 1, h, w), codes as
    float32.
    """
    return Builder(form, scale, neighbours).model()


class Builder:
    """Collects nodes and constants."""

    def __init__(self, form: FrameFormat, scale: int, neighbours: int) -> None:
        self.form, self.scale, self.neighbours = form, scale, neighbours
        self.unit = 2.0 ** (form.depth - 8)
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any, dtype: type[np.generic] = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def model(self) -> ModelProto:
        h, w = self.form.height, self.form.width
        moved = self.node(
            "GridSample",
            self.samples(),
            self.grid(),
            mode="bilinear",
            padding_mode="border",
            align_corners=0,
        )
        shares = self.resize("shares", 1, mode="linear")
        change = self.change(moved, shares)
        codes = self.node("Add", self.node("Add", "plane", change), self.constant(0.5))
        codes = self.node("Floor", self.clip(codes, 0, 256 * self.unit - 0.5))
        self.nodes.append(helper.make_node("Identity", [codes], ["blended"]))
        count = self.neighbours
        inputs: dict[str, list[int | str]] = {
            "plane": [1, 1, h, w],
            "others": [count, 1, h, w],
            "flow": [count, 2, h // self.scale, w // self.scale],
            "shares": [count, 1, "shares_h", "shares_w"],
            "detail": [1],
            "rest": [1],
        }
        graph = helper.make_graph(
            self.nodes,
            "blend",
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in inputs.items()
            ],
            [helper.make_tensor_value_info("blended", TensorProto.FLOAT, [1, 1, h, w])],
            self.constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        checker.check_model(model)
        return model

    def samples(self) -> str:
        """The neighbours' samples to draw lines between."""
        edge = TAPS - 1
        pads = self.constant([0, 0, edge, edge, 0, 0, 0, 0], np.int64)
        padded = self.node("Pad", "others", pads, mode="edge")
        return self.node("Conv", padded, self.constant(np.outer(FILTER, FILTER)[None, None]))

    def grid(self) -> str:
        """The places that the flow leads to, from -1 to 1 between the picture's outer edges."""
        h, w = self.form.height, self.form.width
        flow = self.resize(
            self.node("Mul", "flow", self.constant(float(self.scale))),
            2,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        y, x = np.mgrid[:h, :w]
        places = self.node("Add", flow, self.constant(np.stack([x, y])[None] + 0.5 - SHIFT))
        sides = self.constant(np.array([2 / w, 2 / h]).reshape(1, 2, 1, 1))
        shares = self.node("Sub", self.node("Mul", places, sides), self.constant(1.0))
        return self.node("Transpose", shares, perm=[0, 2, 3, 1])

    def change(self, moved: str, shares: str) -> str:
        """What is added to the plane."""
        difference = self.node("Sub", moved, "plane")
        share = self.node("Mul", difference, self.constant(1 / (TOLERANCE * self.unit)))
        share = self.node("Min", self.node("Mul", share, share), self.constant(1.0))
        share = self.node("Sub", self.constant(1.0), share)
        counted = self.node("Mul", self.node("Mul", share, share), difference)
        axis = self.constant([0], np.int64)
        total = self.node("ReduceSum", self.node("Mul", counted, shares), axis, keepdims=1)
        pads = self.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
        padded = self.node("Pad", total, pads, mode="reflect")
        smooth = self.node("Conv", padded, self.constant(BINOMIAL[None, None]))
        detail = self.node("Mul", total, "detail")
        rest = self.node("Mul", smooth, self.node("Sub", "rest", "detail"))
        change = self.node("Add", detail, rest)
        return self.clip(change, -LIMIT * self.unit, LIMIT * self.unit)

    def resize(self, values: str, channels: int, **attributes: Any) -> str:
        """To the large picture's size."""
        sizes = [self.neighbours, channels, self.form.height, self.form.width]
        return self.node("Resize", values, "", "", self.constant(sizes, np.int64), **attributes)

    def clip(self, values: str, low: float, high: float) -> str:
        return self.node("Clip", values, self.constant(low), self.constant(high))
