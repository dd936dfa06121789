"""First thresholds of a network that has an ANN's weights, from the currents of the spiking network itself.

    V = factor  max_t  (the value that a `share` of the layer's currents at step t do not exceed)

Layers are measured one after the other in the order in which they run, without a leak; those before already spike, with
thresholds that no factor has scaled yet. The maximum starts at 0. Released code: share 0.997 and factor 0.2 or 0.3
(DIET-SNN, 100 steps), share 1, "Spike-Norm", and factor 0.7 (hybrid training, 1000 steps), 512 augmented images.

[ours] Networks with norms, which the released ones lack. A norm takes the statistics of the images at hand, as it will
in training: spikes are 0 or 1, so currents are not those that the ANN's running statistics are of. And a threshold is
scaled before the layers behind are measured: a norm divides by the spread of its currents, so that sparse spikes make
rare large values of them, and thresholds that rise with depth until the last layers are silent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn

from baselines.checks import fraction
from baselines.fine_tuned.neuron import LIF

NORMS = (nn.modules.batchnorm._BatchNorm,)
ROWS = 1_600
"""Images times steps that run at once: a map of 64 channels and 32 x 32 pixels takes 420 MB then."""


@torch.no_grad()
def set_thresholds(network: nn.Module, images: Tensor, share: float, timesteps: int, factor: float = 1.0) -> None:
    """Set the threshold of every neuron from images `(B, C, H, W)` that are shown for `timesteps` steps.

    Frames `(T, B, C, H, W)` are shown over and over. A layer without positive currents keeps its threshold. Afterwards
    leaks, modes and lengths of runs are as before. Images that are too many to run at once run again for every layer.
    Raises ValueError for a share outside (0, 1], and RuntimeError for neurons that images do not reach.
    """
    fraction(zero=False, share=share)
    axis = images.dim() - 4
    groups = images.split(max(1, ROWS // timesteps), axis)
    neurons = [module for module in network.modules() if isinstance(module, LIF)]
    with_norms = any(isinstance(module, NORMS) for module in network.modules())
    search = _Search(neurons, share, timesteps, images.shape[axis], len(groups), factor if with_norms else 1.0)
    with _measuring(network, timesteps), ExitStack() as hooks:
        for neuron in neurons:
            hooks.callback(neuron.register_forward_pre_hook(search.see).remove)
        while search.waiting:
            left = len(search.waiting)
            for group in groups:
                with suppress(_Enough):
                    network(_shown(group, timesteps))
            if len(search.waiting) == left:
                raise RuntimeError(f"images do not reach {left} layers of neurons")
    for neuron in search.measured if not with_norms else ():
        neuron.threshold.mul_(factor)


def _shown(images: Tensor, timesteps: int) -> Tensor:
    return images if images.dim() == 4 else images[torch.arange(timesteps, device=images.device) % len(images)]


class _Enough(Exception):
    pass


class _Search:
    """Sets thresholds of `neurons` in the order in which they run, each from the currents of all `groups` of images."""

    def __init__(
        self, neurons: list[LIF], share: float, timesteps: int, images: int, groups: int, factor: float
    ) -> None:
        self.waiting, self.measured = set(neurons), list[LIF]()
        self.share, self.timesteps, self.factor = share, timesteps, factor
        self.images, self.groups = images, groups
        self.largest, self.seen = torch.empty(0), 0

    def see(self, neuron: Any, inputs: tuple[Tensor]) -> None:
        """Take the currents of a group, before the neuron runs. A pass ends at the first neuron that waits for others.

        The k-th smallest of n currents, k = 1 + round(share (n - 1)), is the smallest of the n - k + 1 largest.
        """
        if neuron not in self.waiting:
            return
        count = inputs[0][0].numel() * self.images
        kept = count - round(self.share * (count - 1))
        currents = inputs[0].reshape(self.timesteps, -1)
        both = torch.cat([self.largest, currents], 1) if self.seen else currents
        self.largest = both.topk(min(kept, both.shape[1]), 1).values
        self.seen += 1
        if self.seen == self.groups:
            self._settle(neuron)
        if self.groups > 1:
            raise _Enough

    def _settle(self, neuron: LIF) -> None:
        threshold = self.largest.amin(1).amax()
        if threshold > 0:
            neuron.threshold.fill_(threshold * self.factor)
            self.measured.append(neuron)
        self.waiting.remove(neuron)
        self.seen = 0


@contextmanager
def _measuring(network: nn.Module, timesteps: int) -> Iterator[None]:
    """Let the network run for so many steps, without leaks; norms use the batch's statistics and keep none."""
    modules = list(network.modules())
    kept: list[tuple[Any, str, Any]] = [(module, "training", module.training) for module in modules]
    kept += [(module, "timesteps", module.timesteps) for module in modules if hasattr(module, "timesteps")]
    norms = [module for module in modules if isinstance(module, NORMS)]
    kept += [(norm, "track_running_stats", norm.track_running_stats) for norm in norms]
    leaks = [(module.leak, module.leak.clone()) for module in modules if isinstance(module, LIF)]
    network.eval()
    for module, name, _ in kept:
        if name == "timesteps":
            module.timesteps = timesteps
    for norm in norms:
        norm.training, norm.track_running_stats = True, False
    for leak, _ in leaks:
        leak.fill_(1.0)
    try:
        yield
    finally:
        for module, name, value in kept:
            setattr(module, name, value)
        for leak, before in leaks:
            leak.copy_(before)
