"""Compares fresh result rows with committed ones.

A rank test over three seeds can never be significant, so fixed tolerances are used. Rows that differ only in the seed
form a group. A group has a regression if

    accuracy        the mean drops by more than max(0.3 points, 2 standard errors of the difference), pooled over
                    seeds, or computed from the test images if both sides have one seed
    accumulates     the median rises by more than 10 %
    step, memory    the median rises by more than 10 % between rows of one machine, device and number of threads;
                    steps are compared only if timed on a quiet machine
    parameters, dense multiply-accumulates: any difference
    a row is missing, or a run that was done has failed
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.files import csv_files
from benchmarks.measurement.provenance import ROOT, GitError, git
from benchmarks.regression.finding import Finding, Verdict, verdict
from benchmarks.runs.record import rows_of_runs
from benchmarks.spec import BadInput

PART = "rows"
POINTS, STANDARD_ERRORS, COST = 0.3, 2.0, 0.10
BUSY_CORES = 0.25
ALIKE = ("dataset", "network", "method", "timesteps", "scale")
WHERE = ("machine", "device", "threads")
EXACT = ("parameters", "dense_macs_per_step")
Row = Mapping[str, str]
Group = tuple[str, ...]


def of_commit(revision: str) -> dict[str, list[Row]]:
    """Read the result CSVs of a commit, by file name. Raises BadInput if git does not know the commit."""
    try:
        names = git("ls-tree", "-z", "--name-only", revision, "results/").split("\0")
        texts = {Path(name).name: git("show", f"{revision}:{name}") for name in names if name.endswith(".csv")}
    except GitError as error:
        raise BadInput(f"commit {revision!r} not found in {ROOT}, so no rows to compare with ({error})") from None
    ours = {name: text.encode() for name, text in texts.items()}
    ours = {name: raw for name, raw in ours.items() if csv_files.columns(raw) >= {"key", "status"}}
    named = {name: f"{revision}:results/{name}" for name in ours}
    return {
        name: list(csv_files.parsed(csv_files.decoded(raw, named[name]), named[name])) for name, raw in ours.items()
    }


def of_folder(folder: Path) -> dict[str, list[Row]]:
    """Read the result CSVs directly in a folder, by file name.

    Raises BadInput if the folder does not exist, and for a result CSV that cannot be read.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder}: folder of result CSVs not found")
    return {path.name: list(rows) for path, rows in rows_of_runs(folder).items()}


def compare(fresh: Mapping[str, list[Row]], committed: Mapping[str, list[Row]], partial: bool = False) -> list[Finding]:
    """Compare file by file, ignoring files without result rows. `partial`: missing rows are not failures."""
    findings: list[Finding] = []
    for name, rows in committed.items():
        if not _are_results(rows):
            continue
        if name not in fresh:
            findings.append(_missing(name, [r["commit"] for r in rows], partial))
            continue
        before, now = _grouped(rows), _grouped(fresh[name])
        for group in dict.fromkeys([*before, *now]):
            findings += _of_group(group, before.get(group, []), now.get(group, []), partial)
    return findings


def _of_group(group: Group, before: list[Row], now: list[Row], partial: bool) -> list[Finding]:
    label = _label(group)
    done, earlier = _done(now), _done(before)
    keys = {row["seed"]: row["key"] for row in earlier}
    since = earlier[-1]["commit"] if earlier else ""
    if not earlier:
        return [Finding(part=PART, group=label, verdict="new", note="no committed row")]
    if failed := [row for row in now if row["status"] != "done" and row["seed"] in keys]:
        note = f"seed {failed[0]['seed']}: {failed[0]['status']}, {failed[0]['reason']}"
        return [Finding(part=PART, group=label, verdict="failed", since=since, note=note)]
    if not done:
        return [_missing(label, [since], partial)]
    if any(row["key"] != keys.get(row["seed"], row["key"]) for row in done):
        note = "the recipe has changed"
        return [Finding(part=PART, group=label, verdict="not compared", since=since, note=note)]
    if lost := sorted(keys.keys() - {row["seed"] for row in done}, key=int):
        missing = [_missing(f"{label}, seed {', '.join(lost)}", [since], partial)]
    else:
        missing = []
    if {row.get("data_sha256") for row in done} - {row.get("data_sha256") for row in earlier}:
        note = "of other data"
        return [*missing, Finding(part=PART, group=label, verdict="not compared", since=since, note=note)]
    return [*missing, *_accuracy(label, earlier, done), *_costs(label, earlier, done), *_exact(label, earlier, done)]


def _missing(label: str, commits: Sequence[str], partial: bool) -> Finding:
    kind: Verdict = "not compared" if partial else "missing"
    note = "not found" if partial else "not found; delete the row in a commit if this is intended, or pass --partial"
    return Finding(part=PART, group=label, verdict=kind, since=commits[-1], note=note)


def _accuracy(label: str, before: list[Row], now: list[Row]) -> Iterator[Finding]:
    old, new = _numbers(before, "top1"), _numbers(now, "top1")
    if old and new:
        images = min([*_numbers(before, "test_images"), *_numbers(now, "test_images")], default=0.0)
        allowed = max(POINTS, STANDARD_ERRORS * standard_error(old, new, images))
        note = "" if len(old) + len(new) > 2 else "one seed on each side"
        yield _judged(label, "accuracy", "%", (fmean(old), fmean(new)), fmean(old) - allowed, before, note)


def standard_error(old: Sequence[float], new: Sequence[float], images: float) -> float:
    """Return the standard error of the difference of two means, pooled over seeds.

    If both sides have one seed, it is that of two binomial shares of `images` test images. All values in percent.
    """
    freedom = len(old) + len(new) - 2
    if freedom:
        squares = sum((value - fmean(side)) ** 2 for side in (old, new) for value in side)
        return math.sqrt(squares / freedom * (1 / len(old) + 1 / len(new)))
    share = fmean([*old, *new]) / 100
    return 100 * math.sqrt(2 * share * (1 - share) / images) if images else 0.0


def _costs(label: str, before: list[Row], now: list[Row]) -> Iterator[Finding]:
    yield from _cost(label, "accumulates", "", before, now, lambda rows: _numbers(rows, "acs"))
    kinds = {tuple(row[name] for name in WHERE) for row in now}
    for kind in sorted(kinds):
        here, there = ([r for r in rows if tuple(r[n] for n in WHERE) == kind] for rows in (now, before))
        quiet = [[r for r in rows if float(r["other_load_cores"] or 1) <= BUSY_CORES] for rows in (there, here)]
        yield from _cost(label, "train step", "ms", quiet[0], quiet[1], lambda rows: _numbers(rows, "train_step_ms"))
        yield from _cost(label, "peak memory", "MiB", there, here, _mebibytes)


def _cost(
    label: str, quantity: str, unit: str, before: list[Row], now: list[Row], values: Callable[[list[Row]], list[float]]
) -> Iterator[Finding]:
    old, new = values(before), values(now)
    if old and new:
        yield _judged(label, quantity, unit, (median(old), median(new)), median(old) * (1 + COST), before)


def _exact(label: str, before: list[Row], now: list[Row]) -> Iterator[Finding]:
    for name in EXACT:
        old, new = set(_numbers(before, name)), set(_numbers(now, name))
        if old and new and not new <= old:
            quantity, since = name.replace("_", " "), before[-1]["commit"]
            note = f"{_listed(new)}, was {_listed(old)}; must be equal"
            yield Finding(part=PART, group=label, quantity=quantity, verdict="changed", since=since, note=note)


def _judged(
    label: str, quantity: str, unit: str, means: tuple[float, float], limit: float, before: list[Row], note: str = ""
) -> Finding:
    old, new = means
    same: dict[str, Any] = {"part": PART, "group": label, "quantity": quantity, "unit": unit, "note": note}
    judged = verdict(new, old, limit)
    return Finding(**same, verdict=judged, value=new, baseline=old, limit=limit, since=before[-1]["commit"])


def _mebibytes(rows: list[Row]) -> list[float]:
    whole = [row for row in rows if row["peak_step_bytes"] and row["idle_bytes"]]
    return [(float(row["peak_step_bytes"]) - float(row["idle_bytes"])) / 2**20 for row in whole]


def _numbers(rows: Iterable[Row], name: str) -> list[float]:
    return [float(row[name]) for row in rows if row.get(name)]


def _are_results(rows: list[Row]) -> bool:
    return bool(rows) and {"key", "status", "top1"} <= set(rows[0])


def _done(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["status"] == "done"]


def _grouped(rows: Iterable[Row]) -> dict[Group, list[Row]]:
    groups: dict[Group, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in ALIKE), []).append(row)
    return groups


def _label(group: Group) -> str:
    dataset, network, method, timesteps, scale = group
    return f"{dataset} ({scale}), {network}, {method} T={timesteps}"


def _listed(values: Iterable[float]) -> str:
    return ", ".join(f"{value:,.0f}" for value in sorted(values))
