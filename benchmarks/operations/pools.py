"""Average pools as operations see them: between two layers they add values up, and what they divide by is weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

POOLS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)


def sum_pool(pool: nn.Module, x: Tensor) -> Tensor:
    """What a pool adds up, without dividing: for counting paths."""
    if isinstance(pool, nn.AvgPool2d):
        return F.avg_pool2d(x, pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode, divisor_override=1)
    assert isinstance(pool, nn.AdaptiveAvgPool2d)
    size = pool.output_size if isinstance(pool.output_size, tuple) else (pool.output_size,) * 2
    rows, columns = (_adaptive(length, parts or length) for length, parts in zip(x.shape[2:], size, strict=True))
    return torch.stack([torch.stack([x[..., r, c].sum((-2, -1)) for c in columns], -1) for r in rows], -2)


def _adaptive(length: int, parts: int) -> list[slice]:
    """The pixels of each of an adaptive pool's outputs."""
    return [slice(i * length // parts, -(-(i + 1) * length // parts)) for i in range(parts)]


def pooled(shape: torch.Size, pools: Sequence[nn.Module]) -> torch.Size:
    """Shape `(C, H, W)` behind the pools."""
    if len(shape) == 1 or not pools:
        return shape
    x = torch.zeros(1, *shape)
    for pool in pools:
        x = pool(x)
    return x.shape[1:]
