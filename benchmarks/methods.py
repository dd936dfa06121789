"""The comparison on one page: what each method puts in place of ReLU, batch norm and the head.

The only module that imports `dsr` and `baselines`. A new method is one file there, one entry here, and one case in
`recipes.py`; it is then in every sweep's reach and under every test.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import baselines.ann
import baselines.calibration
import baselines.conversion
import baselines.qcfs
import baselines.stbp
import dsr
from benchmarks.networks.parts import DirectCoding, Norm, Parts, Readout
from benchmarks.spec import BadInput, Parameter, Recipe, require, spelled, variant

MakeNeuron = Callable[..., nn.Module]
MakeNorm = Callable[[Mapping[str, float]], Norm]
Wrap = Callable[[nn.Module, int, Recipe], nn.Module]
MakeReadout = Callable[[Callable[[], nn.Module], int], Readout]
HandOver = Callable[[nn.Module, nn.Module, Tensor, Recipe], None]


def _batch_norm(parameters: Mapping[str, float]) -> Norm:
    return lambda features, branches=1: nn.BatchNorm2d(features)


def _threshold_norm(parameters: Mapping[str, float]) -> Norm:
    """tdBN: alpha = 1 / sqrt(n) where n branches are added."""
    return lambda features, branches=1: baselines.stbp.ThresholdBatchNorm2d(
        features, alpha=branches**-0.5, **parameters
    )


def _mean_current(neuron: Callable[[], nn.Module], timesteps: int) -> Readout:
    return lambda features, classes, reencode=True: baselines.ann.Readout(features, classes, timesteps)


def _mean_spikes(neuron: Callable[[], nn.Module], timesteps: int) -> Readout:
    return lambda features, classes, reencode=True: baselines.stbp.SpikeReadout(features, classes, neuron, timesteps)


def _representation(neuron: Callable[[], Any], timesteps: int) -> Readout:
    return lambda features, classes, reencode=True: dsr.Readout(features, classes, neuron, reencode)


def _relu(timesteps: int) -> nn.Module:
    return nn.ReLU()


def _qcfs(timesteps: int, levels: int = 4, threshold: float = 8.0) -> nn.Module:
    return baselines.qcfs.Activation(levels, threshold)


def _as_it_is(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    return network


def _exact(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    return dsr.Exact(network, DirectCoding)


def _in_representation_space(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    compute = torch.bfloat16 if recipe.precision == "bfloat16" else None
    return dsr.RepresentationSpace(network, DirectCoding, compute)


def _step_by_step(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    return baselines.conversion.Converted(network, timesteps)


def _weights(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    unmatched = network.load_state_dict(parent.state_dict(), strict=False)
    neurons = {name.rpartition(".")[0] for name in unmatched.missing_keys}
    assert not unmatched.unexpected_keys, unmatched
    assert neurons <= set(baselines.conversion.neurons(network)), unmatched


def _balance(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    _weights(network, parent, images, recipe)
    share = recipe.conversion["percentile"] / 100
    baselines.calibration.set_thresholds(network, parent, images, lambda a: baselines.calibration.percentile(a, share))


def _maximum(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    _weights(network, parent, images, recipe)
    baselines.calibration.set_thresholds(network, parent, images, Tensor.amax)


def _calibrate(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    assert isinstance(network, baselines.conversion.Converted)
    _weights(network, parent, images, recipe)
    steps = network.timesteps
    baselines.calibration.set_thresholds(
        network, parent, images, lambda a: baselines.calibration.least_error_threshold(a, steps)
    )
    baselines.calibration.correct_biases(network, parent, images[: int(recipe.conversion["correction_images"])])


@dataclass(frozen=True)
class Method:
    """Three substitutions in a shared network. `neuron` takes T and the recipe's neuron parameters.

    `wrap` may change how the finished network is run and differentiated; parameters and their names stay. `hand_over`
    gives a network what its trained parent has, from training images if it needs some. `streams`: the network does
    one time step at a time, so its parts see T = 1.
    """

    title: str
    neuron: MakeNeuron
    norm: MakeNorm = _batch_norm
    readout: MakeReadout = _mean_current
    wrap: Wrap = _as_it_is
    hand_over: HandOver = _weights
    streams: bool = False


def _converted(title: str, hand_over: HandOver) -> Method:
    return Method(title, baselines.conversion.IF, wrap=_step_by_step, hand_over=hand_over, streams=True)


METHODS: Mapping[str, Method] = {
    "ann": Method("ANN, ReLU", _relu),
    "dsr-if": Method("DSR, integrate-and-fire", dsr.IF, readout=_representation, wrap=_exact),
    "dsr-lif": Method("DSR, leaky integrate-and-fire", dsr.LIF, readout=_representation, wrap=_exact),
    "dsr-if-rep": Method(
        "DSR-IF, differentiated in representation space", dsr.IF, readout=_representation, wrap=_in_representation_space
    ),
    "dsr-lif-rep": Method(
        "DSR-LIF, differentiated in representation space",
        dsr.LIF,
        readout=_representation,
        wrap=_in_representation_space,
    ),
    "stbp-tdbn": Method("STBP-tdBN, surrogate gradient", baselines.stbp.LIF, norm=_threshold_norm),
    "stbp-tdbn-spikes": Method(
        "STBP-tdBN, logits are rates of output spikes", baselines.stbp.LIF, norm=_threshold_norm, readout=_mean_spikes
    ),
    "threshold-balancing": _converted("Conversion of ann, 99.9th percentile, v0 = 0", _balance),
    "threshold-balancing-half": _converted("Conversion of ann, 99.9th percentile, v0 = theta / 2", _balance),
    "deng-gu": _converted("Conversion of ann, largest activation, shift theta / 2T", _maximum),
    "calibration": _converted("Conversion of ann, least error, shift and bias correction", _calibrate),
    "qcfs-ann": Method("ANN with QCFS activation, L = 4, parent of qcfs", _qcfs),
    "qcfs": _converted("QCFS, L = 4, converted from qcfs-ann", _weights),
    "qcfs-l8-ann": Method("ANN with QCFS activation, L = 8, parent of qcfs-l8", _qcfs),
    "qcfs-l8": _converted("QCFS, L = 8, converted from qcfs-l8-ann", _weights),
}


def named(method: str) -> Method:
    """A method, or the method that a variant varies. Raises BadInput for an unknown name."""
    return METHODS[require(variant(method)[0], METHODS, "method")]


def require_method(base: str, changes: Mapping[str, Parameter]) -> None:
    """Raise BadInput unless the method exists and its neuron takes these parameters."""
    neuron = named(base).neuron
    allowed = [name for name in inspect.signature(neuron).parameters if name != "timesteps"]
    for name in changes:
        if not allowed:
            raise BadInput(f"the neurons of {base} have no parameters to vary")
        require(name, allowed, f"parameter of {base}")
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
