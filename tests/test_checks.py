"""Constructors refuse a value with a message that names it and nothing else."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from torch import nn

from baselines import coding, conversion, cq, lsq, qcfs, slip_relu, srp
from baselines.clipped import ClippedReLU
from baselines.counts import asf_bp, rate_bp, tandem
from baselines.fine_tuned import neuron as fine_tuned
from baselines.ide import neuron as feedback
from baselines.online import neuron as online
from baselines.stbp import clif, neunorm, neuron, plif, psn, sew
from baselines.tssl import neuron as filtered
from benchmarks.methods import METHODS
from benchmarks.networks import NETWORKS
from benchmarks.spec import MOST_NAMED, BadInput, require
from dsr import clamp, neurons

T = {"timesteps": 3}
REFUSED: list[tuple[type[nn.Module], dict[str, Any], str, Any, str]] = [
    (neurons.IF, T, "timesteps", 0, "at least 1"),
    (neurons.IF, T, "threshold", 0.0, "positive"),
    (neurons.LIF, T, "alpha", 1.5, "in (0, 1]"),
    (clamp.Quantized, T, "timesteps", 0, "at least 1"),
    (clamp.Quantized, T, "alpha", 0.0, "in (0, 1]"),
    (coding.Bernoulli, T, "timesteps", 0, "at least 1"),
    (coding.Bernoulli, T, "scale", 0.0, "positive"),
    (conversion.IF, T, "timesteps", 0, "at least 1"),
    (conversion.IF, T, "shift_steps", 0, "at least 1"),
    (conversion.IF, T, "threshold", -1.0, "positive"),
    (cq.Activation, {}, "levels", 0, "at least 1"),
    (cq.Activation, {}, "threshold", 0.0, "positive"),
    (lsq.Activation, {"bits": 3}, "bits", 17, "from 1 to 16"),
    (lsq.Activation, {"bits": 3}, "step", -1.0, "positive"),
    (qcfs.Activation, {}, "levels", 0, "at least 1"),
    (qcfs.Activation, {}, "threshold", 0.0, "positive"),
    (qcfs.Activation, {}, "order", "floor", "clamp-floor or floor-clamp"),
    (slip_relu.Activation, {}, "slope", 1.1, "in [0, 1]"),
    (slip_relu.Activation, {}, "levels", 0, "at least 1"),
    (slip_relu.Activation, {}, "threshold", 0.0, "positive"),
    (srp.IF, T, "presimulation", 2.5, "a whole number of at least 1"),
    (srp.IF, T, "margin", -1.0, "at least 0"),
    (ClippedReLU, {}, "clip", 0.0, "positive"),
    (asf_bp.IF, T, "leak", 0.0, "in (0, 1]"),
    (asf_bp.IF, T, "measured", 3000, "from 0 to period = 2500"),
    (tandem.IF, T, "threshold", 0.0, "positive"),
    (tandem.IF, T, "leak", 0.0, "in (0, 1]"),
    (rate_bp.LIF, T, "surrogate_slope", 0.0, "positive"),
    (rate_bp.LIF, T, "decay", -0.1, "in [0, 1]"),
    (fine_tuned.LIF, T, "surrogate_height", 0.0, "positive"),
    (fine_tuned.LIF, T, "surrogate_decay", -1.0, "at least 0"),
    (fine_tuned.LIF, T, "surrogate", "arctan", "triangle or spike-time"),
    (feedback.Neuron, T, "leak", 2.0, "in (0, 1]"),
    (online.LIF, T, "tau", 0.5, "at least 1"),
    (online.LIF, T, "height", 0.0, "positive"),
    (clif.CLIF, T, "tau", 1.0, "above 1"),
    (neunorm.NeuNorm, T, "trace_decay", 1.0, "in [0, 1)"),
    (neuron.LIF, T, "threshold", -1.0, "positive"),
    (neuron.LIF, T, "surrogate_width", 0.0, "positive"),
    (neuron.LIF, T, "decay", math.nan, "in [0, 1]"),
    (neuron.LIF, T, "surrogate", "arctan", "rectangle or triangle"),
    (neuron.LIF, T, "reset", "none", "hard or soft"),
    (plif.PLIF, T, "threshold", 0.0, "positive"),
    (plif.PLIF, T, "tau", math.nan, "above 1"),
    (psn.PSN, T, "surrogate_slope", 0.0, "positive"),
    (sew.Neuron, T, "alpha", 0.0, "positive"),
    (sew.Neuron, T, "tau", 1.0, "above 1"),
    (filtered.Neuron, T, "tau_synapse", 0.0, "at least 1"),
]


@pytest.mark.parametrize(("of", "settings", "name", "value", "what"), REFUSED)
def test_a_refused_value_is_named_alone(
    of: type[nn.Module], settings: dict[str, Any], name: str, value: Any, what: str
) -> None:
    of(**settings)
    with pytest.raises(ValueError, match=re.escape(f"{name} must be {what}, not {value}") + "$"):
        of(**(settings | {name: value}))


@pytest.mark.parametrize(("what", "names"), [("method", [*METHODS]), ("network", [*NETWORKS])])
def test_an_unknown_name_is_answered_with_the_nearest_and_a_few_others(what: str, names: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        require(f"{names[-1]}x", names, what)
    first, more = ", ".join(names[:MOST_NAMED]), len(names) - MOST_NAMED
    nearest = f"unknown {what} '{names[-1]}x' (did you mean '{names[-1]}'?)"
    assert str(refused.value) == f"{nearest}; allowed: {first} and {more} more, which `dsr-bench list` prints"
    with pytest.raises(BadInput, match=f"allowed: {first}$"):
        require("zebra", names[:MOST_NAMED], what)
