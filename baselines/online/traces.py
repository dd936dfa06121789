"""OTTT's layers (Xiao et al., NeurIPS 2022): weights learn from a decaying trace of a layer's input.

    y_t = W s_t + b,   a_t = l a_{t-1} + s_t
    dL/dW = sum_t g_t a_t',   dL/db = sum_t g_t,   dL/ds_t = W' g_t         g_t = dL/dy_t, l the leak of the neurons

A layer keeps the trace of its own input. In the released code neurons keep traces, which go through pools and factors
as spikes do. Because these are linear, what reaches the layer is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

LANES = 16
"""float32 numbers in the widest vector of a processor."""


class Traced:
    """A layer that keeps a trace of its input in training; to be inherited beside torch's layer. A call is a step.

    `decay`: l.
    """

    decay: float
    trace: Tensor | None = None

    def clear(self) -> None:
        """Start a new run: the trace is 0."""
        self.trace = None

    def traced(self, x: Tensor) -> Tensor:
        """Return the trace after this step; those before it stay as they are, for graphs may hold them."""
        with torch.no_grad():
            self.trace = x.detach() if self.trace is None else torch.add(x, self.trace, alpha=self.decay)
        return self.trace


class _Convolution(torch.autograd.Function):
    """A convolution of `x`, whose weights' gradient is that of a convolution of `trace`, which alone is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, trace: Tensor, layer: nn.Conv2d) -> Tensor:
        ctx.save_for_backward(trace, weight)
        ctx.layer, ctx.biased = layer, bias is not None
        assert not isinstance(layer.padding, str)
        return F.conv2d(x, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        trace, weight = (kept.to(grad.dtype) for kept in ctx.saved_tensors)  # another one under autocast
        layer = ctx.layer
        strided = layer.kernel_size == (1, 1) and layer.stride != (1, 1)
        if strided and layer.in_channels < LANES:  # channels-last can crash (oneDNN issue 6035)
            grad, trace, weight = grad.contiguous(), trace.contiguous(), weight.contiguous()
        of_bias = [layer.out_channels] if ctx.biased else None
        geometry = layer.stride, layer.padding, layer.dilation, False, (0, 0), layer.groups
        found = torch.ops.aten.convolution_backward(
            grad, trace, weight, of_bias, *geometry, (*ctx.needs_input_grad[:2], ctx.biased)
        )
        return *found, None, None


class _Linear(torch.autograd.Function):
    """The same for a fully connected layer."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, trace: Tensor) -> Tensor:
        ctx.save_for_backward(trace, weight)
        ctx.biased = bias is not None
        return F.linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        trace, weight = (kept.to(grad.dtype) for kept in ctx.saved_tensors)
        return grad @ weight, grad.T @ trace, grad.sum(0) if ctx.biased else None, None


class Conv2d(Traced, nn.Conv2d):
    """A convolution that learns from the trace of its input; zeros as padding."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        current: Tensor = _Convolution.apply(x, self.weight, self.bias, self.traced(x), self)
        return current


class Linear(Traced, nn.Linear):
    """A fully connected layer that learns from the trace of its input `(B, features)`."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        current: Tensor = _Linear.apply(x, self.weight, self.bias, self.traced(x))
        return current


KINDS: Mapping[type[nn.Module], type[Traced]] = {nn.Conv2d: Conv2d, nn.Linear: Linear}


def trace(
    network: nn.Module,
    decay: float,
    first: type[nn.Module],
    others: Mapping[type[nn.Module], type[Traced]] | None = None,
) -> nn.Module:
    """Let all layers but those inside a `first`, which sees images, learn from traces of their input.

    `decay` l in [0, 1]: that of the neurons' membranes. `others`: what takes the place of classes derived from torch's.
    Returns the network; parameters, their names and the state dict stay. Raises TypeError for another derived class.
    """
    kinds = {**KINDS, **(others or {})}
    seeing_images = {inside for module in network.modules() if isinstance(module, first) for inside in module.modules()}
    for name, layer in network.named_modules():
        if layer in seeing_images or not isinstance(layer, nn.modules.conv._ConvNd | nn.Linear):
            continue
        if type(layer) not in kinds:
            raise TypeError(f"{name} is a {type(layer).__name__}, which cannot learn from a trace of its input")
        kind: Any = kinds[type(layer)]
        layer.__class__ = kind
        layer.decay = decay  # type: ignore[assignment]
    return network
