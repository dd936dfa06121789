"""Shapes of a layer as operations see them: sizes, weights, and how many outputs a value at each pixel reaches.

    fanout[y, x] = (output positions whose window covers (y, x), through the pools in front of the layer) C_out / groups

What of a window lies on padding counts nothing, so borders and strides count as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.operations.pools import pooled, sum_pool


@dataclass(frozen=True)
class Geometry:
    """Sizes of one layer. `kernel` and `stride` are None where they are not square, or are no single pool's.

    `weights`: different ones, norms and amplitudes folded in; an addition and a pool have one per channel.
    """

    operation: str
    in_channels: int
    out_channels: int
    kernel: int | None
    stride: int | None
    groups: int
    out_height: int
    out_width: int
    weights: int


def of_layer(layer: nn.Conv2d | nn.Linear, output: Sequence[int]) -> Geometry:
    """A linear layer with an output `(C, H, W)` or `(C,)`."""
    weights = layer.weight.numel()
    if isinstance(layer, nn.Linear):
        return Geometry("linear", layer.in_features, layer.out_features, 1, 1, 1, 1, 1, weights)
    kernel, stride = _one(layer.kernel_size), _one(layer.stride)
    sizes = layer.in_channels, layer.out_channels, kernel, stride, layer.groups
    return Geometry("conv", *sizes, output[1], output[2], weights)


def of_channels(operation: str, pools: Sequence[nn.Module], output: Sequence[int]) -> Geometry:
    """What treats every channel alone: "add", spikes that are added to a current, and "pool", pools before a neuron."""
    channels, height, width = (*output, 1, 1)[:3]
    kernel, stride = _of_pools(pools)
    return Geometry(operation, channels, channels, kernel, stride, channels, height, width, channels)


def _of_pools(pools: Sequence[nn.Module]) -> tuple[int | None, int | None]:
    if not pools:
        return 1, 1
    if len(pools) > 1 or not isinstance(pools[0], nn.AvgPool2d):
        return None, None
    return _one(pools[0].kernel_size), _one(pools[0].stride)


def _one(size: int | Sequence[int]) -> int | None:
    sizes = {size} if isinstance(size, int) else set(size)
    return sizes.pop() if len(sizes) == 1 else None


@dataclass(frozen=True)
class Operations:
    """Operations of a linear layer. `fanout`: per value in front of the pools; `behind_pools`: of the pooled map."""

    dense: int
    padded: int
    fanout: Tensor
    behind_pools: Tensor


def operations(
    layer: nn.Conv2d | nn.Linear, shape: torch.Size, output: torch.Size, pools: Sequence[nn.Module]
) -> Operations:
    """`shape` (C, H, W) or (C,): in front of the pools; `output`: the layer's."""
    if isinstance(layer, nn.Linear):
        per_value, padded = layer.out_features, layer.in_features * layer.out_features
    else:
        per_value, padded = layer.out_channels // layer.groups, layer.weight.numel() * output[-2:].numel()
    fanout = paths(layer, shape, pools) * per_value
    own = paths(layer, pooled(shape, pools), ()) * per_value
    channels = layer.in_features if isinstance(layer, nn.Linear) and own.dim() == 0 else shape[0]
    return Operations(int(own.sum()) * channels, padded, fanout, own)


def paths(layer: nn.Module | None, shape: torch.Size, pools: Sequence[nn.Module]) -> Tensor:
    """For every pixel of the input, the number of ways to output positions through pools and layer.

    Where pools overlap or copy pixels, more than one way leads to a position: each is an operation.
    """
    if len(shape) == 1:
        return torch.ones((), dtype=torch.int64)
    with torch.enable_grad():
        pixels = torch.ones(1, 1, *shape[1:], dtype=torch.float64, requires_grad=True)
        x = pixels
        for pool in pools:
            x = sum_pool(pool, x)
        if isinstance(layer, nn.Conv2d):
            kernel = torch.ones(1, 1, *layer.kernel_size, dtype=torch.float64)
            x = F.conv2d(x, kernel, None, layer.stride, layer.padding, layer.dilation)
        (reached,) = torch.autograd.grad(x.sum(), pixels)
    return reached[0, 0].round().long()
