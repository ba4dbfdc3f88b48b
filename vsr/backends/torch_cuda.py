"""torch: frame graphs on NVIDIA's GPUs, on Apple's, and, as a reference, on the processor."""

from __future__ import annotations

import torch

from vsr.backends.base import BackendReport, OnBuild
from vsr.backends.guard import GuardedEngine
from vsr.backends.hints import advised
from vsr.backends.torch_runner import TorchRunner, first_line, spoken
from vsr.errors import BackendError
from vsr.frame import FrameFormat
from vsr.networks.network import Network
from vsr.settings import EngineSettings

PRECISIONS = ("fp32", "fp16")


def report() -> BackendReport:
    """The devices that torch finds here."""
    able = ", ".join(PRECISIONS)
    gpus = [
        f"cuda:{n}: {torch.cuda.get_device_name(n)} ({able})"
        for n in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    ]
    gpus += [f"mps: Apple GPU ({able})"] * torch.backends.mps.is_available()
    devices = (*gpus, f"cpu: a reference ({able})")
    by_itself = "fp16 on 8-bit films" if gpus else f"no GPU: {why_no_gpu()}"
    return BackendReport(
        "torch", True, devices, f"{torch.__version__}, {by_itself}", automatic=bool(gpus)
    )


def why_no_gpu() -> str:
    """What torch says when it is asked for one; empty where it has one."""
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return ""
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA; pytorch.org has one with it"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return advised(f"torch {torch.__version__}: {first_line(error)}")
    return f"torch {torch.__version__} for CUDA {torch.version.cuda} finds none"


def find_device(wanted: str, automatic: bool) -> torch.device:
    """The device of a name: cuda, cuda:N, a GPU's UUID, mps, cpu, or auto, which is the best there
    is, but the processor only where torch was asked for by name (`automatic` is False).

    Raises BackendError where there is none such.
    """
    name = wanted.lower()
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = [f"cuda:{n}" for n in range(count)] + ["mps"] * torch.backends.mps.is_available()
    if name == "auto" and not there and automatic:
        raise BackendError(why_no_gpu())
    if name == "auto":
        return torch.device(there[0] if there else "cpu")
    if name.startswith("gpu-"):
        ids = {f"gpu-{torch.cuda.get_device_properties(n).uuid}".lower(): n for n in range(count)}
        name = next((f"cuda:{n}" for full, n in ids.items() if full.startswith(name)), name)
    name = "cuda:0" if name == "cuda" else name
    if name not in (*there, "cpu"):
        why = f" ({why_no_gpu()})" if not there else ""
        raise BackendError(
            f"torch has no device {wanted} here; it has {', '.join([*there, 'cpu'])}{why}"
        )
    return torch.device(name)


def choose_precision(device: str, network: Network, form: FrameFormat, wanted: str) -> str:
    """As wanted; by itself, fp16 on a GPU, but fp32 for resampling and for more than 8 bits."""
    if wanted == "auto":
        exact = network.exact or form.depth > 8 or device == "CPU"
        return "fp32" if exact else "fp16"
    if wanted not in PRECISIONS:
        raise BackendError(f"torch's {device} computes in {', '.join(PRECISIONS)}, not {wanted}")
    return wanted


class TorchEngine(GuardedEngine):
    """A frame graph in torch; keeps the contract of `vsr.backends.base`, but that on the processor
    `start` computes. In fp16 its first frames are held against fp32, see `vsr.backends.guard`.
    Nothing is built beforehand that `on_build` could be told of.
    """

    def __init__(
        self,
        network: Network,
        form: FrameFormat,
        settings: EngineSettings,
        on_build: OnBuild | None = None,
    ) -> None:
        device = find_device(settings.device, automatic=settings.backend == "auto")

        def build(network: Network, precision: str) -> TorchRunner:
            return TorchRunner(network, form, device, precision, settings)

        precision = choose_precision(spoken(device), network, form, settings.precision)
        super().__init__(build, network, form, precision, settings.verdict)
