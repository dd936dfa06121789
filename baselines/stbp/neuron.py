"""STBP-tdBN's neuron (Zheng et al., AAAI 2021): backpropagation through time with a surrogate gradient.

    u_t = decay h_{t-1} + x_t,   o_t = [u_t > V]                      spikes are 0 or 1
    hard reset:  h_t = u_t (1 - o_t)        soft reset:  h_t = u_t - V o_t
    do/du = 1 / a  where |u - V| < a / 2                              rectangle of width a
    do/du = max(0, 1 - |u - V| / a) / a                               triangle, of height 1 / a too

`decay` multiplies the membrane (it is no time constant). As published: hard reset, rectangle, and the gradient flows
through the reset. Soft reset, triangle and a reset without gradient are what later work prefers.

A neuron fires above V, not at it, and the rectangle leaves its edges out, as in STBP's own code (Wu et al.) and in
STBP-simple, the public code of STBP-tdBN; SpikingJelly fires at V too, which differs where u = V exactly. a does not
follow V. The rectangle has area 1 at every width, as in STBP-simple; STBP's own has height 1, the same at their a = 1.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from baselines.stbp.compiled import Compiled

Surrogate = Literal["rectangle", "triangle"]
Reset = Literal["hard", "soft"]


class Dynamics(NamedTuple):
    """A neuron in numbers; `detach`: no gradient through the reset."""

    threshold: float
    decay: float
    width: float
    triangle: bool
    soft: bool
    detach: bool


class _LIF(torch.autograd.Function):
    """The recurrence and its exact adjoint by hand: only the membranes are kept, spikes follow from them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, of: Dynamics, compiled: Compiled | None) -> Tensor:
        kernels = kernels_for(x, compiled)
        membranes, spikes = kernels.forward(x, of) if kernels else _forward(x, of)
        ctx.save_for_backward(membranes)
        ctx.of, ctx.kernels = of, kernels
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (membranes,) = ctx.saved_tensors
        backward = ctx.kernels.backward if ctx.kernels else _backward
        return backward(grad.contiguous(), membranes, ctx.of), None, None


def kernels_for(x: Tensor, compiled: Compiled | None) -> Any:
    """What carries neurons out on such currents: Triton's kernels, the compiled ones, or None where torch does."""
    if x.is_cuda:
        return _triton() if x.dtype != torch.float64 else None  # Triton's kernels work in float32
    return compiled if x.device.type == "cpu" and x.dtype == torch.float32 else None


def _forward(x: Tensor, of: Dynamics) -> tuple[Tensor, Tensor]:
    """Membranes and spikes of `(T, ...)` currents."""
    membranes, spikes = torch.empty_like(x), torch.empty_like(x)
    membranes[0].copy_(x[0])
    for t in range(len(x)):
        u = membranes[t]
        if t > 0:
            before = membranes[t - 1]
            held = before - of.threshold * spikes[t - 1] if of.soft else before * (1.0 - spikes[t - 1])
            torch.add(x[t], held, alpha=of.decay, out=u)
        torch.gt(u, of.threshold, out=spikes[t])
    return membranes, spikes


def _backward(grad: Tensor, membranes: Tensor, of: Dynamics) -> Tensor:
    """dL/dx from dL/do, `(T, ...)`. `later` is dL/dh_t: dL/du_{t+1} times decay."""
    grad_x = torch.empty_like(grad)
    later = torch.zeros_like(grad[0])
    for t in range(len(grad) - 1, -1, -1):
        u, grad_spike = membranes[t], grad[t]
        if not of.detach:  # dh/do is -V, or -u
            grad_spike = grad_spike - of.threshold * later if of.soft else grad_spike.addcmul(later, u, value=-1.0)
        kept = later if of.soft else later * (u <= of.threshold)
        torch.addcmul(kept, grad_spike, _surrogate(u, of), out=grad_x[t])
        later = grad_x[t] * of.decay
    return grad_x


def _surrogate(u: Tensor, of: Dynamics) -> Tensor:
    """do/du."""
    distance = (u - of.threshold).abs_()
    if of.triangle:
        return distance.div_(-of.width).add_(1.0).clamp_(min=0.0).div_(of.width)
    return (distance < of.width / 2).to(u.dtype).div_(of.width)


@cache
def _triton() -> Any:
    """The same two functions, each one kernel on a GPU; None where Triton is not installed."""
    try:
        from baselines.stbp import triton
    except ImportError:
        return None
    return triton


class LIF(nn.Module):
    """Leaky integrate-and-fire neuron with a surrogate gradient (Zheng et al. 2021, Eq. 1-3, with the defaults).

    `timesteps` T >= 1; `threshold` V; `decay` in [0, 1] multiplies the membrane each step; `surrogate_width` a;
    `detach_reset`: the reset has no gradient. Raises ValueError for values outside. `compiled`: what does the same
    faster on a CPU, see `compile_neurons`.
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
        if timesteps < 1 or surrogate_width <= 0 or not 0 <= decay <= 1:
            raise ValueError(
                f"need timesteps >= 1, surrogate_width > 0 and decay in [0, 1], "
                f"not {timesteps}, {surrogate_width} and {decay}"
            )
        if surrogate not in ("rectangle", "triangle") or reset not in ("hard", "soft"):
            raise ValueError(f"surrogate is rectangle or triangle and reset hard or soft, not {surrogate} and {reset}")
        self.timesteps = timesteps
        self.dynamics = Dynamics(
            threshold, decay, surrogate_width, surrogate == "triangle", reset == "soft", bool(detach_reset)
        )

    def spike_amplitude(self) -> float:
        """Height of an emitted spike."""
        return 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Input currents `(T*B, ...)` -> spikes in {0, 1}, same shape."""
        unfolded = x.contiguous().view(self.timesteps, -1, *x.shape[1:])
        spikes: Tensor = _LIF.apply(unfolded, self.dynamics, self.compiled)
        return spikes.view_as(x)

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, {', '.join(f'{k}={v}' for k, v in self.dynamics._asdict().items())}"


def compile_neurons(network: nn.Module, library: ctypes.CDLL | None) -> nn.Module:
    """The same network, its neurons run by the compiled `stbp_compiled.SOURCE`; without a `library` by torch."""
    for module in network.modules():
        if isinstance(module, LIF):
            module.compiled = Compiled(library) if library else None
    return network


class SpikeReadout(nn.Module):
    """Pooled features `(T*B, features)` -> logits `(B, classes)`: firing rates of output neurons, between 0 and 1.

    As in the public code that STBP-tdBN is usually run with; `baselines.ann.Readout` reads the mean current instead.
    """

    def __init__(self, features: int, classes: int, neuron: Callable[[], nn.Module], timesteps: int) -> None:
        super().__init__()
        self.timesteps = timesteps
        self.linear = nn.Linear(features, classes)
        self.neuron = neuron()

    def forward(self, x: Tensor) -> Tensor:
        x = self.neuron(self.linear(x))
        return x.view(self.timesteps, -1, x.shape[1]).mean(0)
