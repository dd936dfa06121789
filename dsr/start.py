"""Where thresholds start from: as low as the gradient of the first batch allows.

Every current has passed a batch norm, so it is spread like N(0, 1) in any network, and all neurons start from one
ceiling c of their representation: V for IF neurons, V tau / dt for LIF neurons. On its way back through a layer the
gradient is multiplied by the share of open clamps and divided by the spread of what the layer emits. A low ceiling
closes more clamps than it takes from the spread, so the gradient grows with every layer, and the thresholds' own
gradients with it: the first steps then throw thresholds so far that layers fall silent. A high ceiling makes the levels
coarse, and the gradient fades. With W the weight of the first layer and L the loss of the first batch, the start is the
lowest c of `CEILINGS` with

    |dL/dW| <= |W|

or, if there is none, the c of the smallest gradient (one that overflows to NaN is no small one). With ReLU in place of
neurons, batches of 64 CIFAR-10 images and 18, 32 and 56 layers the ratio is 0.4 to 0.5, 0.5 to 0.7 and 2 to 4. The rule
is ours; the released code starts from constants.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsr.neurons import Neuron

CEILINGS = tuple(2 ** (k / 8) for k in range(17))
"""From 1, at which the clamp still leaves 34 % of N(0, 1) open, to 4."""


def bound_gradient(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Set all thresholds of `network` by the rule above and return the first neuron's.

    `images`, in the form that the network takes, and `labels` `(B,)` are the first batch. Nothing else of the network
    changes, its statistics and gradients included.
    """
    found = dict[float, float]()
    for ceiling in CEILINGS:
        set_ceilings(network, ceiling)
        found[ceiling] = first_gradient(network, images, labels)
        if found[ceiling] <= 1:
            break
    else:
        set_ceilings(network, min(found, key=lambda c: (math.isnan(found[c]), found[c])))
    return next(neuron.threshold.item() for neuron in network.modules() if isinstance(neuron, Neuron))


def set_ceilings(network: nn.Module, ceiling: float) -> None:
    """Every neuron's representation is at most `ceiling` from now on, in the unit of its currents."""
    for neuron in network.modules():
        if isinstance(neuron, Neuron):
            neuron.set_ceiling(ceiling)


def first_gradient(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """|dL/dW| / |W| of the first convolution's weight, cross-entropy, training mode; the network stays as it is."""
    trial = copy.deepcopy(network).train()
    with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
        F.cross_entropy(trial(images), labels).backward()
    weight = next(module.weight for module in trial.modules() if isinstance(module, nn.Conv2d))
    assert weight.grad is not None
    return (weight.grad.norm() / weight.detach().norm()).item()
