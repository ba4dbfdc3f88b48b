"""A network after itself: twice x2 is x4."""

from onnx import compose

from vsr.networks.network import Network, check_network


def cascade(network: Network, times: int) -> Network:
    """The network applied `times` times in a row, as one network."""
    model = network.model
    for n in range(1, times):
        first = compose.add_prefix(model, f"pass{n}_")
        second = compose.add_prefix(network.model, f"pass{n + 1}_")
        links = [(first.graph.output[0].name, second.graph.input[0].name)]
        model = compose.merge_models(first, second, io_map=links)
    whole = check_network(model, network.name, network.name)
    return Network(
        whole.name, model, whole.scale, whole.channels, whole.reach, network.kernel, network.exact
    )
