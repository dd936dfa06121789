"""A network that is run in another way than module by module, and is itself in every other respect."""

from __future__ import annotations

from torch import nn


class Wrapped(nn.Module):
    """Has the children of `network`, so that parameters, buffers and their names are the network's."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        for name, child in network.named_children():
            self.add_module(name, child)
        # hidden in a tuple, because a registered network would give every parameter a second name
        self._hidden = (network,)
