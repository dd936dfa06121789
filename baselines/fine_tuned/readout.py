"""Readout of DIET-SNN and hybrid training: output neurons that integrate and never fire."""

from __future__ import annotations

from torch import Tensor

import baselines.ann


class Readout(baselines.ann.Readout):
    """Pooled features `(T*B, features)` -> logits `(B, classes)`: the sum over time of the classifier's output.

    The sum is not divided by T, so cross-entropy sees logits T times those of a mean current. `bias`: whether the
    classifier has one; published networks have none. With `every_step`, a network in training mode gets the outputs of
    all steps, `(T, B, classes)`, each by itself.
    """

    def __init__(self, features: int, classes: int, timesteps: int = 1, bias: bool = True) -> None:
        super().__init__(features, classes, timesteps)
        if not bias:
            self.linear.register_parameter("bias", None)

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)
        return x if self.every_step and self.training else x * self.timesteps
