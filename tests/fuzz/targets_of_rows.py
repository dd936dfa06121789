"""Result CSVs and what stands beside them: in a report, in a plan, in queries, in an export."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import independent
from arrays import PREDICTIONS
from cases import Target, Victim
from specimens import CHILD, KEYS, PARENT, SHOWN, SPIKING, contents, of_laptop, only, recorded
from spreadsheets import SPREADSHEET

import reports
from benchmarks.__main__ import app
from benchmarks.export.rows import export
from benchmarks.runs.plan import plan
from reports.rendering.table import Table

ROWS, LAYERS, CURVES = "quick.csv", "quick-layers.csv", "quick-curves.csv"
IN_A_FOLDER = independent.found_in_a_folder(independent.rows)
NAMES = (ROWS, LAYERS, CURVES, ".npz")
BESIDE = [
    Victim(ROWS, SPREADSHEET, independent.rows, names=NAMES),
    Victim(LAYERS, SPREADSHEET, independent.layers, names=NAMES),
    Victim(CURVES, SPREADSHEET, independent.curves, names=NAMES),
]


SEARCHED = [Victim(ROWS, SPREADSHEET, IN_A_FOLDER, names=(*NAMES, "no CSV file", "names no run"))]


def cells(tables: Sequence[Table]) -> list[Any]:
    """What tables say: headings, cells with their marks, notes."""
    return [
        (
            one.title,
            [(c.label, c.unit) for c in one.columns],
            [[c.text + c.marks for c in row] for row in one.rows],
            one.notes,
        )
        for one in tables
    ]


def report_of(folder: Path) -> Any:
    """All tables of a report, and the lines of runs and layers behind them."""
    found = reports.read([folder / ROWS]).contents
    return cells(found.tables), {name: cells([table]) for name, table in found.layers.items()}, found.rows


def said(*words: str) -> tuple[int, str]:
    """Exit code and output of a command."""
    with redirect_stdout(out := io.StringIO()):
        code = app(list(words), standalone_mode=False) or 0
    return code, out.getvalue()


def answers_of(folder: Path) -> Any:
    """What the queries say of committed rows."""
    one, other = KEYS[CHILD], KEYS[SPIKING]
    return [
        said("best", "--count", "100"), said("diff", one, other), said("why", one), said("why-cached", other),
        said("card", one), contents(folder / "cards"),
    ]  # fmt: skip


def planned(folder: Path) -> Any:
    """Which runs a sweep would carry out, and the rows that it takes as they are."""
    found = plan([of_laptop(run) for run in SHOWN], folder)
    rows = {key: {name: row.get(name, "") for name in independent.OF_RUNS} for key, row in found.committed.items()}
    return [str(job) for job in found.missing], rows, said("status", "quick", "--scale", "smoke", "--json")


def exported(folder: Path) -> Any:
    """The CSV files after an export."""
    done = export("quick", [of_laptop(run) for run in SHOWN], "laptop", folder)
    return (
        done.refused,
        done.changes,
        {name: raw.decode("utf-8", "replace") for name, raw in contents(folder).items() if "/" not in name},
    )


def targets(scratch: Path) -> list[Target]:
    files = recorded()
    rows = only(files, "quick", "predictions")
    alone = only(files, ROWS)
    npz = next(path for path in files if path == f"predictions/{KEYS[PARENT]}.npz")
    of_files = [*BESIDE, Victim(npz, PREDICTIONS)]
    return [
        Target("report", rows, of_files, report_of, scratch / "report"),
        Target("report of rows alone", alone, BESIDE[:1], report_of, scratch / "rows"),
        Target("plan and status", rows, SEARCHED, planned, scratch / "plan"),
        Target("queries", alone, SEARCHED, answers_of, scratch / "queries"),
        Target("export over files", files, [*SEARCHED, *BESIDE[1:]], exported, scratch / "export"),
    ]
