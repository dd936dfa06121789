"""Statistics over a batch that several processes share, for the engines' norms.

Without an initialised process group these functions do nothing. They do not sum gradients of parameters; the caller
does.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed


def several() -> bool:
    """Whether this process trains together with others."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def summed(x: Tensor) -> Tensor:
    """Return the sum over all processes; `x` itself for a single process."""
    if not several():
        return x
    total = x.clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total


def moments_of_all(mean: Tensor, variance: Tensor, count: int) -> tuple[Tensor, Tensor, int]:
    """Combine each process's mean, biased variance and count of values per channel into those of the whole batch."""
    if not several():
        return mean, variance, count
    total = int(summed(torch.tensor(count, device=mean.device)))
    shared = summed(mean * (count / total))
    return shared, summed((variance + (mean - shared) ** 2) * (count / total)), total
