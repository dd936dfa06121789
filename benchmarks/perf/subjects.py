"""The networks that are timed: one per method, the yardstick (the released DSR code) and peers, with the same batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import dsr
from benchmarks.methods import METHODS, backward, parts, with_precision
from benchmarks.networks import NETWORKS, build
from benchmarks.networks.parts import Parts
from benchmarks.perf import peers
from benchmarks.recipes import passes, resolve, timeless
from benchmarks.spec import Precision, Recipe, Run
from benchmarks.training.backward import Backward, lowering
from dsr.reference import ReferenceNeuron

YARDSTICK = "dsr-if-reference"
SPIKINGJELLY = "stbp-spikingjelly"
CLASSES, SIZE = 10, 32


@dataclass(frozen=True)
class Setting:
    """One benchmark's network and batch size."""

    subject: str
    network: str
    timesteps: int
    batch: int
    precision: Precision = "float32"


def subjects() -> tuple[str, ...]:
    """List everything that can be timed on this machine: methods that train, the yardstick, and installed peers."""
    trained = [m for m in METHODS if _recipe(m, 2).epochs > 0]
    return (YARDSTICK, *trained, *([SPIKINGJELLY] if peers.has_spikingjelly() else []))


def grid(chosen: tuple[str, ...], timesteps: tuple[int, ...]) -> list[tuple[str, int]]:
    """List pairs of subject and T; a subject without a time axis appears once, with T = 1."""
    cells = [(subject, 1 if timeless(subject) else steps) for steps in timesteps for subject in chosen]
    return list(dict.fromkeys(cells))


def make(setting: Setting) -> nn.Module:
    """Build the network of a setting on this machine's device. The yardstick's precision is float32, as released."""
    torch.manual_seed(0)
    subject, steps = setting.subject, setting.timesteps
    if subject == YARDSTICK:
        network = NETWORKS[setting.network](_reference(steps), CLASSES, 3)
    elif subject == SPIKINGJELLY:
        network = NETWORKS[setting.network](peers.spikingjelly_parts(steps), CLASSES, 3)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        network = with_precision(network, replace(_recipe("stbp-tdbn", steps), precision=setting.precision))
    else:
        recipe = replace(_recipe(subject, steps), precision=setting.precision)
        network = build(setting.network, subject, steps, CLASSES, 3, recipe)
    return network.to(device())


def training_step(setting: Setting) -> Callable[[], None]:
    """Return a function that does forward, backward and update of one batch, synchronised."""
    network = make(setting).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    images, labels = batch(setting.batch, setting.subject)
    gradients = _backward(setting)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        gradients(network, images, labels)
        optimizer.step()
        synchronise()

    return step


def _backward(setting: Setting) -> Backward:
    """What a subject lowers; the yardstick and peers are no methods, and lower cross-entropy as DSR does."""
    known = setting.subject in METHODS
    recipe = _recipe(setting.subject if known else "dsr-if", setting.timesteps)
    return backward(setting.subject, recipe) if known else lowering(recipe)


def inference_step(setting: Setting) -> Callable[[], None]:
    """Return a function that computes the logits of one batch in evaluation mode, synchronised."""
    network = make(setting)
    images, _ = batch(setting.batch, setting.subject)
    with torch.no_grad():
        network(images)  # gives norms running statistics
    network.eval()

    def step() -> None:
        with torch.no_grad():
            network(images)
        synchronise()

    return step


def firing_rate(setting: Setting) -> float | None:
    """Return spikes per neuron and step of the timed network; None for the yardstick, peers and ANNs."""
    from benchmarks.operations.counter import counting

    if setting.subject not in METHODS:
        return None
    network, (images, _) = seen(setting), batch(setting.batch)
    steps = passes(setting.subject, setting.timesteps)
    with torch.no_grad(), counting(network, images[:1], steps) as counter:
        network(images)
    return counter.per_image().firing_rate


def seen(setting: Setting) -> nn.Module:
    """Build the network in evaluation mode; its norms' running statistics are those of the one batch."""
    network = make(setting).train()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None
    with torch.no_grad():
        network(batch(setting.batch)[0])
    return network.eval()


def batch(size: int, subject: str = "") -> tuple[Tensor, Tensor]:
    """Return noise in the shape of normalised CIFAR images, because a step's cost does not depend on their content.

    The layout is that of the harness's batches, channels-last; the yardstick's is the released code's.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(size, 3, SIZE, SIZE, generator=generator)
    layout = torch.contiguous_format if subject == YARDSTICK else torch.channels_last
    images = images.contiguous(memory_format=layout)
    return images.to(device()), (torch.arange(size) % CLASSES).to(device())


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _recipe(method: str, timesteps: int) -> Recipe:
    """Return the laptop-scale recipe, whose thresholds let neurons fire from the start."""
    steps = 1 if timeless(method) else timesteps
    return resolve(Run("cifar10", "preact-resnet18-narrow", method, steps, 0, "laptop"))


def _reference(timesteps: int) -> Parts:
    """Return parts with the released code's neuron; network and thresholds are those of `dsr-if`."""
    recipe = _recipe("dsr-if", timesteps)
    given = parts("dsr-if", timesteps, recipe)
    given_to: Any = recipe.neuron
    neuron: Any = partial(ReferenceNeuron, timesteps, **given_to)
    return Parts(timesteps, neuron, given.norm, lambda f, c, reencode=True: dsr.Readout(f, c, neuron, reencode))
