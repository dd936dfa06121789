"""The cheapest run to an accuracy on two cores: a record, and the command that makes it again.

A record is one run of an ANN, or of a spiking network with few time steps, that reaches the accuracy on the whole test
split after training, with the fewest core-seconds, its ancestors' included.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from benchmarks.catalogue import timeless
from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.spec import Run
from reports.inputs.rows import RUN
from reports.rendering.table import DASH, Cell, Column, Table, laid_out, numbers
from reports.tables.footnotes import CORE_SPEED
from reports.tables.paper import EVIDENCE
from reports.tables.run_cards import anchor, command_of

DATASET = "cifar10"
REACHED = (80.0, 85.0, 90.0)
FEW = 5
LINE = ["dataset", "network", "scale", "method", "timesteps"]
NOT_SPIKING = ("dsr-clamp", "dsr-quantized", "lsq-ann")
"""They have a T and do not spike, so they are neither: steps from the ANN to DSR (`ladder`), and an ANN of few bits."""
UNITS = {"test accuracy": "%", "core speed": "GFLOP/s"}
INVITATION = (
    "Can you do it in less? Run your method with such a command and send the row: what counts is the accuracy on all "
    "10,000 test images after training, and the core-seconds of all training that led to it."
)
NOTE = (
    "Core-seconds: user and system time of training on a CPU, a parent's included (of it in brackets). "
    f"{CORE_SPEED} Core-seconds compare where it is alike. Accuracy: the test "
    "split after the last epoch. Seeds: how many runs of this line reached the accuracy, of how many; with few "
    "seeds, the cheapest run that reached it may be a lucky one."
)


class Record(NamedTuple):
    """The cheapest run of a kind to an accuracy, None where no run reaches it, and its line's seeds."""

    percent: float
    kind: str
    row: pd.Series | None
    reached: int = 0
    seeds: int = 0

    @property
    def name(self) -> str:
        """Kind and accuracy in words."""
        return f"{self.kind} to {self.percent:g} %"

    @property
    def command(self) -> str:
        """The command that makes the run again."""
        return "" if self.row is None else command_of(Run(*self.row[RUN]))


def records(costed: pd.DataFrame) -> list[Record]:
    """The records of every accuracy and kind; `costed`: rows with their costs. None of a kind that has no run."""
    rows = _eligible(costed)
    still = rows["method"].map(timeless).astype(bool)
    kinds = {"ANN": rows[still], f"SNN (T <= {FEW})": rows[~still & (rows["timesteps"] <= FEW)]}
    found = [_cheapest(percent, kind, part) for kind, part in kinds.items() for percent in REACHED]
    return found if any(record.row is not None for record in found) else []


def _eligible(costed: pd.DataFrame) -> pd.DataFrame:
    whole = ENTRIES[DATASET].test
    done = costed[(costed["status"] == "done") & (costed["dataset"] == DATASET) & costed["scale"].isin(EVIDENCE)]
    done = done[(done["device"] == "cpu") & (done["test_images"] == whole) & done["true_train_cpu_seconds"].notna()]
    return done[~done["method"].str.split("@").str[0].isin(NOT_SPIKING)]


def _cheapest(percent: float, kind: str, rows: pd.DataFrame) -> Record:
    there = rows[rows["top1"] >= percent]
    if there.empty:
        return Record(percent, kind, None)
    row = there.sort_values("true_train_cpu_seconds", kind="stable").iloc[0]
    of_line = (rows[LINE] == row[LINE].tolist()).all(axis=1)
    return Record(percent, kind, row, int((of_line & (rows["top1"] >= percent)).sum()), int(of_line.sum()))


def tables_of(costed: pd.DataFrame) -> list[Table]:
    """One table, or none where no run reaches any of the accuracies."""
    found = records(costed)
    return [_table(found)] if found else []


def _table(found: list[Record]) -> Table:
    lines = [_line(record) for record in found]
    labels = {
        "record": False, "method": False, "T": True, "test accuracy": True, "core-seconds": True, "core speed": True,
        "seeds": True, "date": False, "commit": False,
    }  # fmt: skip
    columns = [
        (Column(label, UNITS.get(label, ""), numeric), [line[at] for line in lines])
        for at, (label, numeric) in enumerate(labels.items())
    ]
    headings, cells = laid_out(columns)
    heading = f"Cheapest run to an accuracy on two cores, {ENTRIES[DATASET].name}"
    commands = [f"{record.name}: {record.command}" for record in found if record.row is not None]
    return Table(heading, "records", heading, headings, cells, (INVITATION, NOTE, *commands))


def _line(record: Record) -> list[Cell]:
    row = record.row
    if row is None:
        return [Cell(record.name), Cell("none yet"), *(Cell(DASH) for _ in range(7))]
    before = row["ancestors_train_cpu_seconds"]
    parent = f" ({before:,.0f})" if before else ""
    return [
        Cell(record.name),
        Cell(str(row["method"]), link=anchor(row.to_dict())),
        Cell(DASH if timeless(row["method"]) else str(row["timesteps"])),
        Cell(f"{row['top1']:.2f}"),
        Cell(f"{row['true_train_cpu_seconds']:,.0f}{parent}"),
        *numbers([row["core_gflops"]], decimals=0),
        Cell(f"{record.reached} of {record.seeds}"),
        Cell(str(row["started"])[:10]),
        Cell(str(row["commit"])[:12]),
    ]


def _speed(gflops: float) -> str:
    return "core speed not recorded" if pd.isna(gflops) else f"core speed {gflops:.0f} GFLOP/s"


def sentences(costed: pd.DataFrame) -> Iterator[str]:
    """The record of each kind at the highest accuracy that a run of it reaches."""
    best: dict[str, Record] = {}
    for record in records(costed):
        if record.row is not None:
            best[record.kind] = record
    for record in best.values():
        assert record.row is not None
        yield (
            f"The cheapest {record.name} took {record.row['true_train_cpu_seconds']:,.0f} "
            f"core-seconds (`{record.row['method']}`, {record.reached} of {record.seeds} seeds reached it, "
            f"{_speed(record.row['core_gflops'])})."
        )
