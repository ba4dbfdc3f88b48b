"""A file of weights -> its tensors. Nothing that a file holds is ever executed."""

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vsr.errors import InputError, MissingPackageError

State = dict[str, Tensor]

WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "model")
"""What training programs keep a network's weights under, the best first."""

PREFIXES = ("module.", "_orig_mod.")
"""What torch puts before the names of a network that it trained in parallel, or compiled."""


def read_tensors(path: Path) -> State:
    """The network's tensors by name, as float32, without the wrapping that training leaves.

    Raises InputError, with what was found, for anything else.
    """
    found = read_safetensors(path) if path.suffix.lower() == ".safetensors" else read_pickle(path)
    while isinstance(found, dict):
        inner = next((found[key] for key in WRAPPERS if isinstance(found.get(key), dict)), None)
        if inner is None:
            break
        found = inner
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds a {type(found).__name__}, not a network's state dict")
    state = {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
    if not state:
        names = ", ".join(map(str, list(found)[:5])) or "nothing"
        raise InputError(f"{path}: holds no tensors, but {names}; give a network's state dict")
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return {name: value.float() for name, value in state.items()}


def read_pickle(path: Path) -> Any:
    """What `torch.save` wrote, as far as it is tensors, numbers, words, lists and dictionaries."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        if code is None:
            raise InputError(
                f"{path}: cannot be read as weights (it is not what torch.save writes, or broken)"
            ) from error
        raise InputError(
            f"{path}: holds Python code ({code[1]}), which is not run; "
            "give the network's state dict (torch.save(network.state_dict(), ...))"
        ) from error
    except Exception as error:  # whatever torch raises for a broken file
        if "TorchScript" in str(error):
            raise InputError(
                f"{path}: holds a TorchScript program, which is not run; "
                "give the network's state dict, or export it to ONNX"
            ) from error
        raise unreadable(path, error) from error


def read_safetensors(path: Path) -> State:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise MissingPackageError("safetensors", "train") from error
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> InputError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return InputError(f"{path}: cannot be read as weights ({reason})")
