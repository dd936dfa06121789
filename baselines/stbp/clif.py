"""CLIF, the complementary LIF neuron (Huang et al., ICML 2024): a second state remembers spikes and strengthens resets.

    u_t = (1 - 1 / tau) v_{t-1} + x_t,    s_t = [u_t >= V]                  spikes are 0 or 1
    m_t = m_{t-1} sig(u_t / tau) + s_t                                      complementary potential, m_0 = 0
    v_t = u_t - s_t (V + sig(m_t))        hard reset:  v_t = (1 - s_t) u_t - s_t sig(m_t)

with the logistic function sig. m decays less where the membrane is high, and gradients flow through m as they do
through v. The surrogate phi of ds/du is a rectangle, [|u - V| <= 1/2], in all published runs. Nothing is detached. With
d_t = dL/du_t, e_t = dL/dm_t, and l_t and f_t what later steps add to dL/dv_t and dL/dm_t

    e_t = f_t - s_t l_t q_t (1 - q_t),     q_t = sig(m_t)
    d_t = phi(u_t) (dL/ds_t - (V + q_t) l_t + e_t) + l_t + e_t m_{t-1} g_t (1 - g_t) / tau,     g_t = sig(u_t / tau)
    dL/dx_t = d_t,   l_{t-1} = (1 - 1 / tau) d_t,   f_{t-1} = e_t g_t

and for a hard reset with u_t for V and (1 - s_t) l_t for the l_t that stands alone. u and m are kept: they determine s.
The equations are those of the neuron that the released training script uses; another class in the same file carries
sig(m) on in place of m.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from baselines.checks import above, at_least, one_of, positive
from baselines.stbp.layout import dense, like, parts
from baselines.stbp.neuron import Reset
from baselines.surrogates import SURROGATES, Surrogate, slopes


class Dynamics(NamedTuple):
    """`threshold` V and `tau`, in steps; `soft`: soft instead of hard reset."""

    threshold: float
    tau: float
    surrogate: Surrogate
    soft: bool


class _CLIF(torch.autograd.Function):
    """The recurrence on dense `(T, ...)` and its exact adjoint. Saved: membranes before reset and second states."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, of: Dynamics) -> Tensor:
        membranes, memories, spikes = (torch.empty_like(x) for _ in range(3))
        for part in parts(x, membranes, memories, spikes):
            _forward(of, *part)
        ctx.save_for_backward(membranes, memories)
        ctx.dynamics = of
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        membranes, memories = ctx.saved_tensors
        grad_x = torch.empty_like(membranes)
        for part in parts(like(grad, membranes), membranes, memories, grad_x):
            _backward(ctx.dynamics, *part)
        return grad_x, None


def _forward(of: Dynamics, x: Tensor, membranes: Tensor, memories: Tensor, spikes: Tensor) -> None:
    """Fill in membranes before reset, complementary potentials and spikes, `(T, n)`."""
    held, memory = torch.zeros_like(x[0]), torch.zeros_like(x[0])
    for current, u, m, s in zip(x, membranes, memories, spikes, strict=True):
        torch.add(current, held, alpha=1.0 - 1.0 / of.tau, out=u)
        torch.ge(u, of.threshold, out=s)
        torch.addcmul(s, memory, torch.sigmoid(u / of.tau), out=m)
        kept = of.threshold if of.soft else u
        held, memory = u - s * (m.sigmoid() + kept), m


def _backward(of: Dynamics, grad: Tensor, membranes: Tensor, memories: Tensor, grad_x: Tensor) -> None:
    """Fill in dL/dx from dL/ds, `(T, n)`. `of_held` is dL/dv_t, `of_memory` what later steps add to dL/dm_t."""
    of_held, of_memory = torch.zeros_like(grad[0]), torch.zeros_like(grad[0])
    for t in range(len(grad) - 1, -1, -1):
        u, d = membranes[t], grad_x[t]
        fired, strength = u >= of.threshold, memories[t].sigmoid()
        of_memory = of_memory - of_held * fired * strength * (1.0 - strength)
        of_spike = grad[t] - of_held * (strength + (of.threshold if of.soft else u)) + of_memory
        torch.mul(of_spike, slopes(u - of.threshold, of.surrogate), out=d)
        d += of_held if of.soft else of_held * ~fired
        gate = torch.sigmoid(u / of.tau)
        if t:
            d.addcmul_(of_memory * memories[t - 1], gate * (1.0 - gate), value=1.0 / of.tau)
        of_held, of_memory = d * (1.0 - 1.0 / of.tau), of_memory * gate


class CLIF(nn.Module):
    """Complementary LIF neuron (Huang et al. 2024; defaults as in all their runs).

    `timesteps` T >= 1; `threshold` V > 0; `tau` > 1, in steps; `surrogate`: a rectangle of width 1, a triangle of width
    2, or the derivative of sig(4 (u - V)); `reset`: soft or hard. Raises ValueError for invalid values.
    """

    def __init__(
        self,
        timesteps: int,
        threshold: float = 1.0,
        tau: float = 2.0,
        surrogate: Surrogate = "rectangle",
        reset: Reset = "soft",
    ) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps)
        positive(threshold=threshold)
        above(1, tau=tau)
        one_of(SURROGATES, surrogate=surrogate)
        one_of(("hard", "soft"), reset=reset)
        self.timesteps, self.dynamics = timesteps, Dynamics(threshold, tau, surrogate, reset == "soft")

    def spike_amplitude(self) -> float:
        """Return the height of an emitted spike."""
        return 1.0

    def states(self) -> int:
        """Return how many numbers a step updates of every neuron: membrane and complementary potential."""
        return 2

    def leaks(self) -> int:
        """Return how many multiplications a step takes of every neuron: one for each state, and one for a sigmoid.

        sig(u / tau) has to be found at every step. A piecewise linear one takes a multiply-accumulate.
        """
        return 3

    def forward(self, x: Tensor) -> Tensor:
        """Input currents `(T*B, ...)` -> spikes in {0, 1}, same shape."""
        spikes: Tensor = _CLIF.apply(dense(x.unflatten(0, (self.timesteps, -1))), self.dynamics)
        return spikes.flatten(0, 1)

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, {', '.join(f'{k}={v}' for k, v in self.dynamics._asdict().items())}"
