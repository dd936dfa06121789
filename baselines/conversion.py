"""The spiking side of ANN-to-SNN conversion, shared by its variants.

    v_t = v_{t-1} + x_t + shift theta / T + c,   s_t = [v_t >= theta],   v_t <- v_t - theta s_t,   emits theta s_t

v_0 = start theta. With a constant current x and c = 0 the rate after T steps is

    (theta / T) clip( floor(T x / theta + start + shift), 0, T )

so `start` = 1/2 (Bu et al. 2022) and `shift` = 1/2 (Deng & Gu 2021) both round, the first at once, the second by the
end. c is a constant current per channel, which bias correction sets (Li et al. 2021).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn


class IF(nn.Module):
    """Integrate-and-fire neuron with soft reset, for inference only, one step at a time.

    `timesteps` T >= 1 is the length of a run; `threshold` theta; `start` and `shift` are shares of theta. The membrane
    is kept from step to step until `reset()`. `(B, ...) -> (B, ...)`, values 0 or theta. Raises ValueError for T < 1.
    """

    threshold: Tensor
    correction: Tensor

    def __init__(self, timesteps: int, threshold: float = 1.0, start: float = 0.0, shift: float = 0.0) -> None:
        super().__init__()
        if timesteps < 1:
            raise ValueError(f"timesteps must be at least 1, not {timesteps}")
        self.timesteps, self.start, self.shift = timesteps, start, shift
        self.register_buffer("threshold", torch.tensor(float(threshold)))
        self.register_buffer("correction", torch.zeros(1))
        self.membrane: Tensor | None = None

    def spike_amplitude(self) -> float:
        """Height of an emitted spike; the next layer's weights absorb it."""
        return self.threshold.item()

    def reset(self) -> None:
        """Begin a new run."""
        self.membrane = None

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        theta = self.threshold
        constant = (self.correction + self.shift * theta / self.timesteps).view(-1, *[1] * (x.dim() - 2))
        held = torch.full_like(x, self.start) * theta if self.membrane is None else self.membrane
        held = held.add_(x).add_(constant)
        emitted = (held >= theta).to(x.dtype).mul_(theta)
        self.membrane = held.sub_(emitted)
        return emitted

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, start={self.start}, shift={self.shift}"

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """A correction has as many values as the calibrated network's layer has channels."""
        stored = state_dict.get(prefix + "correction")
        if stored is not None:
            self.correction = self.correction.new_zeros(stored.shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)


class Converted(nn.Module):
    """A network of IF neurons, simulated step by step; logits are their mean over the steps.

    `network` maps one step, `(B, C, H, W)`, to that step's logits `(B, classes)`. Memory does not grow with T.
    Parameters, buffers and their names are the network's.
    """

    steps_at_once = 1

    def __init__(self, network: nn.Module, timesteps: int) -> None:
        super().__init__()
        for name, child in network.named_children():
            self.add_module(name, child)
        self.timesteps = timesteps
        # hidden in a tuple: registered, every parameter would have two names
        self._hidden = (network,)

    def forward(self, x: Tensor) -> Tensor:
        """Images `(B, C, H, W)` or frames `(T, B, C, H, W)` -> logits `(B, classes)`."""
        if isinstance(x, fx.Proxy):
            logits: Tensor = self._hidden[0].forward(x)
            return logits
        for mean in self.trajectory(x):
            logits = mean
        return logits

    def trajectory(self, x: Tensor) -> Iterator[Tensor]:
        """After each of the T steps, the logits of a run that ends there (if no parameter depends on T)."""
        (network,) = self._hidden
        for module in network.modules():
            if isinstance(module, IF):
                module.reset()
        total: Tensor | None = None
        for step in range(self.timesteps):
            logits = network(x[step] if x.dim() == 5 else x)
            total = logits if total is None else total + logits
            yield total / (step + 1)


def neurons(network: nn.Module) -> dict[str, IF]:
    """The spiking neurons by name."""
    return {name: module for name, module in network.named_modules() if isinstance(module, IF)}
