"""NeuNorm (Wu et al., AAAI 2019): a norm behind the spikes of a convolution's neurons. Its code was never released.

    m_t = k m_{t-1} + (1 - k) / F^2 sum_f s_{f,t}           one map for an image: a trace of what its F channels emit
    y_{f,t} = s_{f,t} - w m_t                               w is trained, one number a place, shared over the channels

This is SpikingJelly's reading of the paper, with the sharing over channels that its issue 14 finds in it, and with its
k = 0.9. What leaves is no spike: the layers behind multiply, and are counted so. m is at most 1 / F, so w has to grow
to the order of F before the norm does much.

[ours] w starts at 0, from where the network is STBP without a norm. Fully connected layers have no NeuNorm.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.checks import at_least


class NeuNorm(nn.Module):
    """Spikes `(T*B, F, H, W)` -> the spikes less a trace of all channels, same shape; `(T*B, F)` passes unchanged.

    `timesteps` T >= 1; `trace_decay` k in [0, 1). `weight` is `(1, H, W)`, and is made by `fit` before the first use.
    Raises ValueError for invalid values, and for maps of another size than the weight's.
    """

    weight: nn.Parameter | None

    def __init__(self, timesteps: int, trace_decay: float = 0.9) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps)
        if not 0 <= trace_decay < 1:
            raise ValueError(f"trace_decay must be in [0, 1), not {trace_decay}")
        self.timesteps, self.trace_decay = timesteps, trace_decay
        self.register_parameter("weight", None)

    def forward(self, spikes: Tensor) -> Tensor:
        if spikes.dim() == 2:
            return spikes
        if self.weight is None or self.weight.shape[1:] != spikes.shape[2:]:
            known = "no weight yet" if self.weight is None else f"a weight for maps of {tuple(self.weight.shape[1:])}"
            raise ValueError(f"NeuNorm has {known}, and the maps are {tuple(spikes.shape[2:])}")
        return spikes - self.weight * self.trace(spikes)

    def trace(self, spikes: Tensor) -> Tensor:
        """Return m, `(T*B, 1, H, W)`, of spikes `(T*B, F, H, W)`."""
        summed = spikes.sum(1, keepdim=True).unflatten(0, (self.timesteps, -1))
        traces = [(1.0 - self.trace_decay) / spikes.shape[1] ** 2 * summed[0]]
        for one in summed[1:]:
            traces.append(self.trace_decay * traces[-1] + (1.0 - self.trace_decay) / spikes.shape[1] ** 2 * one)
        return torch.cat(traces)

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, trace_decay={self.trace_decay}"


@torch.no_grad()
def fit(network: nn.Module, images: Tensor) -> nn.Module:
    """Give every NeuNorm of a network a weight of zeros, as large as its maps are for `images`. Returns the network."""

    def made(module: NeuNorm, inputs: tuple[Tensor]) -> None:
        (spikes,) = inputs
        if spikes.dim() == 4:
            module.weight = nn.Parameter(spikes.new_zeros(1, *spikes.shape[2:]))

    norms = [module for module in network.modules() if isinstance(module, NeuNorm)]
    hooks = [norm.register_forward_pre_hook(made) for norm in norms]  # type: ignore[arg-type]
    was_training = network.training
    network.eval()(images)
    network.train(was_training)
    for hook in hooks:
        hook.remove()
    return network
