"""Counts of spikes and nonzero values during forward passes, by layer, pixel and step. All are exact integers.

A network that counts its own spikes implements `CountsItself`; any other is counted with forward hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from benchmarks.operations.structure import INPUT, Structure

AT_ONCE = 2**17
"""Values counted together on a CPU, few enough to stay in its cache."""


@runtime_checkable
class CountsItself(Protocol):
    """A network that does not run its modules one by one and therefore reports its spikes itself."""

    def observed(self, observe: Callable[[str, Tensor], None]) -> AbstractContextManager[None]:
        """Inside the context, in evaluation mode, call `observe(name, counts)` for every layer of neurons.

        `counts` are spikes by step and pixel, `(T, H, W)` or `(T,)`, summed over images and channels. Hooks on pools in
        front of linear layers must be called, and hooks on linear layers fed by sums. All neurons must be spiking.
        """


@dataclass
class Tally:
    """Nonzero values of layers of neurons, pools and the "input", summed over `images` images.

    Of a gate that passes sums of spikes, the spikes; under the name of a layer fed by a sum, the nonzero values that
    enter it. `by_pixel`: `(H, W)` or `()`, summed over steps; `by_step`: `(T,)`, summed over pixels.
    """

    timesteps: int
    images: int = 0
    by_pixel: dict[str, Tensor] = field(default_factory=dict)
    by_step: dict[str, Tensor] = field(default_factory=dict)

    def add(self, name: str, counts: Tensor, step: int = 0) -> None:
        """Add counts of one layer by step and pixel, `(steps, H, W)` or `(steps,)`, which begin at `step` (from 0)."""
        total = counts.sum(0)
        self.by_pixel[name] = self.by_pixel[name] + total if name in self.by_pixel else total
        steps = self.by_step.setdefault(name, counts.new_zeros(self.timesteps))
        steps[step : step + len(counts)] += counts.reshape(len(counts), -1).sum(1)

    def total(self, name: str) -> int:
        """Return the number of nonzero values of a layer."""
        return int(self.by_pixel[name].sum())


@contextmanager
def tallying(network: nn.Module, structure: Structure, timesteps: int) -> Iterator[Tally]:
    """Count everything that passes through `network` (in evaluation mode) inside the context."""
    tally, batch = Tally(timesteps), _Batch()
    counted = {layer.pool for layer in structure.layers if layer.pool}
    with ExitStack() as stack:
        if isinstance(network, CountsItself):
            stack.enter_context(network.observed(tally.add))
        else:
            counted |= structure.neurons.keys() | structure.gates
        for name in counted:
            seen = _count(tally, batch, name, structure.heights.get(name))
            stack.callback(network.get_submodule(name).register_forward_hook(seen).remove)
        for layer in structure.layers:
            if layer.summed:
                entering = _count(tally, batch, layer.name, entering=True)
                stack.callback(network.get_submodule(layer.name).register_forward_hook(entering).remove)
        stack.callback(network.register_forward_pre_hook(_begin(tally, batch)).remove)
        yield tally


@dataclass
class _Batch:
    """The current batch: its images, and the steps that each layer has run (some networks run one step at a time)."""

    images: int = 0
    steps: dict[str, int] = field(default_factory=dict)


def _begin(tally: Tally, batch: _Batch) -> Any:
    def hook(module: nn.Module, inputs: tuple[Tensor]) -> None:
        (x,) = inputs
        batch.images, batch.steps = x.shape[1 if x.dim() == 5 else 0], {}
        tally.images += batch.images
        tally.add(INPUT, of_input(x))

    return hook


def of_input(x: Tensor) -> Tensor:
    """Count the nonzero values of images `(B, C, H, W)` or frames `(T, B, C, H, W)` by pixel, `(1, H, W)`."""
    return nonzero(x.flatten(0, 1) if x.dim() == 5 else x, 1)


def _count(tally: Tally, batch: _Batch, name: str, height: float | None = None, entering: bool = False) -> Any:
    """Count what a module puts out, or what enters it: nonzero values, or, with a `height`, spikes of that height."""

    def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        values = inputs[0] if entering else output
        steps, before = len(values) // batch.images, batch.steps.get(name, 0)
        tally.add(name, nonzero(values, steps) if height is None else summed(values, steps, height), before)
        batch.steps[name] = before + steps

    return hook


def nonzero(x: Tensor, steps: int) -> Tensor:
    """Count the nonzero values of `(steps*B, C, ...)` by step and pixel, `(steps, ...)`, int64."""
    pixels = x.shape[2:]
    rows = x.reshape(steps, -1, pixels.numel())
    at_once = max(1, AT_ONCE // pixels.numel()) if x.device.type == "cpu" else 2**24
    return torch.stack([_nonzero_by_column(step, at_once) for step in rows]).view(steps, *pixels)


def summed(x: Tensor, steps: int, height: float) -> Tensor:
    """Count the spikes that sums of them, `(steps*B, C, ...)`, consist of, by step and pixel, `(steps, ...)`, int64."""
    spikes = (x / height).abs().round().reshape(steps, -1, *x.shape[2:])
    return spikes.sum(1, dtype=torch.float64).long()


def _nonzero_by_column(rows: Tensor, at_once: int) -> Tensor:
    """Sum flags as floats: several times as fast as integers, and exact up to 2^24."""
    flags = torch.empty(min(at_once, len(rows)), rows.shape[1], dtype=torch.float32, device=rows.device)
    total = torch.zeros(rows.shape[1], dtype=torch.int64, device=rows.device)
    for some in rows.split(at_once):
        total += torch.ne(some, 0, out=flags[: len(some)]).sum(0).long()
    return total
