"""Energy by every model side by side, and the firing rates at which a spiking network costs what an ANN costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from reports import energy
from reports.constants import Constants
from reports.energy_lines import compared, even_rates, of_networks, quantized
from reports.table import DASH, Cell, Column, Table, laid_out, numbers, warning_of

MORE = "‡"
Columns = list[tuple[Column, list[Cell]]]


def compare_energy(frame: pd.DataFrame, layers: pd.DataFrame, constants: Constants) -> list[Table]:
    """Two tables for every dataset, network and scale that has a spiking network. `layers`: rows of lemaire.COLUMNS."""
    tables = []
    for identity, lines in compared(frame, layers, constants):
        where = f"{identity[1]} on {identity[0]}", identity[2]
        tables += [_by_model(lines, where, constants), _even(lines[lines["spiking"]], where, constants)]
    return tables


def _by_model(lines: pd.DataFrame, where: tuple[str, str], constants: Constants) -> Table:
    shown = pd.concat([_baselines(lines, constants), of_networks(lines[lines["spiking"]], constants)])
    columns: Columns = [
        (Column("network", numeric=False), [Cell(label) for label in shown["label"]]),
        (Column("T"), [Cell(steps) for steps in shown["steps"]]),
    ]
    for section, model in constants.models.items():
        columns.append((Column(model.name.partition(" (")[0], "µJ/image"), numbers(shown[section].tolist())))
        columns.append((Column("x ANN"), numbers(shown[f"{section} ratio"].tolist(), decimals=3)))
        if section == "fp32":
            columns.append((Column("x ANN without zeros"), numbers(shown["x nonzero"].tolist(), decimals=3)))
        if section == "int8":
            columns.append((Column("x quantised ANN"), numbers(shown["x quantized"].tolist(), decimals=3)))
    columns += [
        (Column("with memory access", "µJ/image"), numbers(shown["memory model"].tolist())),
        (Column("x ANN"), numbers(shown["memory model ratio"].tolist(), decimals=3)),
        (Column("memory's share", "%", detail=True), numbers(shown["share"].tolist(), decimals=0)),
    ]
    return _table("Energy by model", where, columns, _model_notes(constants))


def _baselines(lines: pd.DataFrame, constants: Constants) -> pd.DataFrame:
    """The ANNs as rows of their own: dense, without zeros, and one per number of bits."""
    rows: list[dict[str, Any]] = []
    dense, spiking = lines.iloc[[0]], lines[lines["spiking"]]
    whole = {section: model.dense(dense["dense_macs_per_step"]).iloc[0] for section, model in constants.models.items()}
    memory = lines["dense"].dropna()
    ratios = {f"{section} ratio": value / value for section, value in whole.items()}
    rows.append({"label": "dense ANN", "memory model": memory.iloc[0] if len(memory) else np.nan} | whole | ratios)
    rows[0]["memory model ratio"] = rows[0]["memory model"] / rows[0]["memory model"]
    for line in lines[~lines["spiking"]].to_dict("records"):
        macs = pd.Series([line["analog_macs"]])
        found = {section: model.dense(macs).iloc[0] for section, model in constants.models.items()}
        ratios = {f"{section} ratio": found[section] / whole[section] for section in whole}
        rows.append({"label": f"{line['method']}, no zeros"} | found | ratios)
    bits = energy.bits_for(spiking["timesteps"])
    for width, alike in spiking.groupby(bits):
        value = quantized(alike, constants).mean()
        ratio = value / whole["int8"]
        rows.append({"label": f"{width}-bit ANN", "steps": _span(width)})
        rows[-1] |= {"int8": value, "int8 ratio": ratio}
    shown = pd.DataFrame(rows, columns=of_networks(spiking, constants).columns)
    return shown.assign(steps=shown["steps"].fillna(DASH))


def _span(bits: Any) -> str:
    """The step counts that so many bits stand for."""
    low, high = 2 ** (bits - 1), 2**bits - 1
    return str(low) if low == high else f"{low}–{high}"


def _even(lines: pd.DataFrame, where: tuple[str, str], constants: Constants) -> Table:
    rate = lines["firing_rate"]
    columns: Columns = [
        (Column("method", numeric=False), [Cell(method) for method in lines["method"]]),
        (Column("T"), [Cell(str(steps)) for steps in lines["timesteps"]]),
        (Column("measured firing rate", "per step"), numbers(rate.tolist(), decimals=3)),
    ]
    for name, found in even_rates(lines, constants).items():
        columns.append((Column(f"even with {name}", "per step"), [*map(_even_cell, found, rate)]))
    columns.append((Column("bits"), [Cell(str(bits)) for bits in energy.bits_for(lines["timesteps"])]))
    return _table("Break-even firing rates", where, columns, tuple(_even_notes(constants)))


def _even_cell(even: float, rate: float) -> Cell:
    (cell,) = numbers([even], decimals=3)
    return Cell("never", MORE) if even < 0 else Cell(cell.text, MORE if rate > even else "")


def _table(what: str, where: tuple[str, str], columns: Columns, notes: tuple[str, ...]) -> Table:
    headings, cells = laid_out(columns)
    heading = f"{what}, {where[0]}"
    badge = f"scale {where[1]}"
    return Table(heading, badge, f"{heading}, {badge}", headings, cells, notes, warning_of(where[1]))


def _model_notes(constants: Constants) -> tuple[str, ...]:
    int8 = constants.models["int8"]
    return (
        f"Constants: {'; '.join(str(model) for model in constants.models.values())}. "
        "dsr-bench report --energy FILE takes others.",
        f"{constants.memory}. Neurons of {', '.join(constants.memory.leaky)} leak; a dash: no layers were exported.",
        f"Quantised ANN, an assumption: 8-bit weights, b-bit activations with b = ceil(log2(T + 1)), a MAC at b / 8 of "
        f"{int8.mac_picojoules:g} pJ, 8-bit pixels in the first layer; beside {int8.name}.",
        "x ANN: the same layers, all MACs dense, by the same model; without zeros: MACs with nonzero activation of the "
        "run's parent, else of ann. An analog first layer counts once per different input. No ratio says what an "
        "accuracy costs.",
    )


def _even_notes(constants: Constants) -> Iterator[str]:
    yield (
        "The firing rate at which the network would cost what the ANN costs, spikes being spread as they are: measured "
        "rate x (energy of the ANN - of the analog first layer) / energy of the accumulates. Above 1 it costs less at "
        f"every rate. {MORE} it costs more as measured."
    )
    yield f"Dense ANN and ANN without zeros: {constants.headline}; quantised ANN: {constants.models['int8']}."
