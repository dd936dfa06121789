"""Spike-Norm (Sengupta et al. 2019): a threshold is the largest current that its neurons get from spikes.

    theta_l = max over images, neurons and steps of I_l[t],   with thresholds 1, ..., l - 1 set and their neurons firing

Layer by layer, first layer first, so that each is measured under the spikes that it will get, not under activations.
Currents are of the network with its constants: norms fold into them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.conversion import IF, Converted, neurons


class _Reached(Exception):
    """The layer that is measured has run; what follows it does not matter."""


@torch.no_grad()
def set_thresholds(network: Converted, images: Tensor, steps: int) -> None:
    """Set every neuron's threshold from `steps` steps of `images` `(B, C, H, W)`.

    A layer without a positive current would never fire, whatever its threshold, and keeps the one that it has.
    """
    was_training = network.training
    network.eval()
    for neuron in _in_order(network, images):
        largest = _largest_current(network, neuron, images, steps)
        if largest > 0:
            neuron.threshold.copy_(largest)
    network.train(was_training)


def _in_order(network: Converted, images: Tensor) -> list[IF]:
    """Return the neurons in the order in which they run."""
    order: list[IF] = []
    hooks = [one.register_forward_hook(lambda one, *_: order.append(one)) for one in neurons(network).values()]
    next(iter(network.trajectory(images[:1], [1])))
    for hook in hooks:
        hook.remove()
    return order


def _largest_current(network: Converted, neuron: IF, images: Tensor, steps: int) -> Tensor:
    """Return the largest current of a layer, a scalar, in a run that never computes the layers behind it."""
    largest = images.new_zeros(())

    def measure(module: nn.Module, inputs: tuple[Tensor]) -> None:
        nonlocal largest
        largest = torch.maximum(largest, neuron.driven(inputs[0]).max())
        raise _Reached

    hook = neuron.register_forward_pre_hook(measure)
    try:
        network.reset()
        for _ in range(steps):
            try:
                network.step(images)
            except _Reached:
                continue
    finally:
        hook.remove()
    return largest
