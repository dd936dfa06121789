"""The geometry of a layer: sizes, weights, and the number of outputs that a value at each pixel reaches.

    fanout[y, x] = (output positions whose window covers (y, x), through the pools in front of the layer) C_out / groups

Padding is not counted, so counts are exact at borders and for any stride. Average pools between two layers add values
up; their divisor folds into the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

POOLS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
Weighted = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
"""A linear layer that is counted."""


@dataclass(frozen=True)
class Geometry:
    """Sizes of one layer. `kernel` and `stride` are None if they are not square or belong to several pools.

    `weights` is the number of distinct weights, norms and amplitudes folded; additions and pools have one per channel.
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


def of_layer(layer: Weighted, output: Sequence[int]) -> Geometry:
    """Return the geometry of a linear layer with an output `(C, H, W)` or `(C,)`."""
    weights = layer.weight.numel()
    if isinstance(layer, nn.Linear):
        return Geometry("linear", layer.in_features, layer.out_features, 1, 1, 1, 1, 1, weights)
    kernel, stride = _one(layer.kernel_size), _one(layer.stride)
    sizes = layer.in_channels, layer.out_channels, kernel, stride, layer.groups
    operation = "transposed" if isinstance(layer, nn.ConvTranspose2d) else "conv"
    return Geometry(operation, *sizes, output[1], output[2], weights)


def of_channels(operation: str, pools: Sequence[nn.Module], output: Sequence[int]) -> Geometry:
    """Return the geometry of a per-channel operation, which has no neighbours but those in its pools.

    It is "add" (spikes added to a current), "pool" (before neurons) or "temporal" (steps weighed by neurons).
    """
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
    """Operations of a linear layer per image and step.

    `dense`: MACs without padding; `padded`: with padding; `fanout`: operations per value in front of the pools;
    `behind_pools`: operations per value of the pooled map.
    """

    dense: int
    padded: int
    fanout: Tensor
    behind_pools: Tensor


def operations(layer: Weighted, shape: torch.Size, output: torch.Size, pools: Sequence[nn.Module]) -> Operations:
    """Count a layer's operations; `shape` `(C, H, W)` or `(C,)` is that in front of the pools, `output` the layer's."""
    behind = pooled(shape, pools)
    if isinstance(layer, nn.Linear):
        per_value, padded = layer.out_features, layer.in_features * layer.out_features
    else:  # a kernel is laid at every output, a transposed one at every input
        laid = behind if isinstance(layer, nn.ConvTranspose2d) else output
        per_value, padded = layer.out_channels // layer.groups, layer.weight.numel() * laid[-2:].numel()
    fanout = paths(layer, shape, pools, output) * per_value
    own = paths(layer, behind, (), output) * per_value
    channels = layer.in_features if isinstance(layer, nn.Linear) and own.dim() == 0 else shape[0]
    return Operations(int(own.sum()) * channels, padded, fanout, own)


def paths(layer: nn.Module | None, shape: torch.Size, pools: Sequence[nn.Module], output: Sequence[int] = ()) -> Tensor:
    """Count, for every pixel of the input, the paths to output positions through pools and layer; `(H, W)` int64.

    If pools overlap or copy pixels, several paths lead to the same position. Each is an operation. `output`: the shape
    of a transposed convolution's output, which its input leaves open.
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
        elif isinstance(layer, nn.ConvTranspose2d):
            x = _transposed(layer, x, output[-2:])
        (reached,) = torch.autograd.grad(x.sum(), pixels)
    return reached[0, 0].round().long()


def _transposed(layer: nn.ConvTranspose2d, x: Tensor, size: Sequence[int]) -> Tensor:
    """Lay a kernel of ones at every pixel; the output has this size."""
    assert not isinstance(layer.padding, str)
    sides = zip(x.shape[2:], layer.stride, layer.padding, layer.dilation, layer.kernel_size, strict=True)
    least = [(length - 1) * stride - 2 * pad + apart * (edge - 1) + 1 for length, stride, pad, apart, edge in sides]
    beyond = [wanted - length for wanted, length in zip(size, least, strict=True)]
    ones = torch.ones(1, 1, *layer.kernel_size, dtype=x.dtype)
    return F.conv_transpose2d(x, ones, None, layer.stride, layer.padding, beyond, 1, layer.dilation)


def sum_pool(pool: nn.Module, x: Tensor) -> Tensor:
    """Apply a pool without its division, to count paths."""
    if isinstance(pool, nn.AvgPool2d):
        return F.avg_pool2d(x, pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode, divisor_override=1)
    assert isinstance(pool, nn.AdaptiveAvgPool2d)
    size = pool.output_size if isinstance(pool.output_size, tuple) else (pool.output_size,) * 2
    rows, columns = (_adaptive(length, parts or length) for length, parts in zip(x.shape[2:], size, strict=True))
    return torch.stack([torch.stack([x[..., r, c].sum((-2, -1)) for c in columns], -1) for r in rows], -2)


def _adaptive(length: int, parts: int) -> list[slice]:
    """Return the range of pixels of each output of an adaptive pool."""
    return [slice(i * length // parts, -(-(i + 1) * length // parts)) for i in range(parts)]


def pooled(shape: torch.Size, pools: Sequence[nn.Module]) -> torch.Size:
    """Return the shape `(C, H, W)` behind the pools."""
    if len(shape) == 1 or not pools:
        return shape
    x = torch.zeros(1, *shape)
    for pool in pools:
        x = pool(x)
    return x.shape[1:]
