"""The comparison on one page: what each method puts in place of ReLU, batch norm and the head.

With `method.py` the only module that imports `dsr` and `baselines`, but for `perf/` and `quantization/`, which measure
their parts. A new method is one file there, one entry here, and one case in `recipes.py`; it is then in every sweep's
reach and under every test. Methods from outside (`plugins.py`) state their recipe themselves.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import baselines.ann
import baselines.calibration
import baselines.clipped
import baselines.conversion
import baselines.events
import baselines.qcfs
import baselines.stbp
import baselines.stbp.compiled
import baselines.stbp.tdbn
import dsr
from benchmarks import plugins
from benchmarks.method import HandOver, MakeNeuron, MakeReadout, Method, Wrap, mean_current, parents_weights
from benchmarks.networks.parts import DirectCoding, Norm, Parts, Readout
from benchmarks.plugins import PlugIn
from benchmarks.recipes import PARENT
from benchmarks.spec import BadInput, Parameter, Recipe, require, spelled, variant


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


def _exact(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    return dsr.Exact(network, DirectCoding)


def _in_representation_space(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    compute = torch.bfloat16 if recipe.precision == "bfloat16" else None
    return dsr.RepresentationSpace(network, DirectCoding, compute)


def _step_by_step(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    library, _ = dsr.engine.kernels.load(baselines.events.SOURCE)
    return baselines.conversion.Converted(network, timesteps, library, (DirectCoding,))


def _compiled(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    library, _ = dsr.engine.kernels.load(baselines.stbp.compiled.SOURCE)
    return baselines.stbp.compile_neurons(network, library)


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


def _dsr(title: str, neuron: MakeNeuron, wrap: Wrap, hand_over: HandOver = parents_weights) -> Method:
    return Method(title, neuron, readout=_representation, wrap=wrap, hand_over=hand_over, start=dsr.bound_gradient)


def _stbp(title: str, readout: MakeReadout = mean_current) -> Method:
    return Method(title, baselines.stbp.LIF, _threshold_norm, readout, _compiled)


def _converted(title: str, hand_over: HandOver) -> Method:
    return Method(title, baselines.conversion.IF, wrap=_step_by_step, hand_over=hand_over, streams=True)


BUILT_IN: Mapping[str, Method] = {
    "ann": Method("ANN, ReLU", _relu),
    "dsr-if": _dsr("DSR, integrate-and-fire", dsr.IF, _exact),
    "dsr-lif": _dsr("DSR, leaky integrate-and-fire", dsr.LIF, _exact),
    "dsr-if-rep": _dsr("DSR-IF, differentiated in representation space", dsr.IF, _in_representation_space),
    "dsr-lif-rep": _dsr("DSR-LIF, differentiated in representation space", dsr.LIF, _in_representation_space),
    "dsr-ann": Method(
        "ANN, ReLU wherever DSR has a neuron, parent of dsr-if-hybrid", _relu_with_rate, readout=_representation
    ),
    "dsr-if-hybrid": _dsr("DSR-IF that starts from dsr-ann, hybrid training", dsr.IF, _exact, _hybrid),
    "dsr-if-hybrid-rep": _dsr("dsr-if-hybrid in representation space", dsr.IF, _in_representation_space, _hybrid),
    "dsr-if-hybrid-published": _dsr(
        "dsr-if-hybrid, thresholds measured on test images as in the released code", dsr.IF, _exact, _hybrid
    ),
    "stbp-tdbn": _stbp("STBP-tdBN, surrogate gradient"),
    "stbp-tdbn-spikes": _stbp("STBP-tdBN, logits are rates of output spikes", _mean_spikes),
    "stbp-tdbn-tuned": _stbp("STBP-tdBN, triangular surrogate, soft reset without gradient"),
    "threshold-balancing": _converted("Conversion of ann, 99.9th percentile, v0 = 0", _balance),
    "threshold-balancing-half": _converted("Conversion of ann, 99.9th percentile, v0 = theta / 2", _balance),
    "maximum-shift": _converted("Conversion of ann, largest activation, shift theta / 2T", _maximum),
    "deng-gu-ann": Method("ANN with a ReLU clipped at 1, parent of deng-gu", _clipped),
    "deng-gu": _converted("Deng & Gu: largest activation, shift theta / 2T, converted from deng-gu-ann", _maximum),
    "calibration": _converted("Conversion of ann, least error, shift and bias correction", _calibrate),
    "qcfs-ann": Method("ANN with QCFS activation, L = 4, parent of qcfs", _qcfs),
    "qcfs": _converted("QCFS, L = 4, converted from qcfs-ann", parents_weights),
    "ann-published": Method("ANN, ReLU, trained as calibration's authors do, parent of calibration-published", _relu),
    "calibration-published": _converted("Calibration of ann-published, its authors' recipe", _calibrate),
    "qcfs-published-ann": Method("ANN with QCFS activation, recipe of ANN_SNN_QCFS, parent of qcfs-published", _qcfs),
    "qcfs-published": _converted("QCFS, recipe of its authors' later repository, ANN_SNN_QCFS", parents_weights),
    "qcfs-2022-published-ann": Method(
        "ANN with QCFS activation, floor then clamp, recipe of SNN_conversion_QCFS, parent of qcfs-2022-published",
        _qcfs,
    ),
    "qcfs-2022-published": _converted(
        "QCFS, recipe of its authors' first repository, SNN_conversion_QCFS", parents_weights
    ),
    "qcfs-l8-ann": Method("ANN with QCFS activation, L = 8, parent of qcfs-l8", _qcfs),
    "qcfs-l8": _converted("QCFS, L = 8, converted from qcfs-l8-ann", parents_weights),
}


def from_outside() -> dict[str, PlugIn]:
    """Methods that are not of this repository. Raises BadInput for one that is none, or whose name is taken."""
    found: dict[str, PlugIn] = {}
    for one in plugins.loaded():
        if one.name in BUILT_IN or one.name in found:
            raise BadInput(f"{one}: a method of that name is there already")
        if "@" in one.name:
            raise BadInput(f"{one}: its name has an @ in it, which begins a variant")
        if not isinstance(one.method, Method):
            raise BadInput(f"{one} is no {Method.__module__}.Method")
        found[one.name] = one
    return found


FROM_OUTSIDE: Mapping[str, PlugIn] = from_outside()
METHODS: Mapping[str, Method] = {**BUILT_IN, **{name: one.method for name, one in FROM_OUTSIDE.items()}}


def named(method: str) -> Method:
    """A method, or the method that a variant varies. Raises BadInput for an unknown name."""
    return METHODS[require(variant(method)[0], METHODS, "method")]


def require_method(base: str, changes: Mapping[str, Parameter]) -> None:
    """Raise BadInput unless the method exists and its neuron takes these parameters."""
    neuron = named(base).neuron
    allowed = [name for name in inspect.signature(neuron).parameters if name != "timesteps"]
    if "threshold" in changes and base in PARENT:
        raise BadInput(f"the thresholds of {base} come from its parent ({PARENT[base]}): they cannot be varied")
    for name in changes:
        if not allowed:
            raise BadInput(f"the neurons of {base} have no parameters to vary")
        require(name, allowed, f"parameter of {base}")
    defaults = inspect.signature(neuron).parameters
    for name, value in changes.items():
        if isinstance(value, str) and isinstance(defaults[name].default, int | float):
            raise BadInput(f"{spelled(base, changes)}: {name} takes a number or a truth value, not {value!r}")
    try:
        neuron(1, **changes)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{spelled(base, changes)}: {error}") from error


def parts(method: str, timesteps: int, recipe: Recipe) -> Parts:
    """A method's parts at T steps with the recipe's parameters."""
    chosen = named(method)
    neuron = partial(chosen.neuron, timesteps, **recipe.neuron)
    at_once = 1 if chosen.streams else timesteps
    return Parts(at_once, neuron, chosen.norm(recipe.norm), chosen.readout(neuron, at_once))


def kernels_for() -> str:
    """The instruction set that DSR's compiled kernels use here."""
    return dsr.engine.kernels.instruction_set()


def kernels_missing() -> str:
    """Why DSR's compiled kernels cannot be used here; empty when they can."""
    return dsr.engine.kernels.reason()


def kernels_of(network: nn.Module, example: Tensor) -> str:
    """What carries the neurons of a network in evaluation mode out on inputs like `example`: compiled, Triton, torch.

    A method that brings neurons of its own is taken to run in torch.
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
