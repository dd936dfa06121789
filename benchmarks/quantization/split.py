"""The representation error of DSR's neurons and its two parts (paper, Sec. 4).

With r(.) the (weighted) firing rate, x the currents, m = r(x) their mean, y(x) the emitted values:

    e_r = r(y(x)) - clamp(m / tau, 0, V / dt)       representation error; tau = dt = 1 for IF
    e_q = r(y(m, m, .., m)) - clamp(..)             quantisation error: the same current at every step
    e_d = r(y(x)) - r(y(m, m, .., m)) = e_r - e_q   deviation error: the currents differ from step to step

For IF, e_d = 0 exactly if all currents lie in [0, V]: the membrane then ends in [(alpha - 1) V, alpha V), which
determines the number of spikes.
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
    """Rates `(B, ...)` in float64: measured, with the mean current at every step, and by the clamp."""

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
    """Compare a neuron with its mapping on currents `(T*B, ...)`; `emitted` are its emitted values, if known."""
    dynamics = neuron.dynamics()
    mean = _read(neuron, currents)
    # rounded back to the currents' dtype, the mean of equal currents is that current, and e_d is exactly 0
    steady = at_every_step(mean.to(currents.dtype), neuron.timesteps)
    measured = neuron.forward(currents) if emitted is None else emitted
    mapping = (mean / dynamics.tau).clamp(min=0).minimum(neuron.threshold.double() / dynamics.dt)
    return Split(_read(neuron, measured), _read(neuron, neuron.forward(steady)), mapping)


def _read(neuron: Neuron, values: Tensor) -> Tensor:
    """Compute the representation in float64, step by step, without a float64 copy of all steps."""
    mean = torch.zeros((), dtype=torch.float64, device=values.device)
    for weight, step in zip(neuron.rate().weights(), unfold(values, neuron.timesteps), strict=True):
        mean = mean + weight * step.double()
    return mean


@dataclass(frozen=True)
class LayerErrors:
    """Means over all neurons of a layer and all images; rates and errors are in the unit of `ceiling`, V or V / dt.

    `outside` is the share of currents, over all steps, beyond the clamp's ends. `_error` is the mean absolute error,
    `_bias` the mean signed error.
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
    """Measure the errors of every layer of DSR neurons on batches of images, in the order in which layers run.

    The network runs in evaluation mode, so every layer receives the spikes of the layers before it; the mode is
    restored afterwards. Returns [] for a network without DSR neurons.
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
    """Sums over all neurons and images of the quantities in `LayerErrors`."""

    def __init__(self) -> None:
        self.images = 0
        self.values = 0
        self.sums = torch.zeros(8, dtype=torch.float64)

    def add(self, batch: Split, outside: float) -> None:
        errors = batch.representation, batch.quantization, batch.deviation
        sums = [batch.mapping.sum(), *(e.abs().sum() for e in errors), *(e.sum() for e in errors)]
        self.images += len(batch.mapping)
        self.values += batch.mapping.numel()
        self.sums += torch.tensor([outside * batch.mapping.numel(), *(s.item() for s in sums)], dtype=torch.float64)

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
