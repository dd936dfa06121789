"""Energy of an inference with memory access: Lemaire et al., ICONIP 2022 (arXiv 2210.13107), layer by layer.

With theta_in, theta_out the spikes that enter and leave a layer over all T steps, F = C_out k^2 what a spike reaches
at most (a linear layer: its outputs), N the neurons booked with the layer, and B = biases x H W the constants it adds:

    operations   ACC  theta_in C_out ceil(k / s)^2 + T B + theta_out      MAC  T N  if the neuron leaks
    addressing   ACC  theta_in k^2 (linear: theta_in C_out)               MAC  2 theta_in (linear: none)
    accesses     inputs theta_in, outputs theta_out, weights theta_in F, biases T B,
                 potentials theta_in F + T N, each read and written
    dense layer  MAC and reads of inputs and weights C_in C_out k^2 H W each (linear: inputs once), ACC and reads B,
                 addressing ACC in + out + C_out k^2 (linear: C_in C_out), outputs written

A MAC is an add and a multiply. Spikes pass through queues; an access costs the more the larger its memory is, by
one of two published rules. The article's equation for addressing has a factor C_out that its authors' code drops, as
is done here. Not of the article: an identity shortcut or a pool in front of a neuron reads and writes one potential per
accumulate and no weight; a spiking network's analog layer is a dense one, once per different input; a transposed
convolution lays its kernel at every input, k^2 for ceil(k / s)^2; a neuron with a synaptic current besides has two
potentials that are read, leak and are written at every step; neurons that weigh the currents of all steps (PSN) are a
dense layer of T x T weights besides, T times, which the ANN of the same layers has not. T N is what the network has
counted, `neuron_updates` and `neuron_leaks`; in files without these columns, one potential per neuron, which leaks in
methods named `leaky`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.runs.agreement import ACCUMULATES, LATER_OF_LAYERS

COLUMNS = (
    *("key", "layer", "origin", "kind", "operation", "in_channels", "out_channels", "kernel", "stride", "groups"),
    *("out_height", "out_width", "weights", "biases", "dense_macs_per_step", "padded_macs_per_step", "operations"),
    *("operations_graded_pool", "input_nonzero", "output_spikes", "output_neurons", "timesteps", "analog_repeats"),
)
TEXT = ("key", "layer", "origin", "kind", "operation")
LATER = LATER_OF_LAYERS
CONVOLUTIONS = ("conv", "transposed")
WEIGHTED = (*CONVOLUTIONS, "linear")


@dataclass(frozen=True)
class MemoryModel:
    """Constants, in picojoules, bits and words; `access` names the rule for one access.

    `leaky`: the methods, by how their names begin, whose neurons leak where a file does not say whether they do.
    """

    name: str = "with memory access (Lemaire 2022), 45 nm int32"
    add_picojoules: float = 0.1
    multiply_picojoules: float = 3.1
    word_bits: int = 32
    queue_words: int = 1000
    access: str = "line"
    line_picojoules: float = 13.2
    line_picojoules_per_bit: float = 1.09e-5
    point_bytes: tuple[float, ...] = (0, 8 * 2**10, 32 * 2**10, 2**20)
    point_picojoules: tuple[float, ...] = (0, 10, 20, 100)
    leaky: tuple[str, ...] = ("dsr-lif", "stbp", "plif")

    def __str__(self) -> str:
        line = f"{self.line_picojoules:g} pJ + {self.line_picojoules_per_bit:g} pJ per bit the memory holds"
        points = ", ".join(
            f"{pj:g} pJ at {size / 1024:g} KiB"
            for size, pj in zip(self.point_bytes, self.point_picojoules, strict=True)
        )
        rules = {"line": f"{line} (line, as the authors' code)", "points": f"{points} (points, as SpikingJelly)"}
        chosen, other = rules.pop(self.access), *rules.values()
        return (
            f"{self.name}: add {self.add_picojoules:g} pJ, multiply {self.multiply_picojoules:g} pJ; an access costs "
            f"{chosen}; the other published rule is {other}"
        )

    def per_access(self, words: pd.Series | float) -> pd.Series | float:
        """Picojoules of one access to a memory of so many words."""
        if self.access == "line":
            return self.line_picojoules + self.line_picojoules_per_bit * words * self.word_bits
        found = np.interp(np.asarray(words) * self.word_bits / 8, self.point_bytes, self.point_picojoules)
        return pd.Series(found, words.index) if isinstance(words, pd.Series) else float(found)

    def arithmetic(self, accumulates: pd.Series, macs: pd.Series) -> pd.Series:
        """Picojoules."""
        return self.add_picojoules * (accumulates + macs) + self.multiply_picojoules * macs


def microjoules(layers: pd.DataFrame, model: MemoryModel) -> pd.DataFrame:
    """Per key: `arithmetic`, `memory` and `total` of the run as counted, `dense` of the ANN of the same layers.

    `layers` has COLUMNS, may have LATER, and has `leaks`, whether the run's neurons do, which counts where it has not.
    A layer that lacks another count makes its run NaN.
    """
    layers = _sized(layers)
    dense, neurons = _dense(layers, model), _neurons(layers, model)
    analog = dense.mul(layers["analog_repeats"].fillna(1), axis=0)
    counted = _accumulating(layers, model).where(layers["kind"].isin(ACCUMULATES), analog) + neurons
    linear = layers["operation"].isin(WEIGHTED)
    found = counted.assign(total=counted.sum(axis=1, skipna=False), dense=dense.sum(axis=1).where(linear, 0.0))
    summed = found.groupby(layers["key"], sort=False)
    return summed.sum().where(summed.count().eq(summed.size(), axis=0)) * 1e-6


def _sized(layers: pd.DataFrame) -> pd.DataFrame:
    """What follows from a layer's sizes; empty cells of what a layer has not are 0, or 1 for a geometry."""
    one = layers[["kernel", "stride", "groups", "out_height", "out_width"]].fillna(1)
    none = layers[["biases", "weights", "output_spikes", "padded_macs_per_step"]].fillna(0)
    neurons = layers["output_neurons"].where(layers["output_spikes"].notna(), 0)  # those that spike
    counted = layers.reindex(columns=list(LATER))
    updates = counted["neuron_updates"].fillna(layers["timesteps"] * neurons)
    multiplied = counted["neuron_leaks"].fillna(updates.where(layers["leaks"], 0.0))
    layers = layers.assign(**one, **none, updates=updates, multiplied=multiplied)
    pixels = layers["out_height"] * layers["out_width"]
    transposed = layers["operation"] == "transposed"
    shrinks = layers["stride"] ** 2
    return layers.assign(
        outputs=layers["out_channels"] * pixels,
        inputs=layers["in_channels"] * pixels * shrinks.where(~transposed, 1 / shrinks),
        reach=np.ceil(layers["kernel"] / layers["stride"].where(~transposed, 1)) ** 2,
        constants=layers["biases"] * pixels,
        per_spike=layers["out_channels"] / layers["groups"],
        window=layers["kernel"] ** 2,
    )


def _accumulating(layers: pd.DataFrame, model: MemoryModel) -> pd.DataFrame:
    """What the spikes that enter cost."""
    entering, steps = layers["input_nonzero"], layers["timesteps"]
    weighted, conv = layers["operation"].isin(WEIGHTED), layers["operation"].isin(CONVOLUTIONS)
    reached = (entering * layers["per_spike"] * layers["reach"]).where(weighted, layers["operations"])
    fetched = (entering * layers["per_spike"] * layers["window"]).where(weighted, layers["operations"])
    addressed = (entering * layers["window"]).where(conv, fetched)
    biases = steps * layers["constants"]
    memory = (
        entering * model.per_access(model.queue_words)
        + fetched.where(weighted, 0.0) * model.per_access(layers["weights"])
        + biases * model.per_access(layers["biases"])
        + 2 * fetched * model.per_access(layers["outputs"])
    )
    arithmetic = model.arithmetic(reached + biases + addressed, (2 * entering).where(conv, 0.0))
    return pd.DataFrame({"arithmetic": arithmetic, "memory": memory})


def _neurons(layers: pd.DataFrame, model: MemoryModel) -> pd.DataFrame:
    """What the neurons booked with a layer cost: leak, reset, potentials at every step, spikes written."""
    updates, leaving = layers["updates"], layers["output_spikes"]
    memory = 2 * updates * model.per_access(layers["outputs"]) + leaving * model.per_access(model.queue_words)
    arithmetic = model.arithmetic(leaving, layers["multiplied"])
    return pd.DataFrame({"arithmetic": arithmetic, "memory": memory})


def _dense(layers: pd.DataFrame, model: MemoryModel) -> pd.DataFrame:
    """One pass of a layer that multiplies."""
    macs, biases = layers["padded_macs_per_step"], layers["constants"]
    conv = layers["operation"].isin(CONVOLUTIONS)
    addressed = (layers["inputs"] + layers["outputs"] + layers["out_channels"] * layers["window"]).where(conv, macs)
    memory = (
        macs.where(conv, layers["inputs"]) * model.per_access(layers["inputs"])
        + macs * model.per_access(layers["weights"])
        + biases * model.per_access(layers["biases"])
        + layers["outputs"] * model.per_access(layers["outputs"])
    )
    return pd.DataFrame({"arithmetic": model.arithmetic(biases + addressed, macs), "memory": memory})
