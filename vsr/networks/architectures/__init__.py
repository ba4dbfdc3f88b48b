"""Published super-resolution architectures, built by name.

Every network takes (n, colors, h, w) to (n, colors, h * scale, w * scale), float32, values
nominally in [0, 1]; `colors` is 1 for luma, 3 for RGB. Needs torch.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from vsr.errors import UsageError
from vsr.networks.architectures.carn import CARN
from vsr.networks.architectures.compact import Compact
from vsr.networks.architectures.dbpn import DBPN
from vsr.networks.architectures.edsr import EDSR, MDSR
from vsr.networks.architectures.espcn import ESPCN
from vsr.networks.architectures.fsrcnn import FSRCNN
from vsr.networks.architectures.lean import LeanNet
from vsr.networks.architectures.plain import PlainNet
from vsr.networks.architectures.rcan import RCAN
from vsr.networks.architectures.rrdb import RRDBNet
from vsr.networks.architectures.srcnn import SRCNN
from vsr.networks.architectures.srresnet import MSRResNet, SRResNet
from vsr.networks.architectures.vdsr import VDSR


@dataclass(frozen=True)
class Architecture:
    """A network's class, the factors it is published for, and what sets this kind of it apart."""

    make: Callable[..., nn.Module]
    scales: tuple[int, ...] = (2, 3, 4)
    settings: dict[str, Any] = field(default_factory=dict)

    def hyperparameters(self) -> dict[str, Any]:
        """Name -> what it is unless told otherwise."""
        parameters = inspect.signature(self.make).parameters.values()
        return {p.name: p.default for p in parameters if p.name != "scale"} | self.settings


ARCHITECTURES: dict[str, Architecture] = {
    "plain": Architecture(PlainNet),
    "lean": Architecture(LeanNet),
    "srcnn": Architecture(SRCNN),
    "fsrcnn": Architecture(FSRCNN),
    "espcn": Architecture(ESPCN),
    "vdsr": Architecture(VDSR),
    "srresnet": Architecture(SRResNet),
    "msrresnet": Architecture(MSRResNet),
    "edsr": Architecture(EDSR),
    "edsr_full": Architecture(
        EDSR, settings={"channels": 256, "blocks": 32, "residual_scale": 0.1}
    ),
    "mdsr": Architecture(MDSR),
    "carn": Architecture(CARN),
    "carn_m": Architecture(CARN, settings={"mobile": True, "groups": 4}),
    "rcan": Architecture(RCAN, (2, 3, 4, 8)),
    "dbpn": Architecture(DBPN, (2, 4, 8)),
    "rrdb": Architecture(RRDBNet, (1, 2, 4, 8)),
    "compact": Architecture(Compact, (1, 2, 3, 4)),
}

KINDS = tuple(ARCHITECTURES)


def build(kind: str, scale: int, **hyperparameters: Any) -> nn.Module:
    """A new network, its weights drawn at random; what is not given is as published.

    Raises UsageError for an unknown kind or hyper-parameter, or a scale that the kind has not.
    """
    if kind not in ARCHITECTURES:
        raise UsageError(f"no architecture '{kind}'; there is {', '.join(KINDS)}")
    architecture = ARCHITECTURES[kind]
    if scale not in architecture.scales:
        scales = ", ".join(map(str, architecture.scales))
        raise UsageError(f"{kind} enlarges by {scales}, not by {scale}")
    known = architecture.hyperparameters()
    unknown = sorted(hyperparameters.keys() - known)
    if unknown:
        raise UsageError(f"{kind} has no hyper-parameter '{unknown[0]}'; it has {', '.join(known)}")
    return architecture.make(scale, **architecture.settings | hyperparameters)
