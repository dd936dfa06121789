"""Thresholds and bias corrections for a converted network, from its parent ANN and training images.

    threshold balancing   theta = the 99.9th percentile of the layer's nonzero activations     Rueckauer et al. 2017
    maximum               theta = the largest activation                                       Deng & Gu, ICLR 2021
    least error           theta minimises |clip-floor_{T, theta}(a) - a|^2                     Li et al., ICML 2021
    bias correction       c = mean(a) - mean(emitted) per channel, layer by layer from the first on ("light")

clip-floor(a) = (theta / T) floor(clip(a T / theta, 0, T)) is the rate of an IF neuron. The two networks differ only in
their neurons: an `IF` replaces the ReLU of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from baselines.conversion import Converted, neurons

Statistic = Callable[[Tensor], Tensor]


def percentile(activations: Tensor, share: float) -> Tensor:
    """Return the value that a `share` of the nonzero activations do not exceed (nearest rank); 0 if all are zero."""
    positive = activations[activations > 0]
    if not len(positive):
        return activations.new_zeros(())
    rank = max(1, min(len(positive), round(share * len(positive))))
    return positive.kthvalue(rank).values


def least_error_threshold(activations: Tensor, timesteps: int) -> Tensor:
    """Return the threshold of least error for rates of T steps, among 6 %, 7 %, ..., 100 % of the maximum."""
    largest = activations.max()
    candidates = [largest * (1 - 0.01 * i) for i in range(95)]
    errors = [(clip_floor(activations, theta, timesteps) - activations).square().sum() for theta in candidates]
    return candidates[int(torch.stack(errors).argmin())]


def clip_floor(x: Tensor, theta: Tensor, timesteps: int) -> Tensor:
    """Return the rate of an IF neuron that starts at rest under constant current."""
    return (x * timesteps / theta).clamp(0, timesteps).floor() * theta / timesteps


def set_thresholds(
    network: nn.Module,
    ann: nn.Module,
    images: Tensor,
    statistic: Statistic,
    stands_for: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Set every neuron's threshold to a `statistic` of the outputs of the ReLU of its name on `images` `(B, C, H, W)`.

    `stands_for`: another module of the ANN that a neuron has its threshold from. If the statistic is 0, the layer is
    silent and keeps its threshold.
    """
    spiking = neurons(network)
    measured = _watch(ann, [stands_for.get(name, name) for name in spiking], images, statistic)
    for name, neuron in spiking.items():
        if (theta := measured[stands_for.get(name, name)]) > 0:
            neuron.threshold.copy_(theta)


def correct_biases(network: Converted, ann: nn.Module, images: Tensor) -> None:
    """Give every neuron the constant current per channel that compensates its mean error, first layer first."""
    was_training = network.training
    network.eval()  # throughout, so that only corrections change
    spiking = neurons(network)
    targets = _watch(ann, list(spiking), images, _channel_means)
    program = network.program(images)  # corrections are part of the drive, so one program serves all layers
    for name, mean in targets.items():  # in the order in which they run
        spiking[name].correction = torch.zeros_like(mean)
        if program:
            emitted = program.mean_emitted(name, images, network.timesteps)
        else:
            emitted = _watch(network, [name], images, _channel_means)[name]
        spiking[name].correction = mean - emitted
    network.train(was_training)


@torch.no_grad()
def _watch(network: nn.Module, names: list[str], images: Tensor, statistic: Statistic) -> dict[str, Tensor]:
    """Compute a statistic of the outputs of modules, averaged over steps, in the order in which the modules run.

    The hooks compute it immediately, so that no activation is stored.
    """
    statistics: dict[str, list[Tensor]] = {}
    hooks = [
        network.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: statistics.setdefault(name, []).append(statistic(output))
        )
        for name in names
    ]
    was_training = network.training
    network.eval()(images)
    network.train(was_training)
    for hook in hooks:
        hook.remove()
    return {name: torch.stack(values).mean(0) for name, values in statistics.items()}


def _channel_means(x: Tensor) -> Tensor:
    return x.mean([d for d in range(x.dim()) if d != 1])
