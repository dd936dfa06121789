"""Tandem learning: spikes go forward, gradients go through spike counts, in units of counts.

With c = sum_t s_t the count of a layer's inputs, out of T, and W its weights:

    count      a = W c + b,   y = batch norm(a)           statistics over images and pixels
    train      x_t = k W s_t + (k (b - m) + beta) / T     k = gamma / sqrt(v + eps'), m and v the *running* statistics,
                                                          which this batch has moved already
               u_t = leak u_{t-1} + x_t - V s_{t-1},   s_t = [u_t >= V]
    value      the train's count, with the gradient of relu(y):  dL/dy = G [y > 0]

The slope has no upper bound: a neuron that fires at every step passes gradients on, where DSR's clamp passes none. A
norm's gamma is a number of spikes, so it starts from N(0, 2^2); its sign matters as little as that of the weights.
Layers carry rates c / T (`pairs.py`), because a plain layer adds its bias at every step; norms multiply by T. Logits
are the classifier's output for the counts of the last layer.

Source: Wu et al., "A tandem learning rule", TNNLS 2021; code deepspike/tandem_learning 006feb1, which has eps' = 0. A
channel whose input is always the same then has k = inf; eps' = eps avoids that.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from baselines.checks import at_least, fraction, positive
from baselines.counts.measured import Measured
from baselines.counts.pairs import Pair


class IF(nn.Module):
    """Integrate-and-fire neuron with soft reset; leaky where `leak` is below 1, the amount of a reset does not leak.

    Currents `(T*B, ...)`, row t * B + b -> spikes of height 1, same shape, without a graph. Raises ValueError unless
    `timesteps` is at least 1, `threshold` positive and `leak` in (0, 1].
    """

    def __init__(self, timesteps: int, threshold: float = 1.0, leak: float = 1.0) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps)
        positive(threshold=threshold)
        fraction(zero=False, leak=leak)
        self.timesteps, self.threshold, self.leak = timesteps, threshold, leak

    def spike_amplitude(self) -> float:
        """Return the height of a spike."""
        return 1.0

    def forward(self, x: Tensor) -> Tensor:
        return self.counted(x)[0]

    @torch.no_grad()
    def counted(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Currents `(T*B, ...)` -> the spikes, and their counts `(B, ...)`."""
        spikes = torch.empty_like(x)
        currents, emitted = (train.unflatten(0, (self.timesteps, -1)) for train in (x, spikes))
        membrane, counts = torch.zeros_like(currents[0]), torch.zeros_like(currents[0])
        for step in range(self.timesteps):
            if self.leak != 1:
                membrane.mul_(self.leak)
            membrane.add_(currents[step])
            if step:
                membrane.sub_(emitted[step - 1], alpha=self.threshold)
            torch.ge(membrane, self.threshold, out=emitted[step])
            counts.add_(emitted[step])
        return spikes, counts

    def pair(self, pair: Pair) -> Pair:
        """Currents -> measured rate, and the train that has it."""
        train, counts = self.counted(pair.train)
        return Pair(Measured.apply(pair.rate, counts.div_(self.timesteps), pair.rate > 0), train)

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, threshold={self.threshold}, leak={self.leak}"


class Norm(_BatchNorm):
    """Batch norm of counts, whose running statistics normalise trains. Parameters and statistics are in counts.

    `momentum` is the weight of a batch in the running statistics. `folded_eps` is eps', which trains are normalised
    with. Currents of steps `(T*B, C, ...)` -> same shape, always by running statistics.
    """

    def __init__(
        self, features: int, timesteps: int, eps: float = 1e-4, momentum: float = 0.9, folded_eps: float = 1e-4
    ) -> None:
        super().__init__(features, eps, momentum)
        self.timesteps, self.folded_eps = timesteps, folded_eps

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch names it)
        assert self.running_mean is not None
        assert self.running_var is not None
        factor = self.weight * torch.rsqrt(self.running_var + self.folded_eps)
        shift = (self.bias - factor * self.running_mean) / self.timesteps
        shape = (1, -1, *[1] * (input.dim() - 2))
        return torch.addcmul(shift.view(shape), input, factor.view(shape))

    def pair(self, pair: Pair) -> Pair:
        """Normalise counts by the batch, then the train by running statistics that the batch has moved."""
        counts = F.batch_norm(
            pair.rate * self.timesteps,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self._moved() if self.training else 0.0,
            self.eps,
        )
        with torch.no_grad():
            train = self(pair.train)
        return Pair(counts / self.timesteps, train)

    def _moved(self) -> float:
        """Count the batch, and return its weight in the running statistics."""
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        return 1.0 / self.num_batches_tracked.item() if self.momentum is None else self.momentum

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, timesteps={self.timesteps}, folded_eps={self.folded_eps}"


class Readout(nn.Module):
    """Pooled features `(T*B, features)` -> logits `(B, classes)`: the classifier's output for the features' counts."""

    def __init__(self, features: int, classes: int, timesteps: int) -> None:
        super().__init__()
        self.timesteps = timesteps
        self.linear = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Sum over steps behind the classifier, which thus reads spikes; its bias counts once."""
        steps = self.linear(x).view(self.timesteps, -1, self.linear.out_features)
        return steps.sum(0) - (self.timesteps - 1) * self.linear.bias

    def pair(self, pair: Pair) -> Tensor:
        """The same, of the rate alone."""
        logits: Tensor = self.linear(pair.rate * self.timesteps)
        return logits


class Dropout(nn.Dropout):
    """Dropout whose mask is drawn once an image, for its rate and for every step of its train."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch names it)
        assert not self.training, "in training mode it drops pairs"
        return input

    def pair(self, pair: Pair) -> Pair:
        """Drop the same values of the rate and of every step; mean values stay."""
        if not self.training or self.p == 0:
            return pair
        mask = F.dropout(torch.ones_like(pair.rate), self.p)
        rows = (-1, *pair.rate.shape)
        return Pair(pair.rate * mask, (pair.train.view(rows) * mask).view_as(pair.train))


def start_norms(network: nn.Module, deviation: float = 2.0) -> None:
    """Draw every norm's gamma from N(0, deviation^2), in counts, as the released code does."""
    for module in network.modules():
        if isinstance(module, Norm):
            nn.init.normal_(module.weight, std=deviation)
