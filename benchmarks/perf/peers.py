"""Other projects' implementations ("peers") in our network, timed together with ours. Missing packages are skipped."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from torch import Tensor, nn

import baselines.ann
from benchmarks.networks.parts import Parts

DECAY, THRESHOLD, WIDTH = 0.25, 0.5, 1.0


def has_spikingjelly() -> bool:
    return find_spec("spikingjelly") is not None


class SpikingJellyLIF(nn.Module):
    """SpikingJelly's multi-step LIF in torch, with STBP's decay and rectangular surrogate gradient.

    Its state is reset before each batch.
    """

    def __init__(self, timesteps: int) -> None:
        super().__init__()
        from spikingjelly.activation_based import neuron, surrogate

        self.timesteps = timesteps
        self.neuron: Any = neuron.LIFNode(
            tau=1.0 / (1.0 - DECAY),
            decay_input=False,
            v_threshold=THRESHOLD,
            v_reset=0.0,
            surrogate_function=surrogate.Rect(alpha=1.0 / WIDTH),
            detach_reset=False,
            step_mode="m",
        )

    def spike_amplitude(self) -> float:
        return 1.0

    def forward(self, x: Tensor) -> Tensor:
        self.neuron.reset()
        spikes: Tensor = self.neuron(x.view(self.timesteps, -1, *x.shape[1:]))
        return spikes.flatten(0, 1)


class SpikingJellyNorm(nn.Module):
    """SpikingJelly's tdBN, which takes `(T, B, ...)`."""

    def __init__(self, timesteps: int, features: int, branches: int) -> None:
        super().__init__()
        self.timesteps = timesteps
        from spikingjelly.activation_based import layer

        self.norm = layer.ThresholdDependentBatchNorm2d(branches**-0.5, THRESHOLD, features)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(x.view(self.timesteps, -1, *x.shape[1:]))
        return normed.flatten(0, 1)


def spikingjelly_parts(timesteps: int) -> Parts:
    """Return the parts of STBP-tdBN, neurons and norms by SpikingJelly."""
    return Parts(
        timesteps,
        lambda: SpikingJellyLIF(timesteps),
        lambda features, branches=1: SpikingJellyNorm(timesteps, features, branches),
        lambda features, classes, reencode=True: baselines.ann.Readout(features, classes, timesteps),
    )
