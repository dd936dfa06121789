"""The small network without norms of the golden files of DIET-SNN and hybrid training."""

from __future__ import annotations

from torch import Tensor, nn

from baselines import fine_tuned

LAYERS = {"features.0": "0", "features.3": "3", "features.6": "6", "classifier.0": "10", "classifier.3": "13.linear"}
"""Names in the released networks, and in ours."""
NEURONS = {"0": 1, "3": 4, "6": 7, "9": 11}


class Mask(nn.Module):
    """Dropout with a known mask, the same at every step; none where there is none."""

    def __init__(self, mask: Tensor | None) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, x: Tensor) -> Tensor:
        return x if self.mask is None else (x.unflatten(0, (-1, len(self.mask))) * self.mask).flatten(0, 1)


def small_network(golden: dict[str, Tensor], timesteps: int, **neuron) -> nn.Sequential:
    """The small VGG of both files, with the weights it has there."""

    def spiking() -> nn.Module:
        return fine_tuned.LIF(timesteps, **neuron)

    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        spiking(),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1, bias=False),
        spiking(),
        Mask(golden.get("mask/5")),
        nn.Conv2d(6, 6, 3, padding=1, bias=False),
        spiking(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 10, bias=False),
        spiking(),
        Mask(golden.get("mask/11")),
        fine_tuned.Readout(10, 5, timesteps, bias=False),
    )
    for theirs, ours in LAYERS.items():
        if f"before/{theirs}.weight" in golden:
            network.get_submodule(ours).weight.data.copy_(golden[f"before/{theirs}.weight"])
    return network
