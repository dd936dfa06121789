"""Hybrid training: a network of spiking neurons starts from an ANN with ReLU in place of its neurons.

    V = q-quantile of the outputs of a layer's ReLU, zeros included     (times dt for LIF, whose ceiling is V / dt)

The clamp of the representation then cuts off a share 1 - q of the ANN's activations. The released code uses q = 0.999
and 720 images of the validation set; here the caller chooses the images.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dsr.neurons import Saturating

IMAGES_AT_ONCE = 144
VALUES = 1_000_000
"""Size of the random sample of a layer's activations, which is the same in every run."""


class ReLU(nn.ReLU):
    """The ANN's activation in place of a spiking neuron; `dsr.Readout` accepts it."""

    def rate(self) -> nn.Module:
        """Return the layer that reads its output, the identity."""
        return nn.Identity()


@torch.no_grad()
def set_thresholds(network: nn.Module, ann: nn.Module, images: Tensor, quantile: float = 0.999) -> None:
    """Set every neuron's threshold to a quantile of the outputs of the ReLU of its name on `images` `(B, C, H, W)`.

    If the quantile is 0, the threshold is the neuron's floor. `ann` runs in evaluation mode. Raises AttributeError if
    a neuron has no counterpart in `ann`.
    """
    neurons = {name: module for name, module in network.named_modules() if isinstance(module, Saturating)}
    batches = images.split(IMAGES_AT_ONCE)
    activations = _activations(ann, list(neurons), batches, VALUES // len(batches))
    for name, neuron in neurons.items():
        neuron.set_ceiling(torch.quantile(activations[name], quantile).to(neuron.threshold))


def _activations(ann: nn.Module, names: list[str], batches: tuple[Tensor, ...], each: int) -> dict[str, Tensor]:
    """Return a sample of the outputs of modules, up to `each` values per batch, flat."""
    samples: dict[str, list[Tensor]] = {name: [] for name in names}
    generator = torch.Generator().manual_seed(0)

    def keep(name: str, values: Tensor) -> None:
        if len(values) > each:  # at random, because every k-th value could always be in the same column
            values = values[torch.randint(len(values), (each,), generator=generator).to(values.device)]
        samples[name].append(values)

    hooks = [
        ann.get_submodule(name).register_forward_hook(lambda module, x, out, name=name: keep(name, out.flatten()))
        for name in names
    ]
    was_training = ann.training
    ann.eval()
    for images in batches:
        ann(images)
    ann.train(was_training)
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(values) for name, values in samples.items()}
