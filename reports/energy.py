"""Energy of one image's inference, from counted operations:  E = e_mac * MACs + e_ac * ACs.

A spiking network multiplies in its first layer only, where the input is analog, and accumulates everywhere else.
That layer sees the same image at every step, so its MACs count once; the second count takes them T times.
A network that does not spike multiplies everywhere; its second count skips the zeros a ReLU leaves.
Only arithmetic is counted: no memory access, no control.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class EnergyModel:
    """What one multiply-accumulate and one accumulate cost, in picojoules."""

    name: str
    mac_picojoules: float
    ac_picojoules: float

    def __str__(self) -> str:
        return f"{self.name}, {self.mac_picojoules} pJ per MAC, {self.ac_picojoules} pJ per AC"

    def microjoules(self, macs: pd.Series, acs: pd.Series | float) -> pd.Series:
        """Energy of the counts, row by row."""
        return (self.mac_picojoules * macs + self.ac_picojoules * acs) * 1e-6


# Horowitz, "Computing's energy problem", ISSCC 2014: a 32-bit float add is 0.9 pJ, a multiply 3.7 pJ.
FP32_45NM = EnergyModel("45 nm fp32 (Horowitz 2014)", mac_picojoules=4.6, ac_picojoules=0.9)


def spiking(frame: pd.DataFrame) -> pd.Series:
    """Which rows are of a spiking network.

    One that does not spike has no accumulates and no time axis (T = 1). At T > 1 no accumulates means a network
    that fell silent, and an empty cell one that was not counted: neither may pass for an ANN.
    """
    return (frame["acs"].fillna(0) > 0) | (frame["timesteps"] > 1)


def headline(frame: pd.DataFrame, model: EnergyModel = FP32_45NM) -> pd.Series:
    """Microjoules per image: analog first layer once, or an ANN's dense MACs."""
    dense = model.microjoules(frame["dense_macs_per_step"], 0.0)
    return model.microjoules(frame["analog_macs"], frame["acs"]).where(spiking(frame), dense)


def second_count(frame: pd.DataFrame, model: EnergyModel = FP32_45NM) -> pd.Series:
    """Microjoules per image: analog first layer at every step, or an ANN's MACs without zero activations."""
    effective = model.microjoules(frame["analog_macs"], 0.0)
    return model.microjoules(frame["analog_macs_every_step"], frame["acs"]).where(spiking(frame), effective)
