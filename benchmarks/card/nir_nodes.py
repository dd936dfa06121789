"""Layers between neurons as nodes of NIR 1.0, folded in float64 and stored in the network's dtype."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.card.neurons import NOT
from benchmarks.spec import BadInput

Shape = tuple[int, ...]


def linear(name: str, layer: nn.Module, scale: Tensor, bias: Tensor | None, size: Shape, dtype: Any) -> Any:
    """Return the node of `scale` (per output channel) times a convolution or fully connected layer, plus `bias`.

    `size` `(C, H, W)` or `(C,)` is the input's. Raises BadInput for convolutions with groups or nonzero borders.
    """
    import nir

    assert isinstance(layer, nn.Conv2d | nn.Linear)
    outputs = layer.weight.shape[0]
    scaled = layer.weight.detach() * scale.expand(outputs).view(-1, *[1] * (layer.weight.dim() - 1))
    weight = _array(scaled, dtype)
    constant = _array(torch.zeros(outputs) if bias is None else bias.expand(outputs), dtype)
    if isinstance(layer, nn.Linear):
        return nir.Linear(weight) if bias is None else nir.Affine(weight, constant)
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str) or layer.groups != 1:
        raise BadInput(f"{NOT}: {name} is a convolution with groups, or with padding other than zeros")
    return nir.Conv2d(size[1:], weight, layer.stride, layer.padding, layer.dilation, 1, constant)


def identity(scale: Tensor, bias: Tensor | None, shape: Shape, dtype: Any) -> Any:
    """Return a scale per channel; with a constant a diagonal matrix, because NIR 1.0 has no grouped convolutions."""
    import nir

    scale = scale.expand(shape[0])
    if bias is None:
        return nir.Scale(_array(scale.view(-1, *[1] * (len(shape) - 1)).expand(shape), dtype))
    weight, constant = _array(torch.diag(scale), dtype), _array(bias.expand(shape[0]), dtype)
    if len(shape) == 1:
        return nir.Affine(weight, constant)
    return nir.Conv2d(shape[1:], weight[..., None, None], (1, 1), (0, 0), (1, 1), 1, constant)


def reshaping(name: str, by: nn.Module, size: Shape) -> tuple[Any, Shape]:
    """Return the node of a pool or flattening and its output shape. Raises BadInput for pools with unequal windows."""
    import nir

    if isinstance(by, nn.Flatten):
        return nir.Flatten({"input": np.array(size)}, start_dim=0), (int(np.prod(size)),)
    behind = tuple(by(torch.zeros(1, *size)).shape[1:])
    if isinstance(by, nn.AdaptiveAvgPool2d):
        if any(length % parts for length, parts in zip(size[1:], behind[1:], strict=True)):
            was, now = ("{} x {}".format(*pixels[1:]) for pixels in (size, behind))
            raise BadInput(f"{NOT}: {name} pools {was} pixels to {now} with unequal windows, which no node of NIR does")
        kernel = np.array([length // parts for length, parts in zip(size[1:], behind[1:], strict=True)])
        return nir.AvgPool2d(kernel, kernel, np.array((0, 0))), behind
    assert isinstance(by, nn.AvgPool2d)
    if _rounds_up(by, size) or by.divisor_override or (by.padding and not by.count_include_pad):
        raise BadInput(f"{NOT}: {name} is an average pool with ceil_mode, divisor_override or count_include_pad=False")
    sizes = (np.array(v if isinstance(v, tuple) else (v, v)) for v in (by.kernel_size, by.stride, by.padding))
    return nir.AvgPool2d(*sizes), behind


def _rounds_up(pool: nn.AvgPool2d, size: Shape) -> bool:
    """Whether windows of a pool with ceil_mode stick out of a map of this size."""
    floor, like = copy.copy(pool), torch.zeros(1, *size)
    floor.ceil_mode = False
    return bool(pool(like).shape != floor(like).shape)


def copies(by: nn.Module, size: Shape) -> bool:
    """Whether a pool only copies the single pixel of its input."""
    return isinstance(by, nn.AdaptiveAvgPool2d) and size[1:] == (1, 1)


def of_one_pixel(layer: nn.Linear, channels: int) -> nn.Linear:
    """Return the layer on one pixel that is equal to `layer` on copies of that pixel: weights add up."""
    summed = copy.deepcopy(layer)
    summed.weight = nn.Parameter(layer.weight.detach().view(len(layer.weight), channels, -1).sum(-1))
    return summed


def _array(values: Tensor, dtype: Any) -> np.ndarray:
    return np.ascontiguousarray(values.detach().cpu().numpy().astype(dtype))
