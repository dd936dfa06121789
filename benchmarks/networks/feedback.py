"""A convolutional network whose last layer feeds back into its first (Xiao et al., NeurIPS 2021: CIFARNet-F).

    neuron_1(norm(conv image) + W s_N(t-1)),   neuron_i(norm(conv s_{i-1}(t))),   classifier of s_N

W is a transposed convolution without bias or norm. At step t the first layer needs what the last one emitted at step
t - 1, so no layer can run all steps at once: only a method with `Facts.feedback` runs such a network, step by step.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.networks.parts import FedBack, Parts

KERNEL = 3


class Layer(nn.Module):
    """A convolution and its neurons; dropout acts on currents."""

    def __init__(self, parts: Parts, inputs: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, KERNEL, stride, padding=1)
        self.norm = parts.norm(outputs)
        self.dropout = parts.dropout(dropout)
        self.neuron = parts.neuron()

    def current(self, spikes: Tensor) -> Tensor:
        """Spikes, or rates, of the layer before -> currents."""
        current: Tensor = self.dropout(self.norm(self.conv(spikes)))
        return current

    def forward(self, spikes: Tensor) -> Tensor:
        emitted: Tensor = self.neuron(self.current(spikes))
        return emitted


class FeedbackNet(nn.Module):
    """`widths` and `strides` layer by layer; all strides but the first multiply to 1 or 2, that of the feedback.

    `pooled`: the edge of the map that the classifier reads; a map of that edge is read as it is.
    """

    def __init__(
        self,
        parts: Parts,
        widths: tuple[int, ...],
        strides: tuple[int, ...],
        classes: int,
        in_channels: int = 3,
        dropout: float = 0.0,
        pooled: int = 8,
    ) -> None:
        super().__init__()
        self.stem = parts.first(nn.Conv2d(in_channels, widths[0], KERNEL, strides[0], padding=1))
        self.norm, self.dropout, self.neuron = parts.norm(widths[0]), parts.dropout(dropout), parts.neuron()
        sizes = zip(pairwise(widths), strides[1:], strict=True)
        self.layers = nn.ModuleList(Layer(parts, *ends, stride, dropout) for ends, stride in sizes)
        self.loop = FedBack()
        self.feedback = nn.ConvTranspose2d(widths[-1], widths[0], KERNEL, max(strides[1:]), padding=1, bias=False)
        self.feedback_dropout = parts.dropout(dropout)
        self.pool = nn.AdaptiveAvgPool2d(pooled)
        self.readout = parts.readout(widths[-1] * pooled**2, classes, reencode=False)
        _initialise(self)

    def fed_back(self, spikes: Tensor, like: Tensor) -> Tensor:
        """Spikes, or rates, of the last layer -> what they add to the first one's current, of the shape of `like`."""
        current: Tensor = self.feedback_dropout(self.feedback(self.loop(spikes), output_size=like.shape[-2:]))
        return current

    def read(self, spikes: Tensor) -> Tensor:
        """Spikes, or rates, of the last layer -> logits."""
        logits: Tensor = self.readout(self.pool(spikes).flatten(1))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """The first step: nothing has been fed back yet, and what this step feeds back has no reader.

        It visits every layer once, which is how operations are counted; a method's wrapper runs all steps.
        """
        current = self.norm(self.stem(x))
        spikes = self.neuron(self.dropout(current))
        for layer in self.layers:
            spikes = layer(spikes)
        self.fed_back(spikes, current)
        return self.read(spikes)


def _initialise(network: nn.Module) -> None:
    """Weights of unit norm per output channel and zero biases, as released; the classifier starts as torch does."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.uniform_(module.weight, -1.0, 1.0)
            outputs = 1 if isinstance(module, nn.ConvTranspose2d) else 0
            others = [axis for axis in range(4) if axis != outputs]
            module.weight.data /= torch.linalg.vector_norm(module.weight.data, dim=others, keepdim=True)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
