"""Energies by every model from mean counts per method and T, and break-even firing rates: numbers, not yet tables.

A ratio has one model and one count on both sides: events against the ANN's events, dense against dense. The ANN of
events is the run's own parent, else `ann` of the same table; of dense it has the same layers. The quantised one has
8-bit weights, and activations that take as many values as T steps can tell apart. A missing count makes a dash.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.runs.record import NUMERIC
from reports.energy import lemaire, models
from reports.energy.constants import Constants

TABLE = ["dataset", "network", "scale"]
COUNTS = [
    *("dense_macs_per_step", "analog_macs", "analog_macs_every_step", "acs"),
    *("neuron_updates", "firing_rate", "ann_macs", "quantized_macs", "activation_bits"),
]
MEMORY = ["memory", "total", "dense"]


def energies(frame: pd.DataFrame, layers: pd.DataFrame, constants: Constants) -> pd.DataFrame:
    """The tables' raw numbers, a row per method and T: microjoules, ratios and break-even rates."""
    tables = []
    for identity, lines in compared(frame, layers, constants):
        even = {f"even_with_{_snake(name)}": rate for name, rate in even_rates(lines, constants).items()}
        rates = pd.DataFrame(even).where(lines["spiking"])
        named = pd.concat([energies_of_lines(lines, constants), lines["firing_rate"], rates], axis=1)
        tables.append(named.assign(**dict(zip(TABLE, identity, strict=True))))
    whole = pd.concat(tables) if tables else pd.DataFrame(columns=TABLE)
    return whole[[*TABLE, *(name for name in whole.columns if name not in TABLE)]]


def energies_of_run(
    run: Mapping[str, Any], layers: Sequence[Mapping[str, Any]], constants: Constants
) -> dict[str, float]:
    """Microjoules per image of one run by every model that has all its counts: events, the first layer once.

    `run`: a row of a result CSV; `layers`: its rows of lemaire.COLUMNS and LATER, as text or numbers, which may be
    missing.
    """
    line = pd.DataFrame([run]).astype(dict.fromkeys(NUMERIC, "float64"))
    columns = [*lemaire.COLUMNS, *lemaire.LATER]
    frame = pd.DataFrame(layers, columns=columns).replace("", None)
    typed = frame.astype({name: "float64" for name in columns if name not in lemaire.TEXT})
    spent = {section: models.events(line, model).item() for section, model in constants.models.items()}
    spent["memory"] = _with_memory(line, typed, constants)["total"].item()
    return {section: float(value) for section, value in spent.items() if math.isfinite(value)}


def described(constants: Constants) -> dict[str, str]:
    """The models of `energies_of_run` with their constants, in words."""
    stated: dict[str, object] = {**constants.models, "memory": constants.memory}
    return {section: f"{models.ONCE}; {model}" for section, model in stated.items()}


def _snake(name: str) -> str:
    return name.lower().replace(" ", "_")


def compared(
    frame: pd.DataFrame, layers: pd.DataFrame, constants: Constants
) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """The identity of every table (data set, network, scale), and its lines."""
    done = frame[frame["status"] == "done"]
    counted = _with_memory(done.assign(ann_macs=_ann_macs(done)), layers, constants)
    for identity, rows in counted.groupby(TABLE, sort=False):
        lines = _lines(rows)
        if lines["spiking"].any():
            yield tuple(map(str, identity)), lines


def _ann_macs(done: pd.DataFrame) -> pd.Series:
    """Per row: MACs with nonzero activation of the ANN that it is compared with."""
    still = done[~models.spiking(done)]
    by_key = still.set_index("key")["analog_macs"]
    plain = still[still["method"] == "ann"].groupby(TABLE)["analog_macs"].mean()
    of_table = plain.reindex(pd.MultiIndex.from_frame(done[TABLE])).set_axis(done.index)
    return done["parent_key"].map(by_key).astype("float64").fillna(of_table)


def _with_memory(done: pd.DataFrame, layers: pd.DataFrame, constants: Constants) -> pd.DataFrame:
    """The rows with microjoules by Lemaire's model, NaN for rows without layers."""
    methods = done.set_index("key")["method"]
    known = layers[layers["key"].isin(methods.index)]
    if known.empty:
        return done.assign(**dict.fromkeys(MEMORY, np.nan))
    leaks = known["key"].map(methods).str.startswith(constants.memory.leaky)
    found = lemaire.microjoules(known.assign(leaks=leaks), constants.memory)[MEMORY]
    return done.join(found, on="key")


def _lines(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, one line per method and T, in the order of the comparison."""
    rows = rows.assign(spiking=models.spiking(rows))
    lines = [
        {"method": method, "timesteps": steps, "spiking": bool(found["spiking"].any())}
        | {name: found[name].mean(skipna=False) for name in [*COUNTS, *MEMORY]}
        for method, by_method in rows.groupby("method", sort=False)
        for steps, found in by_method.groupby("timesteps")
    ]
    return pd.DataFrame(lines)


def energies_of_lines(lines: pd.DataFrame, constants: Constants) -> pd.DataFrame:
    """What is printed of every network, microjoules per image and ratios; a model's columns begin with its section."""
    shown = lines[["method", "timesteps"]].copy()
    for section, model in constants.models.items():
        once, whole = models.events(lines, model), models.dense(lines, model)
        shown[f"{section}_events_microjoules"] = once
        shown[f"{section}_events_every_step_microjoules"] = models.events_every_step(lines, model)
        shown[f"{section}_dense_microjoules"] = whole
        shown[f"{section}_events_x_ann"] = once / model.multiplies(lines["ann_macs"])
        shown[f"{section}_dense_x_ann"] = whole / model.multiplies(lines["dense_macs_per_step"])
    against = (shown["int8_events_microjoules"] / quantized(lines, constants)).where(lines["spiking"])
    shown["int8_events_x_quantised_ann"] = against
    shown["memory_events_microjoules"] = lines["total"]
    shown["memory_events_x_dense_ann"] = lines["total"] / lines["dense"]
    return shown.assign(memory_share_percent=100 * lines["memory"] / lines["total"])


def quantized(lines: pd.DataFrame, constants: Constants) -> pd.Series:
    """Microjoules of the quantised ANN's events; its first layer sees 8-bit pixels."""
    int8, bits = constants.models["int8"], models.bits_for(lines["timesteps"])
    first = lines["analog_macs_every_step"] / lines["timesteps"]
    rest = models.quantized_mac(int8, bits) * (lines["ann_macs"] - first) * 1e-6
    return int8.multiplies(first) + rest


def even_rates(lines: pd.DataFrame, constants: Constants) -> dict[str, pd.Series]:
    """Break-even firing rate per ANN; NaN for a line that does not spike."""
    fp32, int8 = constants.headline, constants.models["int8"]
    anns = {
        "ANN events": (fp32, fp32.multiplies(lines["ann_macs"])),
        "quantised ANN events": (int8, quantized(lines, constants)),
        "dense ANN": (fp32, fp32.multiplies(lines["dense_macs_per_step"])),
    }
    return {
        name: models.break_even(
            lines["firing_rate"], model.accumulates(lines["acs"]), model.analog(lines["analog_macs"]), ann
        )
        for name, (model, ann) in anns.items()
    }
