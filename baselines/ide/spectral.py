"""The bound on weights that feed back: their matrix has at most the spectral norm 1 (Xiao et al. 2021).

    W = clip(g, -1, 1) w / sigma,   sigma = u' M v,   M: w as a matrix, its first dimension kept

u and v follow the largest singular vectors of M by one power step, v = M'u / |M'u| and u = M v / |M v|, per forward
pass in training. g and w are trained. sigma is the norm of the matrix, not of the convolution that it defines, whose
norm may be larger.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

START_STEPS = 10


class SpectralBound(nn.Module):
    """w -> W, with the trained gain g, which starts at w's spectral norm. A parametrization of torch's (`bound`)."""

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        self.register_buffer("u", F.normalize(torch.randn(matrix.shape[0]), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(matrix.shape[1]), dim=0))
        for _ in range(START_STEPS):
            self.step(weight)
        self.gain = nn.Parameter(self._sigma(matrix))

    @torch.no_grad()
    def step(self, weight: Tensor) -> None:
        """Take one power step."""
        matrix = weight.flatten(1)
        v = F.normalize(matrix.t() @ self.u, dim=0)
        self.v.copy_(v)
        self.u.copy_(F.normalize(matrix @ v, dim=0))

    def _sigma(self, matrix: Tensor) -> Tensor:
        return self.u.clone() @ matrix @ self.v.clone()  # the next step changes them before this one's backward

    def forward(self, weight: Tensor) -> Tensor:
        return self.gain.clamp(-1.0, 1.0) * weight / self._sigma(weight.flatten(1))


def bound(layer: nn.Module) -> SpectralBound:
    """Bound the weights of a layer; returns what bounds them, and takes the power steps."""
    with torch.random.fork_rng(devices=[]):  # what is drawn after it is the same with and without
        made = SpectralBound(layer.get_parameter("weight"))
    parametrize.register_parametrization(layer, "weight", made)
    return made


def step(layer: nn.Module) -> None:
    """Take a power step of a bounded layer; nothing for any other. Inside `parametrize.cached()` W is made now."""
    held = getattr(layer, "parametrizations", None)
    if isinstance(held, nn.ModuleDict) and "weight" in held:
        of_weight: Any = held["weight"]
        for one in of_weight:
            if isinstance(one, SpectralBound):
                one.step(of_weight.original)
        _ = layer.weight
