"""Which numbers the page of results shows: accuracies as matrices, depth, cost, and what no other method beats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.catalogue.networks import LAYERS
from reports.cost import to_accuracy
from reports.energy.models import ONCE, EnergyModel
from reports.figures.pareto import front
from reports.figures.series import kinds
from reports.questions.trials import are_trials, without_trials
from reports.rendering.table import DASH, Cell, Column, Table, laid_out, numbers
from reports.tables import matrix, training
from reports.tables.comparison import TABLE, accuracy_cell, aggregate
from reports.tables.matrix import Quantity
from reports.tables.paper import EVIDENCE

SEEDS = (
    "Percent of the test images, last epoch. ± half the 95 % Student t interval of n seeds; (a, b): the values of "
    "two seeds; [low, high]: one seed, Wilson's interval over its test images. A dash has not been run."
)
FEWEST = 3
"""Methods of which a front says something."""
MEANS = "Percent of the test images; ′: one seed, else the mean of all. Parents are in the table of accuracies."


@dataclass(frozen=True)
class Group:
    """The lines of one data set, network and scale, and the kind of each line's method (`reports.figures.series`)."""

    lines: pd.DataFrame
    kind: pd.Series

    @property
    def place(self) -> list[str]:
        """Data set, network and scale."""
        return [str(name) for name in self.lines.iloc[0][TABLE]]

    @property
    def deep(self) -> bool:
        """Whether the network is one of the paper's comparison of depths."""
        return self.lines["network"].iloc[0] in LAYERS


def accuracies(groups: Iterable[Group]) -> list[Table]:
    """One per data set, network and scale: every method at the T that a trained spiking method was run at.

    Networks that differ in depth alone are in `depths`.
    """
    tables: list[Table] = []
    for lines, kind in ((group.lines, group.kind) for group in groups if not group.deep):
        varied = lines["method"].str.contains("@", regex=False)
        steps = set(lines["timesteps"][(kind == "trained") & ~varied])
        shown = lines["timesteps"].isin(steps) | (kind == "still")
        tables += matrix.matrices(lines[shown & ~(varied & (kind == "trained"))], _with_intervals("Accuracy"))
    return tables


def variants(groups: Iterable[Group]) -> list[Table]:
    """Trained methods with parameters of their neuron changed, `method@...`, beside the method itself."""
    tables: list[Table] = []
    for lines, kind in ((group.lines, group.kind) for group in groups):
        varied = lines[lines["method"].str.contains("@", regex=False) & (kind == "trained")]
        wanted = {*varied["method"], *varied["method"].str.split("@").str[0]}
        shown = lines["method"].isin(wanted) & lines["timesteps"].isin(set(varied["timesteps"]))
        tables += matrix.matrices(lines[shown], _with_intervals("Variants"))
    return tables


def conversions(groups: Iterable[Group], frame: pd.DataFrame) -> list[Table]:
    """Conversions at every T they were run at, means alone: of data sets, networks and scales with four T or more."""
    tables: list[Table] = []
    for group in groups:
        converted = group.lines[group.kind == "converted"]
        if converted["timesteps"].nunique() > 3:
            tables += matrix.matrices(converted, _only_means(MEANS + _images(frame, converted)))
    return tables


def depths(groups: Iterable[Group]) -> list[Table]:
    """One per data set and scale of which networks of two depths were run: methods at their T down, layers across."""
    deep = [group.lines.assign(kind=group.kind) for group in groups if group.deep]
    if not deep:
        return []
    lines = pd.concat(deep)
    lines = lines.assign(layers=[LAYERS[network] for network in lines["network"]])
    return [
        _depth(str(dataset), str(scale), part)
        for (dataset, scale), part in lines.groupby(["dataset", "scale"], sort=False)
    ]


def _depth(dataset: str, scale: str, lines: pd.DataFrame) -> Table:
    layers = sorted(set(lines["layers"]))
    by_place = {(line["method"], line["timesteps"], line["layers"]): _cell(line) for line in lines.to_dict("records")}
    moving = dict(zip(lines["method"], lines["kind"] != "still", strict=True))
    rows = list(dict.fromkeys(zip(lines["method"], lines["timesteps"], strict=True)))
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("method", numeric=False), [Cell(method) for method, _ in rows]),
        (Column("T"), [Cell(str(steps) if moving[method] else DASH) for method, steps in rows]),
        *((Column(f"{many} layers", "%"), [by_place.get((*row, many), Cell(DASH)) for row in rows]) for many in layers),
    ]
    headings, cells = laid_out(columns)
    heading = f"Accuracy against depth, PreAct-ResNet of 16, 32 and 64 channels on {dataset}"
    return Table(heading, f"scale {scale}", f"{heading}, scale {scale}", headings, cells, (SEEDS,))


def costs(groups: Iterable[Group], costed: pd.DataFrame, curves: pd.DataFrame) -> list[Table]:
    """What training cost, to accuracies and within budgets: of methods whose core-seconds are known.

    Conversions at the T that trained methods were run at. `costed`: rows with their costs.
    """
    tables = []
    for group in groups:
        if group.deep:
            continue
        steps = set(group.lines["timesteps"][group.kind == "trained"])
        shown = group.lines[group.lines["timesteps"].isin(steps) | (group.kind == "still")]
        shown = shown[~shown["method"].str.contains("@", regex=False) & shown["true_train_cpu_seconds"].notna()]
        if len(shown):
            tables.append(_costs(shown, costed, curves))
    return tables


def _costs(lines: pd.DataFrame, costed: pd.DataFrame, curves: pd.DataFrame) -> Table:
    dataset, network, scale = lines.iloc[0][TABLE]
    percents = to_accuracy.targets(dataset, scale, None)
    done = costed[(costed["status"] == "done") & (costed[TABLE] == [dataset, network, scale]).all(axis=1)]
    table = training.compact(training.measured(done, curves, percents), lines, percents)
    heading = f"Cost of training, {network} on {dataset}"
    return Table(heading, f"scale {scale}", f"{heading}, scale {scale}", *table)


def fronts(groups: Iterable[Group], model: EnergyModel) -> list[Table]:
    """What no other method and T beats: as accurate for less energy, or more accurate for as much.

    Variants of trained methods are left out, as in the figure.
    """
    tables = []
    for group in groups:
        varied = group.lines["method"].str.contains("@", regex=False) & (group.kind == "trained")
        known = group.lines[(group.lines["energy_events_microjoules"] > 0) & ~varied].reset_index(drop=True)
        if group.deep or known["method"].nunique() < FEWEST:
            continue
        best = known.loc[front(known["energy_events_microjoules"].tolist(), known["top1"].tolist())]
        tables.append(_front(best, group, model))
    return tables


def _front(best: pd.DataFrame, group: Group, model: EnergyModel) -> Table:
    level = set(group.lines["method"][group.kind == "still"])
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("method", numeric=False), [Cell(method) for method in best["method"]]),
        (
            Column("T"),
            [
                Cell(DASH if method in level else str(steps))
                for method, steps in zip(best["method"], best["timesteps"], strict=True)
            ],
        ),
        (Column("energy", "µJ/image"), numbers(best["energy_events_microjoules"].tolist())),
        (Column("accuracy", "%"), [_cell(line) for line in best.to_dict("records")]),
    ]
    headings, cells = laid_out(columns)
    dataset, network, scale = best.iloc[0][TABLE]
    heading = f"Accuracy against energy, the front, {network} on {dataset}"
    note = (
        "From the cheapest inference to the most accurate; every other method and T costs more than one of these, or "
        f"is less accurate; variants (method@...) of trained methods are left out. Energy: {ONCE}; {model}. Means over "
        "seeds: with more of them, neighbours may change places."
    )
    return Table(heading, f"scale {scale}", f"{heading}, scale {scale}", headings, cells, (note,))


def _only_means(note: str) -> Quantity:
    return Quantity("Conversions against T", "%", _means, lambda _: [note])


def _with_intervals(heading: str) -> Quantity:
    return Quantity(heading, "%", lambda lines: [_cell(line) for line in lines.to_dict("records")], lambda _: [SEEDS])


def _cell(line: dict) -> Cell:
    cell = accuracy_cell(line)
    return Cell(f"{cell.text} (n = {line['seeds']})") if line["interval"] == "student-t" else cell


def _means(lines: pd.DataFrame) -> Sequence[Cell]:
    marks = ["′" if seeds == 1 else "" for seeds in lines["seeds"]]
    return [Cell(numbers([top1], decimals=1)[0].text, mark) for top1, mark in zip(lines["top1"], marks, strict=True)]


def _images(frame: pd.DataFrame, lines: pd.DataFrame) -> str:
    """On how many images, where runs were not all tested on as many."""
    here = (frame[TABLE] == lines.iloc[0][TABLE].tolist()).all(axis=1)
    here &= (frame["epochs"] == 0) & (frame["status"] == "done")
    least, most = frame.loc[here, "test_images"].min(), frame.loc[here, "test_images"].max()
    return f" Tested on {least:,.0f} to {most:,.0f} images." if least < most else ""


def grouped(costed: pd.DataFrame) -> list[Group]:
    """The lines of every data set, network and scale that has evidence, the best-founded scale first.

    `costed`: rows with their costs.
    """
    rows = costed[costed["scale"].isin(EVIDENCE)]
    means = aggregate(rows)
    means = means[means["top1"].notna()] if len(means) else means
    groups = []
    for identity, lines in means.groupby(TABLE, sort=False) if len(means) else ():
        if are_trials(lines["method"]).all():
            continue
        lines = without_trials(lines)
        done = rows[(rows["status"] == "done") & (rows[TABLE] == list(identity)).all(axis=1)]
        groups.append(Group(lines, lines["method"].map(kinds(done))))
    return sorted(groups, key=lambda group: EVIDENCE.index(group.place[-1]))  # stable
