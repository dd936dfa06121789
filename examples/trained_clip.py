"""A conversion as a method of dsr-bench, with the ANN it starts from, in one file (after Ho & Chang, DAC 2021).

DSR_METHODS=examples/trained_clip.py dsr-bench check trained-clip
DSR_METHODS=examples/trained_clip.py dsr-bench sweep quick --methods trained-clip,threshold-balancing
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.method import Method
from benchmarks.methods import BUILT_IN
from benchmarks.spec import Recipe, Run


class Clip(nn.Module):
    """A ReLU with a trained ceiling, which becomes the threshold of the spiking neuron of the same name."""

    def __init__(self, timesteps: int, threshold: float = 4.0) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.minimum(x.relu(), self.threshold)


def converted(run: Run, usual: Recipe) -> Recipe:
    """No training of its own; membranes start at half the threshold."""
    return replace(usual, epochs=0, neuron={"start": 0.5}, sources="after Ho & Chang 2021")


METHODS = {
    "trained-clip-ann": Method("ANN with a trained clip, parent of trained-clip", Clip, timeless=True),
    # QCFS's conversion takes over weights and thresholds by name, and measures nothing
    "trained-clip": replace(
        BUILT_IN["qcfs"],
        title="Conversion of trained-clip-ann",
        parent="trained-clip-ann",
        recipe=converted,
        colour="#2F4F4F",
        marker="s",
    ),
}
