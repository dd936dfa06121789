"""Energy of one image's inference, from counted operations:  E = e_mac * MACs + e_ac * ACs.

A network that does not spike multiplies everywhere; a spiking one multiplies in its first layer, whose input is analog,
and where neurons weigh steps (PSN), and accumulates behind neurons. Two counts mean the same for both:

    events  what hardware that skips zeros pays. ANN: MACs of nonzero activations. SNN: ACs of spikes, MACs at first
    dense   every synapse at every step. ANN: all MACs. SNN: T times all synapses, MACs at first, ACs behind

The first layer sees the same image at every step. In events it counts once (the headline), or at every step (what
hardware pays that does not keep its result); T = 1 for an ANN, so both are one number. Every pixel counts, zeros too.
Only arithmetic is counted here; `lemaire.py` adds memory. The same counts differ 13-fold between the published
constants, so every table prints them, and `dsr-bench report --energy FILE` replaces them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class EnergyModel:
    """What one multiply-accumulate and one accumulate cost, in picojoules.

    `analog_mac_picojoules`: one of a spiking network's analog first layer, where that is not `mac_picojoules`.
    `mac_bits`: the bits of a multiply-accumulate's activation, where one of fewer costs less in proportion.
    """

    name: str
    mac_picojoules: float
    ac_picojoules: float
    analog_mac_picojoules: float | None = None
    mac_bits: float | None = None

    def __str__(self) -> str:
        analog = self.analog_mac_picojoules
        first = "" if analog is None else f", {analog:g} pJ per MAC of a spiking network's analog first layer"
        return f"{self.name}, {self.mac_picojoules:g} pJ per MAC, {self.ac_picojoules:g} pJ per AC{first}"

    def multiplies(self, macs: pd.Series) -> pd.Series:
        """Microjoules of multiply-accumulates in a network that does not spike."""
        return self.mac_picojoules * macs * 1e-6

    def analog(self, macs: pd.Series) -> pd.Series:
        """Microjoules of a spiking network's analog first layer."""
        one = self.mac_picojoules if self.analog_mac_picojoules is None else self.analog_mac_picojoules
        return one * macs * 1e-6

    def accumulates(self, acs: pd.Series) -> pd.Series:
        """Microjoules of what spikes reach."""
        return self.ac_picojoules * acs * 1e-6


# Horowitz, "Computing's energy problem", ISSCC 2014: a 32-bit float add is 0.9 pJ, a multiply 3.7 pJ; 8-bit integers
# 0.03 and 0.2 pJ.
FP32_45NM = EnergyModel("45 nm fp32 (Horowitz 2014)", 4.6, 0.9)
INT8_45NM = EnergyModel("45 nm int8 (Horowitz 2014)", 0.23, 0.03, mac_bits=8)
# Older SNN papers: 77 fJ per SynOp and 12.5 pJ per FLOP of an ANN; they leave the analog first layer out.
SYNOP_77FJ = EnergyModel("77 fJ per SynOp (older papers)", 12.5, 0.077, 0.0)


def quantized_mac(model: EnergyModel, bits: pd.Series) -> pd.Series:
    """Picojoules per MAC of a b-bit activation and a weight as the model has them, assumed: b shifts and adds.

    Where the model says how many bits a MAC's activation has (int8: 8), b / 8 of one; else b accumulates, but not more
    than one MAC, which takes a float.
    """
    if model.mac_bits:
        return model.mac_picojoules * bits / model.mac_bits
    return (model.ac_picojoules * bits).clip(upper=model.mac_picojoules)


def bits_for(timesteps: pd.Series) -> pd.Series:
    """Bits of an ANN's activations that take as many values as a rate of T steps: ceil(log2(T + 1))."""
    return timesteps.map(lambda steps: math.ceil(math.log2(steps + 1)))


def break_even(rate: pd.Series, accumulates: pd.Series, analog: pd.Series, ann: pd.Series) -> pd.Series:
    """The firing rate at which a spiking network costs what the ANN costs; negative: it never does.

    `accumulates` is the energy of its spikes at `rate`, and grows with the rate; `analog` does not. Above 1, where no
    neuron can fire, it costs less at every rate.
    """
    return rate * (ann - analog) / accumulates.where(accumulates > 0)


def spiking(frame: pd.DataFrame) -> pd.Series:
    """Which rows are of a spiking network.

    One that spikes updates its neurons. Where that was not counted, it has accumulates or T > 1: no accumulates there
    mean a network that fell silent or was not counted either, and neither may pass for an ANN.
    """
    missing = pd.Series(math.nan, frame.index)
    updates = frame.get("neuron_updates", missing)
    return (frame["acs"].fillna(0) > 0) | (updates > 0) | (updates.isna() & (frame["timesteps"] > 1))


ONCE, EVERY_STEP = "events, first layer once", "events, first layer every step"
DENSE = "dense"
"""What tables call the counts."""
T_OF_BITS = "T of an ANN whose activations have b bits says how many: b = ceil(log2(T + 1))."
"""What is said where such an ANN is shown."""
FEW_BITS = (
    f"{T_OF_BITS} With float32 weights a MAC of such an activation is billed as b accumulates, at most as one MAC. "
    "Its first layer and dense count are whole MACs."
)
"""What is said where its energy is shown."""


def has_few_bits(frame: pd.DataFrame) -> bool:
    """Whether a row is of such an ANN."""
    return bool(frame["activation_bits"].notna().any())


def events(frame: pd.DataFrame, model: EnergyModel = FP32_45NM) -> pd.Series:
    """Microjoules per image of what is not zero, the first layer once: the headline of every network."""
    return _events(frame, "analog_macs", model)


def events_every_step(frame: pd.DataFrame, model: EnergyModel = FP32_45NM) -> pd.Series:
    """The same, the first layer at every step."""
    return _events(frame, "analog_macs_every_step", model)


def _events(frame: pd.DataFrame, macs: str, model: EnergyModel) -> pd.Series:
    spent = model.analog(frame[macs]) + model.accumulates(frame["acs"])
    return spent.where(spiking(frame), _of_ann(frame, model))


def _of_ann(frame: pd.DataFrame, model: EnergyModel) -> pd.Series:
    """Microjoules of an ANN's nonzero activations, those of few bits as such."""
    none = pd.Series(math.nan, frame.index)
    few, bits = (frame.get(name, none).fillna(0.0) for name in ("quantized_macs", "activation_bits"))
    return model.multiplies(frame["analog_macs"] - few) + quantized_mac(model, bits) * few * 1e-6


def dense(frame: pd.DataFrame, model: EnergyModel = FP32_45NM) -> pd.Series:
    """Microjoules per image if every synapse of convolutions and linear layers worked at every step."""
    first = frame["analog_macs_every_step"]
    behind = frame["dense_macs_per_step"] * frame["timesteps"] - first
    spent = model.analog(first) + model.accumulates(behind)
    return spent.where(spiking(frame), model.multiplies(frame["dense_macs_per_step"]))
