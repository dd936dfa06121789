"""The representation error of DSR's neurons in the two parts that the paper names (Sec. 4).

With r(.) the (weighted) firing rate, x the currents, m = r(x) their mean, y(x) what the neuron emits:

    e_r = r(y(x)) - clamp(m / tau, 0, V / dt)       representation error; tau = dt = 1 for IF
    e_q = r(y(m, m, .., m)) - clamp(..)             quantisation error: the same current at every step
    e_d = r(y(x)) - r(y(m, m, .., m)) = e_r - e_q   deviation error: the currents differ from step to step

For IF, currents that all lie in [0, V] have e_d = 0 exactly: the membrane ends in [(alpha - 1) V, alpha V), and only
one number of spikes leaves it there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dsr.neurons import Neuron
from dsr.representation import at_every_step, unfold


class Split(NamedTuple):
    """Rates `(B, ...)` in float64: measured, at the mean current held steady, and what the clamp says."""

    measured: Tensor
    steady: Tensor
    mapping: Tensor

    @property
    def representation(self) -> Tensor:
        """e_r"""
        return self.measured - self.mapping

    @property
    def quantization(self) -> Tensor:
        """e_q"""
        return self.steady - self.mapping

    @property
    def deviation(self) -> Tensor:
        """e_d"""
        return self.measured - self.steady


@torch.no_grad()
def split(neuron: Neuron, currents: Tensor, emitted: Tensor | None = None) -> Split:
    """Compare a neuron with its mapping on currents `(T*B, ...)`; `emitted` is what it made of them, if known."""
    of = neuron.dynamics()
    mean = _read(neuron, currents)
    # a mean of equal currents is rounded back to that current: then e_d is 0 and not a rounding away from it
    held = at_every_step(mean.to(currents.dtype), neuron.timesteps)
    measured = neuron.forward(currents) if emitted is None else emitted
    mapping = (mean / of.tau).clamp(min=0).minimum(neuron.threshold.double() / of.dt)
    return Split(_read(neuron, measured), _read(neuron, neuron.forward(held)), mapping)


def _read(neuron: Neuron, values: Tensor) -> Tensor:
    """The representation in float64, a step at a time: never a float64 copy of all steps."""
    mean = torch.zeros((), dtype=torch.float64, device=values.device)
    for weight, step in zip(neuron.rate().weights(), unfold(values, neuron.timesteps), strict=True):
        mean = mean + weight * step.double()
    return mean


@dataclass(frozen=True)
class LayerErrors:
    """One layer of neurons, over all neurons and images; rates and errors in the unit of `ceiling`, V or V / dt.

    `outside` is the share of all currents, step by step, beyond the clamp's ends. `_error` is the mean of an absolute
    value, `_bias` the mean with its sign.
    """

    layer: str
    neurons: int
    images: int
    ceiling: float
    outside: float
    mapping: float
    representation_error: float
    quantization_error: float
    deviation_error: float
    representation_bias: float
    quantization_bias: float
    deviation_bias: float


def layer_errors(network: nn.Module, batches: Iterable[Tensor]) -> list[LayerErrors]:
    """The split in every layer of DSR neurons, as images pass, in the order in which they reach the layers.

    The network runs in evaluation mode, on what its own lower layers emit; its mode is restored. No DSR neuron: [].
    """
    neurons = {name: module for name, module in network.named_modules() if isinstance(module, Neuron)}
    if not neurons:
        return []
    totals: dict[str, _Total] = {}
    hooks = [neuron.register_forward_hook(_watch(totals, name)) for name, neuron in neurons.items()]
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            for images in batches:
                network(images)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return [total.errors(name, neurons[name]) for name, total in totals.items()]


class _Total:
    """Sums over all neurons and images of what `LayerErrors` has means of."""

    def __init__(self) -> None:
        self.images = 0
        self.values = 0
        self.sums = torch.zeros(8, dtype=torch.float64)

    def add(self, found: Split, outside: float) -> None:
        errors = found.representation, found.quantization, found.deviation
        means = [found.mapping.sum(), *(e.abs().sum() for e in errors), *(e.sum() for e in errors)]
        self.images += len(found.mapping)
        self.values += found.mapping.numel()
        self.sums += torch.tensor([outside * found.mapping.numel(), *(m.item() for m in means)], dtype=torch.float64)

    def errors(self, name: str, neuron: Neuron) -> LayerErrors:
        ceiling = neuron.threshold.item() / neuron.dynamics().dt
        return LayerErrors(name, self.values // self.images, self.images, ceiling, *(self.sums / self.values).tolist())


def _watch(totals: dict[str, _Total], name: str) -> Any:
    def hook(neuron: Neuron, inputs: tuple[Tensor], emitted: Tensor) -> None:
        (currents,) = inputs
        beyond = (currents < 0) | (currents > neuron.dynamics().ceiling(neuron.threshold))
        outside = beyond.double().mean().item()
        totals.setdefault(name, _Total()).add(split(neuron, currents, emitted), outside)

    return hook
