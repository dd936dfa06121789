"""What a step more costs:  time = a + b T,  memory = c + d T,  by least squares over the mean at every T.

R^2 = 1 - (sum of squared residuals) / (sum of squares around the mean). Two points always lie on a line, so fewer than
three different T have no fit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import pandas as pd

from reports.cost.costs import BUSY_CORES
from reports.rendering.table import DASH, Cell, Column, Table, laid_out, numbers, warning_of

FEWEST = 3
TABLE = ["dataset", "network", "scale"]
SETTING = ["machine", "device", "threads"]


@dataclass(frozen=True)
class Fit:
    """A line through points; all NaN where there are too few. `r2` is NaN where all values are alike.

    `error`: standard error of `per_step`, sqrt(residuals / freedom / sum (x - mean)^2), freedom = points - 2.
    """

    constant: float = math.nan
    per_step: float = math.nan
    r2: float = math.nan
    error: float = math.nan
    freedom: float = math.nan


@dataclass(frozen=True)
class Line:
    """One method's points: T with milliseconds of a step and mebibytes of memory, NaN where not measured."""

    method: str
    points: Sequence[tuple[int, float, float]]
    busy: bool = False


def fit(points: Iterable[tuple[float, float]]) -> Fit:
    """Least squares through (T, value); values at the same T count as their mean."""
    by_steps: dict[float, list[float]] = {}
    for steps, value in points:
        if not math.isnan(value):
            by_steps.setdefault(steps, []).append(value)
    if len(by_steps) < FEWEST:
        return Fit()
    x, y = np.array([*by_steps]), np.array([fmean(values) for values in by_steps.values()])
    per_step, constant = np.polyfit(x, y, 1)
    around = float(((y - y.mean()) ** 2).sum())
    residual = float(((y - constant - per_step * x) ** 2).sum())
    freedom = len(x) - 2
    error = math.sqrt(residual / freedom / float(((x - x.mean()) ** 2).sum()))
    return Fit(float(constant), float(per_step), 1 - residual / around if around else math.nan, error, freedom)


def table(lines: Sequence[Line], what: str, badge: str, warning: str = "") -> Table | None:
    """One row per method with a time axis; None where none of them has a fit."""
    lines = [line for line in lines if any(steps > 1 for steps, *_ in line.points)]
    times = [fit((steps, time) for steps, time, _ in line.points) for line in lines]
    memories = [fit((steps, memory) for steps, _, memory in line.points) for line in lines]
    if all(math.isnan(line_fit.per_step) for line_fit in [*times, *memories]):
        return None
    busy = ["*" if line.busy else "" for line in lines]
    columns = [
        (Column("method", numeric=False), [Cell(line.method) for line in lines]),
        (Column("T"), [Cell(_steps(line)) for line in lines]),
        (Column("time, constant", "ms"), numbers(_rounded(line_fit.constant for line_fit in times), busy, 2)),
        (Column("time per step", "ms"), numbers(_rounded(line_fit.per_step for line_fit in times), busy, 2)),
        (Column("R²"), numbers([line_fit.r2 for line_fit in times], decimals=3)),
        (Column("memory, constant", "MiB"), numbers(_rounded(line_fit.constant for line_fit in memories), decimals=2)),
        (Column("memory per step", "MiB"), numbers(_rounded(line_fit.per_step for line_fit in memories), decimals=2)),
        (Column("R²"), numbers([line_fit.r2 for line_fit in memories], decimals=3)),
    ]
    headings, cells = laid_out(columns)
    heading = f"Cost of a training step against T, {what}"
    return Table(heading, badge, f"{heading}, {badge}", headings, cells, tuple(_notes(lines)), warning, behind=True)


def _rounded(values: Iterable[float]) -> list[float]:
    """To the two decimals that are shown; what is 0 then has no sign."""
    return [round(value, 2) + 0.0 for value in values]


def tables_of(costed: pd.DataFrame) -> list[Table]:
    """Fits over finished runs that trained; of every method, the machine and setting that saw the most T.

    Times are those of runs beside which nothing else ran.
    """
    own = costed[(costed["status"] == "done") & ~costed["step_from_parent"] & costed["train_step_ms"].notna()]
    tables = []
    for (dataset, network, scale), rows in own.groupby(TABLE, sort=False):
        lines = [_line(str(method), part) for method, part in rows.groupby("method", sort=False)]
        tables.append(table(lines, f"{network} on {dataset}", f"scale {scale}", warning_of(str(scale))))
    return [part for part in tables if part]


def _line(method: str, rows: pd.DataFrame) -> Line:
    settings = [part for _, part in rows.groupby(SETTING, sort=False, dropna=False)]
    best = max(settings, key=lambda part: part["timesteps"].nunique())
    columns = best["timesteps"], best["train_step_ms"].mask(best["busy"]), best["peak_memory_bytes"] / 2**20
    return Line(method, list(zip(*columns, strict=True)))


def table_of_record(record: Mapping[str, object], what: str, badge: str) -> Table | None:
    """Fits over one record of `dsr-bench perf`."""
    points: dict[str, list[tuple[int, float, float]]] = {}
    rows: Iterable[Mapping[str, float]] = record["rows"]  # type: ignore[assignment]
    for row in rows:
        memory = math.nan if row["peak_step_bytes"] is None else row["peak_step_bytes"] / 2**20
        points.setdefault(str(row["subject"]), []).append((int(row["T"]), _number(row["train_ms"]), memory))
    busy = float(record.get("other_load_cores") or 0) > BUSY_CORES  # type: ignore[arg-type]
    return table([Line(subject, part, busy) for subject, part in points.items()], what, badge)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _steps(line: Line) -> str:
    return ", ".join(str(steps) for steps in sorted({steps for steps, *_ in line.points})) or DASH


def _notes(lines: Sequence[Line]) -> Iterable[str]:
    yield (
        "time = constant + T x time per step, memory likewise, by least squares over the means at every T of one "
        f"machine and setting; a dash with fewer than {FEWEST} different T."
    )
    if any(line.busy for line in lines):
        yield f"* some of it timed on a busy machine: other processes took more than {BUSY_CORES} cores."
