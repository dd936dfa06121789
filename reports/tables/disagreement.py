"""Where do a spiking network and its ANN differ? The same test images, the same seed, class by class.

Partner of a conversion: the parent that its weights come from. Of every other method: `ann` of the same data set,
network, scale and seed; a variant with another length of training (`@epochs=`) has none. Shares are means over the
pairs of seeds of which both sides' predictions were kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import fmean

import pandas as pd

from reports.inputs.predictions import Kept
from reports.questions.trials import LENGTH, changes
from reports.rendering.table import DASH, Cell, Column, Table, laid_out, numbers, warning_of
from reports.statistics.images import Agreement, agreement, bootstrap

TABLE = ["dataset", "network", "scale"]
NOTES = (
    "Percent of the test images, mean over pairs of one seed: both right, only one of the two right, both wrong; same "
    "class: right or wrong; kappa: Cohen's, 1 for equal classes, 0 for chance.",
    "Partner: of a conversion the parent that its weights come from, else ann with the same seed.",
    "p: McNemar's exact test of one network against one, for these two trainings alone; with several pairs a dash. "
    "Bootstrap: 95 % of the difference in accuracy, seeds and images drawn anew (two levels); with few seeds it is too "
    "narrow, so verdicts do not rest on it.",
)


@dataclass(frozen=True)
class Pairs:
    """One method at one T: its pairs with a partner, each by seed."""

    method: str
    timesteps: int
    partner: str
    agreements: tuple[Agreement, ...]
    between: tuple[float, float] | None


def tables_of(frame: pd.DataFrame, predictions: Kept) -> list[Table]:
    """One table per dataset, network and scale of which predictions of a pair were kept."""
    if not predictions:
        return []
    done = frame[(frame["status"] == "done") & frame["key"].isin(list(predictions))]
    tables = []
    for (dataset, network, scale), rows in done.groupby(TABLE, sort=False):
        if lines := list(_lines(rows, predictions)):
            tables.append(_table(str(dataset), str(network), str(scale), lines))
    return tables


def _lines(rows: pd.DataFrame, predictions: Kept) -> Iterator[Pairs]:
    for (method, steps), group in rows.groupby(["method", "timesteps"], sort=False):
        paired = [pair for row in group.to_dict("records") if (pair := _partner(row, rows))]
        sides = [(seed, name, predictions[mine], predictions[other]) for seed, name, mine, other in paired]
        sides = [side for side in sides if side[2].images == side[3].images]
        if not sides:
            continue
        between = None
        if len(sides) > 1 and len({mine.images for _, _, mine, _ in sides}) == 1:
            own, theirs = ({seed: pair[at].correct for seed, _, *pair in sides} for at in (0, 1))
            between = bootstrap(own, theirs)
        names = "/".join(dict.fromkeys(name for _, name, _, _ in sides))
        agreements = tuple(agreement(mine, other) for _, _, mine, other in sides)
        yield Pairs(str(method), int(str(steps)), names, agreements, between)


def _partner(row: dict, rows: pd.DataFrame) -> tuple[int, str, str, str] | None:
    """Seed, the partner's method, own and the partner's key; None where there is no partner with predictions."""
    converted = not pd.isna(row["parent_key"]) and row["epochs"] == 0
    if converted:
        partner = rows[rows["key"] == row["parent_key"]]
    elif LENGTH in changes(row["method"]):
        return None
    else:
        partner = rows[(rows["method"] == "ann") & (rows["seed"] == row["seed"]) & (row["method"] != "ann")]
    return None if partner.empty else (row["seed"], partner["method"].iloc[0], row["key"], partner["key"].iloc[0])


def _table(dataset: str, network: str, scale: str, lines: list[Pairs]) -> Table:
    means = [
        {name: fmean(asdict(one)[name] for one in line.agreements) for name in asdict(line.agreements[0])}
        for line in lines
    ]
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("method", numeric=False), [Cell(line.method) for line in lines]),
        (Column("T"), [Cell(str(line.timesteps)) for line in lines]),
        (Column("partner", numeric=False), [Cell(line.partner) for line in lines]),
        (Column("pairs"), [Cell(str(len(line.agreements))) for line in lines]),
        (Column("both right", "%"), numbers([100 * one["both"] for one in means], decimals=1)),
        (Column("only it", "%"), numbers([100 * one["only_one"] for one in means], decimals=1)),
        (Column("only the partner", "%"), numbers([100 * one["only_other"] for one in means], decimals=1)),
        (Column("both wrong", "%"), numbers([100 * one["neither"] for one in means], decimals=1)),
        (Column("same class", "%"), numbers([100 * one["same_class"] for one in means], decimals=1)),
        (Column("kappa"), numbers([one["kappa"] for one in means], decimals=2)),
        (Column("p", "McNemar"), [Cell(_p(line)) for line in lines]),
        (Column("bootstrap", "points, 95 %"), [Cell(_interval(line)) for line in lines]),
    ]
    headings, cells = laid_out(columns)
    heading = f"Where SNN and ANN differ, {network} on {dataset}"
    return Table(heading, f"scale {scale}", f"{heading}, scale {scale}", headings, cells, NOTES, warning_of(scale))


def _p(line: Pairs) -> str:
    if len(line.agreements) > 1:
        return DASH
    p = line.agreements[0].p
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def _interval(line: Pairs) -> str:
    return DASH if line.between is None else f"{line.between[0]:+.2f} to {line.between[1]:+.2f}"
