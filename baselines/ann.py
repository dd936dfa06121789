"""Readout of the conventional network (ANN) that spiking ones are compared with; its other parts are torch's."""

from __future__ import annotations

from torch import Tensor, nn


class Readout(nn.Module):
    """Pooled features `(T*B, features)` -> logits `(B, classes)`: mean over time of the classifier's output.

    With T = 1 these are an ANN's logits. With spiking features they are the mean output current, without an output
    neuron. With `every_step`, a network in training mode gets the outputs of all steps, `(T, B, classes)`.
    """

    every_step = False

    def __init__(self, features: int, classes: int, timesteps: int = 1) -> None:
        super().__init__()
        self.timesteps = timesteps
        self.linear = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        steps = x.view(self.timesteps, -1, x.shape[1])
        return steps if self.every_step and self.training else steps.mean(0)
