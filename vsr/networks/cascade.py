"""A network after itself: twice x2 is x4."""

from dataclasses import replace

from onnx import ModelProto, compose

from vsr.networks.network import Network, check_network


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
