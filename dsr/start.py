"""Initial thresholds: the lowest for which the gradient of the first batch stays bounded.

Every current has passed a batch norm and is distributed roughly as N(0, 1) in any network. All neurons therefore start
with one ceiling c of their representation: V for IF neurons, V tau / dt for LIF neurons. In backward a layer multiplies
the squared gradient by the share of open clamps and divides it by the variance of its output. A low ceiling reduces the
variance more than the share of open clamps, so the gradient grows with every layer, and with it the gradients of the
thresholds: the first steps then move thresholds so far that layers fall silent. With a high ceiling the levels are
coarse and the gradient vanishes. With the weight W of the first layer and the loss L of the first batch, the start is
the lowest c in `CEILINGS` with

    |dL/dW| <= |W|

or, if none satisfies it, the c of the smallest gradient (NaN from overflow counts as the largest). With ReLU in place
of neurons and batches of 64 CIFAR-10 images, the ratio |dL/dW| / |W| is 0.4 to 0.5, 0.5 to 0.7 and 2 to 4 for 18, 32
and 56 layers. The rule is ours; the released code starts from constants.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsr.neurons import Saturating

CEILINGS = tuple(2 ** (k / 8) for k in range(17))
"""From 1, for which the clamp is open for 34 % of N(0, 1), to 4."""


def bound_gradient(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Set all thresholds of `network` by the rule above and return the first neuron's.

    `images`, in the network's input format, and `labels` `(B,)` are the first batch. Nothing else changes, neither
    statistics nor gradients.
    """
    gradients = dict[float, float]()
    for ceiling in CEILINGS:
        set_ceilings(network, ceiling)
        gradients[ceiling] = first_gradient(network, images, labels)
        if gradients[ceiling] <= 1:
            break
    else:
        set_ceilings(network, min(gradients, key=lambda c: (math.isnan(gradients[c]), gradients[c])))
    return next(neuron.threshold.item() for neuron in network.modules() if isinstance(neuron, Saturating))


def set_ceilings(network: nn.Module, ceiling: float) -> None:
    """Set the ceiling of every neuron's representation, in the unit of its currents."""
    for neuron in network.modules():
        if isinstance(neuron, Saturating):
            neuron.set_ceiling(ceiling)


def first_gradient(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return |dL/dW| / |W| of the first convolution, for cross-entropy in training mode; `network` does not change."""
    trial = copy.deepcopy(network).train()
    with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
        F.cross_entropy(trial(images), labels).backward()
    weight = next(module.weight for module in trial.modules() if isinstance(module, nn.Conv2d))
    assert weight.grad is not None
    return (weight.grad.norm() / weight.detach().norm()).item()
