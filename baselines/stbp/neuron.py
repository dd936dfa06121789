"""STBP-tdBN's neuron (Zheng et al., AAAI 2021): backpropagation through time with a surrogate gradient.

    u_t = decay h_{t-1} + x_t,   o_t = [u_t > V]                      spikes are 0 or 1
    hard reset:  h_t = u_t (1 - o_t)        soft reset:  h_t = u_t - V o_t
    do/du = 1 / a  where |u - V| < a / 2                              rectangle of width a
    do/du = max(0, 1 - |u - V| / a) / a                               triangle, of height 1 / a too

`decay` multiplies the membrane; it is not a time constant. The published method uses hard reset and rectangle, and the
gradient flows through the reset. Later work prefers soft reset, triangle and a reset without gradient.

A neuron fires if u > V, not at u = V, and the rectangle excludes its edges, as in STBP's own code (Wu et al.) and in
STBP-simple, the public code of STBP-tdBN. SpikingJelly also fires at u = V. a does not depend on V. The rectangle has
area 1 for every width, as in STBP-simple; STBP's own has height 1, which is the same for their a = 1.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from baselines.checks import at_least, fraction, one_of, positive
from baselines.stbp.compiled import Compiled
from baselines.stbp.dynamics import Dynamics
from baselines.stbp.layout import dense, like

Surrogate = Literal["rectangle", "triangle"]
Reset = Literal["hard", "soft"]


class _LIF(torch.autograd.Function):
    """The recurrence and its exact adjoint. Only the membranes are saved, because they determine the spikes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dynamics: Dynamics, compiled: Compiled | None) -> Tensor:
        kernels = kernels_for(x, compiled)
        membranes, spikes = kernels.forward(x, dynamics) if kernels else _forward(x, dynamics)
        ctx.save_for_backward(membranes)
        ctx.dynamics, ctx.kernels = dynamics, kernels
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (membranes,) = ctx.saved_tensors
        backward = ctx.kernels.backward if ctx.kernels else _backward
        return backward(like(grad, membranes), membranes, ctx.dynamics), None, None


def kernels_for(x: Tensor, compiled: Compiled | None) -> Any:
    """Return the kernels that simulate neurons on currents `x`: Triton's, compiled ones, or None for plain torch."""
    if x.is_cuda:
        return _triton() if x.dtype != torch.float64 else None  # Triton's kernels work in float32
    return compiled if x.device.type == "cpu" and x.dtype == torch.float32 else None


def _forward(x: Tensor, dynamics: Dynamics) -> tuple[Tensor, Tensor]:
    """Return membranes and spikes of `(T, ...)` currents."""
    membranes, spikes = torch.empty_like(x), torch.empty_like(x)
    membranes[0].copy_(x[0])
    for t in range(len(x)):
        u = membranes[t]
        if t > 0:
            before = membranes[t - 1]
            fired = spikes[t - 1]
            after_reset = before - dynamics.threshold * fired if dynamics.soft else before * (1.0 - fired)
            torch.add(x[t], after_reset, alpha=dynamics.decay, out=u)
        torch.gt(u, dynamics.threshold, out=spikes[t])
    return membranes, spikes


def _backward(grad: Tensor, membranes: Tensor, dynamics: Dynamics) -> Tensor:
    """Return dL/dx from dL/do, `(T, ...)`. `later` is dL/dh_t = decay dL/du_{t+1}."""
    grad_x = torch.empty_like(grad)
    later = torch.zeros_like(grad[0])
    for t in range(len(grad) - 1, -1, -1):
        u, grad_spike = membranes[t], grad[t]
        if not dynamics.detach and dynamics.soft:  # dh/do = -V
            grad_spike = grad_spike - dynamics.threshold * later
        elif not dynamics.detach:  # dh/do = -u
            grad_spike = grad_spike.addcmul(later, u, value=-1.0)
        kept = later if dynamics.soft else later * (u <= dynamics.threshold)
        torch.addcmul(kept, grad_spike, _surrogate(u, dynamics), out=grad_x[t])
        later = grad_x[t] * dynamics.decay
    return grad_x


def _surrogate(u: Tensor, dynamics: Dynamics) -> Tensor:
    """Return the surrogate of do/du."""
    distance = (u - dynamics.threshold).abs_()
    if dynamics.triangle:
        return distance.div_(-dynamics.width).add_(1.0).clamp_(min=0.0).div_(dynamics.width)
    return (distance < dynamics.width / 2).to(u.dtype).div_(dynamics.width)


@cache
def _triton() -> Any:
    """Return the module with the same two functions as GPU kernels; None without Triton."""
    try:
        from baselines.stbp import triton
    except ImportError:
        return None
    return triton


class LIF(nn.Module):
    """Leaky integrate-and-fire neuron with a surrogate gradient (Zheng et al. 2021, Eq. 1-3, with the defaults).

    `timesteps` T >= 1; `threshold` V > 0; `decay` in [0, 1] multiplies the membrane each step; `surrogate_width` a;
    `detach_reset`: the reset has no gradient. Raises ValueError for invalid values. `compiled`: kernels that do the
    same faster on a CPU, see `compile_neurons`.
    """

    compiled: Compiled | None = None

    def __init__(
        self,
        timesteps: int,
        threshold: float = 0.5,
        decay: float = 0.25,
        surrogate_width: float = 1.0,
        surrogate: Surrogate = "rectangle",
        reset: Reset = "hard",
        detach_reset: bool = False,
    ) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps)
        positive(threshold=threshold, surrogate_width=surrogate_width)
        fraction(decay=decay)
        one_of(("rectangle", "triangle"), surrogate=surrogate)
        one_of(("hard", "soft"), reset=reset)
        self.timesteps = timesteps
        self.dynamics = Dynamics(
            threshold, decay, surrogate_width, surrogate == "triangle", reset == "soft", bool(detach_reset)
        )

    def spike_amplitude(self) -> float:
        """Return the height of an emitted spike."""
        return 1.0

    def leaks(self) -> int:
        """Return how many numbers a step multiplies of every neuron: the membrane, if it leaks."""
        return int(self.dynamics.decay not in (0.0, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        """Input currents `(T*B, ...)` -> spikes in {0, 1}, same shape."""
        spikes: Tensor = _LIF.apply(dense(x.unflatten(0, (self.timesteps, -1))), self.dynamics, self.compiled)
        return spikes.flatten(0, 1)

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, {', '.join(f'{k}={v}' for k, v in self.dynamics._asdict().items())}"


def compile_neurons(network: nn.Module, library: ctypes.CDLL | None) -> nn.Module:
    """Let `library`, the compiled `compiled.SOURCE`, run the network's neurons (None: torch). Returns the network."""
    for module in network.modules():
        if isinstance(module, LIF):
            module.compiled = Compiled(library) if library else None
    return network


class SpikeReadout(nn.Module):
    """Pooled features `(T*B, features)` -> logits `(B, classes)`, the firing rates of output neurons in [0, 1].

    The public code that is usually used for STBP-tdBN does this; `baselines.ann.Readout` uses the mean current instead.
    With `votes`, each class has so many output neurons, and the mean of their rates (Wu et al. 2019; Fang et al. 2021).
    `bias`: whether output neurons have biases. With `every_step`, a network in training mode gets the outputs of all
    steps, `(T, B, classes)`.
    """

    every_step = False

    def __init__(
        self,
        features: int,
        classes: int,
        neuron: Callable[[], nn.Module],
        timesteps: int,
        votes: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.timesteps, self.votes = timesteps, votes
        self.linear = nn.Linear(features, classes)
        if votes > 1 or not bias:
            with torch.random.fork_rng(devices=[]):  # what is drawn after the head is the same for every head
                self.linear = nn.Linear(features, classes * votes, bias)
        self.neuron = neuron()

    def forward(self, x: Tensor) -> Tensor:
        x = self.neuron(self.linear(x))
        classes = x.shape[1] // self.votes
        x = x if self.votes == 1 else x.view(-1, classes, self.votes).mean(2)
        steps = x.view(self.timesteps, -1, classes)
        return steps if self.every_step and self.training else steps.mean(0)
