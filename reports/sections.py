"""What a report consists of, in its order: sections of tables and figures, the claims' verdicts, and run cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from reports import claims, summary
from reports.cards import run_cards
from reports.cost import costs, fit
from reports.cost import tables as training_tables
from reports.energy import by_model, constants
from reports.energy import tables as energy_tables
from reports.figures import of_runs
from reports.figures.drawing import Figure
from reports.inputs import predictions, published
from reports.rendering.table import Table
from reports.statistics import paired
from reports.studies import perf, quantization, regression
from reports.tables import checklist, comparison, disagreement, environment, matrix, paper, properties, protocol


@dataclass(frozen=True)
class Section:
    """`name` is its anchor. Figures are drawn when they are first asked for: a terminal wants none."""

    name: str
    title: str
    tables: Sequence[Table] = ()
    draw: Callable[[], Sequence[Figure]] = tuple

    @cached_property
    def figures(self) -> Sequence[Figure]:
        return self.draw()


@dataclass(frozen=True)
class Inputs:
    """All that was read. `rows`: of runs, None where none are reported; `whole`: all that is committed."""

    chosen: constants.Constants
    rows: pd.DataFrame | None = None
    layers: pd.DataFrame = field(default_factory=pd.DataFrame)
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)
    records: Sequence[perf.Record] = ()
    studies: Sequence[pd.DataFrame] = ()
    histories: Sequence[pd.DataFrame] = ()
    percent: float | None = None
    whole: bool = False
    predictions: predictions.Kept = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    sections: Sequence[Section]
    ledger: Sequence[claims.Judged] = ()
    cards: Sequence[run_cards.Card] = ()
    layers: Mapping[str, Table] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    rows: str = ""
    shortest: Table | None = None
    """What a terminal is told of the rows in a line, and in one table that fits a screen."""

    @property
    def tables(self) -> list[Table]:
        return [table for section in self.sections for table in section.tables]

    @property
    def figures(self) -> list[Figure]:
        return [figure for section in self.sections for figure in section.figures]


def of(read: Inputs) -> Contents:
    """Everything that can be said from what was read; a section that has nothing to say is left out."""
    on_steps, on_neurons, history = _steps(read), _neurons(read), _history(read)
    if read.rows is None:
        return Contents(_said([on_steps, on_neurons, history]))
    frame, model = read.rows, read.chosen.headline
    costed = costs.with_costs(frame, model)
    numbers = published.read()
    evidence = read.whole or frame["scale"].isin(paper.EVIDENCE).any()
    of_paper = numbers if read.whole else numbers[numbers["dataset"].isin(frame["dataset"])]
    ledger = claims.judged(_evidence(read, costed, numbers)) if evidence and len(of_paper) else []
    beside = paper.tables_of(frame, of_paper) if evidence else []
    lines = comparison.aggregate(frame, model)
    sections = [
        Section("claims", "Claims", [claims.table_of(ledger)] if ledger else []),
        Section("paper", "The paper's tables", [*properties.tables_of(frame), *beside]),
        _results(read, frame, lines),
        Section("figures", "Figures", (), lambda: _drawn(read, frame, numbers)),
        _energy(read, frame, lines),
        _cost(read, costed, lines),
        on_steps,
        on_neurons,
        Section("protocol", "Protocol, machines, data", [*protocol.tables_of(frame), *environment.tables_of(frame)]),
        history,
    ]
    return Contents(
        sections=_said(sections),
        ledger=ledger,
        cards=run_cards.of(costed, read.curves, read.layers),
        layers=run_cards.layers_of(costed, read.layers),
        origin=comparison.origin(frame),
        rows=summary.of_rows(frame),
        shortest=summary.abbreviated(lines),
        texts={
            "tables.csv": _csv(lines),
            "energy.csv": _csv(by_model.numbers_of(frame, read.layers, read.chosen)),
            "checklist.md": checklist.render(frame),
        },
    )


def _results(read: Inputs, frame: pd.DataFrame, lines: pd.DataFrame) -> Section:
    """Accuracies, the two gradients side by side, where networks differ image by image, and the long table."""
    accuracy = matrix.matrices(lines, matrix.accuracy())
    differing = disagreement.tables_of(frame, read.predictions)
    long = comparison.compare(frame, read.chosen.headline, lines)
    return Section("results", "Results", [*accuracy, *paired.compare_twins(frame), *differing, *long])


def _energy(read: Inputs, frame: pd.DataFrame, lines: pd.DataFrame) -> Section:
    events = matrix.matrices(lines, matrix.energy(read.chosen.headline))
    return Section("energy", "Energy", [*events, *energy_tables.compare_energy(frame, read.layers, read.chosen)])


def _cost(read: Inputs, costed: pd.DataFrame, lines: pd.DataFrame) -> Section:
    short = [table for what in (matrix.core_seconds(), matrix.memory()) for table in matrix.matrices(lines, what)]
    long = training_tables.compare_training(costed, read.curves, read.percent)
    return Section("cost", "Training cost", [*short, *long, *fit.of_rows(costed)])


def _csv(numbers: pd.DataFrame) -> str:
    return numbers.to_csv(index=False, lineterminator="\n")


def _said(sections: Sequence[Section]) -> list[Section]:
    return [section for section in sections if section.tables or section.name == "figures"]


def _drawn(read: Inputs, frame: pd.DataFrame, numbers: pd.DataFrame) -> list[Figure]:
    ours = numbers[numbers["method"] != ""]
    beside = ours.assign(network=ours["our_network"], timesteps=ours["steps"])
    return of_runs.figures_of(frame, read.layers, read.curves, beside, read.chosen.headline)


def _steps(read: Inputs) -> Section:
    return Section(
        "steps",
        "Cost of a step",
        [table for record in read.records for table in perf.tables_of(record)],
        lambda: [figure for record in read.records for figure in perf.figures_of(record)],
    )


def _neurons(read: Inputs) -> Section:
    return Section(
        "neurons",
        "Neurons against the mapping",
        [table for study in read.studies for table in quantization.tables_of(study)],
        lambda: [figure for study in read.studies for figure in quantization.figures_of(study)],
    )


def _history(read: Inputs) -> Section:
    return Section(
        "history",
        "Regressions",
        [regression.table_of(found) for found in read.histories],
        lambda: [figure for found in read.histories for figure in regression.figures_of(found)],
    )


def _evidence(read: Inputs, costed: pd.DataFrame, numbers: pd.DataFrame) -> claims.Evidence:
    studies = next((study for study in read.studies if "study" in study), pd.DataFrame())
    done = costed[costed["status"] == "done"]
    return claims.Evidence(done, studies, read.records, numbers, read.predictions)
