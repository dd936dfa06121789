"""What energy tables are made of: mean counts per method and T, energies by every model, and break-even firing rates.

The ANNs that a spiking network is held against have the same layers: the dense one; the one that skips zero
activations (the run's own parent, else `ann` of the same table); one of 8-bit weights whose activations take as many
values as T steps can tell apart. A ratio is of one model on both sides; a count that is missing makes a dash.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from reports import energy, lemaire
from reports.constants import Constants

TABLE = ["dataset", "network", "scale"]
COUNTS = ["dense_macs_per_step", "analog_macs", "analog_macs_every_step", "acs", "firing_rate", "ann_macs"]
MEMORY = ["memory", "total", "dense"]


def numbers_of(frame: pd.DataFrame, layers: pd.DataFrame, constants: Constants) -> pd.DataFrame:
    """The tables' raw numbers, a row per spiking method and T: microjoules, ratios and break-even rates."""
    found = []
    for identity, lines in compared(frame, layers, constants):
        lines = lines[lines["spiking"]]
        shown = of_networks(lines, constants).rename(columns={"label": "method", "steps": "timesteps"})
        rates = pd.DataFrame({f"even with {name}": rate for name, rate in even_rates(lines, constants).items()})
        named = pd.concat([shown, lines["firing_rate"], rates], axis=1)
        found.append(named.assign(**dict(zip(TABLE, identity, strict=True))))
    whole = pd.concat(found) if found else pd.DataFrame(columns=TABLE)
    return whole[[*TABLE, *(name for name in whole.columns if name not in TABLE)]]


def compared(
    frame: pd.DataFrame, layers: pd.DataFrame, constants: Constants
) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """What stands in one table, and its lines."""
    done = frame[frame["status"] == "done"]
    counted = _with_memory(done.assign(ann_macs=_ann_macs(done)), layers, constants)
    for identity, rows in counted.groupby(TABLE, sort=False):
        lines = _lines(rows)
        if lines["spiking"].any():
            yield tuple(map(str, identity)), lines


def _ann_macs(done: pd.DataFrame) -> pd.Series:
    """Per row: MACs with nonzero activation of the ANN it is held against."""
    still = done[~energy.spiking(done)]
    by_key = still.set_index("key")["analog_macs"]
    plain = still[still["method"] == "ann"].groupby(TABLE)["analog_macs"].mean()
    of_table = plain.reindex(pd.MultiIndex.from_frame(done[TABLE])).set_axis(done.index)
    return done["parent_key"].map(by_key).astype("float64").fillna(of_table)


def _with_memory(done: pd.DataFrame, layers: pd.DataFrame, constants: Constants) -> pd.DataFrame:
    """The rows with microjoules by Lemaire's model, NaN where there are no layers."""
    methods = done.set_index("key")["method"]
    known = layers[layers["key"].isin(methods.index)]
    if known.empty:
        return done.assign(**dict.fromkeys(MEMORY, np.nan))
    leaks = known["key"].map(methods).str.startswith(constants.memory.leaky)
    found = lemaire.microjoules(known.assign(leaks=leaks), constants.memory)[MEMORY]
    return done.join(found, on="key")


def _lines(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, one line per method and T, in the order of the comparison."""
    rows = rows.assign(spiking=energy.spiking(rows))
    lines = [
        {"method": method, "timesteps": steps, "spiking": bool(found["spiking"].any())}
        | {name: found[name].mean(skipna=False) for name in [*COUNTS, *MEMORY]}
        for method, by_method in rows.groupby("method", sort=False)
        for steps, found in by_method.groupby("timesteps")
    ]
    return pd.DataFrame(lines)


def of_networks(lines: pd.DataFrame, constants: Constants) -> pd.DataFrame:
    """What is printed of the spiking networks."""
    shown = pd.DataFrame({"label": lines["method"], "steps": lines["timesteps"].astype(str)})
    for section, model in constants.models.items():
        shown[section] = energy.headline(lines, model)
        shown[f"{section} ratio"] = shown[section] / model.dense(lines["dense_macs_per_step"])
    shown["x nonzero"] = shown["fp32"] / constants.headline.dense(lines["ann_macs"])
    shown["x quantized"] = shown["int8"] / quantized(lines, constants)
    shown["memory model"], shown["memory model ratio"] = lines["total"], lines["total"] / lines["dense"]
    return shown.assign(share=100 * lines["memory"] / lines["total"])


def quantized(lines: pd.DataFrame, constants: Constants) -> pd.Series:
    """Microjoules of the quantised ANN; its first layer sees 8-bit pixels."""
    int8, bits = constants.models["int8"], energy.bits_for(lines["timesteps"])
    first = lines["analog_macs_every_step"] / lines["timesteps"]
    rest = energy.quantized_mac(int8, bits) * (lines["dense_macs_per_step"] - first) * 1e-6
    return int8.dense(first) + rest


def even_rates(lines: pd.DataFrame, constants: Constants) -> dict[str, pd.Series]:
    """Break-even firing rate per ANN."""
    fp32, int8 = constants.headline, constants.models["int8"]
    anns = {
        "dense ANN": (fp32, fp32.dense(lines["dense_macs_per_step"])),
        "ANN without zeros": (fp32, fp32.dense(lines["ann_macs"])),
        "quantised ANN": (int8, quantized(lines, constants)),
    }
    return {
        name: energy.break_even(
            lines["firing_rate"], model.accumulates(lines["acs"]), model.analog(lines["analog_macs"]), ann
        )
        for name, (model, ann) in anns.items()
    }
