"""What a network is given, and the one layer all of them share: the analog first layer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LANES = 16
"""float32 numbers in the widest vector of a processor."""


MakeLayer = Callable[..., nn.Module]
"""Makes a pool or a dropout, with the arguments of `nn.AvgPool2d` or `nn.Dropout`."""


class Norm(Protocol):
    """Makes a norm for `features` channels whose input is a sum of `branches` branches."""

    def __call__(self, features: int, branches: int = 1) -> nn.Module: ...


class Readout(Protocol):
    """Makes the head: pooled features `(T*B, features)` -> logits `(B, classes)`.

    `reencode`: whether the paper's network has a neuron between its pool and its classifier.
    """

    def __call__(self, features: int, classes: int, reencode: bool = True) -> nn.Module: ...


@runtime_checkable
class SpikingNeuron(Protocol):
    """A layer of neurons that emit 0 or one height, which it states; SynOps are booked by that, never by values."""

    def spike_amplitude(self) -> Tensor | float: ...


@runtime_checkable
class Stateful(Protocol):
    """Neurons of which a step updates `states` numbers each, the membrane included, where that is not one."""

    def states(self) -> int: ...


@runtime_checkable
class Leaky(Protocol):
    """Neurons of which a step multiplies `leaks` numbers each: 1 for a leaky membrane, 0 if all is added."""

    def leaks(self) -> int: ...


@runtime_checkable
class MixesSteps(Protocol):
    """Neurons whose steps weigh the currents of others: `products` multiply-accumulates each, of all steps together."""

    def products(self) -> int: ...


@runtime_checkable
class FewBits(Protocol):
    """Activations that emit one of 2^b multiples of a step size, which the next layer's weights absorb: b bits."""

    def activation_bits(self) -> int: ...


@dataclass(frozen=True)
class Parts:
    """A method as a network sees it: what stands in place of ReLU, batch norm and the head, and for how many steps.

    A neuron that is no `SpikingNeuron` (ReLU) emits graded values. `pool` and `dropout` take
    the arguments of torch's average pool and dropout. `coding` makes what turns images into spikes.
    """

    timesteps: int
    neuron: Callable[[], nn.Module]
    norm: Norm
    readout: Readout
    pool: MakeLayer = nn.AvgPool2d
    dropout: MakeLayer = nn.Dropout
    coding: Callable[[], nn.Module] | None = None

    def first(self, layer: nn.Module) -> nn.Module:
        """Make the first layer, which gets the images: as currents, or as the spikes that `coding` makes of them."""
        if self.coding is None:
            return DirectCoding(layer, self.timesteps)
        return nn.Sequential(OrderedDict(coding=self.coding(), layer=layer))  # named as in DirectCoding


class DirectCoding(nn.Module):
    """The first layer, which receives analog values.

    A static image `(B, C, H, W)` gives the same current at every step: computed once, then repeated to `(T*B, ...)`.
    Event frames `(T, B, C, H, W)` are folded and computed step by step.
    """

    def __init__(self, layer: nn.Module, timesteps: int) -> None:
        super().__init__()
        self.layer = layer
        self.timesteps = timesteps

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 5:
            return self.layer(x.flatten(0, 1))
        current: Tensor = self.layer(x)
        return torch.cat([current] * self.timesteps) if self.timesteps > 1 else current


class FedBack(nn.Module):
    """Passes spikes on to the next time step. After the last step it is not called, and counts nothing."""

    def forward(self, spikes: Tensor) -> Tensor:
        return spikes


class Projection(nn.Conv2d):
    """A 1 x 1 convolution with a stride, as one without it of every stride-th pixel.

    The same sums, for inputs of fewer channels than a vector has lanes: oneDNN's gradient of the strided one's weights
    writes past the end of its workspace there if the input is channels-last (oneDNN issue 6035, torch 2.13: a wrong
    gradient or a crash).
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002 (torch names it)
        rows, columns = self.stride
        pixels = input.permute(0, 2, 3, 1)[:, ::rows, ::columns]  # so that the gradient, too, is channels-last
        return F.conv2d(pixels.permute(0, 3, 1, 2), weight, bias)


def stack(
    block: Callable[[Parts, int, int, int], nn.Module],
    parts: Parts,
    blocks: tuple[int, ...],
    widths: tuple[int, ...],
    inputs: int,
) -> nn.Sequential:
    """Stages of blocks `block(parts, inputs, outputs, stride)`; every stage but the first halves the map."""
    stages = []
    for index, (count, outputs) in enumerate(zip(blocks, widths, strict=True)):
        first = block(parts, inputs, outputs, 1 if index == 0 else 2)
        stages.append(nn.Sequential(first, *(block(parts, outputs, outputs, 1) for _ in range(count - 1))))
        inputs = outputs
    return nn.Sequential(*stages)


def large_stem(parts: Parts, inputs: int, outputs: int) -> nn.Module:
    """Make the stem for ImageNet, behind which a quarter of the image's height and width is left."""
    first = parts.first(nn.Conv2d(inputs, outputs, 7, 2, padding=3, bias=False))
    return nn.Sequential(first, parts.norm(outputs), parts.neuron(), parts.pool(3, 2, padding=1))


def hidden_layers(
    parts: Parts, features: int, widths: tuple[int, ...], biases: bool = True, dropout: tuple[float, ...] = ()
) -> nn.Module:
    """Fully connected layers with neurons between the pooled map and the classifier; none: the identity.

    `dropout`: the share of its input that is dropped in front of each of them, and in front of the classifier.
    """
    layers: list[nn.Module] = []
    for share, pair in zip_longest(dropout, pairwise((features, *widths))):
        layers += [parts.dropout(share)] if share else []
        layers += [nn.Linear(pair[0], pair[1], biases), parts.neuron()] if pair else []
    return nn.Sequential(*layers) if layers else nn.Identity()


def initialise(network: nn.Module, linear: float | None = None) -> None:
    """Kaiming-normal (fan out, ReLU) convolutions and zero classifier bias, as the released DSR code has them.

    `linear`: the standard deviation of fully connected weights, which are normal; None: torch's default.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            if module.bias is not None:
                nn.init.zeros_(module.bias)
            if linear is not None:
                nn.init.normal_(module.weight, std=linear)


def scale_start(network: nn.Module, gain: float) -> None:
    """Convolutions `gain` times as large as torch starts them; normal fully connected layers, by Kaiming's rule.

    The released code of TSSL-BP starts so, with a gain of 5. Fully connected layers' biases start at zero.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data *= gain  # torch's own start: uniform, within 1 / sqrt(fan in)
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
