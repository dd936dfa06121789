"""Methods by name, and what the harness asks of one: its parts at T steps, its gradients, its kernels.

A method has an entry in `benchmarks.substitutes`, which says what it puts into a network, and one of the same name in
`benchmarks.catalogue`, which states its recipe, its parent and how it looks; it is then within every sweep's reach and
under every test. A method from outside (`plugins.py`) states both in one `Method`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn

import baselines.conversion
import baselines.stbp
import dsr
import dsr.engine
import dsr.precision
from benchmarks import catalogue, substitutes
from benchmarks.method import Method
from benchmarks.networks.parts import Parts, Projection, Readout
from benchmarks.spec import OF_EVERY_STEP, BadInput, Recipe, require, variant
from benchmarks.training.backward import Backward, lowering

BUILT_IN: Mapping[str, Method] = {
    name: Method(**vars(facts), **vars(substitutes.METHODS[name])) for name, facts in catalogue.BUILT_IN.items()
}


class _Methods(Mapping[str, Method]):
    """The built-in methods, then those from outside: these may import this module, so they are loaded when needed."""

    def __getitem__(self, name: str) -> Method:
        return BUILT_IN[name] if name in BUILT_IN else catalogue.from_outside()[name].method

    def __iter__(self) -> Iterator[str]:
        yield from BUILT_IN
        yield from catalogue.from_outside()

    def __len__(self) -> int:
        return len(BUILT_IN) + len(catalogue.from_outside())


METHODS: Mapping[str, Method] = _Methods()


def named(method: str) -> Method:
    """A method, or the method that a variant varies. Raises BadInput for an unknown name."""
    return METHODS[require(variant(method)[0], METHODS, "method")]


def parts(method: str, timesteps: int, recipe: Recipe) -> Parts:
    """A method's parts at T steps with the recipe's parameters."""
    chosen = named(method)
    neuron = partial(chosen.neuron, timesteps, **recipe.neuron)
    at_once = 1 if chosen.streams else catalogue.passes(method, timesteps)
    return Parts(
        at_once,
        neuron,
        chosen.norm(recipe.norm, at_once),
        _reading(chosen.readout(neuron, at_once), recipe),
        chosen.pool(neuron),
        chosen.dropout(at_once),
        partial(chosen.coding, at_once) if chosen.coding else None,
    )


def _reading(readout: Readout, recipe: Recipe) -> Readout:
    """A head that gives the output of every step in training, if the recipe's loss needs it. Raises BadInput."""
    if recipe.loss not in OF_EVERY_STEP:
        return readout

    def make(features: int, classes: int, reencode: bool = True) -> nn.Module:
        head = readout(features, classes, reencode)
        if not hasattr(head, "every_step"):
            raise BadInput(f"loss {recipe.loss} needs the output of every step, and {type(head).__name__} has only one")
        head.every_step = True  # type: ignore[assignment]
        return head

    return make


def backward(method: str, recipe: Recipe) -> Backward:
    """What a method lowers, and how it finds the gradients."""
    chosen = named(method)
    return lowering(recipe, chosen.loss, chosen.gradients)


class _RoundingProjection(dsr.precision.Conv2d, Projection):
    """A projection that rounds its operands in training mode."""


def with_precision(network: nn.Module, recipe: Recipe) -> nn.Module:
    """Let a network's convolutions and fully connected layers round what they multiply, if the recipe says so.

    A method that keeps such layers in a class of its own raises BadInput.
    """
    if recipe.precision == "float32":
        return network
    try:
        return rounding(network)
    except TypeError as error:
        raise BadInput(f"precision {recipe.precision}: {error}") from error


def rounding(network: nn.Module) -> nn.Module:
    """Let a network of plain layers round what they multiply in training mode."""
    return dsr.precision.round_operands(network, {Projection: _RoundingProjection})


def bfloat16_in_hardware(device: torch.device) -> bool:
    """Whether `device` multiplies bfloat16 operands in hardware. Raises BadInput for an unknown `DSR_BFLOAT16`."""
    try:
        return dsr.precision.in_hardware(device)
    except ValueError as error:
        raise BadInput(str(error)) from error


def kernels_for() -> str:
    """The instruction set that DSR's compiled kernels use on this machine."""
    return dsr.engine.kernels.instruction_set()


def kernels_missing() -> str:
    """Why DSR's compiled kernels cannot be used on this machine; empty if they can."""
    return dsr.engine.kernels.reason()


def kernels_of(network: nn.Module, example: Tensor) -> str:
    """What simulates the neurons of a network in evaluation mode on inputs like `example`: compiled, Triton or torch.

    A method with neurons of its own is assumed to run in torch.
    """
    if isinstance(network, dsr.engine.graph.EngineNetwork):
        fast = dsr.dynamics.is_fused(example) if example.is_cuda else network.is_packed(example)
    elif isinstance(network, baselines.conversion.Converted):
        fast = network.program(example) is not None
    else:
        neurons = [module for module in network.modules() if isinstance(module, baselines.stbp.LIF)]
        fast = any(baselines.stbp.kernels_for(example, neuron.compiled) for neuron in neurons)
    compiled = f"compiled ({kernels_for()})" if kernels_for() else "compiled"
    return "torch" if not fast else "Triton" if example.is_cuda else compiled
