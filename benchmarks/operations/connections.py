"""What is connected to what in a network's graph (`torch.fx`), and what each of its modules is."""

from __future__ import annotations

import operator

import torch
from torch import fx, nn

from benchmarks.networks.parts import DirectCoding, SpikingNeuron
from benchmarks.operations.pools import POOLS

TRANSPARENT = (nn.Identity, nn.Dropout, nn.Flatten)
NORMS = (nn.modules.batchnorm._BatchNorm,)
LINEAR = (nn.Conv2d, nn.Linear, DirectCoding)


class Tracer(fx.Tracer):
    """Leaves are modules without children (norms, convolutions), spiking neurons and the first layer."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, DirectCoding) or spikes(module) or not any(module.children())


def current_of(graph: fx.GraphModule, neuron: fx.Node) -> set[fx.Node]:
    """The neuron, and what its current is made of, back to the layers and neurons that it comes from."""
    found, ahead = {neuron}, [neuron.all_input_nodes[0]]
    while ahead:
        node = ahead.pop()
        if not is_neuron(graph, node) and node.op != "placeholder":
            found.add(node)
            ahead += [] if isinstance(module_of(graph, node), LINEAR) else node.all_input_nodes
    return found


def origin_of(graph: fx.GraphModule, node: fx.Node) -> tuple[fx.Node | None, list[fx.Node]]:
    """The neuron a value comes from through pools alone, and those pools in order; None if there is no such neuron."""
    pools: list[fx.Node] = []
    while not is_neuron(graph, node):
        module = module_of(graph, node)
        if isinstance(module, POOLS):
            pools.insert(0, node)
        elif not isinstance(module, TRANSPARENT) and not is_reshape(node):
            return None, []
        node = node.all_input_nodes[0]
    return node, pools


def before_norms(graph: fx.GraphModule, node: fx.Node) -> fx.Node:
    """Where a current comes from: a norm is an affine map per channel and costs nothing of its own."""
    while isinstance(module_of(graph, node), NORMS):
        node = node.all_input_nodes[0]
    return node


def is_neuron(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Any layer that is neither linear, norm, pool nor transparent, and is not the readout's last step."""
    module = module_of(graph, node)
    if module is None or isinstance(module, LINEAR + POOLS + TRANSPARENT + NORMS):
        return False
    return any(user.op != "output" for user in node.users)


def spikes(module: nn.Module | None) -> bool:
    """Whether a module is a spiking neuron: it says how high its spikes are."""
    return isinstance(module, SpikingNeuron)


def is_addition(node: fx.Node) -> bool:
    return node.op == "call_function" and node.target in (operator.add, operator.iadd, torch.add)


def is_reshape(node: fx.Node) -> bool:
    return node.target in ("flatten", "view", "reshape", torch.flatten)


def module_of(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None
