"""Runs a network one time step at a time, and lets training go backward behind every step, or behind some.

    for t in 1..T:   o_t = network(x_t),   backward of loss_t / T,   then the step's graph is freed
    SLTT-K:          backward behind K of the T steps, drawn anew for every batch; the others have no graph

Neurons keep their membranes from step to step without a graph, so that gradients add up as if a step had no past. Norms
normalise a step by its own statistics, and their running statistics move T times a batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, distributed, fx, nn

from baselines.online.neuron import LIF
from baselines.online.traces import Traced
from baselines.wrapped import Wrapped


class Steps(Wrapped):
    """A network that is simulated for `timesteps` steps; its logits are means over them.

    `network` maps images or the frames of one step, `(B, C, H, W)`, to that step's logits `(B, classes)`, or, where its
    head gives outputs of every step to a loss, to `(1, B, classes)`. `(B, C, H, W)` or frames `(T, B, C, H, W)` ->
    logits `(B, classes)`, or all steps' `(T, B, classes)`. Parameters, buffers and their names are the network's.

    `trained`: how many of the steps have a graph in training (None: all). `divisor`: what a step's loss is divided by
    so that a batch's loss is a mean: the number of trained steps, or of all as SLTT-K's released code has it.
    """

    steps_at_once = 1

    def __init__(
        self, network: nn.Module, timesteps: int, trained: int | None = None, divides_by_all: bool = False
    ) -> None:
        super().__init__(network)
        self.timesteps = timesteps
        self.trained = timesteps if trained is None else min(trained, timesteps)
        self.divisor = timesteps if divides_by_all else self.trained

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(x, fx.Proxy):
            traced: Tensor = self._hidden[0].forward(x)
            return traced
        outputs = [*self.outputs(x)]
        return torch.cat(outputs) if outputs[0].dim() == 3 else torch.stack(outputs).mean(0)

    @property
    def by_step(self) -> bool:
        """Whether the head gives outputs of every step to a loss."""
        return any(getattr(module, "every_step", False) for module in self.modules())

    def outputs(self, x: Tensor) -> Iterator[Tensor]:
        """Yield the output of every step. A step's graph is freed if its backward pass comes before the next step."""
        (network,) = self._hidden
        trained = self._drawn(x.device) if self.training and torch.is_grad_enabled() else None
        self.clear()
        try:
            for step in range(self.timesteps):
                with torch.set_grad_enabled(trained is not None and step in trained):
                    output = network(x[step] if x.dim() == 5 else x)
                yield output
        finally:
            self.clear()

    def clear(self) -> None:
        """Forget the last batch."""
        for module in self.modules():
            if isinstance(module, LIF | Traced):
                module.clear()

    def _drawn(self, device: torch.device) -> set[int]:
        """The steps that are trained: all, or as many as are asked for, the same in all processes of a training."""
        if self.trained == self.timesteps:
            return set(range(self.timesteps))
        order = torch.randperm(self.timesteps)
        if distributed.is_available() and distributed.is_initialized():
            distributed.broadcast(order := order.to(device), 0)  # norms of the whole batch go backward together
        return set(order[: self.trained].tolist())
