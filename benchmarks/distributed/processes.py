"""Data-parallel training: processes started by `torchrun` train one network, each on its share of every batch.

The result equals that of a single process up to rounding, because sums are taken in another order:

    gradients   summed over the processes, each with its share of the batch; those of thresholds included
    norms       statistics over the whole batch (torch's SyncBatchNorm exists only for GPUs)

The released multi-GPU code normalises over each GPU's own share and sums threshold gradients twice, so that they are n
times as large with n GPUs. Here the number of processes is neither a hyper-parameter nor part of a run's key.
`dsr-*-rep` samples the variance over time of its norms in each process. Dropout is random in each process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from benchmarks.distributed import torchrun

PATIENCE = timedelta(days=7)
"""How long the other processes wait for the first, which alone measures and records."""
SECONDS_BETWEEN_LOOKS, SECONDS_TO_END = 0.5, 5.0
"""How often another process looks whether the first has released it, and how long the first then takes to exit."""


@dataclass(frozen=True)
class Team:
    """This process is number `rank` (from 0) of `size`; the default is a single process."""

    rank: int = 0
    size: int = 1

    def rows(self, index: Tensor) -> Tensor:
        """Return this process's share of a batch's indices."""
        return index.tensor_split(self.size)[self.rank] if self.size > 1 else index

    def sum_up(self, values: Tensor) -> Tensor:
        """Replace `values` by their sum over all processes, in place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def add_gradients(self, network: nn.Module, share: float) -> None:
        """Replace every parameter's gradient by that of the whole batch, in one message.

        It is the sum over all processes, each weighted by its `share` of the batch's images.
        """
        if self.size == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        summed = self.sum_up(share * torch.cat([g.flatten() for g in gradients]))
        for gradient, total in zip(gradients, summed.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(total.view_as(gradient))

    def agree(self, network: nn.Module) -> None:
        """Copy the first process's parameters and buffers to all processes."""
        if self.size > 1:
            for value in network.state_dict().values():
                distributed.broadcast(value, 0)

    def norms(self) -> Any:
        """Return a context in which norms in training mode use statistics of the whole batch."""
        return _WholeBatch() if self.size > 1 else nullcontext()


ALONE = Team()


@contextmanager
def joined(name: str) -> Iterator[Team]:
    """Join the processes that execute the run called `name`; without torchrun the team is this process alone.

    The other processes begin and end with the first. They meet at the store that torchrun hosts. Raises BadInput if
    something other than torchrun announces several processes.
    """
    torchrun.check()
    size, rank = torchrun.size(), torchrun.rank()
    if size == 1:
        yield ALONE
        return
    store = _store(name)
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(torchrun.rank_here())
    if rank == 0:
        store.set("begun", "")
    store.wait(["begun"], PATIENCE)
    distributed.init_process_group("nccl" if cuda else "gloo", store=store, rank=rank, world_size=size)
    try:
        yield Team(rank, size)
        if rank:
            store.wait(["ended"], PATIENCE)
    finally:
        if rank == 0:
            store.set("ended", "")
        distributed.destroy_process_group()


def release(name: str) -> None:
    """Let the other processes leave the run or the command called `name`, whether or not the first succeeded."""
    if torchrun.size() > 1 and torchrun.rank() == 0:
        store = _store(name)
        store.set("begun", "")
        store.set("ended", "")


def wait_for_release(name: str) -> None:
    """Wait until the first process has released `name` and exited; without torchrun there is nothing to wait for."""
    if torchrun.size() == 1:
        return
    with suppress(RuntimeError):  # the store is gone, and the first process with it
        store = _store(name)
        while not store.check(["ended"]):
            time.sleep(SECONDS_BETWEEN_LOOKS)  # not in store.wait, which no signal would interrupt
        time.sleep(SECONDS_TO_END)


def _store(name: str) -> Any:
    """Return the store at which torchrun's processes meet."""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    tcp = distributed.TCPStore(address, port, torchrun.size())  # type: ignore[attr-defined]
    return distributed.PrefixStore(name, tcp)  # type: ignore[attr-defined]


class _WholeBatch(TorchFunctionMode):
    """Computes `F.batch_norm` in training mode over the whole batch; torch's norms and tdBN call this function."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return (_batch_norm if func is F.batch_norm else func)(*args, **(kwargs or {}))


def _batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`F.batch_norm` with statistics over all processes, differentiated through the statistics."""
    if not training:
        return torch.batch_norm(
            x, weight, bias, running_mean, running_var, False, momentum, eps, torch.backends.cudnn.enabled
        )
    shape = (1, -1, *[1] * (x.dim() - 2))
    over = [d for d in range(x.dim()) if d != 1]
    count = _Sum.apply(x.new_tensor(x.numel() / x.shape[1]))
    centred = x - (mean := _Sum.apply(x.sum(over)) / count).view(shape)
    variance = _Sum.apply(centred.square().sum(over)) / count
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(variance * (count / (count - 1).clamp(min=1)), momentum)
    normed = centred * torch.rsqrt(variance + eps).view(shape)
    normed = normed if weight is None else normed * weight.view(shape)
    return normed if bias is None else normed + bias.view(shape)


class _Sum(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of all processes' gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        total = grad.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total
