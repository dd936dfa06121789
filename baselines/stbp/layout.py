"""The memory layout of neurons' currents `(T, ...)`: steps one after another, each contiguous or channels-last."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, channels_last, empty_like

AT_ONCE = 2**18
"""Values of a step that a CPU takes through all steps together: with those of all steps, they stay in its cache."""


def is_dense(x: Tensor) -> bool:
    """Whether `(T, ...)` has the steps one after another in memory, each of them contiguous or channels-last."""
    return x.is_contiguous() or (x.dim() == 5 and x.flatten(0, 1).is_contiguous(memory_format=channels_last))


def dense(x: Tensor) -> Tensor:
    """Return `x`, or a contiguous copy of it if it is not dense."""
    return x if is_dense(x) else x.contiguous()


def like(x: Tensor, other: Tensor) -> Tensor:
    """Return `x`, or a copy of it, in the memory layout of a dense tensor `other` of the same shape."""
    return x if x.stride() == other.stride() else empty_like(other).copy_(x)


def flat(x: Tensor) -> Tensor:
    """View a dense tensor `(T, ...)` as `(T, N)`, values in the order in which they lie in memory."""
    return x.as_strided((len(x), x[0].numel()), (x[0].numel(), 1))


def parts(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Views `(T, n)` of dense tensors `(T, ...)` of one layout, part by part; on a GPU all in one."""
    x = tensors[0]
    size = AT_ONCE if x.device.type == "cpu" else max(1, x[0].numel())
    return zip(*(flat(one).split(size, 1) for one in tensors), strict=True)
