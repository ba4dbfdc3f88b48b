"""What fp16 is found to need with a network on a film, in words that can be kept and sent.

fp16                           nothing
fp16, features / 64            features made smaller, which changes nothing but their range
fp16, in fp32: ["a", "b"]      the layers with these first results in fp32
fp32                           all of it in fp32
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from vsr.errors import UsageError
from vsr.networks.half import half
from vsr.networks.network import Network
from vsr.networks.rescale import rescaled


@dataclass(frozen=True)
class Verdict:
    """The types in which a network is computed where fp16 was asked for."""

    factor: int = 1
    """What the features are divided by."""
    keep: tuple[str, ...] = ()
    """Layers in fp32, by their first results."""
    fp32: bool = False

    def __str__(self) -> str:
        if self.keep:
            return f"fp16, in fp32: {json.dumps(self.keep)}"
        return self.precision

    @property
    def precision(self) -> str:
        """For people, and for an engine's name."""
        if self.fp32:
            return "fp32"
        if self.factor > 1:
            return f"fp16, features / {self.factor}"
        return f"fp16, {len(self.keep)} layers in fp32" if self.keep else "fp16"

    @property
    def severity(self) -> tuple[bool, int, int]:
        """Of two, the one that gives up more of fp16 is the larger."""
        return self.fp32, len(self.keep), self.factor

    def applied(self, network: Network) -> Network:
        """The network in these types. Raises UsageError where it has no such form."""
        if self.fp32:
            return network
        return half(rescaled(network, self.factor) if self.factor > 1 else network, self.keep)


def parse_verdict(words: str) -> Verdict:
    """Raises UsageError for words that are none."""
    found = re.fullmatch(r"(fp32)|fp16(?:, features / (\d+)|, in fp32: (\[.*\]))?", words)
    if found is None:
        raise UsageError(f"'{words}' says of no types what fp16 needs")
    fp32, factor, keep = found.groups()
    return Verdict(int(factor or 1), tuple(json.loads(keep or "[]")), fp32 is not None)
