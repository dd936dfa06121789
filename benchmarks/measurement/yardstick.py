"""How fast a core of this machine is: core-seconds of two machines, or of two hours of one, compare only where it is.

Virtual machines of one name differ by more than half in what a core does in a second.
"""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn

IMAGES, CHANNELS, SIZE = 128, 64, 8
REPEATS = 5
SHORT = 10.0
"""Seconds of an epoch that is too short to be worth the measurement."""
OPERATIONS = 3 * 2 * IMAGES * CHANNELS * CHANNELS * 9 * SIZE * SIZE
"""Of one repeat: forward, and backward to the input and to the weights."""


def core_gflops(device: torch.device) -> float | None:
    """Return the 10^9 operations per core-second of a float32 3 x 3 convolution's training step; None on a GPU.

    It takes about 0.1 core-seconds, draws no random number, and is the median of `REPEATS` after one more to warm up.
    """
    if device.type != "cpu":
        return None
    layer = nn.utils.skip_init(nn.Conv2d, CHANNELS, CHANNELS, 3, padding=1, bias=False)
    nn.init.ones_(layer.weight)
    layer.to(memory_format=torch.channels_last)
    images = torch.ones(IMAGES, CHANNELS, SIZE, SIZE).to(memory_format=torch.channels_last).requires_grad_()
    spent = []
    with torch.enable_grad():
        for _ in range(REPEATS + 1):
            start = time.process_time()
            layer(images).sum().backward()
            spent.append(time.process_time() - start)
    return OPERATIONS / statistics.median(spent[1:]) / 1e9
