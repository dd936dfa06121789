"""The suite's neurons as nodes of NIR 1.0, and the properties that NIR's nodes cannot express.

    IF:   dv/dt = R I                         LIF:  tau dv/dt = (v_leak - v) + R I

With constant current a step of length dt integrates these exactly: v + dt R I for IF, and l v + (1 - l) R I with
l = exp(-dt / tau) for LIF. This is DSR's LIF with R = 1, STBP's with tau = -1 / ln(decay), R = 1 / (1 - decay) and
dt = 1 (DIET-SNN's, SLTT's and OTTT's alike, decay being their leak), PLIF's with tau = -1 / ln(1 - k) and R = dt = 1,
and that of SEW ResNets with R = dt = 1. NIR's nodes emit ones, fire above v_threshold and are then reset to v_reset.
Where a neuron differs, its node's metadata say so: `reset`, `reset_by`, `fires`, `v_initial`, `dt`, `integration`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import baselines.conversion
import baselines.counts.rate_bp
import baselines.fine_tuned
import baselines.online
import baselines.srp
import baselines.stbp
import baselines.stbp.plif
import baselines.stbp.sew
import baselines.tssl
import dsr
from benchmarks.networks.parts import SpikingNeuron
from benchmarks.spec import BadInput

NOT = "not expressible in NIR"
"""The beginning of every error message about NIR."""


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
    """A layer of neurons that fire at `level`; `height` of a spike folds into the weights of the next layers.

    `tau`: None without a leak. `subtract`: the amount of a soft reset, None for a hard reset to 0. `at_level`: it fires
    at the level, not only above it. `start`: its membrane before the first step. `own`: its constant current.
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
        """Return the NIR node of a layer of this shape."""
        import nir

        constants = {"r": self.resistance, "v_threshold": self.level, "v_reset": 0.0}
        if self.tau is not None:
            constants |= {"tau": self.tau, "v_leak": 0.0}
        kind = nir.IF if self.tau is None else nir.LIF
        arrays = {name: np.full(shape, value, dtype) for name, value in constants.items()}
        return kind(**arrays, metadata=self.metadata())

    def metadata(self) -> dict[str, Any]:
        """Return the properties that the node's parameters do not contain, or that differ from NIR's specification."""
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
    """Describe a module as a neuron. Raises BadInput if NIR has no node for it."""
    if isinstance(module, dsr.IF | dsr.LIF):
        threshold = max(module.threshold.item(), module.threshold_floor)
        level = module.alpha * threshold
        if isinstance(module, dsr.IF):
            return Neuron(level, threshold, subtract=threshold)
        return Neuron(level, threshold / module.dt, module.tau, dt=module.dt, subtract=threshold)
    if isinstance(module, baselines.srp.IF):
        raise BadInput(f"{NOT}: {name} may fall silent in the middle of a run")
    if isinstance(module, baselines.conversion.IF):
        theta = module.threshold.item()
        own = module.own
        return Neuron(theta, theta, subtract=theta, start=module.start * theta, own=own)
    if isinstance(module, baselines.stbp.LIF):
        return _stbp(name, module.dynamics)
    if isinstance(module, baselines.fine_tuned.LIF):
        return _fine_tuned(name, module)
    if isinstance(module, baselines.stbp.sew.Neuron):
        return _sew(module)
    if isinstance(module, baselines.stbp.plif.PLIF):
        return _plif(module)
    if isinstance(module, baselines.counts.rate_bp.LIF):
        return _decaying(name, module.threshold, module.decay, module.threshold, at_level=True)
    if isinstance(module, baselines.online.LIF):
        subtract = module.threshold if module.soft else None
        found = _decaying(name, module.threshold, module.decay, subtract)
        return replace(found, height=module.height, at_level=True)
    if isinstance(module, baselines.tssl.Neuron):
        raise BadInput(f"{NOT}: {name} filters in discrete steps, which nir.CubaLIF, a continuous one, does not repeat")
    known = "DSR's, STBP's, PLIF's, SEW's, DIET-SNN's, rate-based backpropagation's, SLTT's or a conversion's"
    emits = f"spikes unlike {known}" if isinstance(module, SpikingNeuron) else "no spikes"
    raise BadInput(f"{NOT}: {name} ({type(module).__name__}) emits {emits}, and NIR has no node for it")


def _stbp(name: str, dynamics: baselines.stbp.Dynamics) -> Neuron:
    threshold = dynamics.threshold
    return _decaying(name, threshold, dynamics.decay, threshold if dynamics.soft else None)


def _fine_tuned(name: str, module: baselines.fine_tuned.LIF) -> Neuron:
    threshold = module.threshold.item()
    if module.delayed:
        raise BadInput(f"{NOT}: {name} spikes a step late")
    if threshold <= 0:
        raise BadInput(f"{NOT}: {name} has learnt the threshold {threshold:g}, and fires below it")
    return _decaying(name, threshold, min(module.leak.item(), 1.0), threshold)


def _decaying(name: str, threshold: float, decay: float, subtract: float | None, at_level: bool = False) -> Neuron:
    """A membrane that keeps a share `decay` of what a reset has left of it."""
    if decay == 1.0:
        return Neuron(threshold, 1.0, subtract=subtract, at_level=at_level)
    if decay <= 0.0:
        raise BadInput(f"{NOT}: the membrane of {name} has decay {decay:g}, and NIR's LIF needs tau > 0")
    tau, resistance = -1.0 / math.log(decay), 1.0 / (1.0 - decay)
    return Neuron(threshold, 1.0, tau, resistance, subtract=subtract, at_level=at_level)


def _sew(neuron: baselines.stbp.sew.Neuron) -> Neuron:
    """v + k (x - v) is (1 - k) v + k x: a leak l = 1 - k and R (1 - l) = k, so R = 1."""
    gain = neuron.gain(torch.zeros((), dtype=torch.float64))
    if gain is None:
        return Neuron(neuron.threshold, 1.0)
    return Neuron(neuron.threshold, 1.0, tau=-1.0 / math.log1p(-gain.item()))


def _plif(module: baselines.stbp.plif.PLIF) -> Neuron:
    threshold, kept = module.dynamics.threshold, 1.0 - module.w.double().sigmoid().item()
    return Neuron(threshold, 1.0, -1.0 / math.log(kept), subtract=threshold if module.dynamics.soft else None)


def unsaid(nodes: list[Any]) -> list[str]:
    """List in words where the metadata of a network's neurons differ from NIR's specification."""
    neurons = [(node.metadata, float(node.v_threshold.flat[0])) for node in nodes]
    soft = [(metadata, level) for metadata, level in neurons if Reset(metadata["reset"]) is Reset.SOFT]
    words = {
        "a reset subtracts `reset_by` instead of setting `v_reset`": bool(soft),
        "`reset_by` is not the threshold": any(not math.isclose(metadata["reset_by"], v) for metadata, v in soft),
        "a neuron also fires exactly at its threshold": any(Fires(m["fires"]) is Fires.AT_LEVEL for m, _ in neurons),
        "membranes start at `v_initial`": any(metadata["v_initial"] != 0 for metadata, _ in neurons),
    }
    return [text for text, holds in words.items() if holds]
