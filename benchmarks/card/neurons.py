"""The suite's neurons in the terms of NIR 1.0, and what NIR's nodes cannot say of them.

    IF:   dv/dt = R I                         LIF:  tau dv/dt = (v_leak - v) + R I

A step of length dt integrates these exactly, the current being constant: v + dt R I, and l v + (1 - l) R I with
l = exp(-dt / tau). That is DSR's LIF with R = 1 as it stands, and STBP's with tau = -1 / ln(decay),
R = 1 / (1 - decay) and dt = 1. NIR's nodes emit ones, fire above v_threshold and are then set to v_reset; what of a
neuron is otherwise, its node's metadata say: `reset`, `reset_by`, `fires`, `v_initial`, `dt`, `integration`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from torch import Tensor, nn

import baselines.conversion
import baselines.stbp
import dsr
from benchmarks.networks.parts import SpikingNeuron
from benchmarks.spec import BadInput

NOT = "not expressible in NIR"
"""How every refusal begins."""


class Reset(StrEnum):
    """What the metadata `reset` of a node may say: how a membrane goes on after a spike."""

    HARD = "to v_reset"
    SOFT = "subtract reset_by"


class Fires(StrEnum):
    """What the metadata `fires` of a node may say: when a neuron spikes."""

    AT_LEVEL = "v >= v_threshold"
    ABOVE_LEVEL = "v > v_threshold"


@dataclass(frozen=True)
class Neuron:
    """A layer of neurons: it fires at `level`, where `height` is what a spike counts for in the layers behind it.

    `tau` None: it does not leak. `subtract`: what a soft reset takes away, None for a hard reset to 0. `at_level`: it
    fires at the level, not only above it. `start`: its membrane before the first step. `own`: its constant current.
    """

    level: float
    height: float
    tau: float | None = None
    resistance: float = 1.0
    dt: float = 1.0
    subtract: float | None = None
    at_level: bool = True
    start: float = 0.0
    own: Tensor | None = None

    def node(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """The NIR node of a layer of that shape."""
        import nir

        filled = {"r": self.resistance, "v_threshold": self.level, "v_reset": 0.0}
        if self.tau is not None:
            filled |= {"tau": self.tau, "v_leak": 0.0}
        kind = nir.IF if self.tau is None else nir.LIF
        arrays = {name: np.full(shape, value, dtype) for name, value in filled.items()}
        return kind(**arrays, metadata=self.metadata())

    def metadata(self) -> dict[str, Any]:
        """What holds beside the node's own parameters, and where it contradicts NIR's text."""
        return {
            "reset": (Reset.HARD if self.subtract is None else Reset.SOFT).value,
            "reset_by": self.level if self.subtract is None else self.subtract,
            "fires": (Fires.AT_LEVEL if self.at_level else Fires.ABOVE_LEVEL).value,
            "v_initial": self.start,
            "dt": self.dt,
            "integration": "exact over dt, the current being constant",
            "spike_height": self.height,
            "spike_height_is": "folded into the weights behind: the node emits ones",
        }


def of(name: str, module: nn.Module) -> Neuron:
    """What a module is. Raises BadInput for a neuron that NIR has no node for."""
    if isinstance(module, dsr.IF | dsr.LIF):
        threshold = max(module.threshold.item(), module.threshold_floor)
        level = module.alpha * threshold
        if isinstance(module, dsr.IF):
            return Neuron(level, threshold, subtract=threshold)
        return Neuron(level, threshold / module.dt, module.tau, dt=module.dt, subtract=threshold)
    if isinstance(module, baselines.conversion.IF):
        theta = module.threshold.item()
        own = module.correction + module.shift * theta / module.timesteps
        return Neuron(theta, theta, subtract=theta, start=module.start * theta, own=own)
    if isinstance(module, baselines.stbp.LIF):
        return _stbp(name, module.dynamics)
    emits = "spikes unlike DSR's, STBP's and a conversion's" if isinstance(module, SpikingNeuron) else "no spikes"
    raise BadInput(f"{NOT}: {name} ({type(module).__name__}) emits {emits}, and NIR has no node for it")


def _stbp(name: str, of: baselines.stbp.Dynamics) -> Neuron:
    subtract = of.threshold if of.soft else None
    if of.decay == 1.0:
        return Neuron(of.threshold, 1.0, subtract=subtract, at_level=False)
    if of.decay == 0.0:
        raise BadInput(f"{NOT}: {name} keeps nothing from step to step, and NIR's LIF needs tau > 0")
    tau, resistance = -1.0 / math.log(of.decay), 1.0 / (1.0 - of.decay)
    return Neuron(of.threshold, 1.0, tau, resistance, subtract=subtract, at_level=False)


def unsaid(nodes: list[Any]) -> list[str]:
    """In words, what the metadata of a network's nodes of neurons say beyond NIR's text, or against it."""
    told = [(node.metadata, float(node.v_threshold.flat[0])) for node in nodes]
    soft = [(of, level) for of, level in told if Reset(of["reset"]) is Reset.SOFT]
    words = {
        "a reset subtracts `reset_by` instead of setting `v_reset`": bool(soft),
        "`reset_by` is not the threshold": any(not math.isclose(of["reset_by"], level) for of, level in soft),
        "a neuron fires at its threshold already": any(Fires(of["fires"]) is Fires.AT_LEVEL for of, _ in told),
        "membranes start at `v_initial`": any(of["v_initial"] != 0 for of, _ in told),
    }
    return [text for text, holds in words.items() if holds]
