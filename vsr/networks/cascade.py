"""A network after itself: twice x2 is x4."""

from collections.abc import Collection
from dataclasses import replace
from fractions import Fraction

from onnx import ModelProto, compose

from vsr.networks.network import Network, check_network


def best_scale(scales: Collection[int], factor: Fraction) -> int:
    """The scale that, as often as it takes, reaches `factor` and passes it by least; the larger of
    two that do so alike, for it takes less work."""

    def reached(scale: int) -> int:
        return int(scale ** passes(scale, factor))

    return min(scales, key=lambda scale: (reached(scale) < factor, reached(scale), -scale))


def passes(scale: int, factor: Fraction) -> int:
    """How often a network has to be applied to reach `factor`, if it ever does."""
    times = 1
    while scale > 1 and scale**times < factor:
        times += 1
    return times


def cascade(network: Network, times: int) -> Network:
    """The network applied `times` times in a row, as one network."""
    whole = check_network(repeated(network.model, times), network.name, network.name)
    int8 = None if network.int8 is None else repeated(network.int8, times)
    return replace(whole, kernel=network.kernel, exact=network.exact, int8=int8)


def repeated(model: ModelProto, times: int) -> ModelProto:
    """The model applied `times` times in a row."""
    whole = model
    for n in range(1, times):
        first = compose.add_prefix(whole, f"pass{n}_")
        second = compose.add_prefix(model, f"pass{n + 1}_")
        links = [(first.graph.output[0].name, second.graph.input[0].name)]
        whole = compose.merge_models(first, second, io_map=links)
    return whole
