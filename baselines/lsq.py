"""LSQ (Esser et al., ICLR 2020): an activation of b bits whose step size is trained.

    h(x) = s floor( clamp(x / s, 0, Q) + 1/2 ),   Q = 2^b - 1                unsigned: a ReLU is part of it

with a trained step size s > 0 and a straight-through floor:

    dh/dx = 1 for 0 <= x <= Q s, else 0
    dh/ds = g ( h / s - x / s ) for 0 <= x <= Q s, g Q above, 0 below,   g = 1 / sqrt(N Q)

N is the number of activations that the layer has for one image. g brings the step size, a single number, into line with
the layer's many weights, which share its learning rate. With theta = Q s and L = Q this is QCFS's activation
(`baselines.qcfs`, clamp then floor), but for the parameter that is trained and for g. The paper leaves the edges open,
0 < x < Q s; here they are closed, as those of a clamp are.

The paper starts s at 2 mean(|v|) / sqrt(Q) of the first batch's activations v. Behind a norm, where nearly all
activations are here, currents start as N(0, 1), and v = max(0, x) has the mean 1 / sqrt(2 pi).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from baselines.checks import positive
from baselines.qcfs import staircase

MOST_BITS = 16
"""Of an activation: float32 tells no more levels from their halves with a margin."""


class Activation(nn.Module):
    """Activation of `bits` b (1 to 16) with a trained step size (Esser et al. 2020, Eq. 1 to 4).

    `step` is the initial s; None: the paper's rule for a standard normal current. Any shape `(B, ...)` in, same shape
    out. Raises ValueError for other bits and for step <= 0.
    """

    def __init__(self, bits: int, step: float | None = None) -> None:
        super().__init__()
        if not 1 <= bits <= MOST_BITS:
            raise ValueError(f"bits must be from 1 to {MOST_BITS}, not {bits}")
        if step is not None:
            positive(step=step)
        self.bits, self.levels = bits, 2**bits - 1
        start = 2 / math.sqrt(2 * math.pi * self.levels) if step is None else step
        self.step = nn.Parameter(torch.tensor(float(start)))

    def activation_bits(self) -> int:
        """Return the bits of a value: it is one of 2^b multiples of the step size, which the next weights absorb."""
        return self.bits

    def ceiling(self, features: int) -> Tensor:
        """Return Q s, whose gradient reaches s times g; `features`: activations of the layer for one image, N."""
        gain = 1 / math.sqrt(max(1, features) * self.levels)
        step = self.step.abs()  # of either sign the same steps
        return torch.lerp(step.detach(), step, gain) * self.levels

    def forward(self, x: Tensor) -> Tensor:
        return staircase(x, self.ceiling(x[0].numel() if len(x) else 0), self.levels)

    def extra_repr(self) -> str:
        return f"bits={self.bits}, step={self.step.item():.4g}"
