"""The functions of the compiled `norms.c` on maps whose channels are innermost in memory."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

SOURCE = Path(__file__).with_name("norms.c")
MOST_CHANNELS = 4096


class Activation(NamedTuple):
    """The function behind a norm: `kind` is its number in `norms.c`.

    `ceiling`: a clip, theta or V; `levels`: L or T; `alpha`: by which share of a level LEVELS is shifted.
    """

    kind: int
    ceiling: float = 1.0
    levels: float = 1.0
    alpha: float = 0.5


IDENTITY, RELU, CLIP, CLAMP_FLOOR, FLOOR_CLAMP, LEVELS = range(6)


class Moments(NamedTuple):
    """A map's statistics, `(C,)` each: mean, 1 / sqrt(biased variance + eps) and unbiased variance."""

    mean: Tensor
    inverse: Tensor
    variance: Tensor


class _Norm(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "mean", "inverse", "weight", "bias", "after")),
        *((name, ctypes.c_int64) for name in ("rows", "channels", "threads", "activation")),
        *((name, ctypes.c_float) for name in ("ceiling", "levels", "alpha")),
    )


def is_supported(norm: _BatchNorm, x: Tensor, *others: Tensor | None) -> bool:
    """Whether the kernels can normalise `x` as `norm` would now, and add the other maps before or after that."""
    maps = (x, *(other for other in others if other is not None))
    plain = all(type(m) is Tensor and m.dtype == torch.float32 and m.device.type == "cpu" for m in maps)
    parameters = (p for p in (norm.weight, norm.bias, norm.running_mean, norm.running_var) if p is not None)
    return (
        plain
        and norm.training
        and x.dim() == (4 if isinstance(norm, nn.BatchNorm2d) else 2)
        and x.shape[1] == norm.num_features <= MOST_CHANNELS
        and x.numel() > x.shape[1]  # torch's norm refuses a single value per channel, and an empty batch
        and all(m.shape == x.shape for m in maps)
        and all(p.dtype == torch.float32 and p.is_contiguous() for p in parameters)
    )


def channels_last(x: Tensor) -> Tensor:
    """Return `x` `(rows, C)` or `(N, C, H, W)` with channels innermost: itself, or a copy."""
    return x.contiguous() if x.dim() == 2 else x.contiguous(memory_format=torch.channels_last)


def moments(
    library: ctypes.CDLL, x: Tensor, residual: Tensor | None = None, eps: float = 1e-5
) -> tuple[Tensor, Moments]:
    """Return a map and its moments; with a residual, the sum of both. Maps have channels innermost."""
    found = Moments(*x.new_empty(3, x.shape[1]))
    total = x if residual is None else torch.empty_like(x)
    library.moments(
        *(_pointer(m) for m in (x, residual, total)),
        ctypes.c_int64(_rows(x)),
        ctypes.c_int64(x.shape[1]),
        ctypes.c_double(eps),
        *(_pointer(vector) for vector in found),
        ctypes.c_int64(torch.get_num_threads()),
    )
    return total, found


@torch.no_grad()
def track(norm: _BatchNorm, moments: Moments) -> None:
    """Count the batch and update the running statistics, as torch's norm does in training mode."""
    if not norm.track_running_stats:
        return
    weight = norm.momentum
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if weight is None:
            weight = 1.0 / norm.num_batches_tracked.item()
    if norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean.lerp_(moments.mean, weight or 0.0)
        norm.running_var.lerp_(moments.variance, weight or 0.0)


class Normed:
    """A map with its moments, norm weights and activation, and a map that is added to the norm's output if given."""

    def __init__(
        self,
        library: ctypes.CDLL,
        x: Tensor,
        moments: Moments,
        weight: Tensor | None,
        bias: Tensor | None,
        activation: Activation,
        after: Tensor | None = None,
    ) -> None:
        self.library, self.x, self.after = library, x, after
        vectors = (x, moments.mean, moments.inverse, weight, bias, after)
        sizes = _rows(x), x.shape[1], torch.get_num_threads(), activation.kind
        self.of_c = _Norm(*(_pointer(m) for m in vectors), *sizes, *activation[1:])

    def activated(self) -> Tensor:
        """Return y."""
        y = torch.empty_like(self.x)
        self.library.activate(ctypes.byref(self.of_c), _pointer(y))
        return y

    def reduced(self, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the gradients of weight and bias, `(C,)`, and of the activation's ceiling, `()`, from dL/dy.

        The last is what `differentiated` takes: dL/dy itself, or the gradient of the map that is added.
        """
        weight, bias = grad.new_empty(2, grad.shape[1])
        ceiling = grad.new_empty(())
        after = grad if self.after is None else torch.empty_like(grad)
        self.library.reduce(ctypes.byref(self.of_c), *(_pointer(m) for m in (grad, after, weight, bias, ceiling)))
        return weight, bias, ceiling, after

    def differentiated(
        self, grad: Tensor, grad_weight: Tensor, grad_bias: Tensor, into: Tensor | None = None
    ) -> Tensor:
        """Return dL/dx from dL/dy and the gradients of weight and bias; `into` may be `grad`."""
        grad_x = torch.empty_like(self.x) if into is None else into
        vectors = (grad, grad_weight, grad_bias, grad_x)
        self.library.differentiate(ctypes.byref(self.of_c), *(_pointer(m) for m in vectors))
        return grad_x


def _rows(x: Tensor) -> int:
    return x.numel() // x.shape[1]


def _pointer(x: Tensor | None) -> Any:
    return ctypes.c_void_p(None if x is None else x.data_ptr())
