"""Statistics over a batch that several processes share: what the engines' norms need of `torch.distributed`.

Nothing happens unless a process group is initialised. Gradients of parameters stay each process's own: the caller adds
them up.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed


def several() -> bool:
    """Whether this process trains together with others."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def summed(x: Tensor) -> Tensor:
    """The sum over all processes; `x` itself where there is one."""
    if not several():
        return x
    total = x.clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total


def moments_of_all(mean: Tensor, variance: Tensor, count: int) -> tuple[Tensor, Tensor, int]:
    """From each process's mean, biased variance and count of values per channel to those of all of them."""
    if not several():
        return mean, variance, count
    total = int(summed(torch.tensor(count, device=mean.device)))
    shared = summed(mean * (count / total))
    return shared, summed((variance + (mean - shared) ** 2) * (count / total)), total
