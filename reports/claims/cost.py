"""Claims about the cost of training: DSR does not go back through time.

What one more step of T adds is a slope, by least squares over all T of a record of `dsr-bench perf`, where all methods
are timed in turn on one machine. A machine is the unit: of several machines the ratio of the two slopes has a t
interval over them. Of one machine alone the T are the unit: the difference of slopes with the errors of both fits
(Welch), an answer about that machine. Two T on one machine leave no error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

from reports.claims.evidence import Evidence
from reports.claims.statement import Claim, Outcome, not_run
from reports.cost.fit import fit
from reports.statistics.difference import Estimate

METHODS = {"dsr-if": "the released gradient", "dsr-if-rep": "representation space"}
RIVALS = {"stbp-tdbn": "BPTT (STBP-tdBN)", "stbp-spikingjelly": "BPTT in SpikingJelly"}
QUANTITIES = {"train_ms": ("time", "ms", 1.0), "peak_step_bytes": ("memory", "MiB", 2**-20)}


@dataclass(frozen=True)
class Slope:
    """What one more step adds; `error` and `freedom` are NaN where only two T are on record."""

    per_step: float
    error: float
    freedom: float


def claims() -> Iterator[Claim]:
    """Time and memory, both gradients of DSR, against both implementations of BPTT."""
    for key, (what, _, _) in QUANTITIES.items():
        for method, name in METHODS.items():
            for rival, against in RIVALS.items():
                suffix = "" if rival == "stbp-tdbn" else f"-{rival}"
                statement = f"DSR, IF, {name}: the {what} of a training step grows less with T than for {against}"
                judge = _judge(method, rival, key)
                yield Claim(f"cost-{what}-{method}{suffix}", "Sec. 1, 3", statement, judge, "cost")


def _judge(method: str, rival: str, key: str) -> Any:
    def judge(evidence: Evidence, scale: str) -> Outcome:
        machines: dict[str, tuple[Slope, Slope]] = {}
        for record in evidence.records:
            if record.get("precision", "float32") != "float32":
                continue  # the paper's precision
            mine, theirs = slope(record, method, key), slope(record, rival, key)
            if mine and theirs and theirs.per_step > 0:
                machines.setdefault(record["machine"], (mine, theirs))
        if not machines:
            return not_run(f"`dsr-bench perf` with {method} and {rival} at two T")
        text = "; ".join(_slopes(machine, *pair, key) for machine, pair in machines.items())
        if len(machines) == 1:
            return _on_one_machine(*next(iter(machines.values())), text)
        return _over_machines([mine.per_step / theirs.per_step for mine, theirs in machines.values()], text)

    return judge


def slope(record: Mapping[str, Any], method: str, key: str) -> Slope | None:
    """By least squares over all T on record, with its standard error; None with fewer than two T."""
    points = sorted((row["T"], row[key]) for row in record["rows"] if row["subject"] == method and row.get(key))
    if len({steps for steps, _ in points}) < 2:
        return None
    line = fit(points)
    if math.isnan(line.per_step):
        (fewest, low), (most, high) = points[0], points[-1]
        return Slope(float(high - low) / (most - fewest), math.nan, math.nan)
    return Slope(line.per_step, line.error, line.freedom)


def _slopes(machine: str, mine: Slope, theirs: Slope, key: str) -> str:
    _, unit, factor = QUANTITIES[key]
    estimate = _between(mine, theirs)
    low, high = (factor * end for end in estimate.interval()) if estimate.known else (math.nan, math.nan)
    interval = f", difference {low:+.3g} to {high:+.3g}" if estimate.known else ""
    slopes = f"{factor * mine.per_step:.3g} against {factor * theirs.per_step:.3g} {unit} per step of T"
    return f"{slopes}{interval} ({machine})"


def _between(mine: Slope, theirs: Slope) -> Estimate:
    """The difference of two slopes of one machine."""
    parts = (mine.error**2, theirs.error**2)
    total = sum(parts)
    freedom = mine.freedom + theirs.freedom
    if total:
        freedom = total**2 / (parts[0] ** 2 / mine.freedom + parts[1] ** 2 / theirs.freedom)
    return Estimate(mine.per_step - theirs.per_step, math.sqrt(total), freedom, (1, 1), bound=math.inf)


def _on_one_machine(mine: Slope, theirs: Slope, text: str) -> Outcome:
    estimate = _between(mine, theirs)
    if not estimate.known:
        return Outcome("inconclusive", f"{text}: two values of T on one machine give no error estimate, a third would")
    low, high = estimate.interval()
    return _decided(low, high, 0, f"{text}; on one machine", estimate)


def _over_machines(ratios: Sequence[float], text: str) -> Outcome:
    n, mean = len(ratios), fmean(ratios)
    estimate = Estimate(mean, stdev(ratios) / math.sqrt(n), n - 1, (n, n), bound=math.inf, spread=stdev(ratios))
    low, high = estimate.interval()
    shown = " and ".join(f"{ratio:.2f}" for ratio in ratios) if n == 2 else f"{mean:.2f} ({low:.2f} to {high:.2f})"
    needed = estimate.needed(1)
    brief = f"a further step takes {shown} times as much, {n} machines"
    outcome = _decided(low, high, 1, f"{brief}; {text}", estimate)
    if outcome.verdict == "inconclusive" and needed:
        return replace(outcome, statistic=f"{outcome.statistic}: {needed} machines would decide it", brief=brief)
    return replace(outcome, brief=brief)


def _decided(low: float, high: float, boundary: float, text: str, estimate: Estimate) -> Outcome:
    p = min(1.0, 2 * min(estimate.p_above(boundary), estimate.p_below(boundary)))
    if high < boundary:
        return Outcome("reproduced", text, p)
    return Outcome("not reproduced" if low > boundary else "inconclusive", text, p)
