"""STBP-tdBN's norm (Zheng et al., AAAI 2021): a batch norm with statistics over time, scaled by the threshold.

y = gamma alpha V (x - mean) / sqrt(var + eps) + beta             statistics over time, batch and space
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ThresholdBatchNorm2d(nn.BatchNorm2d):
    """Threshold-dependent batch norm: its output initially has standard deviation alpha V.

    `(T*B, C, H, W)` -> same shape. Time is folded into the batch, so the statistics are over (T, B, H, W), as in tdBN.
    `alpha` is 1 / sqrt(n) if n branches are added. alpha V is a constant factor, not part of the trained weight.
    """

    def __init__(self, features: int, threshold: float = 0.5, alpha: float = 1.0) -> None:
        super().__init__(features)
        self.scale = alpha * threshold

    def forward(self, x: Tensor) -> Tensor:
        self._check_input_dim(x)
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        weight = self.weight * self.scale
        return F.batch_norm(
            x, self.running_mean, self.running_var, weight, self.bias, self.training, self.momentum or 0.0, self.eps
        )


@torch.no_grad()
def fold(layer: nn.Conv2d, norm: ThresholdBatchNorm2d) -> nn.Conv2d:
    """Fold a norm in evaluation mode into the convolution before it, for inference.

    W' = gamma alpha V W / sqrt(var + eps),   b' = gamma alpha V (b - mean) / sqrt(var + eps) + beta
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight * norm.scale * torch.rsqrt(norm.running_var + norm.eps)
    folded = copy.deepcopy(layer)
    shift = -norm.running_mean if layer.bias is None else layer.bias - norm.running_mean
    folded.weight = nn.Parameter(layer.weight * factor.view(-1, 1, 1, 1))
    folded.bias = nn.Parameter(factor * shift + norm.bias)
    return folded
