"""Under which protocol each number came about: the recipes as run, beside the published ones."""

from __future__ import annotations

import pandas as pd

from benchmarks.recipes import resolve
from benchmarks.spec import Run, flat
from reports.paper_tables import EVIDENCE, NAMES
from reports.table import DASH, Cell, Column, Table, laid_out

DIFFERS = "≠"
SHOWN = ("dsr-if", "dsr-lif", "stbp-tdbn", "ann", "qcfs-ann", "dsr-ann", "dsr-if-hybrid")
TABLE = ["dataset", "network", "scale"]


def tables_of(frame: pd.DataFrame) -> list[Table]:
    """A table per data set of the paper and scale below `paper`: published and as run, differences marked."""
    done = frame[(frame["status"] == "done") & frame["dataset"].isin(NAMES)]
    done = done[done["method"].isin(SHOWN) & done["scale"].isin(EVIDENCE)]
    grouped = done[done["scale"] != "paper"].groupby(TABLE, sort=False)
    return [_table(str(d), str(n), str(s), rows) for (d, n, s), rows in grouped]


def settings(run: Run) -> dict[str, str]:
    """Every setting of a run's recipe as text, nested ones with a dot: `neuron.threshold`."""
    found = {"T": run.timesteps, "network": run.network, **flat(resolve(run))}
    return {name: DASH if value is None else str(value) for name, value in found.items()}


def _table(dataset: str, network: str, scale: str, rows: pd.DataFrame) -> Table:
    methods = [method for method in SHOWN if method in set(rows["method"])]
    most = {method: int(rows.loc[rows["method"] == method, "timesteps"].max()) for method in methods}
    ran = {m: settings(Run(dataset, network, m, most[m], 0, scale)) for m in methods}  # type: ignore[arg-type]
    full = network.removesuffix("-narrow")
    printed = {m: settings(Run(dataset, full, m, most[m], 0, "paper")) for m in methods}
    names = list(dict.fromkeys(name for found in (*printed.values(), *ran.values()) for name in found))
    names = [
        name for name in names if any(found.get(name, DASH) != DASH for found in (*printed.values(), *ran.values()))
    ]
    columns: list[tuple[Column, list[Cell]]] = [(Column("setting", numeric=False), [Cell(name) for name in names])]
    for method in methods:
        before = [printed[method].get(name, DASH) for name in names]
        now = [ran[method].get(name, DASH) for name in names]
        marks = [DIFFERS if a != b else "" for a, b in zip(before, now, strict=True)]
        columns.append((Column(method, "scale paper"), [Cell(text) for text in before]))
        columns.append((Column("as run", f"scale {scale}"), list(map(Cell, now, marks))))
    headings, cells = laid_out(columns)
    heading = f"Protocol, {network} on {dataset}"
    return Table(heading, f"scale {scale}", f"{heading}, scale {scale}", headings, cells, NOTES)


NOTES = (
    f"{DIFFERS} differs from the published recipe (scale paper), whose sources stand in benchmarks/recipes.py. Of "
    "several T the longest that was run. A dash: does not apply; of images: all there are.",
)
