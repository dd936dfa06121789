"""What was chosen on held-out images: learning rate and start of every method, with one budget for all.

Lines are variants `method@epochs=4@learning_rate=0.1@threshold=2`. Nothing is chosen on the test split.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from benchmarks.recipes import resolve
from benchmarks.spec import OF_RECIPE, BadInput, Parameter, Run, flat, variant
from reports.inputs.rows import RUN
from reports.questions.cells import places
from reports.questions.trials import LENGTH
from reports.rendering.table import DASH, Cell, Column, Table, laid_out, numbers

BEST, TAKEN = "◄", "taken"
RATE = "learning_rate"
GRID = {LENGTH, RATE}
"""What of a recipe may vary here, beside parameters of a method's own neuron."""


class Trial(NamedTuple):
    """One run of the grid: percent of held-out images, and whether today's recipe has its learning rate and start."""

    method: str
    timesteps: int
    rate: str
    start: str
    validation: float
    epochs: int
    seed: int
    taken: bool


def tables_of(frame: pd.DataFrame) -> list[Table]:
    """One per data set, network and scale with trials of two learning rates or starts."""
    found = []
    for (dataset, network, scale), rows in places(frame, ["dataset", "network", "scale"]):
        if trials := list(_trials(rows)):
            found.append(_table(f"{network} on {dataset}", scale, trials))
    return found


def _trials(rows: pd.DataFrame) -> Iterator[Trial]:
    """The first seed of every line of the grid, methods that have two lines or more."""
    known = rows[rows["validation_top1"].notna()].sort_values("seed", kind="stable")
    first = known.drop_duplicates(["method", "timesteps"])
    trials = [trial for row in rows.loc[sorted(first.index)].to_dict("records") if (trial := _trial(row))]
    for method, steps in dict.fromkeys((trial.method, trial.timesteps) for trial in trials):
        lines = [trial for trial in trials if trial[:2] == (method, steps)]
        if len(lines) > 1:
            yield from lines


def _trial(row: dict) -> Trial | None:
    """None for what is no line of the grid."""
    base, changed = variant(str(row["method"]))
    others = {name: value for name, value in changed.items() if name not in GRID}
    if LENGTH not in changed or len(changed) < 2 or others.keys() & set(OF_RECIPE):
        return None
    start = ", ".join(f"{name} {value}" for name, value in others.items())
    rate, steps = f"{changed.get(RATE, DASH)}", int(row["timesteps"])
    taken = _taken(Run(*(row[name] for name in RUN)), base, changed)
    return Trial(base, steps, rate, start or DASH, row["validation_top1"], int(row["epochs"]), int(row["seed"]), taken)


def _taken(run: Run, base: str, changed: dict[str, Parameter]) -> bool:
    """Whether the recipe of the method itself has these settings today."""
    try:
        stated = flat(resolve(replace(run, method=base)))
    except BadInput:
        return False
    own = {name: value for name, value in changed.items() if name != LENGTH}
    return all(stated.get(name if name in GRID else f"neuron.{name}") == value for name, value in own.items())


def best_of(trials: list[Trial]) -> set[Trial]:
    """The trial of every method and T with the highest accuracy on held-out images; of equal ones the first."""
    best: dict[tuple[str, int], Trial] = {}
    for trial in trials:
        known = best.setdefault((trial.method, trial.timesteps), trial)
        if trial.validation > known.validation:
            best[trial.method, trial.timesteps] = trial
    return set(best.values())


def _table(where: str, scale: str, trials: list[Trial]) -> Table:
    best = best_of(trials)
    marks = [BEST if trial in best else "" for trial in trials]
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("method", numeric=False), [Cell(trial.method) for trial in trials]),
        (Column("T"), [Cell(str(trial.timesteps)) for trial in trials]),
        (Column("learning rate"), [Cell(trial.rate) for trial in trials]),
        (Column("start", numeric=False), [Cell(trial.start) for trial in trials]),
        (Column("held-out images", "%"), numbers([trial.validation for trial in trials], marks, decimals=2)),
        (Column("recipe", numeric=False), [Cell(TAKEN if trial.taken else "") for trial in trials]),
    ]
    headings, cells = laid_out(columns)
    heading = f"Tuning, {where}"
    return Table(heading, f"scale {scale}", f"{heading}, scale {scale}", headings, cells, tuple(_notes(trials, best)))


def _notes(trials: list[Trial], best: set[Trial]) -> Iterator[str]:
    epochs, seeds = (sorted({getattr(trial, name) for trial in trials}) for name in ("epochs", "seed"))
    yield (
        f"{BEST} the best of its method on held-out training images, after {' or '.join(map(str, epochs))} epochs; "
        f"one seed ({', '.join(map(str, seeds))}), so near ties may be chance. Recipe: what the method's recipe takes. "
        "The test split decided nothing."
    )
    yield f"Start: initial threshold or width of the surrogate; {DASH}: the recipe's."
    others = dict.fromkeys(trial.method for trial in trials if trial in best and not trial.taken)
    if others and any(trial.taken for trial in trials):
        yield f"The best is not taken for {', '.join(others)}: docs/scales.md says why."
