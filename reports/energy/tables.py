"""Energy by every model side by side, and the firing rates at which a spiking network costs what an ANN costs."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from reports.energy import models
from reports.energy.by_model import compared, energies_of_lines, even_rates
from reports.energy.constants import Constants
from reports.rendering.table import Cell, Column, Table, laid_out, numbers, warning_of

MORE = "‡"
Columns = list[tuple[Column, list[Cell]]]


def compare_energy(frame: pd.DataFrame, layers: pd.DataFrame, constants: Constants) -> list[Table]:
    """Two tables for every dataset, network and scale that has a spiking network. `layers`: as `lemaire` has them."""
    tables = []
    for identity, lines in compared(frame, layers, constants):
        where = f"{identity[1]} on {identity[0]}", identity[2]
        tables += [_by_model(lines, where, constants), _even(lines[lines["spiking"]], where, constants)]
    return tables


def _by_model(lines: pd.DataFrame, where: tuple[str, str], constants: Constants) -> Table:
    shown = energies_of_lines(lines, constants)
    columns: Columns = [
        (Column("method", numeric=False), [Cell(method) for method in shown["method"]]),
        (Column("T"), [Cell(str(steps)) for steps in shown["timesteps"]]),
    ]
    for section, model in constants.models.items():
        columns += _columns_of_model(shown, section, model)
    columns += [
        (Column("with memory access: events", "µJ/image"), numbers(shown["memory_events_microjoules"].tolist())),
        (Column("x dense ANN"), numbers(shown["memory_events_x_dense_ann"].tolist(), decimals=3)),
        (Column("memory's share", "%", detail=True), numbers(shown["memory_share_percent"].tolist(), decimals=0)),
    ]
    notes = _model_notes(constants)
    if models.has_few_bits(lines):
        notes += (f"{models.FEW_BITS} With int8 weights it is billed as the quantised ANN above.",)
    return _table("Energy by model", where, columns, notes)


def _columns_of_model(shown: pd.DataFrame, section: str, model: models.EnergyModel) -> Columns:
    """Events with the ratio to the ANN's; of the headline's model the other counts, too."""

    def one(label: str, column: str, unit: str = "", detail: bool = False) -> tuple[Column, list[Cell]]:
        values = shown[f"{section}_{column}"].tolist()
        return Column(label, unit, detail=detail), numbers(values, decimals=None if unit else 3)

    name, headline = model.name.partition(" (")[0], section == "fp32"
    columns = [
        one(f"{name}: {models.ONCE if headline else 'events'}", "events_microjoules", "µJ/image"),
        one("x ANN's events", "events_x_ann"),
    ]
    if headline:
        columns += [
            one(models.EVERY_STEP, "events_every_step_microjoules", "µJ/image", True),
            one(models.DENSE, "dense_microjoules", "µJ/image", True),
            one("x ANN's dense", "dense_x_ann", detail=True),
        ]
    if section == "int8":
        columns.append(one("x quantised ANN's events", "events_x_quantised_ann"))
    return columns


def _even(lines: pd.DataFrame, where: tuple[str, str], constants: Constants) -> Table:
    rate = lines["firing_rate"]
    columns: Columns = [
        (Column("method", numeric=False), [Cell(method) for method in lines["method"]]),
        (Column("T"), [Cell(str(steps)) for steps in lines["timesteps"]]),
        (Column("measured firing rate", "per step"), numbers(rate.tolist(), decimals=3)),
    ]
    for name, found in even_rates(lines, constants).items():
        columns.append((Column(f"even with {name}", "per step"), [*map(_even_cell, found, rate)]))
    columns.append((Column("bits"), [Cell(str(bits)) for bits in models.bits_for(lines["timesteps"])]))
    return _table("Break-even firing rates", where, columns, tuple(_even_notes(constants)))


def _even_cell(even: float, rate: float) -> Cell:
    (cell,) = numbers([even], decimals=3)
    return Cell("never", MORE) if even < 0 else Cell(cell.text, MORE if rate > even else "")


def _table(what: str, where: tuple[str, str], columns: Columns, notes: tuple[str, ...]) -> Table:
    headings, cells = laid_out(columns)
    heading = f"{what}, {where[0]}"
    badge = f"scale {where[1]}"
    return Table(heading, badge, f"{heading}, {badge}", headings, cells, notes, warning_of(where[1]), behind=True)


def _model_notes(constants: Constants) -> tuple[str, ...]:
    int8 = constants.models["int8"]
    return (
        "Events: what is not zero (an ANN's nonzero activations multiply, spikes accumulate), the first layer once. "
        "Dense: every synapse at every step. A ratio has one count and model on both sides, but for the memory model.",
        f"Constants: {'; '.join(str(model) for model in constants.models.values())}. "
        "dsr-bench report --energy FILE takes others.",
        "The ANN of events: the run's parent, else ann of this table; of dense: the same layers. No ratio says what an "
        "accuracy costs.",
        f"Quantised ANN, an assumption: 8-bit weights, b-bit activations with b = ceil(log2(T + 1)), a MAC at b / 8 of "
        f"{int8.mac_picojoules:g} pJ, 8-bit pixels in the first layer; beside {int8.name}.",
        f"{constants.memory}. It has no count of an ANN's events: its ratio is to the dense ANN. Neurons leak "
        f"where their run counted it (in older rows: those of {', '.join(constants.memory.leaky)}); a dash: no layers "
        "were exported.",
    )


def _even_notes(constants: Constants) -> Iterator[str]:
    yield (
        "The firing rate at which the network would cost what the ANN costs, spikes being spread as they are: measured "
        "rate x (energy of the ANN - of the analog first layer) / energy of the accumulates. Above 1 it costs less at "
        f"every rate. {MORE} it costs more as measured."
    )
    yield (
        f"ANN: {constants.headline}; quantised ANN: {constants.models['int8']}. Events skip zeros on both sides; "
        "the dense ANN skips none, the spiking network does."
    )
