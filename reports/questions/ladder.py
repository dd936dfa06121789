"""What does a spike cost? From the ANN to DSR, each rung gives one thing up.

ann -> DSR's readout -> a clamp with a trained threshold -> the same clamp in T + 1 levels -> spikes. The second step is
the price of clipping, the third of quantisation error, the last of deviation error (paper, Sec. 4, where the last is
said not to matter).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

import pandas as pd

from benchmarks.catalogue import timeless
from reports.claims.statement import described
from reports.inputs.predictions import Kept
from reports.questions.cells import accuracy, at, between, by_seed, contrast, places, surely_above
from reports.rendering.table import DASH, Cell, Column, Table, laid_out
from reports.statistics.difference import Estimate

RUNGS = {
    "ann": "",
    "dsr-ann": "DSR's readout",
    "dsr-clamp": "clipping",
    "dsr-quantized": "quantisation error",
    "dsr-if-rep": "deviation error",
}
"""The methods from top to bottom, and what the step from the one above costs."""
ENDS, BETWEEN = ("ann", "dsr-if-rep"), ("dsr-clamp", "dsr-quantized")
STEPS = (5, 20)
NOTE = (
    "Each rung gives one thing up: the ANN's readout, ReLU's open end (clipping), values between the levels of a rate "
    "of T spikes (quantisation error), and that a rate follows its mean current exactly (deviation error: spikes come "
    "in bursts). Only the last one spikes. Step: accuracy minus that of the rung before, 95 % interval; where a side "
    "has a single run, of the seed that both have. The last step includes what time does to norms, and the lower start "
    "of the thresholds that follows from it."
)


class Rung(NamedTuple):
    """A rung's finished runs, and what the step down to it costs."""

    method: str
    costs: str
    rows: pd.DataFrame


class Ladder(NamedTuple):
    """The rungs that were run, from top to bottom, of one network at one T."""

    dataset: str
    network: str
    scale: str
    timesteps: int
    rungs: Sequence[Rung]

    @property
    def whole(self) -> bool:
        """Whether clipping, quantisation and deviation have a step each; that of the readout may be the first's."""
        return {rung.method for rung in self.rungs} >= {*BETWEEN, *ENDS}


def ladders(frame: pd.DataFrame) -> Iterator[Ladder]:
    """One per data set, network, scale and T of which a rung with time was run, and one between the ANN and DSR."""
    for (dataset, network, scale), rows in places(frame, ["dataset", "network", "scale"]):
        for steps in STEPS:
            rungs = list(_rungs(rows, steps))
            methods = {rung.method for rung in rungs}
            if len(rungs) > 1 and methods & set(BETWEEN) and not all(map(timeless, methods)):
                yield Ladder(dataset, network, scale, steps, rungs)


def _rungs(rows: pd.DataFrame, steps: int) -> Iterator[Rung]:
    """Where a rung was not run, the next step costs what both would."""
    missing: list[str] = []
    for method, costs in RUNGS.items():
        found = at(rows, method, steps)
        missing += [costs] if costs else []
        if len(found):
            yield Rung(method, " and ".join(missing), found)
            missing = []


def tables_of(frame: pd.DataFrame, kept: Kept) -> list[Table]:
    """A table per ladder."""
    return [_table(ladder, kept) for ladder in ladders(frame)]


def _table(ladder: Ladder, kept: Kept) -> Table:
    rungs, first = ladder.rungs, ladder.rungs[0]
    steps = [None, *(between(below.rows, above.rows, kept) for above, below in pairwise(rungs))]
    lines = [
        (rung.method, accuracy(rung.rows), str(len(rung.rows)), DASH if step is None else described(step), rung.costs)
        for rung, step in zip(rungs, steps, strict=True)
    ]
    whole = between(rungs[-1].rows, first.rows, kept)
    assert whole is not None
    lines.append((f"{first.method} to {rungs[-1].method}", Cell(""), "", described(whole), "all of it"))
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("rung", numeric=False), [Cell(line[0]) for line in lines]),
        (Column("test accuracy", "%, 95 %"), [line[1] for line in lines]),
        (Column("n"), [Cell(line[2]) for line in lines]),
        (Column("step", numeric=False), [Cell(line[3]) for line in lines]),
        (Column("the price of", numeric=False), [Cell(line[4] or DASH) for line in lines]),
    ]
    headings, cells = laid_out(columns)
    heading = f"What does a spike cost? T = {ladder.timesteps}, {ladder.network} on {ladder.dataset}"
    badge = f"scale {ladder.scale}"
    return Table(heading, badge, f"{heading}, {badge}", headings, cells, (NOTE, *sentences(ladder)))


def sentences(ladder: Ladder) -> Iterator[str]:
    """Which step carries most of the gap, where it is certain, else which is the largest on the seeds of all rungs.

    Nothing while a rung is missing.
    """
    if not ladder.whole:
        return
    where = f"between {ladder.rungs[0].method} and {ladder.rungs[-1].method} at T = {ladder.timesteps}"
    for above, below in pairwise(ladder.rungs):
        share = _more_than_half(ladder, above, below)
        if surely_above(share) and surely_above(_gap(ladder)):
            lost = above.rows["top1"].mean() - below.rows["top1"].mean()
            gap = ladder.rungs[0].rows["top1"].mean() - ladder.rungs[-1].rows["top1"].mean()
            yield f"Most of the gap {where} is {below.costs}: {lost:.1f} of {gap:.1f} points."
            return
    yield " ".join([f"Which step carries most of the gap {where} is open.", *_largest(ladder)])


def _largest(ladder: Ladder) -> Iterator[str]:
    """The largest step over the seeds that all rungs have."""
    tops = [by_seed(rung.rows) for rung in ladder.rungs]
    seeds = sorted(set.intersection(*map(set, tops)))
    if not seeds:
        return
    means = [fmean(top[seed] for seed in seeds) for top in tops]
    lost = {below.costs: one - other for (one, other), below in zip(pairwise(means), ladder.rungs[1:], strict=True)}
    largest = max(lost, key=lambda costs: lost[costs])
    where = f"seed {seeds[0]} alone" if len(seeds) == 1 else f"the {len(seeds)} seeds of all rungs"
    yield f"On {where} {largest} is the largest: {lost[largest]:.1f} of {means[0] - means[-1]:.1f} points."


def _gap(ladder: Ladder) -> Estimate | None:
    return contrast(by_seed(ladder.rungs[0].rows), by_seed(ladder.rungs[-1].rows))


def _more_than_half(ladder: Ladder, above: Rung, below: Rung) -> Estimate | None:
    """Twice a step minus the whole gap, over the seeds that all rungs have."""
    tops = [by_seed(rung.rows) for rung in (above, below, ladder.rungs[0], ladder.rungs[-1])]
    seeds = set.intersection(*map(set, tops))
    step, gap = ({seed: one[seed] - other[seed] for seed in seeds} for one, other in (tops[:2], tops[2:]))
    return contrast({seed: 2 * value for seed, value in step.items()}, gap)
