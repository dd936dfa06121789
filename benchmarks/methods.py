"""The comparison on one page: what each method puts in place of ReLU, batch norm and the head.

With `method.py` the only module that imports `dsr` and `baselines`, but for `perf/` and `quantization/`, which measure
their parts. A new method is one entry here and one of the same name in `benchmarks.catalogue`, which states its recipe,
its parent and how it looks; it is then within every sweep's reach and under every test. A method from outside
(`plugins.py`) states both in one `Method`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import baselines.ann
import baselines.calibration
import baselines.clipped
import baselines.conversion
import baselines.events
import baselines.fused
import baselines.qcfs
import baselines.stbp
import baselines.stbp.normed
import baselines.stbp.tdbn
import dsr
import dsr.engine.bits
import dsr.precision
from benchmarks import catalogue
from benchmarks.method import (
    HandOver,
    MakeNeuron,
    MakeReadout,
    Method,
    Substitutes,
    Wrap,
    mean_current,
    parents_weights,
)
from benchmarks.networks.parts import DirectCoding, Norm, Parts, Projection, Readout
from benchmarks.spec import BadInput, Recipe, require, variant


def _threshold_norm(parameters: Mapping[str, float]) -> Norm:
    """tdBN: alpha = 1 / sqrt(n) where n branches are added."""
    return lambda features, branches=1: baselines.stbp.tdbn.ThresholdBatchNorm2d(
        features, alpha=branches**-0.5, **parameters
    )


def _mean_spikes(neuron: Callable[[], nn.Module], timesteps: int) -> Readout:
    return lambda features, classes, reencode=True: baselines.stbp.SpikeReadout(features, classes, neuron, timesteps)


def _representation(neuron: Callable[[], Any], timesteps: int) -> Readout:
    return lambda features, classes, reencode=True: dsr.Readout(features, classes, neuron, reencode)


def _relu(timesteps: int) -> nn.Module:
    return nn.ReLU()


def _relu_with_rate(timesteps: int) -> nn.Module:
    return dsr.ReLU()


def _qcfs(
    timesteps: int, levels: int = 4, threshold: float = 8.0, order: baselines.qcfs.Order = "clamp-floor"
) -> nn.Module:
    return baselines.qcfs.Activation(levels, threshold, order)


def _clipped(timesteps: int, clip: float = 1.0) -> nn.Module:
    return baselines.clipped.ClippedReLU(clip)


def _clamp(
    timesteps: int,
    threshold: float = 6.0,
    threshold_floor: float = 0.01,
    train_threshold: bool = True,
    threshold_gain: float = 1.0,
) -> nn.Module:
    return dsr.Clamp(threshold, threshold_floor, train_threshold, threshold_gain)


def _exact(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    return dsr.Exact(network, DirectCoding)


def _in_representation_space(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    return dsr.RepresentationSpace(network, DirectCoding)


def _step_by_step(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    library, _ = dsr.engine.kernels.load(baselines.events.SOURCE)
    return baselines.conversion.Converted(network, timesteps, library, (DirectCoding,))


def _fused(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    library, _ = dsr.engine.kernels.load(baselines.fused.SOURCE)
    factories: baselines.fused.Factories = {
        **baselines.fused.FACTORIES,
        dsr.ReLU: baselines.fused.relu,
        dsr.Clamp: baselines.fused.clamp,
        dsr.Quantized: baselines.fused.quantized_clamp,
    }
    return baselines.fused.Fused(network, DirectCoding, library, factories)


def _compiled(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    library, _ = dsr.engine.kernels.load(baselines.stbp.normed.SOURCE, *baselines.stbp.normed.INCLUDED)
    baselines.stbp.compile_neurons(network, library)
    factories = baselines.stbp.normed.factories(dsr.engine.bits.gradients)
    return baselines.fused.Fused(network, DirectCoding, library, factories)


def _balance(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    parents_weights(network, parent, images, recipe)
    share = recipe.conversion["percentile"] / 100
    baselines.calibration.set_thresholds(network, parent, images, lambda a: baselines.calibration.percentile(a, share))


def _maximum(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    parents_weights(network, parent, images, recipe)
    baselines.calibration.set_thresholds(network, parent, images, Tensor.amax)


def _calibrate(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    assert isinstance(network, baselines.conversion.Converted)
    parents_weights(network, parent, images, recipe)
    steps = network.timesteps
    baselines.calibration.set_thresholds(
        network, parent, images, lambda a: baselines.calibration.least_error_threshold(a, steps)
    )
    baselines.calibration.correct_biases(network, parent, images[: int(recipe.conversion["correction_images"])])


def _hybrid(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    parents_weights(network, parent, images, recipe)
    dsr.set_thresholds(network, parent, images, recipe.conversion["quantile"])


def _dsr(neuron: MakeNeuron, wrap: Wrap, hand_over: HandOver = parents_weights) -> Substitutes:
    return Substitutes(neuron, readout=_representation, wrap=wrap, hand_over=hand_over, start=dsr.bound_gradient)


def _stbp(readout: MakeReadout = mean_current) -> Substitutes:
    return Substitutes(baselines.stbp.LIF, _threshold_norm, readout, _compiled)


def _converted(hand_over: HandOver) -> Substitutes:
    return Substitutes(baselines.conversion.IF, wrap=_step_by_step, hand_over=hand_over, streams=True)


SUBSTITUTES: Mapping[str, Substitutes] = {
    "ann": Substitutes(_relu, wrap=_fused),
    "dsr-if": _dsr(dsr.IF, _exact),
    "dsr-lif": _dsr(dsr.LIF, _exact),
    "dsr-if-rep": _dsr(dsr.IF, _in_representation_space),
    "dsr-lif-rep": _dsr(dsr.LIF, _in_representation_space),
    "dsr-clamp": _dsr(_clamp, _fused),
    "dsr-quantized": _dsr(dsr.Quantized, _fused),
    "dsr-ann": Substitutes(_relu_with_rate, readout=_representation, wrap=_fused),
    "dsr-if-hybrid": _dsr(dsr.IF, _exact, _hybrid),
    "dsr-if-hybrid-rep": _dsr(dsr.IF, _in_representation_space, _hybrid),
    "dsr-if-hybrid-published": _dsr(dsr.IF, _exact, _hybrid),
    "stbp-tdbn": _stbp(),
    "stbp-tdbn-spikes": _stbp(_mean_spikes),
    "stbp-tdbn-tuned": _stbp(),
    "threshold-balancing": _converted(_balance),
    "threshold-balancing-half": _converted(_balance),
    "maximum-shift": _converted(_maximum),
    "deng-gu-ann": Substitutes(_clipped, wrap=_fused),
    "deng-gu": _converted(_maximum),
    "calibration": _converted(_calibrate),
    "qcfs-ann": Substitutes(_qcfs, wrap=_fused),
    "qcfs": _converted(parents_weights),
    "ann-published": Substitutes(_relu, wrap=_fused),
    "calibration-published": _converted(_calibrate),
    "qcfs-published-ann": Substitutes(_qcfs, wrap=_fused),
    "qcfs-published": _converted(parents_weights),
    "qcfs-2022-published-ann": Substitutes(_qcfs, wrap=_fused),
    "qcfs-2022-published": _converted(parents_weights),
    "qcfs-l8-ann": Substitutes(_qcfs, wrap=_fused),
    "qcfs-l8": _converted(parents_weights),
}
BUILT_IN: Mapping[str, Method] = {
    name: Method(**vars(facts), **vars(SUBSTITUTES[name])) for name, facts in catalogue.BUILT_IN.items()
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
    return Parts(at_once, neuron, chosen.norm(recipe.norm), chosen.readout(neuron, at_once))


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
