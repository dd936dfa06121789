"""SlipReLU (Jiang et al., ICML 2023): a share of a clip and the rest of QCFS's staircase; the ANN is then converted.

    h(x) = a theta clamp(x / theta, 0, 1) + (1 - a) theta clamp( floor( L x / theta + 1/2 ) / L, 0, 1 )

with a trained theta, a straight-through floor and a fixed share a in [0, 1]; a = 0 is QCFS, floor then clamp
(`baselines.qcfs`), a = 1 a clip with a trained ceiling. Each part has its own gradients. Conversion is QCFS's: an IF
neuron that starts at theta / 2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.checks import at_least, fraction, positive
from baselines.qcfs import staircase


class Activation(nn.Module):
    """SlipReLU with a trained threshold (Jiang et al. 2023; shifts 0 and 1/2, as released).

    `slope` a in [0, 1]; `levels` L >= 1; `threshold` > 0 is the initial theta. Any shape in, same shape out. Raises
    ValueError for other values.
    """

    def __init__(self, slope: float = 0.5, levels: int = 4, threshold: float = 8.0) -> None:
        super().__init__()
        at_least(1, levels=levels)
        positive(threshold=threshold)
        fraction(slope=slope)
        self.slope, self.levels = slope, levels
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))

    def forward(self, x: Tensor) -> Tensor:
        clipped = (x / self.threshold).clamp(0.0, 1.0) * self.threshold
        return torch.lerp(staircase(x, self.threshold, self.levels, "floor-clamp"), clipped, self.slope)

    def extra_repr(self) -> str:
        return f"slope={self.slope}, levels={self.levels}, threshold={self.threshold.item():.4g}"
