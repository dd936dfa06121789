"""SRP (Hao et al., AAAI 2023): a conversion in which neurons that should not have fired fall silent.

    steps 1 to tau    v_0 = theta / 2, as QCFS's conversion (`baselines.conversion.IF`, `start` = 1/2)
    mask              g = [v_tau > margin theta]
    steps tau + 1 to T    v starts again at theta / 2; a neuron emits theta s_t g, and goes on integrating and resetting

A neuron whose ANN activation is 0 may fire all the same, because spikes reach it unevenly. What is left of its membrane
after tau steps tells: it is not positive. The paper's margin is 0, its released code has 0.001. The network's output is
read from step tau + 1 on. The tau steps before are simulated as well, so T counts them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from baselines import conversion
from baselines.checks import at_least
from baselines.events import Presimulation


class IF(conversion.IF):
    """Integrate-and-fire neuron that may fall silent after `presimulation` steps, for inference only.

    `timesteps` T >= 1 counts these steps, tau >= 1; in a shorter run nothing falls silent. `margin` >= 0 is in units of
    theta. All else is as in `baselines.conversion.IF`. Raises ValueError for other values.
    """

    def __init__(
        self,
        timesteps: int,
        threshold: float = 1.0,
        start: float = 0.5,
        presimulation: int = 4,
        margin: float = 0.0,
    ) -> None:
        super().__init__(timesteps, threshold, start)
        if presimulation != int(presimulation) or presimulation < 1:
            raise ValueError(f"presimulation must be a whole number of at least 1, not {presimulation}")
        at_least(0, margin=margin)
        self.first = Presimulation(int(presimulation), margin)
        self.steps = 0
        self.silent: Tensor | None = None

    def reset(self) -> None:
        """Start a new run."""
        super().reset()
        self.steps, self.silent = 0, None

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        if self.steps == self.first.steps and self.membrane is not None:
            self.silent = self.membrane <= self.first.margin * self.threshold
            self.membrane = None
        self.steps += 1
        emitted = super().forward(x)
        return emitted if self.silent is None else emitted.masked_fill_(self.silent, 0.0)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, presimulation={self.first.steps}, margin={self.first.margin}"
