"""A reference simulator, in torch, of the graphs made by `nir_graph`: step by step, node by node.

It reads the parameters of nodes and, for neurons, the metadata where they differ from NIR's specification (`neurons`).
It is slow and short. It serves to check graphs, and shows what another simulator has to do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.card.neurons import Fires, Reset


def logits(graph: Any, x: Tensor) -> Tensor:
    """Images `(B, C, H, W)`, the same at every step, or frames `(T, B, C, H, W)` -> logits `(B, classes)`."""
    weights = [float(w) for w in graph.metadata["readout_weights"]]
    steps = zip(weights, run(graph, x), strict=True)
    return torch.stack([weight * values["output"] for weight, values in steps]).sum(0)


def run(graph: Any, x: Tensor) -> Iterator[dict[str, Tensor]]:
    """Yield the outputs of all nodes, step by step."""
    before: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for source, target in graph.edges:
        before[target].append(source)
    order = list(TopologicalSorter(before).static_order())
    membranes: dict[str, Tensor] = {}
    for step in range(int(graph.metadata["timesteps"])):
        values: dict[str, Tensor] = {}
        for name in order:
            node = graph.nodes[name]
            if type(node).__name__ == "Input":
                values[name] = x[step] if x.dim() == 5 else x
                continue
            current = torch.stack([values[source] for source in before[name]]).sum(0)
            if hasattr(node, "v_threshold"):
                membrane = membranes.get(name, torch.full_like(current, float(node.metadata["v_initial"])))
                values[name], membranes[name] = fire(node, membrane, current)
            else:
                values[name] = emitted(node, current)
        yield values


def fire(node: Any, v: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
    """Return spikes (0 or 1), and the membranes after the reset. Raises ValueError for unknown metadata."""
    about = node.metadata
    dt = float(about["dt"])
    r, level, reset = (torch.as_tensor(value, dtype=v.dtype) for value in (node.r, node.v_threshold, node.v_reset))
    if hasattr(node, "tau"):
        leak = torch.exp(-dt / torch.as_tensor(node.tau, dtype=torch.float64)).to(v.dtype)
        rest = torch.as_tensor(node.v_leak, dtype=v.dtype)
        v = leak * v + (1 - leak) * (rest + r * current)
    else:
        v = v + dt * r * current
    fires = v >= level if Fires(about["fires"]) is Fires.AT_LEVEL else v > level
    soft = Reset(about["reset"]) is Reset.SOFT
    after = v - float(about["reset_by"]) if soft else reset.expand_as(v)
    return fires.to(v.dtype), torch.where(fires, after, v)


def emitted(node: Any, x: Tensor) -> Tensor:
    """Return the output of a node without state."""
    kind = type(node).__name__
    if kind == "Output":
        return x
    if kind == "Conv2d":
        stride, padding, dilation = (_pair(value) for value in (node.stride, node.padding, node.dilation))
        weight, bias = _like(x, node.weight), _like(x, node.bias)
        return F.conv2d(x, weight, bias, stride, padding, dilation, int(node.groups))
    if kind in ("Affine", "Linear"):
        return F.linear(x, _like(x, node.weight), _like(x, node.bias) if kind == "Affine" else None)
    if kind == "Scale":
        return x * _like(x, node.scale)
    if kind == "Flatten":
        return x.flatten(1)
    if kind in ("AvgPool2d", "SumPool2d"):
        size = _pair(node.kernel_size)
        mean = F.avg_pool2d(x, size, _pair(node.stride), _pair(node.padding))
        return mean * math.prod(size) if kind == "SumPool2d" else mean
    raise ValueError(f"{kind} does not occur in these graphs")


def _like(x: Tensor, values: Any) -> Tensor:
    return torch.as_tensor(values, dtype=x.dtype)


def _pair(values: Any) -> tuple[int, int]:
    first, second = (int(value) for value in values)
    return first, second
