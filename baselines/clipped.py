"""The threshold ReLU of Deng & Gu (ICLR 2021): activations are bounded, as the rate of an IF neuron is.

    f(x) = clamp(x, 0, clip)        gradient 1 on the closed interval [0, clip], 0 outside; `clip` is fixed

After conversion a neuron's threshold is the largest activation of its layer, which is at most `clip`
(`baselines.calibration`), and half a threshold of current is spread over the run (`baselines.conversion.IF`, `shift`).
"""

from __future__ import annotations

from torch import Tensor, nn

from baselines.checks import positive


class ClippedReLU(nn.Module):
    """ReLU bounded by `clip` > 0. Any shape in, same shape out; no parameters. Raises ValueError for clip <= 0."""

    def __init__(self, clip: float = 1.0) -> None:
        super().__init__()
        positive(clip=clip)
        self.clip = float(clip)

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(0.0, self.clip)

    def extra_repr(self) -> str:
        return f"clip={self.clip:g}"
