"""How far around it a network looks: what tiles have to overlap by.

Source of every window: the operator's entry in the ONNX operator specification.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

POINTWISE = {
    *("Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "Tanh", "Elu", "Selu", "Celu", "Softplus"),
    *("HardSigmoid", "HardSwish", "Gelu", "Mish", "Erf", "Identity", "Cast", "Dropout"),
    *("Add", "Sub", "Mul", "Div", "Neg", "Abs", "Sqrt", "Pow", "Exp", "Log", "Sin", "Cos", "Sum"),
    *("Reciprocal", "Min", "Max", "Floor", "Ceil", "Round", "Sign", "Where", "Greater", "Less"),
    *("BatchNormalization", "QuantizeLinear", "DequantizeLinear"),
}
"""Operators whose result at a place depends on their inputs at that place alone."""

Constants = dict[str, NDArray[Any]]


class UnboundedError(Exception):
    """A result that may depend on the whole picture, on its size, or on where a tile begins."""


@dataclass(frozen=True)
class View:
    """What the samples of a tensor depend on, along one axis: sample i on the input's samples
    from i / density + low to i / density + high."""

    density: Fraction = Fraction(1)
    low: Fraction = Fraction(0)
    high: Fraction = Fraction(0)

    def through(self, window: "View") -> "View":
        """The view of an operator that sees this tensor through a window of its own."""
        return View(
            self.density * window.density,
            self.low + window.low / self.density,
            self.high + window.high / self.density,
        )


Views = tuple[View, View]
"""Along the vertical and the horizontal axis."""

SAME = View(), View()


def reach(model: ModelProto, source: str, multiple: int = 1) -> int | None:
    """How many input pixels to each side of its own place an output pixel can depend on.

    `source` is the input's name. Exact for stacks of convolutions, an upper bound for the rest.
    None where no bound is known that holds for tiles beginning at any even place that is a
    multiple of `multiple`: attention, pooling over the picture, arithmetic with its size.
    """
    try:
        views = follow(model, source, math.lcm(2, multiple))
    except UnboundedError:
        return None
    sides = ((-math.ceil(v.low), math.floor(v.high + 1 - 1 / v.density)) for v in views)
    return max(0, *(side for pair in sides for side in pair))


def follow(model: ModelProto, source: str, places: int) -> Views:
    """The views of the model's output, found operator by operator; tiles begin at multiples of
    `places`. Raises UnboundedError."""
    constants: Constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    views: dict[str, Views] = {source: SAME}
    sizes: set[str] = set()  # what was computed from the picture's size
    for node in model.graph.node:
        seen = [views[name] for name in node.input if name in views]
        if node.op_type == "Constant":
            constants[node.output[0]] = np.asarray(attributes(node).popitem()[1])
        elif not seen and all(name in constants for name in node.input if name):
            constants.update(evaluate(node, constants))
        elif node.op_type == "Shape" or (not seen and sizes.intersection(node.input)):
            sizes.update(node.output)
        elif seen:
            if sizes.intersection(node.input) and node.op_type != "Slice":
                raise UnboundedError(f"{node.op_type} by the picture's size")
            result = step(union(seen), node, constants, places)
            views.update((name, result) for name in node.output)
    return views.get(model.graph.output[0].name, SAME)


def evaluate(node: NodeProto, constants: Constants) -> Constants:
    """The results of an operator on constants alone, by name."""
    feeds = {name: constants[name] for name in node.input if name}
    try:
        results: Any = ReferenceEvaluator(node).run(None, feeds)
    except Exception:  # noqa: BLE001  (whatever an operator raises, its results are not known)
        return {}
    return dict(zip(node.output, results, strict=True))


def union(seen: Sequence[Views]) -> Views:
    """The views of an operator that looks at several tensors at the same place."""

    def along(axis: int) -> View:
        views = [pair[axis] for pair in seen]
        if len({view.density for view in views}) > 1:
            raise UnboundedError("tensors of different sizes")
        low, high = min(view.low for view in views), max(view.high for view in views)
        return View(views[0].density, low, high)

    return along(0), along(1)


def step(views: Views, node: NodeProto, constants: Constants, places: int) -> Views:
    """The views of the operator's result, by those of what goes in."""
    if node.domain not in ("", "ai.onnx"):
        raise UnboundedError(f"{node.domain}.{node.op_type} is not known")
    down, across = window(node, attributes(node), constants)
    result = views[0].through(down), views[1].through(across)
    if any((places * view.density).denominator > 1 for view in result):
        raise UnboundedError(f"{node.op_type}: tiles may begin between two of its samples")
    return result


def window(node: NodeProto, options: dict[str, Any], constants: Constants) -> Views:
    """What the operator's result depends on, in samples of its input. Raises UnboundedError."""
    kind = node.op_type
    if kind in POINTWISE or (kind in ("Concat", "Split") and options.get("axis", 0) in (0, 1, -3)):
        return SAME
    if kind in ("Conv", "ConvTranspose", "MaxPool", "AveragePool"):
        return convolution(node, options, constants)
    if kind == "DepthToSpace":
        block = Fraction(options["blocksize"])
        return (View(block, 1 / block - 1),) * 2
    if kind == "SpaceToDepth":
        block = Fraction(options["blocksize"])
        return (View(1 / block, high=block - 1),) * 2
    if kind in ("Resize", "Upsample"):
        return resize(node, options, constants)
    if kind == "Pad" and len(node.input) < 4 and options.get("mode") != b"wrap":
        _, _, top, left, *_ = constant(node, 1, options.get("pads"), constants)
        return shifted(-top), shifted(-left)
    if kind == "Slice":
        return crop(node, options, constants)
    raise UnboundedError(f"{kind} is not known to be local")


def convolution(node: NodeProto, options: dict[str, Any], constants: Constants) -> Views:
    """The window of a convolution or pooling, or of a transposed convolution."""
    kernel = options.get("kernel_shape")
    if kernel is None:
        kernel = constant(node, 1, None, constants).shape[2:]
    views = []
    for axis in (0, 1):
        stride = Fraction(options.get("strides", (1, 1))[axis])
        spread = options.get("dilations", (1, 1))[axis] * (kernel[axis] - 1)
        least = most = options.get("pads", (0, 0))[axis]
        if options.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
            least, most = 0, spread  # by the picture's size
        if node.op_type == "ConvTranspose":
            views.append(View(stride, (least - spread) / stride, most / stride))
        else:
            views.append(View(1 / stride, Fraction(-most), Fraction(spread - least)))
    if "output_shape" in options:
        raise UnboundedError("padding by the picture's size")
    return views[0], views[1]


RADIUS = {"nearest": 1, "linear": 1, "cubic": 2}


def resize(node: NodeProto, options: dict[str, Any], constants: Constants) -> Views:
    """The window of interpolation by constant factors."""
    index = 1 if node.op_type == "Upsample" or len(node.input) == 2 else 2
    factors = constant(node, index, options.get("scales"), constants)
    centred = node.op_type == "Resize" and len(node.input) > 2
    place = options.get("coordinate_transformation_mode", b"half_pixel" if centred else b"")
    known = (b"", b"asymmetric", b"half_pixel", b"pytorch_half_pixel")
    if place not in known or len(factors) != 4 or "axes" in options:
        raise UnboundedError(f"{node.op_type} by {place.decode()}")
    views = []
    for factor in (Fraction(float(f)).limit_denominator(1000) for f in factors[2:]):
        offset = (1 / factor - 1) / 2 if place.endswith(b"half_pixel") else Fraction(0)
        radius = RADIUS[options.get("mode", b"nearest").decode()] * max(Fraction(1), 1 / factor)
        views.append(View(factor, offset - radius, offset + radius))
    return views[0], views[1]


def crop(node: NodeProto, options: dict[str, Any], constants: Constants) -> Views:
    """The window of a Slice: where it ends does not matter, where it begins does."""
    starts = constant(node, 1, options.get("starts"), constants)
    axes = range(len(starts))
    if len(node.input) > 3 or "axes" in options:
        axes = constant(node, 3, options.get("axes"), constants)
    steps = constant(node, 4, None, constants) if len(node.input) > 4 else np.ones(1)
    begins = dict(zip((int(axis) % 4 for axis in axes), starts, strict=True))
    if any(begins.get(axis, 0) < 0 for axis in (2, 3)) or np.any(steps != 1):
        raise UnboundedError("a place counted from the picture's end")
    return shifted(begins.get(2, 0)), shifted(begins.get(3, 0))


def shifted(by: int) -> View:
    return View(Fraction(1), Fraction(int(by)), Fraction(int(by)))


def constant(node: NodeProto, index: int, option: Any, constants: Constants) -> Any:
    """An operator's parameter: its attribute `option`, or its input at `index`."""
    if option is not None:
        return option
    name = node.input[index] if len(node.input) > index else ""
    if name not in constants:
        raise UnboundedError(f"{node.op_type}: a parameter that is computed")
    return constants[name]


def attributes(node: NodeProto) -> dict[str, Any]:
    """The operator's attributes by name; tensors as arrays."""
    found = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    tensor = found.get("value")
    return found if tensor is None else {**found, "value": numpy_helper.to_array(tensor)}
