"""Where the numbers come from: machines with their software, and data with their checksums, as tables."""

from __future__ import annotations

import pandas as pd

from reports.rendering.table import Cell, Column, Table, laid_out

MACHINE = ["machine", "device", "threads", "python", "torch"]
DATA = ["dataset", "data_sha256", "data_source"]


def tables_of(frame: pd.DataFrame) -> list[Table]:
    """Two tables over all finished rows."""
    done = frame[frame["status"] == "done"]
    return [_machines(done), _data(done)] if len(done) else []


def _machines(done: pd.DataFrame) -> Table:
    grouped = [(key, rows) for key, rows in done.groupby(MACHINE, sort=False, dropna=False)]
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("machine", numeric=False), [Cell(str(key[0])) for key, _ in grouped]),
        (Column("runs"), [Cell(str(len(rows))) for _, rows in grouped]),
        (Column("device", numeric=False), [Cell(str(key[1])) for key, _ in grouped]),
        (Column("threads"), [Cell(f"{key[2]:g}") for key, _ in grouped]),
        (Column("Python"), [Cell(str(key[3])) for key, _ in grouped]),
        (Column("torch"), [Cell(str(key[4])) for key, _ in grouped]),
        (Column("commits"), [Cell(str(rows["commit"].nunique())) for _, rows in grouped]),
        (Column("changed code"), [Cell(str((rows["dirty"] == "True").sum())) for _, rows in grouped]),
    ]
    headings, cells = laid_out(columns)
    note = "Changed code: runs of a working tree that differed from its commit. Commits stand in every CSV row."
    return Table("Machines", "environment", "Machines and software", headings, cells, (note,))


def _data(done: pd.DataFrame) -> Table:
    grouped = [(key, rows) for key, rows in done.groupby(DATA, sort=False, dropna=False)]
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("data set", numeric=False), [Cell(str(key[0])) for key, _ in grouped]),
        (Column("runs"), [Cell(str(len(rows))) for _, rows in grouped]),
        (Column("trained on"), [Cell(_range(rows["train_images"])) for _, rows in grouped]),
        (Column("tested on"), [Cell(_range(rows["test_images"])) for _, rows in grouped]),
        (Column("sha256", numeric=False), [Cell(str(key[1])[:16]) for key, _ in grouped]),
        (Column("source", numeric=False), [Cell(str(key[2])) for key, _ in grouped]),
    ]
    headings, cells = laid_out(columns)
    note = "Images, least to most over the runs. The checksum is of all that was loaded, its first 16 digits."
    return Table("Data", "environment", "Data", headings, cells, (note,))


def _range(counts: pd.Series) -> str:
    low, high = counts.min(), counts.max()
    if pd.isna(low):
        return "–"
    return f"{low:,.0f}" if low == high else f"{low:,.0f}–{high:,.0f}"
