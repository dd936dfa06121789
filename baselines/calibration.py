"""Thresholds and bias corrections for a converted network, from its parent ANN and training images.

    threshold balancing   theta = the 99.9th percentile of the layer's nonzero activations     Rueckauer et al. 2017
    maximum               theta = the largest activation                                       Deng & Gu, ICLR 2021
    least error           theta minimises |clip-floor_{T, theta}(a) - a|^2                     Li et al., ICML 2021
    bias correction       c += mean(a) - mean(emitted) per channel, layer by layer from the first on ("light")

clip-floor(a) = (theta / T) floor(clip(a T / theta, 0, T)) is what an IF neuron's rate can be. The networks are the same
but for their neurons: an `IF` takes the place of the ReLU of its name.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from baselines.conversion import Converted, neurons

Statistic = Callable[[Tensor], Tensor]


def percentile(activations: Tensor, share: float) -> Tensor:
    """The value that `share` of the nonzero activations do not exceed; 0 if there is none. Nearest rank."""
    positive = activations[activations > 0]
    if not len(positive):
        return activations.new_zeros(())
    rank = max(1, min(len(positive), round(share * len(positive))))
    return positive.kthvalue(rank).values


def least_error_threshold(activations: Tensor, timesteps: int) -> Tensor:
    """The best of the hundredths of the maximum, from 6 % to 100 %, for rates of T steps."""
    largest = activations.max()
    candidates = [largest * (1 - 0.01 * i) for i in range(95)]
    errors = [(clip_floor(activations, theta, timesteps) - activations).square().sum() for theta in candidates]
    return candidates[int(torch.stack(errors).argmin())]


def clip_floor(x: Tensor, theta: Tensor, timesteps: int) -> Tensor:
    """Rate of an IF neuron from rest, under constant current."""
    return (x * timesteps / theta).clamp(0, timesteps).floor() * theta / timesteps


def set_thresholds(network: nn.Module, ann: nn.Module, images: Tensor, statistic: Statistic) -> None:
    """Every neuron's threshold is `statistic` of what the ReLU of its name emits on `images` `(B, C, H, W)`.

    A silent layer keeps its threshold: it stays silent.
    """
    spiking = neurons(network)
    measured = _watch(ann, list(spiking), images, statistic)
    for name, theta in measured.items():
        if theta > 0:
            spiking[name].threshold.copy_(theta)


def correct_biases(network: Converted, ann: nn.Module, images: Tensor) -> None:
    """Give every neuron the constant current that makes up for its mean error, per channel, first layer first."""
    was_training = network.training
    network.eval()  # all along: nothing but corrections may change
    spiking = neurons(network)
    wanted = _watch(ann, list(spiking), images, _channel_means)
    program = network.program(images)  # corrections are drive: it serves all layers
    for name, mean in wanted.items():  # in the order in which they run
        spiking[name].correction = torch.zeros_like(mean)
        if program:
            emitted = program.mean_emitted(name, images, network.timesteps)
        else:
            emitted = _watch(network, [name], images, _channel_means)[name]
        spiking[name].correction = mean - emitted
    network.train(was_training)


@torch.no_grad()
def _watch(network: nn.Module, names: list[str], images: Tensor, statistic: Statistic) -> dict[str, Tensor]:
    """A statistic of what modules emit, in the order in which they run; the mean over the steps if there are several.

    Taken where it is emitted: no activation is kept.
    """
    seen: dict[str, list[Tensor]] = {}
    hooks = [
        network.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: seen.setdefault(name, []).append(statistic(output))
        )
        for name in names
    ]
    was_training = network.training
    network.eval()(images)
    network.train(was_training)
    for hook in hooks:
        hook.remove()
    return {name: torch.stack(values).mean(0) for name, values in seen.items()}


def _channel_means(x: Tensor) -> Tensor:
    return x.mean([d for d in range(x.dim()) if d != 1])
