"""Where a value in a network's graph comes from: from which neurons, through which pools, and whether it is spikes.

Between a layer of neurons and the layers behind it there are pools, sums and gates:

    pools     average their input, so that all behind them stays linear
    sums      of spikes are 0, 1, 2, ... times their height; a linear layer treats each of the spikes alike
    gates     pass one for several: a maximum over a window, an "and" of two neurons; or one for one, to the next step

All follows from the graph, and from the height of spikes that neurons state; values are never inspected.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import fx, nn

from benchmarks.networks.gates import And, Iand
from benchmarks.networks.parts import DirectCoding, FedBack, SpikingNeuron
from benchmarks.operations.geometry import POOLS

TRANSPARENT = (nn.Identity, nn.Dropout, nn.Flatten)
NORMS = (nn.modules.batchnorm._BatchNorm,)
LINEAR = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, DirectCoding)
GATES = (nn.MaxPool2d, And, Iand, FedBack)
"""A gate of spikes passes spikes: layers behind it accumulate, and it has no membrane to update."""

Kind = Literal["ac", "sum", "mac"]
"""What a value is: spikes of one layer of neurons, a sum of spikes, or graded.

A layer accumulates spikes and sums of spikes, one accumulate per spike, and multiplies graded values.
"""


class Path(NamedTuple):
    """A layer of neurons, or a gate, and the average pools behind it, in order."""

    origin: fx.Node
    pools: tuple[fx.Node, ...] = ()


class Tracer(fx.Tracer):
    """Traces down to modules without children (norms, convolutions), spiking neurons and the first layer."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, LINEAR) or spikes(module) or not any(module.children())


def paths_to(graph: fx.GraphModule, node: fx.Node) -> tuple[Path, ...]:
    """Return the paths that a value is the sum of; none for a current, and for the network's input."""
    if is_neuron(graph, node):
        return (Path(node),)
    if is_addition(node):
        operands = [paths_to(graph, one) if isinstance(one, fx.Node) else () for one in node.args]
        return tuple(path for some in operands for path in some) if all(operands) else ()
    module = module_of(graph, node)
    if not isinstance(module, POOLS + TRANSPARENT) and not is_reshape(node):
        return ()
    behind = (node,) if isinstance(module, POOLS) else ()
    return tuple(Path(path.origin, path.pools + behind) for path in paths_to(graph, node.all_input_nodes[0]))


def kind_of(graph: fx.GraphModule, paths: Sequence[Path]) -> Kind:
    """Return what the sum of these paths is; a current is graded."""
    kinds = {emitted_kind(graph, path.origin) for path in paths}
    if not kinds or "mac" in kinds:
        return "mac"
    return "ac" if len(paths) == 1 and kinds == {"ac"} else "sum"


def emitted_kind(graph: fx.GraphModule, origin: fx.Node) -> Kind:
    """Return what a layer of neurons emits or a gate passes.

    A maximum of sums of spikes is a sum of spikes if they have one height. Behind an average pool, gates pass graded
    values; so do "and" gates of anything but spikes of height 1.
    """
    module = module_of(graph, origin)
    if not isinstance(module, GATES):
        return "ac" if spikes(module) else "mac"
    inputs = [paths_to(graph, node) for node in origin.all_input_nodes]
    if any(path.pools for paths in inputs for path in paths):
        return "mac"
    kinds = {kind_of(graph, paths) for paths in inputs}
    alike = {height for paths in inputs for height in heights(graph, paths)}
    if isinstance(module, And | Iand):
        return "ac" if kinds == {"ac"} and alike == {1.0} else "mac"
    return "sum" if kinds == {"sum"} and len(alike) == 1 else "ac" if kinds == {"ac"} else "mac"


def heights(graph: fx.GraphModule, paths: Sequence[Path]) -> set[float]:
    """Return the heights of the spikes that reach the end of these paths, as the neurons state them."""
    found: set[float] = set()
    for origin, _ in paths:
        module = module_of(graph, origin)
        if isinstance(module, SpikingNeuron):
            found |= {*torch.as_tensor(module.spike_amplitude()).flatten().tolist()}
        elif isinstance(module, GATES):
            found |= {height for node in origin.all_input_nodes for height in heights(graph, paths_to(graph, node))}
    return found


def is_folded(graph: fx.GraphModule, addition: fx.Node) -> bool:
    """Whether a sum of neurons' outputs is read by layers, gates and pools alone, which take its spikes one by one.

    Its additions are no operations of their own then. A sum that is, or joins, the current of neurons is not folded.
    """
    return bool(paths_to(graph, addition)) and _folds(graph, addition, pooled=False)


def _folds(graph: fx.GraphModule, node: fx.Node, pooled: bool) -> bool:
    """`pooled`: whether there is a pool behind the sum: in front of neurons it takes the spikes itself."""
    for user in node.users:
        module = module_of(graph, user)
        if isinstance(module, LINEAR + GATES):
            continue
        through_pool, norm = isinstance(module, POOLS), pooled and isinstance(module, NORMS)
        if through_pool or norm or isinstance(module, TRANSPARENT) or is_reshape(user) or is_sum(graph, user):
            if not _folds(graph, user, (pooled or through_pool) and not is_addition(user)):
                return False
        elif not (pooled and is_neuron(graph, user)):
            return False
    return True


def is_sum(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node adds up outputs of neurons, and nothing else."""
    return is_addition(node) and bool(paths_to(graph, node))


def current_of(graph: fx.GraphModule, neuron: fx.Node) -> set[fx.Node]:
    """Return the neuron and all nodes between it and the neurons or inputs before it, up to the first linear layers.

    The linear layers are included.
    """
    current, pending = {neuron}, [neuron.all_input_nodes[0]]
    while pending:
        node = pending.pop()
        if not is_neuron(graph, node) and node.op != "placeholder":
            current.add(node)
            pending += [] if isinstance(module_of(graph, node), LINEAR) else node.all_input_nodes
    return current


def before_norms(graph: fx.GraphModule, node: fx.Node) -> fx.Node:
    """Skip norms backwards: a norm is an affine map per channel, folds into a layer and performs no operations."""
    while isinstance(module_of(graph, node), NORMS):
        node = node.all_input_nodes[0]
    return node


def is_neuron(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node is a layer of neurons or a gate: not linear, norm, average pool or transparent.

    The readout's last step is none.
    """
    module = module_of(graph, node)
    if module is None or isinstance(module, LINEAR + POOLS + TRANSPARENT + NORMS):
        return False
    return any(user.op != "output" for user in node.users)


def spikes(module: nn.Module | None) -> bool:
    """Whether a module is a spiking neuron: it has a `spike_amplitude`."""
    return isinstance(module, SpikingNeuron)


def is_addition(node: fx.Node) -> bool:
    return node.op == "call_function" and node.target in (operator.add, operator.iadd, torch.add)


def is_reshape(node: fx.Node) -> bool:
    return node.target in ("flatten", "view", "reshape", torch.flatten)


def module_of(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None
