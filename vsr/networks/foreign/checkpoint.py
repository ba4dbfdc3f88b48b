"""A file of weights -> a torch network of ours, or of spandrel's."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto
from torch import nn

from vsr.errors import InputError
from vsr.networks.architectures import build
from vsr.networks.export import export
from vsr.networks.foreign import scale_in_name
from vsr.networks.foreign.by_spandrel import load_by_spandrel
from vsr.networks.foreign.layouts import LAYOUTS, Layout
from vsr.networks.foreign.reading import State, read_tensors
from vsr.networks.foreign.sizes import enlargement, read_sizes


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights was recognised as."""

    path: Path
    program: str
    """Whose names its tensors have."""
    kind: str
    """The architecture."""
    colors: int
    """1: luma; 3: RGB."""
    scales: tuple[int, ...]
    build: Callable[[int], nn.Module]
    """Makes the network of one of the scales, with its weights, values in [0, 1]."""

    def convert(self, scale: int) -> ModelProto:
        """The network of this scale as ONNX. Raises InputError where ONNX cannot compute it."""
        try:
            return export(self.build(scale), self.path.stem, self.colors).model
        except InputError:
            raise
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{self.path}: {self.kind} cannot be exported ({reason})") from error


def load_checkpoint(path: Path) -> Checkpoint:
    """The network in a file of weights, in any of the layouts that are known.

    Raises InputError, saying what was found, where it is of none.
    """
    state = read_tensors(path)
    for layout in LAYOUTS:
        checkpoint = recognise(path, state, layout)
        if checkpoint is not None:
            return checkpoint
    foreign = load_by_spandrel(state)
    if isinstance(foreign, str):
        names = ", ".join(list(state)[:3])
        raise InputError(
            f"{path}: {len(state)} tensors ({names} ...) of no network that is known; {foreign}"
        )
    program, colors, scale, net = foreign
    return Checkpoint(path, "spandrel", program, colors, (scale,), lambda _: net)


def recognise(path: Path, state: State, layout: Layout) -> Checkpoint | None:
    """The network, if its tensors are of this layout."""
    ours = layout.rename(state)
    if ours is None:
        return None
    try:
        ours = by_scale(ours)
        scales, sizes = read_sizes(layout.kind, ours)
    except (KeyError, ValueError, IndexError, StopIteration):
        return None
    if not scales:
        stated = scale_in_name(path)
        if stated is None:
            raise InputError(
                f"{path}: {layout.kind.upper()}'s weights do not tell by how much it enlarges; "
                "put it into the file's name, as in network_x2.pth"
            )
        scales = (stated,)
    ours = in_unit_range(ours, layout.value_range)

    def make(scale: int) -> nn.Module:
        net = build(layout.kind, scale, **sizes)
        own = {name: value for name, value in ours.items() if is_for(scale, name)}
        means = {name: value for name, value in net.state_dict().items() if "_mean." in name}
        net.load_state_dict(means | own)
        return net

    try:
        make(scales[0])
    except RuntimeError:  # a tensor too many, too few, or of another shape
        return None
    return Checkpoint(path, layout.program, layout.kind, sizes["colors"], scales, make)


BRANCHES = ("upsamplers", "entrances")
"""The parts of which a network of several scales has one for each."""


def by_scale(state: State) -> State:
    """The tensors of a network of several scales, named by the scale where the file counts them."""
    labels = {name.split(".")[1] for name in state if name.startswith("upsamplers.")}
    if not labels:
        return state
    channels = len(state["head.weight"])
    scales = {label: enlargement(state, f"upsamplers.{label}.", channels) for label in labels}

    def ours(name: str) -> str:
        part, _, rest = name.partition(".")
        label, _, rest = rest.partition(".")
        return f"{part}.{scales[label]}.{rest}" if part in BRANCHES else name

    return {ours(name): value for name, value in state.items()}


def is_for(scale: int, name: str) -> bool:
    """Whether a tensor is needed to enlarge by `scale`, in a network of several scales."""
    part, _, rest = name.partition(".")
    return part not in BRANCHES or rest.startswith(f"{scale}.")


def in_unit_range(state: State, white: float) -> State:
    """The tensors of a network to which white is `white`, changed so that it is 1: the means, and
    the first and the last convolution, which are all that knows of it."""
    means = [name for name in state if "_mean." in name]
    if means:
        white = 255.0 if state[means[0]].abs().max() > 1 else 1.0
    changed = {name: state[name].view(1, -1, 1, 1) / white for name in means}
    if white != 1:
        changed["head.weight"] = state["head.weight"] * white
        changed["tail.weight"] = state["tail.weight"] / white
        changed["tail.bias"] = state["tail.bias"] / white
    return state | changed
