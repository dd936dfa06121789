"""Runs a network one step at a time, and in training once more on the sums over all steps.

    T times, without a graph   s_t = network(x_t)                   parts add up what they get and what they give
    once, with a graph         network(sum_t x_t)                   parts give the sums that they have measured

Neither memory grows with T: the first pass keeps membranes and sums, the second is that of an ANN.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, fx, nn

from baselines.wrapped import Wrapped


class Part:
    """A module that keeps something from step to step; to be inherited beside torch's module.

    A call is a step, and where `accumulated` is true it is of all steps: sums in, sums out.
    """

    accumulated = False

    def forward(self, x: Tensor) -> Tensor:
        return self.of_sums(x) if self.accumulated else self.of_step(x)

    def begin(self) -> None:
        """Forget the last batch."""
        raise NotImplementedError

    def of_step(self, x: Tensor) -> Tensor:
        """Do a step."""
        raise NotImplementedError

    def of_sums(self, x: Tensor) -> Tensor:
        """Return the sum over all steps of what `of_step` has returned, differentiable with respect to the sum `x`."""
        raise NotImplementedError

    def ended(self) -> None:
        """Be told that all steps of a training batch are done."""


class Accumulated(Wrapped):
    """A network of `Part`s that is simulated for `timesteps` steps; its logits are means over them.

    `network` maps the images, or the frames of one step, `(B, C, H, W)`, to that step's logits `(B, classes)`. Its
    parameters, buffers and their names are the network's. While it is traced the network itself runs.
    """

    steps_at_once = 1

    def __init__(self, network: nn.Module, timesteps: int) -> None:
        super().__init__(network)
        self.timesteps = timesteps

    def parts(self) -> Iterator[Part]:
        return (module for module in self.modules() if isinstance(module, Part))

    def forward(self, x: Tensor) -> Tensor:
        """Images `(B, C, H, W)` or frames `(T, B, C, H, W)` -> logits `(B, classes)`."""
        (network,) = self._hidden
        if isinstance(x, fx.Proxy):
            traced: Tensor = network.forward(x)
            return traced
        try:
            mean = self._simulated(network, x)
            return self._of_sums(network, x) if self.training else mean
        finally:
            for part in self.parts():
                part.begin()

    @torch.no_grad()
    def _simulated(self, network: nn.Module, x: Tensor) -> Tensor:
        for part in self.parts():
            part.begin()
        frames = x if x.dim() == 5 else [x] * self.timesteps
        total: Tensor | None = None
        for step in range(self.timesteps):
            logits = network(frames[step])
            total = logits if total is None else total + logits
        assert total is not None
        return total / self.timesteps

    def _of_sums(self, network: nn.Module, x: Tensor) -> Tensor:
        parts = tuple(self.parts())
        for part in parts:
            part.ended()
            part.accumulated = True
        try:
            mean: Tensor = network(x[0] if x.dim() == 5 else x) / self.timesteps
            return mean
        finally:
            for part in parts:
                part.accumulated = False
