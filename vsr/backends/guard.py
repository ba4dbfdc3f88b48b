"""fp16 held against fp32, on a tile of the film itself, before a job relies on it.

fp16 ends at 65504. A network that goes beyond gives black or white where there was a picture, on
some pictures and not on others. So the first frame, and the first one with detail in it, are
compared with what the processor makes of a tile of them in fp32. Where they differ the engine is
built again: with its features made smaller, which changes nothing but their range; else with the
layers that go too far in fp32; else in fp32 altogether. What was done is said in `notes`.

A job of many parts and runs has to be of one mind: what was found is its `verdict`. An engine that
is given one computes in those types, still looks, and refuses to go on where they will not do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Self

from vsr.backends.base import Engine, Pending
from vsr.backends.probe import Probe, find_tile
from vsr.backends.ranges import largest_values
from vsr.backends.verdict import Verdict, parse_verdict
from vsr.errors import BackendError, UsageError
from vsr.frame import Frame, FrameFormat
from vsr.networks.half import FP16_MAX
from vsr.networks.network import Network

HEADROOM = 8
"""How much larger than on the tile a film's numbers may become elsewhere."""

DETAIL = 4.0
"""From what standard deviation on, in codes of 8 bits, a tile is more than a plain area."""

Build = Callable[[Network, str], Engine]
"""Makes an engine that computes in the types of the network's graph, called by these words."""


class GuardedEngine:
    """An engine that computes in fp16 only where that gives what fp32 does; keeps the contract of
    `vsr.backends.base`. In fp32 it is just the engine that `build` makes.
    """

    def __init__(
        self,
        build: Build,
        network: Network,
        form: FrameFormat,
        precision: str,
        verdict: str | None = None,
    ) -> None:
        self.build, self.network, self.format, self.scale = build, network, form, network.scale
        self.notes: list[str] = []
        self.verdict: str | None = None
        self.unchecked = math.inf  # the detail that is too little
        if precision == "fp16":
            types = parse_verdict(verdict) if verdict else Verdict()
            try:
                network, precision = types.applied(network), types.precision
            except UsageError as error:
                self.notes.append(f"computed in fp32: {error}")
                precision = "fp32"
            else:
                self.verdict = verdict or ""
                self.unchecked = math.inf if types.fp32 else -1.0
                if types != Verdict():
                    self.notes.append(f"computed in {precision}, as when the job was begun")
        self.adopt(build(network, precision))

    def adopt(self, engine: Engine) -> None:
        self.engine, self.runtime = engine, engine.runtime
        self.depth, self.device, self.description = engine.depth, engine.device, engine.description
        self.notes.extend(engine.notes)
        engine.notes = self.notes

    def start(self, frame: Frame) -> Pending:
        if self.unchecked < math.inf:
            tile = find_tile(self.network, self.format, frame)
            if tile.detail > self.unchecked:
                self.unchecked = DETAIL if tile.detail <= DETAIL else math.inf
                return self.checked(frame, Probe(self.network, self.format, frame, tile))
        return self.engine.start(frame)

    def checked(self, frame: Frame, probe: Probe) -> Pending:
        """The frame's result, from an engine that was built again until it is right."""
        result = self.engine.start(frame).result()
        gap = probe.difference(result)
        if gap <= probe.tolerance:
            if self.unchecked == math.inf:
                self.verdict = self.verdict or str(Verdict())
            return Done(result)
        self.unchecked = math.inf
        if self.verdict:
            begun = parse_verdict(self.verdict).precision
            raise BackendError(
                f"fp16 is off by {gap:.0f} codes with {self.network.name} here, and the job was "
                f"begun in {begun}; begin it anew with --precision fp32 --restart"
            )
        for types, network in self.remedies(probe):
            self.notes.append(
                f"fp16 is off by {gap:.0f} codes with {self.network.name} on this film: "
                f"computed in {types.precision}"
            )
            self.engine.close()
            self.adopt(self.build(network, types.precision))
            result = self.engine.start(frame).result()
            gap = probe.difference(result)
            if gap <= probe.tolerance:
                self.verdict = str(types)
                return Done(result)
        raise BackendError(
            f"{self.description} is off by {gap:.0f} codes from what the processor computes; "
            "choose --backend openvino, and report this"
        )

    def remedies(self, probe: Probe) -> Iterator[tuple[Verdict, Network]]:
        """The types to compute in instead, and the network in them: the fastest first."""
        peaks = largest_values(self.network, probe.form, probe.frame)
        highest = max(peaks.values(), default=0.0)
        if FP16_MAX / HEADROOM < highest < math.inf:
            smaller = Verdict(factor=2 ** math.ceil(math.log2(highest * HEADROOM / FP16_MAX)))
            with suppress(UsageError):
                yield smaller, smaller.applied(self.network)
            mixed = Verdict(keep=tuple(sorted(too_large(self.network, peaks))))
            yield mixed, mixed.applied(self.network)
        yield Verdict(fp32=True), self.network

    def close(self) -> None:
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Done:
    """A frame that is no longer in work."""

    def __init__(self, large: Frame) -> None:
        self.large = large

    def result(self) -> Frame:
        return self.large


def too_large(network: Network, peaks: dict[str, float]) -> set[str]:
    """The nodes, by their first results, that have a number in or out which may not fit fp16."""

    def over(name: str) -> bool:
        return not peaks.get(name, 0.0) * HEADROOM <= FP16_MAX

    nodes = network.model.graph.node
    return {node.output[0] for node in nodes if any(map(over, (*node.input, *node.output)))}
