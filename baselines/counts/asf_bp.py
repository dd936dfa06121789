"""ASF-BP: backpropagation through accumulated spiking flow, with one slope per layer that is measured.

    input     x_t = sign(x) [|x| >= U_t]                                       Bernoulli spikes (`baselines.coding`)
    neuron    u <- u + I_t,   s_t = [u > V],   u <- leak u (1 - s_t)           hard reset to 0
    sums      I = sum_t I_t,   O = sum_t s_t
    backward  dL/dI = slope G [I > 0],   the value being O                     one pass, as of an ANN
    slope     <- 0.6 rho + 0.4 slope,   rho = sum O / sum I                    over neurons and images with I >= O; rho
                                                                               = 1 where that sum of I is below 1e-3

An average pool is followed by neurons of its own with V = 0.75 and no leak, whose rho is over all of them. A maximum
takes spikes at every step, and counts in the pass on sums, so that the gradient sees another input than the neuron had.
Layers have no bias, and no norm. Logits are the mean current of the last layer, divided by V.

A slope is measured in every batch of an epoch in five. A neuron knows no epochs: it counts batches, and measures in the
first `measured` of every `period`. Slopes and counts are part of the network's state, so they survive a checkpoint; in
the released code they do not.

Source: Wu et al. (Hao), AAAI 2021; code neural-lab/ASF-BP 30f6735, `vgg7.py`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, distributed, nn

from baselines.checks import at_least, fraction, positive
from baselines.coding import BernoulliStep
from baselines.counts.flow import Part
from baselines.counts.measured import Measured
from baselines.dropout import HeldDropout

SHARE = 0.6
"""Of a new estimate in the slope."""
LEAST = 1e-3
"""Sum of inputs below which a layer's slope cannot be estimated."""
POOL_THRESHOLD = 0.75


class IF(Part, nn.Module):
    """Integrate-and-fire neuron with hard reset that is simulated one step per call.

    Currents of a step `(B, ...)` -> spikes of height 1, same shape. `measured` of every `period` batches set the slope
    anew; `of_all`: from all neurons, not only where I >= O. `timesteps` is not used: a sum divided by a sum has no T.
    Raises ValueError unless `threshold` is positive, `leak` in (0, 1] and 0 <= measured <= period >= 1.
    """

    slope: Tensor
    batches: Tensor

    def __init__(
        self,
        timesteps: int,
        threshold: float = 2.0,
        leak: float = 1.0,
        measured: int = 500,
        period: int = 2500,
        of_all: bool = False,
    ) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps, period=period)
        positive(threshold=threshold)
        fraction(zero=False, leak=leak)
        if not 0 <= measured <= period:
            raise ValueError(f"measured must be from 0 to period = {period}, not {measured}")
        self.threshold, self.leak, self.of_all = threshold, leak, of_all
        self.measured, self.period = measured, period
        self.register_buffer("slope", torch.ones(()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        self.begin()

    def spike_amplitude(self) -> float:
        """Return the height of a spike."""
        return 1.0

    def begin(self) -> None:
        self.membrane: Tensor | None = None
        self.received: Tensor | None = None
        self.emitted: Tensor | None = None

    @torch.no_grad()
    def of_step(self, x: Tensor) -> Tensor:
        membrane = self.membrane = torch.zeros_like(x) if self.membrane is None else self.membrane
        spikes = torch.gt(membrane.add_(x), self.threshold, out=torch.empty_like(x))
        membrane.addcmul_(membrane, spikes, value=-1.0)
        if self.leak != 1:
            membrane.mul_(self.leak)
        if self.training:
            self.received = x.clone() if self.received is None else self.received.add_(x)
            self.emitted = spikes.clone() if self.emitted is None else self.emitted.add_(spikes)
        return spikes

    def of_sums(self, x: Tensor) -> Tensor:
        assert self.received is not None
        sums: Tensor = Measured.apply(x, self.emitted, self.slope * (self.received > 0))
        return sums

    @torch.no_grad()
    def ended(self) -> None:
        """Measure the slope, if this batch is one of those that do."""
        due = self.batches % self.period < self.measured
        self.slope.copy_(torch.where(due, SHARE * self.ratio() + (1 - SHARE) * self.slope, self.slope))
        self.batches.add_(1)

    def ratio(self) -> Tensor:
        """Return rho of the batch, over all processes that train together."""
        assert self.received is not None
        assert self.emitted is not None
        counted = 1.0 if self.of_all else (self.received >= self.emitted).to(self.received.dtype)
        sums = torch.stack([(self.emitted * counted).sum(), (self.received * counted).sum()])
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(sums)
        emitted, received = sums
        return torch.where(received < LEAST, torch.ones_like(received), emitted / received)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, leak={self.leak}, measured={self.measured} of {self.period} batches"


class Input(Part, BernoulliStep):
    """Images `(B, C, H, W)` -> one step's spikes in {-1, 0, 1}, same shape; a pixel beyond `scale` spikes always."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(scale)
        self.begin()

    def begin(self) -> None:
        self.reset()
        self.total = torch.zeros(())

    @torch.no_grad()
    def of_step(self, x: Tensor) -> Tensor:
        spikes = BernoulliStep.forward(self, x)
        if self.training:
            self.total = spikes.clone() if self.first == 1 else self.total.add_(spikes)
        return spikes

    def of_sums(self, x: Tensor) -> Tensor:
        return self.total


class Dropout(Part, HeldDropout):
    """Dropout whose mask is drawn once an image, for all steps and for their sum."""

    begin = HeldDropout.reset

    def of_step(self, x: Tensor) -> Tensor:
        return HeldDropout.forward(self, x)

    of_sums = of_step


class Pools:
    """Makes a network's pools in order: the first is an average with neurons of its own, the others are maxima.

    That is how the released VGG-7 has its two.
    """

    def __init__(self, neuron: Any) -> None:
        self.neuron, self.made = neuron, 0

    def __call__(self, *size: Any, **named: Any) -> nn.Module:
        self.made += 1
        if self.made > 1:
            return nn.MaxPool2d(*size, **named)
        return nn.Sequential(nn.AvgPool2d(*size, **named), self.neuron(threshold=POOL_THRESHOLD, leak=1.0, of_all=True))


class Readout(nn.Module):
    """Pooled features `(B, features)` of a step, or their sums -> the classifier's output divided by `threshold`."""

    def __init__(self, features: int, classes: int, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold
        self.linear = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(x) / self.threshold
        return logits


@torch.no_grad()
def start(network: nn.Module) -> None:
    """Take the biases out, and give weights a deviation of sqrt(2 / fan-in), as the released code does.

    Convolutions keep the numbers that were drawn for them, times a factor; fully connected weights are drawn anew.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.bias = None
            fan_in = module.weight[0].numel()
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in))
            else:
                module.weight.mul_(math.sqrt(module.weight[:, 0].numel() / fan_in))
