"""Under which protocol each number came about: the recipes as run, beside the published ones."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from benchmarks.catalogue.networks import full
from benchmarks.recipes import resolve, timeless
from benchmarks.spec import Run, flat
from reports.rendering.table import DASH, Cell, Column, Table, laid_out
from reports.tables.paper import EVIDENCE, NAMES

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
    """Every setting of a run's recipe as text, nested ones with a dot: `neuron.threshold`. A dash: there is none."""
    found = {"network": run.network, **flat(resolve(run))}
    return {name: DASH if value in (None, ()) else str(value) for name, value in found.items()}


class Protocol(NamedTuple):
    """A method's settings at the T that share them: as published, and as run."""

    method: str
    timesteps: list[int]
    printed: dict[str, str]
    ran: dict[str, str]


def _protocols(dataset: str, network: str, scale: str, rows: pd.DataFrame) -> list[Protocol]:
    found: list[Protocol] = []
    whole = full(network)
    for method in (method for method in SHOWN if method in set(rows["method"])):
        for steps in sorted(map(int, set(rows.loc[rows["method"] == method, "timesteps"]))):
            printed, ran = (
                settings(Run(dataset, net, method, steps, 0, at))  # type: ignore[arg-type]
                for net, at in ((whole, "paper"), (network, scale))
            )
            if found and found[-1][0::2] == (method, printed) and found[-1].ran == ran:
                found[-1].timesteps.append(steps)
            else:
                found.append(Protocol(method, [steps], printed, ran))
    return found


def _table(dataset: str, network: str, scale: str, rows: pd.DataFrame) -> Table:
    protocols = _protocols(dataset, network, scale, rows)
    every = [settings for protocol in protocols for settings in (protocol.printed, protocol.ran)]
    names = list(dict.fromkeys(name for settings in every for name in settings))
    names = [name for name in names if any(settings.get(name, DASH) != DASH for settings in every)]
    columns: list[tuple[Column, list[Cell]]] = [(Column("setting", numeric=False), [Cell(name) for name in names])]
    for method, timesteps, printed, ran in protocols:
        before, now = ([settings.get(name, DASH) for name in names] for settings in (printed, ran))
        marks = [DIFFERS if a != b else "" for a, b in zip(before, now, strict=True)]
        at = f" at T = {', '.join(map(str, timesteps))}" if not timeless(method) else ""
        columns.append((Column(f"{method}{at}", "scale paper"), [Cell(text) for text in before]))
        columns.append((Column("as run", f"scale {scale}"), list(map(Cell, now, marks))))
    headings, cells = laid_out(columns)
    heading = f"Protocol, {network} on {dataset}"
    return Table(heading, f"scale {scale}", f"{heading}, scale {scale}", headings, cells, NOTES)


NOTES = (
    f"{DIFFERS} differs from the recipe of scale paper; benchmarks/recipes.py says of each setting who has published "
    "it. A dash: does not apply; of images: all there are.",
)
