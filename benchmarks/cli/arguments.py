"""From the words on a command line to requests; every mistake is one line, before anything expensive starts.

A request is what a user asked for: parsed and checked once, frozen, and handed down. Nothing here prints.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from benchmarks.campaigns import NAMED, Campaign, Chosen
from benchmarks.catalogue import require_runs_on, runs_on, why_not
from benchmarks.recipes import timeless
from benchmarks.spec import MAX_SEED, SCALES, BadInput, Precision, Run, Scale, require, spelled, variant
from benchmarks.sweeps import Sweep

MOST_NUMBERS = 1000
"""The most numbers that an axis of a sweep may have."""
SINGLE = "runs"
"""The CSV file of runs that were asked for one by one."""
SECONDS = {"s": 1, "m": 60, "h": 3600}
AUTO = "auto"
"""As many runs at once as fit the machine."""


@dataclass(frozen=True)
class Request:
    """Runs at one scale, and the sweep whose CSV file their rows go to.

    `reason`: why the suite chose the scale, in words; None where the user named it. `jobs`: runs at once; None: as
    many as fit this machine. `budget_seconds`: when the command ends though runs are missing; None: not before.
    `left_out`: pairs of a method and a network of the sweep that it cannot run.
    """

    sweep: str
    title: str
    scale: Scale
    runs: tuple[Run, ...]
    only_plan: bool = False
    reason: str | None = None
    jobs: int | None = 1
    budget_seconds: float | None = None
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ExportRequest:
    """Sweeps to export, one per scale. `replace`: results take the place of committed rows that contradict them."""

    parts: tuple[Request, ...]
    replace: bool


@dataclass(frozen=True)
class ReportRequest:
    """`files`: CSV files (none: all in the results folder). `folder`: where the report goes (None: the usual place).

    `energy`: file of energy constants. `accuracy`: percent, whose cost in training is shown. `tables`: print them all.
    """

    files: tuple[Path, ...] = ()
    folder: Path | None = None
    energy: Path | None = None
    accuracy: float | None = None
    tables: bool = False


@dataclass(frozen=True)
class FindingsRequest:
    """`files` as above. `page`: where docs/results.md is written. `block`: the README whose results are written."""

    files: tuple[Path, ...] = ()
    page: Path | None = None
    block: Path | None = None


@dataclass(frozen=True)
class PerfRequest:
    """Steps to time. No `methods`: all that train. `save`: replace this machine's baseline."""

    network: str
    batch: int
    timesteps: tuple[int, ...]
    methods: tuple[str, ...]
    save: bool
    precision: Precision = "float32"


def sweep_request(
    name: str,
    scale: str | None,
    network: str | None,
    methods: str | None,
    timesteps: str | None,
    seeds: str | None,
    only_plan: bool,
    jobs: str = AUTO,
    budget: str | None = None,
) -> Request:
    """A sweep by name with some of its axes replaced, or some runs of a campaign. Raises BadInput."""
    at_once, allowed = jobs_of(jobs), None if budget is None else seconds_of(budget)
    steps, chosen_seeds = integers(timesteps, "timesteps", 1), integers(seeds, "seeds", 0, MAX_SEED)
    grid = _grid(name, network, methods, steps, chosen_seeds)
    chosen, reason = _scale_of_sweep(scale, grid)
    runs = tuple(grid.runs(chosen))
    left_out = () if isinstance(grid, Campaign) else _left_out(grid, chosen)
    if not runs:
        options = {"network": network, "methods": methods, "timesteps": timesteps, "seeds": seeds}
        asked = " ".join(f"--{option} {value}" for option, value in options.items() if value is not None)
        raise BadInput(f"no run of {name} has {asked}; `dsr-bench list` shows which runs it has")
    return Request(name, grid.title, chosen, runs, only_plan, reason, at_once, allowed, left_out)


def run_request(dataset: str, network: str, method: str, timesteps: int, seed: int, scale: str | None) -> Request:
    """One run from its fields; its row goes to `runs.csv`. Raises BadInput."""
    from benchmarks.data import DATASETS

    require(dataset, DATASETS, "dataset")
    _network(network)
    method = named_method(method)
    require_runs_on(method, network)
    if timesteps < 1:
        raise BadInput(f"timesteps must be at least 1, not {timesteps}")
    if seed < 0:
        raise BadInput(f"seed must be at least 0, not {seed}")
    if seed > MAX_SEED:
        raise BadInput(f"seed must be at most {MAX_SEED}, not {seed}")
    if timeless(method) and timesteps != 1:
        raise BadInput(f"{method} has no time axis: its timesteps are 1, not {timesteps}")
    chosen, reason = (require(scale, SCALES, "scale"), None) if scale else _default_scale()
    run = Run(dataset, network, method, timesteps, seed, chosen)  # type: ignore[arg-type]
    return Request(SINGLE, str(run), run.scale, (run,), reason=reason)


def export_request(name: str, scale: str | None, replace: bool) -> ExportRequest:
    """A sweep at one scale, or at every scale it has. Raises BadInput."""
    grid = _grid(name, None, None, None, None)
    scales = [_scale_of_sweep(scale, grid)[0]] if scale else grid.networks
    parts = (Request(name, grid.title, each, tuple(grid.runs(each))) for each in scales)  # type: ignore[arg-type]
    return ExportRequest(tuple(parts), replace)


def perf_request(
    network: str, batch: int, timesteps: str, methods: str | None, save: bool, precision: str = "float32"
) -> PerfRequest:
    """Raises BadInput for timesteps and methods that are no lists and for an unknown precision.

    The benchmark knows which methods it can time.
    """
    steps = integers(timesteps, "timesteps", 1) or ()
    require(precision, get_args(Precision), "precision")
    return PerfRequest(network, batch, steps, words(methods) if methods else (), save, precision)  # type: ignore[arg-type]


def _grid(
    name: str,
    network: str | None,
    methods: str | None,
    timesteps: tuple[int, ...] | None,
    seeds: tuple[int, ...] | None,
) -> Sweep | Campaign:
    grid = NAMED[require(name, NAMED, "sweep")]
    networks = None if network is None else (_network(network),)
    chosen = None if methods is None else tuple(named_method(word) for word in words(methods))
    if isinstance(grid, Campaign):
        return grid.only(Chosen(networks, chosen, timesteps, seeds))
    if networks:
        grid = replace(grid, networks=dict.fromkeys(grid.networks, networks))
    if chosen:
        grid = replace(grid, methods=chosen)
    if timesteps:
        grid = replace(grid, timesteps=timesteps, small_timesteps=())
    return replace(grid, seeds=seeds, smoke_seeds=seeds) if seeds else grid


def _left_out(grid: Sweep, scale: Scale) -> tuple[tuple[str, str], ...]:
    """Methods and networks that do not go together. Raises BadInput for a method that can run no network of these."""
    networks = grid.networks[scale]
    for method in grid.methods:
        if not any(runs_on(method, network) for network in networks):
            raise BadInput(why_not(method, networks[0]))
    return tuple((method, name) for method in grid.methods for name in networks if not runs_on(method, name))


def _scale_of_sweep(scale: str | None, grid: Sweep | Campaign) -> tuple[Scale, str | None]:
    """The scale asked for, the sweep's only one, or the one that fits this machine, with the reason for the last.

    Smoke scale, which measures nothing, is not counted.
    """
    measuring = [one for one in grid.networks if one != "smoke"] or list(grid.networks)
    if scale is None and len(measuring) == 1:
        scale = measuring[0]
    chosen, reason = (scale, None) if scale else _default_scale()
    require(chosen, SCALES, "scale")
    require(chosen, grid.networks, "scale for this sweep")
    return chosen, reason  # type: ignore[return-value]


def _default_scale() -> tuple[Scale, str]:
    """The scale that fits this machine, and why."""
    import torch

    return ("paper", "there is a GPU") if torch.cuda.is_available() else ("laptop", "there is no GPU")


def words(text: str) -> tuple[str, ...]:
    """`"a, b"` -> ("a", "b"). Raises BadInput where a name before, between or after commas is missing."""
    parts = tuple(word.strip() for word in text.split(","))
    if not all(parts):
        raise BadInput(f"one of the names in {text!r} is empty: separate names by single commas, as in a,b")
    return parts


def jobs_of(text: str) -> int | None:
    """How many runs go on at once; None for `auto`. Raises BadInput for anything else but a whole number above 0."""
    if text == AUTO:
        return None
    if not (text.isascii() and text.isdigit() and int(text)):
        raise BadInput(f"--jobs must be {AUTO} or a whole number of at least 1, not {text!r}")
    return int(text)


def seconds_of(budget: str) -> float:
    """`"90m"`, `"3h"` or `"1.5h"` in seconds. Raises BadInput for all else and for no time at all."""
    amount = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", budget, re.ASCII)
    seconds = float(amount[1]) * SECONDS[amount[2]] if amount else 0.0
    if not 0.0 < seconds < math.inf:
        raise BadInput(f"--budget must be a number above 0 with s, m or h, as in 90m or 1.5h, not {budget!r}")
    return seconds


def integers(words: str | None, what: str, least: int, most: int = sys.maxsize) -> tuple[int, ...] | None:
    """`"2,4,8-10"` -> (2, 4, 8, 9, 10). Raises BadInput for anything but whole numbers from `least` to `most`."""
    if words is None:
        return None
    try:
        spans = [_span(word.strip()) for word in words.split(",")]
    except ValueError:
        raise BadInput(
            f"{what} must be whole numbers or ranges separated by commas, as in 0,1 or 0-2, not {words!r}"
        ) from None
    for bound in (bound for span in spans for bound in span):
        if bound < least:
            raise BadInput(f"{what} must be at least {least}, not {bound}")
        if bound > most:
            raise BadInput(f"{what} must be at most {most}, not {bound}")
    if (count := sum(last - first + 1 for first, last in spans)) > MOST_NUMBERS:
        raise BadInput(f"{what}: {words} are {count} numbers, at most {MOST_NUMBERS} are allowed")
    return tuple(dict.fromkeys(number for first, last in spans for number in range(first, last + 1)))


def _span(word: str) -> tuple[int, int]:
    """`"3"` -> (3, 3), `"2-5"` -> (2, 5). Raises ValueError."""
    if not (ends := re.fullmatch(r"(\d+)-(\d+)", word)):
        return int(word), int(word)
    first, last = int(ends[1]), int(ends[2])
    if last < first:
        raise ValueError(word)
    return first, last


def _network(name: str) -> str:
    from benchmarks.networks import NETWORKS

    return require(name, NETWORKS, "network")


def named_method(name: str) -> str:
    """A method, or a variant in its one spelling. Raises BadInput."""
    from benchmarks.parameters import require_method

    base, changes = variant(name)
    require_method(base, changes)
    return spelled(base, changes)
