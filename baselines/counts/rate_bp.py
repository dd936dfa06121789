"""Rate-based backpropagation: spikes go forward without a graph, gradients go through rates, with a measured slope.

With the currents x_t of a layer, their mean c over T steps, and G the gradient with respect to the layer's rate:

    neuron     u_t = k v_{t-1} + x_t,   s_t = [u_t >= V],   v_t = u_t - V s_t          k: `decay`
               g_t = a q_t (1 - q_t),   q_t = sigmoid(a (u_t - V))                     the surrogate of ds/du
               e = (1 / T) sum_t f_t g_t,   f_1 = 1,  f_{t+1} = 1 + k f_t
    rate       (1 / T) sum_t s_t,   with the slope e:   dL/dc = e G
    norm       y = gamma n + beta,  n = (c - mean) / sqrt(var + eps)       both of all x_t: images, pixels and time
               dL/dc = gamma / sqrt(var + eps) (G - mean(G) - n mean(G n))              means over images and pixels

e is what backpropagation through time gives for a current that grows by the same amount at every step, because the
reset has no gradient: f_t = du_t/dc. DSR has the slope of a clamp in its place, which depends on c alone. Norms have
gradients through mean and var, but none through the spread over time, which a mean current does not show. All that
remains of time in the backward pass is in e, so it costs one step.

The networks run on pairs of rate and train (`pairs.py`), as Tandem learning's do. DSR's engine (`dsr.engine`) also
simulates without a graph and goes backward once, but it knows DSR's neurons and thresholds throughout, its kernels emit
spikes and no membranes, and it samples the spread over time that is exact here: sharing it takes more code than the
three parts below.

Source: Yu et al., NeurIPS 2024; code Tab-ct/rate-based-backpropagation 3c70ee9, with one call for all steps
(`--step_mode m`). It divides the gradient of the loss by T, which is no part of the equations.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from baselines.checks import at_least, fraction, positive
from baselines.counts.measured import Measured
from baselines.counts.pairs import Pair, of_both


class LIF(nn.Module):
    """Leaky integrate-and-fire neuron with soft reset, a sigmoid surrogate, and no gradient through the reset.

    `timesteps` T >= 1; `threshold` V > 0; `decay` k in [0, 1] multiplies the membrane at each step; `surrogate_slope`
    a > 0. Currents `(T*B, ...)`, row t * B + b -> spikes of height 1, same shape; their gradient goes through time,
    which is how `rate-bp-bptt` is trained. Raises ValueError for invalid values.
    """

    def __init__(
        self, timesteps: int, threshold: float = 1.0, decay: float = 0.2, surrogate_slope: float = 4.0
    ) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps)
        positive(threshold=threshold, surrogate_slope=surrogate_slope)
        fraction(decay=decay)
        self.timesteps, self.threshold, self.decay, self.surrogate_slope = timesteps, threshold, decay, surrogate_slope

    def spike_amplitude(self) -> float:
        """Return the height of a spike."""
        return 1.0

    def leaks(self) -> int:
        """Return how many numbers a step multiplies of every neuron: the membrane, if it leaks."""
        return int(self.decay not in (0.0, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        steps = x.unflatten(0, (self.timesteps, -1))
        spikes: Tensor = _ThroughTime.apply(steps, self)
        return spikes.flatten(0, 1)

    def pair(self, pair: Pair) -> Pair:
        """Currents -> the measured rate with the slope e, and the train that has this rate."""
        train, rate, slope = self.measured(pair.train)
        return Pair(Measured.apply(pair.rate, rate, slope), train)

    @torch.no_grad()
    def measured(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Currents `(T*B, ...)` -> spikes, same shape; their rate and its slope e, `(B, ...)` each."""
        spikes = torch.empty_like(x)
        currents, emitted = (train.unflatten(0, (self.timesteps, -1)) for train in (x, spikes))
        membrane, rate, slope = (torch.zeros_like(currents[0]) for _ in range(3))
        scratch, share = torch.empty_like(membrane), 1.0 / self.timesteps
        grown = 0.0  # f
        for current, fired in zip(currents, emitted, strict=True):
            torch.add(current, membrane, alpha=self.decay, out=membrane)
            torch.ge(membrane, self.threshold, out=fired)
            grown = 1.0 + self.decay * grown
            weight = share * grown * self.surrogate_slope
            q = torch.sub(membrane, self.threshold, out=scratch).mul_(self.surrogate_slope).sigmoid_()
            slope.add_(q, alpha=weight).addcmul_(q, q, value=-weight)
            rate.add_(fired, alpha=share)
            membrane.sub_(fired, alpha=self.threshold)
        return spikes, rate, slope

    def extra_repr(self) -> str:
        return (
            f"timesteps={self.timesteps}, threshold={self.threshold}, decay={self.decay}, "
            f"surrogate_slope={self.surrogate_slope}"
        )


class _ThroughTime(torch.autograd.Function):
    """The same neuron at every step, `(T, ...)`, with its gradient through time. Only membranes are saved.

    With d_t = dL/du_t:  d_t = g_t dL/ds_t + k d_{t+1},  dL/dx_t = d_t
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, of: LIF) -> Tensor:
        membranes, spikes = torch.empty_like(x), torch.empty_like(x)
        held = torch.zeros_like(x[0])
        for current, membrane, fired in zip(x, membranes, spikes, strict=True):
            torch.add(current, held, alpha=of.decay, out=membrane)
            torch.ge(membrane, of.threshold, out=fired)
            torch.sub(membrane, fired, alpha=of.threshold, out=held)
        ctx.save_for_backward(membranes)
        ctx.of = of
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (membranes,) = ctx.saved_tensors
        of, grad_x = ctx.of, torch.empty_like(membranes)
        for step in range(len(grad) - 1, -1, -1):
            q = torch.sub(membranes[step], of.threshold).mul_(of.surrogate_slope).sigmoid_()
            q.addcmul_(q, q, value=-1.0).mul_(of.surrogate_slope)
            torch.mul(grad[step], q, out=grad_x[step])
            if step + 1 < len(grad):
                grad_x[step].add_(grad_x[step + 1], alpha=of.decay)
        return grad_x, None


class Norm(nn.BatchNorm2d):
    """Batch norm whose statistics are over images, pixels and time, for the rate as for the train.

    Currents `(T*B, C, H, W)` -> same shape, as torch's batch norm.
    """

    def pair(self, pair: Pair) -> Pair:
        """Normalise the train, which moves the running statistics, and the rate by the train's statistics."""
        if not self.training:
            return of_both(self, pair)
        assert self.running_mean is not None
        assert self.running_var is not None
        with torch.no_grad():
            mean, variance = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)
            # with a momentum of 1 running statistics are those of the batch: of the whole one, if processes share it
            train = F.batch_norm(pair.train, mean, variance, self.weight, self.bias, True, 1.0, self.eps)
            weight = self._moved()
            self.running_mean.lerp_(mean, weight)
            self.running_var.lerp_(variance, weight)
            count = _of_all(mean.new_tensor(pair.train.numel() / pair.train.shape[1]))
            invstd = torch.rsqrt(variance * ((count - 1) / count) + self.eps)
        return Pair(_ByStatistics.apply(pair.rate, self.weight, self.bias, mean, invstd), train)

    def _moved(self) -> float:
        """Count the batch, and return its weight in the running statistics."""
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        return 1.0 / self.num_batches_tracked.item() if self.momentum is None else self.momentum


class _ByStatistics(torch.autograd.Function):
    """A batch norm of `(B, C, ...)` with given mean and deviation `(C,)`, and the gradient as if they were its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, invstd: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, mean, invstd)
        factor = weight * invstd
        return torch.addcmul(_per_channel(bias - mean * factor, x), x, _per_channel(factor, x))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, invstd = ctx.saved_tensors
        over = [d for d in range(x.dim()) if d != 1]
        normed = torch.addcmul(_per_channel(-mean * invstd, x), x, _per_channel(invstd, x))
        grad_bias, grad_weight = grad.sum(over), (grad * normed).sum(over)
        sums = _of_all(torch.cat([grad_bias, grad_weight, grad_bias.new_full((1,), x.numel() / x.shape[1])]))
        of_grad, of_product = (_per_channel(one / sums[-1], x) for one in sums[:-1].chunk(2))
        grad_x = (grad - of_grad).addcmul_(normed, of_product, value=-1.0).mul_(_per_channel(weight * invstd, x))
        return grad_x, grad_weight, grad_bias, None, None


class Readout(nn.Module):
    """Pooled features `(T*B, features)` -> logits `(B, classes)`: the classifier's output, averaged over the steps.

    `divided`: the gradient of the logits is divided by T, as in the released code; their value is not.
    """

    def __init__(self, features: int, classes: int, timesteps: int, divided: bool = False) -> None:
        super().__init__()
        self.timesteps, self.divided = timesteps, divided
        self.linear = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).view(self.timesteps, -1, self.linear.out_features).mean(0)

    def pair(self, pair: Pair) -> Tensor:
        """The same, of the rate alone."""
        logits: Tensor = self.linear(pair.rate)
        if self.divided:
            logits.register_hook(lambda grad: grad / self.timesteps)
        return logits


def _of_all(sums: Tensor) -> Tensor:
    """Replace sums by those of all processes that train together, in place."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(sums)
    return sums


def _per_channel(values: Tensor, like: Tensor) -> Tensor:
    """View `(C,)` so that it broadcasts over `(rows, C, ...)`."""
    return values.view(1, -1, *[1] * (like.dim() - 2))
