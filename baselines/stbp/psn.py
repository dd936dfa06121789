"""The parallel spiking neuron (PSN; Fang et al., NeurIPS 2023): no reset, and all steps at once.

    u = W x + b,   s_t = [u_t >= 0]                     W (T, T) and b (T,) are trained, one pair for a layer
    du = G s'(u),  dL/dx = W^T du,  dL/dW = du x^T,  dL/db = sum du             s': `baselines.stbp.arctangent`

with the currents x (T, N) of N neurons, and G = dL/ds. Neurons without a reset need no step-by-step simulation, and
there is no recursion for a gradient to fade in. In exchange T is part of the weights, and a step may depend on later
steps. `masked` keeps the lower triangle of W alone, so that it does not: their masked PSN with k = T, masked from the
first epoch on, where theirs closes the mask little by little.

b starts at -1, a threshold of 1; a row of W with n weights from U(-1 / sqrt(n), 1 / sqrt(n)), as a torch layer of n
inputs. n is T, as in the released code (fangwei123456/Parallel-Spiking-Neuron 2bfcba4), and t in row t of a masked
W: with T there too, masked networks start all but silent, and some never learn.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from baselines.checks import at_least, positive
from baselines.stbp.arctangent import slope
from baselines.stbp.layout import dense, flat, like


class _PSN(torch.autograd.Function):
    """Dense currents `(T, ...)` -> spikes, same shape. Only currents are saved: u takes T products a value."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, alpha: float) -> Tensor:
        ctx.save_for_backward(x, weight, bias)
        ctx.alpha = alpha
        spikes = torch.empty_like(x)
        torch.ge(_membranes(x, weight, bias), 0.0, out=flat(spikes))
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensors
        of_u = slope(_membranes(x, weight, bias), ctx.alpha).mul_(flat(like(grad, x)))
        of_x = torch.empty_like(x)
        torch.mm(weight.t(), of_u, out=flat(of_x))
        return of_x, torch.mm(of_u, flat(x).t()), of_u.sum(1), None


def _membranes(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return u, `(T, N)`."""
    return torch.addmm(bias.unsqueeze(1), weight, flat(x))


class PSN(nn.Module):
    """Parallel spiking neuron with an arctangent surrogate.

    `timesteps` T >= 1; `masked`: no step depends on a later one; `surrogate_slope` a > 0. `weight` W and `bias` b are
    parameters. Currents `(T*B, ...)`, row t * B + b -> spikes in {0, 1}, same shape. Raises ValueError for invalid
    values.
    """

    def __init__(self, timesteps: int, masked: bool = False, surrogate_slope: float = 2.0) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps)
        positive(surrogate_slope=surrogate_slope)
        self.timesteps, self.masked, self.surrogate_slope = timesteps, masked, surrogate_slope
        self.weight = nn.Parameter(torch.empty(timesteps, timesteps))
        self.bias = nn.Parameter(torch.full((timesteps,), -1.0))
        inputs = torch.arange(1, timesteps + 1) if masked else torch.full((timesteps,), timesteps)
        with torch.random.fork_rng(devices=[]):  # what is drawn behind it is the same for every neuron
            nn.init.uniform_(self.weight, -1.0, 1.0)
        self.weight.data.mul_(inputs.rsqrt().unsqueeze(1))

    def spike_amplitude(self) -> float:
        """Return the height of an emitted spike."""
        return 1.0

    def leaks(self) -> int:
        """Return how many numbers a step multiplies of every neuron's state: none, it has no membrane that it keeps."""
        return 0

    def products(self) -> int:
        """Return how many multiplications a neuron does in all steps together: W's, without those that are masked."""
        return self.timesteps * (self.timesteps + 1) // 2 if self.masked else self.timesteps**2

    def forward(self, x: Tensor) -> Tensor:
        steps = dense(x.unflatten(0, (self.timesteps, -1)))
        weight = self.weight.tril() if self.masked else self.weight
        spikes: Tensor = _PSN.apply(steps, weight, self.bias, self.surrogate_slope)
        return spikes.flatten(0, 1)

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, masked={self.masked}, surrogate_slope={self.surrogate_slope}"
