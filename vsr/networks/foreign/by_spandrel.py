"""Networks that only spandrel knows, where it is installed."""

from typing import Any

from torch import nn

from vsr.networks.foreign.reading import State


def load_by_spandrel(state: State) -> tuple[str, int, int, nn.Module] | str:
    """The architecture's name, colours, scale and network; or what to do, or why there is none."""
    try:
        import spandrel
    except ModuleNotFoundError:
        return "spandrel knows more: pip install 'vsr[spandrel]'"
    except (ImportError, RuntimeError) as error:  # of torchvision, where it does not suit torch
        return f"spandrel, which knows more, cannot be used ({str(error).splitlines()[0]})"
    try:
        found: Any = spandrel.ModelLoader(device="cpu").load_from_state_dict(dict(state))
    except spandrel.UnsupportedModelError:
        return "spandrel does not know it either"
    colors = found.input_channels
    name = str(found.architecture.name)
    if found.purpose not in ("SR", "FaceSR") or found.output_channels != colors:
        return f"spandrel knows it as {name}, which does not enlarge pictures"
    return name, colors, found.scale, found.model
