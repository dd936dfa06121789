"""Conversion of trained ANNs, and the ANNs with activations of their own that some conversions start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

import baselines.calibration
import baselines.clipped
import baselines.conversion
import baselines.events
import baselines.qcfs
import dsr.engine
from benchmarks.method import HandOver, Substitutes, parents_weights
from benchmarks.networks.parts import DirectCoding, Readout
from benchmarks.spec import Recipe
from benchmarks.substitutes.ann import relu
from benchmarks.substitutes.fused import fused


def qcfs(
    timesteps: int, levels: int = 4, threshold: float = 8.0, order: baselines.qcfs.Order = "clamp-floor"
) -> nn.Module:
    return baselines.qcfs.Activation(levels, threshold, order)


def clipped(timesteps: int, clip: float = 1.0) -> nn.Module:
    return baselines.clipped.ClippedReLU(clip)


def step_by_step(
    network: nn.Module,
    timesteps: int,
    recipe: Recipe,
    presimulation: baselines.events.Presimulation = baselines.events.READ_ALL,
) -> nn.Module:
    library, _ = dsr.engine.kernels.load(baselines.events.SOURCE)
    return baselines.conversion.Converted(network, timesteps, library, (DirectCoding,), presimulation)


def _balance(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    parents_weights(network, parent, images, recipe)
    share = recipe.conversion["percentile"] / 100
    baselines.calibration.set_thresholds(network, parent, images, lambda a: baselines.calibration.percentile(a, share))


def _maximum_of_logits_too(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    parents_weights(network, parent, images, recipe)
    stands_for = {"readout.neuron": "readout.linear"}
    baselines.calibration.set_thresholds(network, parent, images, Tensor.amax, stands_for)


def _spiking_logits(neuron: Callable[[], nn.Module], timesteps: int) -> Readout:
    return lambda features, classes, reencode=True: baselines.conversion.Readout(features, classes, neuron)


def _unshifted_additions(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    baselines.conversion.leave_additions_unshifted(network, (DirectCoding,))
    return step_by_step(network, timesteps, recipe)


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


def converted(hand_over: HandOver) -> Substitutes:
    return Substitutes(baselines.conversion.IF, wrap=step_by_step, hand_over=hand_over, streams=True)


METHODS: Mapping[str, Substitutes] = {
    "threshold-balancing": converted(_balance),
    "threshold-balancing-half": converted(_balance),
    "maximum-shift": converted(_maximum),
    "rmp": converted(_maximum),
    "deng-gu-ann": Substitutes(clipped, wrap=fused),
    "deng-gu": converted(_maximum),
    "deng-gu-released": Substitutes(
        baselines.conversion.IF,
        readout=_spiking_logits,
        wrap=_unshifted_additions,
        hand_over=_maximum_of_logits_too,
        streams=True,
    ),
    "calibration": converted(_calibrate),
    "qcfs-ann": Substitutes(qcfs, wrap=fused),
    "qcfs": converted(parents_weights),
    "ann-published": Substitutes(relu, wrap=fused),
    "calibration-published": converted(_calibrate),
    "qcfs-published-ann": Substitutes(qcfs, wrap=fused),
    "qcfs-published": converted(parents_weights),
    "qcfs-2022-published-ann": Substitutes(qcfs, wrap=fused),
    "qcfs-2022-published": converted(parents_weights),
    "qcfs-l8-ann": Substitutes(qcfs, wrap=fused),
    "qcfs-l8": converted(parents_weights),
}
