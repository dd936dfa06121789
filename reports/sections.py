"""What a report consists of, in its order: sections of tables and figures, the claims' verdicts, and run cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from reports import claims, summary
from reports.claims import properties
from reports.cost import costs, fit
from reports.energy import by_model, constants
from reports.energy.tables import compare_energy
from reports.figures import runs
from reports.figures.drawing import Figure
from reports.inputs import predictions, published
from reports.questions import ladder, length, precision, records, temporal, tuning, width
from reports.questions.trials import without_trials
from reports.rendering.table import Table
from reports.studies import perf, quantization, regression
from reports.tables import checklist, comparison, disagreement, environment, matrix, paper, protocol, run_cards
from reports.tables.training import compare_training
from reports.tables.twins import compare_twins


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


def contents_of(read: Inputs) -> Contents:
    """Everything that the inputs say; a section without a table is left out."""
    on_steps, on_neurons, history = _steps(read), _neurons(read), _history(read)
    if read.rows is None:
        return Contents(_not_empty([on_steps, on_neurons, history]))
    frame, numbers = read.rows, published.read()
    costed = costs.with_costs(frame, read.chosen.headline)  # here alone: every section takes its costs from these rows
    lines = comparison.aggregate(costed)
    layers = run_cards.best_founded(without_trials(costed), read.layers)
    ledger, paper_tables = _against_the_paper(read, costed, numbers)
    sections = [
        Section("claims", "Claims", [claims.table_of(ledger)] if ledger else []),
        Section("paper", "The paper's tables", [*properties.tables_of(frame), *paper_tables]),
        _results(read, frame, lines),
        Section("figures", "Figures", (), lambda: _figures(read, frame, lines, numbers)),
        _energy(read, frame, lines),
        _cost(read, costed, lines),
        on_steps,
        on_neurons,
        _protocol(frame),
        history,
    ]
    return Contents(
        sections=_not_empty(sections),
        ledger=ledger,
        cards=run_cards.cards_of(costed, read.curves, layers),
        layers=run_cards.layers_of(costed, layers),
        origin=comparison.origin(frame),
        rows=summary.counts_of(frame),
        shortest=summary.abbreviated(lines),
        texts={
            "tables.csv": _csv(lines),
            "energy.csv": _csv(by_model.energies(frame, read.layers, read.chosen)),
            "checklist.md": checklist.render(frame),
        },
    )


def _against_the_paper(
    read: Inputs, costed: pd.DataFrame, numbers: pd.DataFrame
) -> tuple[Sequence[claims.Judged], Sequence[Table]]:
    """The claims' ledger and the paper's tables; neither where no row is evidence."""
    if not (read.whole or costed["scale"].isin(paper.EVIDENCE).any()):
        return [], []
    printed = numbers if read.whole else numbers[numbers["dataset"].isin(costed["dataset"])]
    ledger = claims.judged(_evidence(read, costed, numbers)) if len(printed) else []
    return ledger, paper.tables_of(costed, printed)


def _results(read: Inputs, frame: pd.DataFrame, lines: pd.DataFrame) -> Section:
    """Accuracies, what single questions find, where networks differ image by image, and the long table."""
    asked = (ladder, width, length, precision)
    questions = [table for question in asked for table in question.tables_of(frame, read.predictions)]
    questions += temporal.tables_of(lines)
    accuracy = matrix.matrices(without_trials(lines), matrix.accuracy())
    differing = disagreement.tables_of(frame, read.predictions)
    long = comparison.compare(frame, lines, read.chosen.headline)
    return Section("results", "Results", [*accuracy, *questions, *compare_twins(frame), *differing, *long])


def _energy(read: Inputs, frame: pd.DataFrame, lines: pd.DataFrame) -> Section:
    events = matrix.matrices(without_trials(lines), matrix.energy(read.chosen.headline))
    return Section("energy", "Energy", [*events, *compare_energy(frame, read.layers, read.chosen)])


def _cost(read: Inputs, costed: pd.DataFrame, lines: pd.DataFrame) -> Section:
    main = without_trials(lines)
    short = [table for what in (matrix.core_seconds(), matrix.memory()) for table in matrix.matrices(main, what)]
    long = compare_training(costed, read.curves, read.percent)
    return Section("cost", "Training cost", [*records.tables_of(costed), *short, *long, *fit.tables_of(costed)])


def _protocol(frame: pd.DataFrame) -> Section:
    tables = [*protocol.tables_of(frame), *tuning.tables_of(frame), *environment.tables_of(frame)]
    return Section("protocol", "Protocol, tuning, machines, data", tables)


def _csv(numbers: pd.DataFrame) -> str:
    return numbers.to_csv(index=False, lineterminator="\n")


def _not_empty(sections: Sequence[Section]) -> list[Section]:
    return [section for section in sections if section.tables or section.name == "figures"]


def _figures(read: Inputs, frame: pd.DataFrame, lines: pd.DataFrame, numbers: pd.DataFrame) -> list[Figure]:
    ours = numbers[numbers["method"] != ""]
    points = ours.assign(network=ours["our_network"], timesteps=ours["steps"])
    return runs.figures_of(frame, without_trials(lines), read.layers, read.curves, points, read.chosen.headline)


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
        [regression.table_of(history) for history in read.histories],
        lambda: [figure for history in read.histories for figure in regression.figures_of(history)],
    )


def _evidence(read: Inputs, costed: pd.DataFrame, numbers: pd.DataFrame) -> claims.Evidence:
    studies = next((study for study in read.studies if "study" in study), pd.DataFrame())
    done = costed[costed["status"] == "done"]
    return claims.Evidence(done, studies, read.records, numbers, read.predictions)
