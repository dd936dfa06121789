"""The paths from one layer of neurons to the next, read from a network's graph: sums of scaled linear layers of spikes.

Everything between two layers of neurons is affine in the spikes. The current of a neuron is therefore its current
without any spike (`Silent`) plus contributions along the `Path`s from the neurons before it. `reach` expands a path
into the weights that each spike adds.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from baselines.ann import Readout

POOLS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
UNCHANGED = (nn.Identity, nn.Dropout, nn.Flatten)
ADDITIONS = tuple(("call_function", add) for add in (operator.add, operator.iadd, torch.add))
CALLS = (*ADDITIONS, ("call_method", "flatten"))


class Unsupported(Exception):
    """The network contains an operation that cannot be simulated by events."""


@dataclass(frozen=True)
class Path:
    """`scale` per channel times a linear layer (None: identity) of the pooled spikes of the neurons named `source`."""

    source: str
    pools: tuple[nn.Module, ...] = ()
    linear: nn.Conv2d | nn.Linear | None = None
    scale: Tensor | None = None


class Tracer(fx.Tracer):
    """Traces down to neurons, the first layer, the readout and modules without children."""

    def __init__(self, leaves: tuple[type[nn.Module], ...]) -> None:
        super().__init__()
        self.leaves = (*leaves, Readout)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, self.leaves) or not any(m.children())


class Silent(fx.Interpreter):
    """Runs a network whose neurons do not fire, and stores the current of each in `currents`."""

    def __init__(self, graph: fx.GraphModule, neuron: type[nn.Module]) -> None:
        super().__init__(graph)
        self.neuron, self.currents = neuron, dict[str, Tensor]()

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if isinstance(self.fetch_attr(target), self.neuron):
            self.currents[target] = args[0]
            return torch.zeros_like(args[0])
        return super().call_module(target, args, kwargs)


def paths(graph: fx.GraphModule, neuron: type[nn.Module]) -> dict[str, list[Path]]:
    """Return the paths to every layer of neurons, in the order in which they run, and under "" those to the logits.

    Raises Unsupported for a network with other operations than those of this module.
    """
    by_node: dict[fx.Node, list[Path]] = {}
    by_neuron: dict[str, list[Path]] = {}
    for node in graph.graph.nodes:
        before = [path for argument in node.args if isinstance(argument, fx.Node) for path in by_node[argument]]
        module = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
        if module is not None and isinstance(module, neuron):
            if node.target in by_neuron:
                raise Unsupported(f"{node.target} runs twice in a step")
            by_neuron[str(node.target)] = before
            by_node[node] = [Path(str(node.target))]
        elif node.op == "output":
            by_neuron[""] = before
        else:
            by_node[node] = [_through(node, module, path) for path in before]
    return by_neuron


def fed_by_sums(graph: fx.GraphModule) -> list[str]:
    """Return the names of the convolutions and fully connected layers whose input is a sum."""
    found = []
    for node in graph.graph.nodes:
        module = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, nn.Conv2d | nn.Linear | Readout) and _is_sum(graph, node.all_input_nodes[0]):
            found.append(f"{node.target}.linear" if isinstance(module, Readout) else str(node.target))
    return found


def _is_sum(graph: fx.GraphModule, node: fx.Node) -> bool:
    unchanged = node.op == "call_module" and isinstance(graph.get_submodule(str(node.target)), UNCHANGED)
    if unchanged or (node.op, node.target) == ("call_method", "flatten"):
        return _is_sum(graph, node.all_input_nodes[0])
    return (node.op, node.target) in ADDITIONS


def _through(node: fx.Node, module: nn.Module | None, path: Path) -> Path:
    """Extend a path by one node. Nodes that no spikes reach are never checked and may be anything."""
    spikes = path.linear is None and path.scale is None
    if isinstance(module, _BatchNorm):
        assert module.running_var is not None
        factor = torch.rsqrt(module.running_var + module.eps)
        factor = factor if module.weight is None else factor * module.weight
        return replace(path, scale=factor if path.scale is None else path.scale * factor)
    if isinstance(module, Readout) and spikes and module.timesteps == 1:
        return replace(path, linear=module.linear)
    if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and _plain(module)):
        if spikes:
            return replace(path, linear=module)
    elif isinstance(module, POOLS) and spikes:
        return replace(path, pools=(*path.pools, module))
    elif isinstance(module, UNCHANGED) or (node.op, node.target) in CALLS:
        return path
    raise Unsupported(f"{node.target} behind {path.source}")


def _plain(layer: nn.Conv2d) -> bool:
    whole = layer.groups == 1 and layer.dilation == (1, 1) and not isinstance(layer.padding, str)
    return whole and layer.padding_mode == "zeros"


class Reach(NamedTuple):
    """A path spike by spike: those of pixel p reach pixels `to[i]` through `matrix[i]`, first[p] <= i < first[p + 1].

    `weight` is `(matrices, channels, outputs)`, or `(matrices, channels)` if each channel reaches only itself.
    """

    first: Tensor
    matrix: Tensor
    to: Tensor
    weight: Tensor


def reach(path: Path, shape: tuple[int, ...], amplitude: Tensor) -> Reach:
    """Expand a path; `shape` `(C, H, W)` or `(C,)` and `amplitude` are its source's."""
    height, width = shape[1:] or (1, 1)
    pixel, place, share, (height, width) = _pooled(path.pools, height, width)
    first, tap, to = _windows(path.linear, height, width)
    count = first[place + 1] - first[place]
    row = torch.arange(len(place)).repeat_interleave(count)
    at = first[place][row] + torch.arange(len(row)) - (count.cumsum(0) - count)[row]
    shares, kind = share.unique(return_inverse=True)  # a single share, except for pools with unequal windows
    weight = _matrices(path.linear, path.scale, shape[0], amplitude)
    matrix = kind[row] * len(weight) + tap[at]
    weight = (weight * shares.view(-1, *[1] * weight.dim())).flatten(0, 1)
    starts = torch.bincount(pixel[row], minlength=max(1, torch.Size(shape[1:]).numel())).cumsum(0)
    return Reach(torch.cat([starts.new_zeros(1), starts]), matrix, to[at], weight)


def windows(pools: tuple[nn.Module, ...], shape: tuple[int, ...]) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Return `first`, `to` and the pooled map's size; windows of places `to[first[p]:first[p + 1]]` contain pixel p."""
    height, width = shape[1:] or (1, 1)
    pixel, place, _, size = _pooled(pools, height, width)
    first = torch.bincount(pixel, minlength=height * width).cumsum(0)
    return torch.cat([first.new_zeros(1), first]), place, size


def _pooled(pools: tuple[nn.Module, ...], height: int, width: int) -> tuple[Tensor, Tensor, Tensor, tuple[int, int]]:
    """Return pixel, place of the pooled map and share of all their connections, and the pooled map's size."""
    if not pools:
        pixel = torch.arange(height * width)
        return pixel, pixel, torch.ones(len(pixel), dtype=torch.float32), (height, width)
    basis = torch.eye(height * width, dtype=torch.float32).view(-1, 1, height, width)
    for pool in pools:
        basis = pool(basis)
    shares = basis.flatten(1)
    pixel, place = shares.nonzero(as_tuple=True)
    return pixel, place, shares[pixel, place], (basis.shape[2], basis.shape[3])


def _windows(layer: nn.Conv2d | nn.Linear | None, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return where each place's outputs begin and, for each output, the kernel's tap and the output pixel."""
    places = torch.arange(height * width)
    if isinstance(layer, nn.Conv2d):
        assert not isinstance(layer.padding, str)
        return _of_convolution(height, width, layer.kernel_size, layer.stride, layer.padding)
    once = torch.arange(height * width + 1)
    return (once, places * 0, places) if layer is None else (once, places, places * 0)


@cache
def _of_convolution(
    height: int, width: int, kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    sizes = zip((height, width), kernel, stride, padding, strict=True)
    rows, columns = ((size + 2 * p - k) // s + 1 for size, k, s, p in sizes)
    at = [torch.arange(n) for n in (height, width, *kernel)]
    y, x, ky, kx = torch.meshgrid(*at[:3], at[3].flip(0), indexing="ij")
    down, right = y + padding[0] - ky, x + padding[1] - kx
    row, column = down.div(stride[0], rounding_mode="floor"), right.div(stride[1], rounding_mode="floor")
    there = (down % stride[0] == 0) & (right % stride[1] == 0)
    there &= (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    first = torch.cat([torch.zeros(1, dtype=torch.long), there.sum((2, 3)).flatten().cumsum(0)])
    # in reverse order, so that consecutive taps lead to consecutive pixels
    return first, (ky * kernel[1] + kernel[1] - 1 - kx)[there], (row * columns + column)[there]


def _matrices(layer: nn.Conv2d | nn.Linear | None, scale: Tensor | None, channels: int, amplitude: Tensor) -> Tensor:
    """Return the weights by tap, `(taps, channels, outputs)`, or `(1, channels)` for the identity."""
    if layer is None:
        return (amplitude.expand(channels) if scale is None else scale * amplitude).unsqueeze(0)
    weight = layer.weight.flip(-1) if isinstance(layer, nn.Conv2d) else layer.weight
    weight = weight.reshape(weight.shape[0], channels, -1).permute(2, 1, 0) * amplitude
    return weight if scale is None else weight * scale
