"""Readout of DIET-SNN and hybrid training: output neurons that integrate and never fire."""

from __future__ import annotations

from torch import Tensor, nn


class Sum(nn.Module):
    """Outputs of all steps `(T*B, classes)` -> their sum over time `(B, classes)`."""

    def __init__(self, timesteps: int) -> None:
        super().__init__()
        self.timesteps = timesteps

    def weights(self) -> list[float]:
        """Return the weight of every step in the sum."""
        return [1.0] * self.timesteps

    def forward(self, x: Tensor) -> Tensor:
        return x.view(self.timesteps, -1, x.shape[1]).sum(0)


class Readout(nn.Module):
    """Pooled features `(T*B, features)` -> logits `(B, classes)`: the sum over time of the classifier's output.

    The sum is not divided by T, so cross-entropy sees logits T times those of a mean current. `bias`: whether the
    classifier has one; published networks have none. With `every_step`, a network in training mode gets the outputs of
    all steps, `(T, B, classes)`, each by itself.
    """

    every_step = False

    def __init__(self, features: int, classes: int, timesteps: int = 1, bias: bool = True) -> None:
        super().__init__()
        self.linear, self.total = nn.Linear(features, classes), Sum(timesteps)
        if not bias:  # drawn all the same, so that what is drawn next is what it is with one
            self.linear.register_parameter("bias", None)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        if self.every_step and self.training:
            return x.view(self.total.timesteps, -1, x.shape[1])
        logits: Tensor = self.total(x)
        return logits
