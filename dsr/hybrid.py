"""Hybrid training: a network of spiking neurons starts from an ANN that has ReLU at the places of its neurons.

    V = q-quantile of what a layer's ReLU emits, zeros included      (times dt for LIF: its ceiling is V / dt)

so that a clamp of the representation cuts off a share 1 - q of the ANN's activations. q = 0.999 in the released code,
which measures 720 images of the validation set; here the caller chooses the images.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dsr.neurons import Neuron

IMAGES_AT_ONCE = 144
VALUES = 1_000_000
"""Of more activations of a layer that many are drawn, always the same ones."""


class ReLU(nn.ReLU):
    """What the ANN has where the spiking network has a neuron; it can end a `dsr.Readout`."""

    def rate(self) -> nn.Module:
        """What reads its output: nothing has to be done."""
        return nn.Identity()


@torch.no_grad()
def set_thresholds(network: nn.Module, ann: nn.Module, images: Tensor, quantile: float = 0.999) -> None:
    """Every neuron's threshold is a quantile of what the ReLU of its name emits on `images` `(B, C, H, W)`.

    A layer that is silent up to the quantile gets its neurons' floor. Raises AttributeError where a neuron has no
    counterpart in `ann`, which is run in evaluation mode.
    """
    neurons = {name: module for name, module in network.named_modules() if isinstance(module, Neuron)}
    batches = images.split(IMAGES_AT_ONCE)
    found = _activations(ann, list(neurons), batches, VALUES // len(batches))
    for name, neuron in neurons.items():
        neuron.set_ceiling(torch.quantile(found[name], quantile).to(neuron.threshold))


def _activations(ann: nn.Module, names: list[str], batches: tuple[Tensor, ...], each: int) -> dict[str, Tensor]:
    """Up to `each` values per batch of what modules emit, flat."""
    seen: dict[str, list[Tensor]] = {name: [] for name in names}
    generator = torch.Generator().manual_seed(0)

    def keep(name: str, values: Tensor) -> None:
        if len(values) > each:  # drawn, not every k-th: those would be always the same columns
            values = values[torch.randint(len(values), (each,), generator=generator).to(values.device)]
        seen[name].append(values)

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
    return {name: torch.cat(values) for name, values in seen.items()}
