"""Does differentiating in representation space cost accuracy? The same seeds with both gradients, side by side.

A pair is two finished runs of one dataset, network, scale, T and seed (so the same images in the same order and the
same weights at the start) by a method and by its twin in representation space. Differences are tested, not means:
what a seed does to both drops out.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from reports.rendering.table import DASH, Cell, Column, Table, laid_out, numbers
from reports.statistics.intervals import student_of_differences

TWIN = "-rep"
TABLE = ["dataset", "network", "scale"]
NOTE = (
    "Difference: accuracy of the twin in representation space minus that of the released gradient, seed by seed; "
    "± is half the 95 % Student t interval over the pairs; (a, b) are both differences of two pairs; a dash: one pair. "
    "All: pairs of all lines, taken as independent."
)


def compare_twins(frame: pd.DataFrame) -> list[Table]:
    """One table per dataset, network and scale in which there is a pair: a line per method and T, one for all."""
    grouped = _pairs(frame).groupby(TABLE, sort=False)
    return [_table(str(d), str(n), str(s), pairs) for (d, n, s), pairs in grouped]


def _pairs(frame: pd.DataFrame) -> pd.DataFrame:
    """`exact`, `twin` and their `difference`, one row per pair."""
    done = frame[frame["status"] == "done"]
    on = [*TABLE, "method", "timesteps", "seed"]
    twins = done[done["method"].str.endswith(TWIN)].assign(method=lambda rows: rows["method"].str.removesuffix(TWIN))
    both = done[[*on, "top1"]].merge(twins[[*on, "top1"]], on=on, suffixes=("_exact", "_twin"))
    both = both.rename(columns={"top1_exact": "exact", "top1_twin": "twin"})
    return both.assign(difference=both["twin"] - both["exact"])


def _table(dataset: str, network: str, scale: str, pairs: pd.DataFrame) -> Table:
    lines = list(_lines(pairs))
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("method", numeric=False), [Cell(method) for method, _, _ in lines]),
        (Column("T"), [Cell(steps) for _, steps, _ in lines]),
        (Column("pairs"), [Cell(str(len(pairs_of_line))) for _, _, pairs_of_line in lines]),
        (Column("exact", "%"), numbers([pairs_of_line["exact"].mean() for _, _, pairs_of_line in lines], decimals=2)),
        (
            Column("representation space", "%"),
            numbers([pairs_of_line["twin"].mean() for _, _, pairs_of_line in lines], decimals=2),
        ),
        (
            Column("difference", "points"),
            [_difference(pairs_of_line["difference"].tolist()) for _, _, pairs_of_line in lines],
        ),
    ]
    headings, cells = laid_out(columns)
    heading = f"The two gradients of DSR, {network} on {dataset}"
    return Table(heading, f"scale {scale}", f"{heading}, scale {scale}", headings, cells, (NOTE,))


def _lines(pairs: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for (method, steps), pairs_of_line in pairs.groupby(["method", "timesteps"], sort=True):
        yield str(method), str(steps), pairs_of_line
    if pairs[["method", "timesteps"]].drop_duplicates().shape[0] > 1:
        yield "all", "", pairs


def _difference(values: list[float]) -> Cell:
    if len(values) == 1:
        return Cell(f"{values[0]:+.2f} ({DASH})")
    mean = student_of_differences(values)
    if mean.kind == "two values":
        return Cell(f"{mean.mean:+.2f} ({values[0]:+.2f}, {values[1]:+.2f})")
    if not mean.even:
        return Cell(f"{mean.mean:+.2f} ({mean.low:+.2f} to {mean.high:+.2f})")
    return Cell(f"{mean.mean:+.2f} ± {mean.half_width:.2f}")
