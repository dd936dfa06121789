"""A value that a simulation has measured, with a slope in place of the simulation's gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Measured(torch.autograd.Function):
    """A measured value as a function of the current, of the same shape, with a given slope."""

    @staticmethod
    def forward(ctx: Any, current: Tensor, measured: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        return measured

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return grad * slope, None, None
