"""From the words on a command line to runs; every mistake is one line, before anything expensive starts."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

from rich.console import Console

from benchmarks.recipes import timeless
from benchmarks.spec import MAX_SEED, SCALES, BadInput, Run, Scale, require, spelled, variant
from benchmarks.sweeps import SWEEPS, Sweep

MOST_NUMBERS = 1000
"""On an axis of a sweep."""
AUTO = "auto"
"""As many runs at once as fit the machine."""


def named_sweep(
    name: str,
    network: str | None,
    methods: str | None,
    timesteps: tuple[int, ...] | None,
    seeds: tuple[int, ...] | None,
) -> Sweep:
    """A sweep by name, with some of its axes replaced. Raises BadInput."""
    grid = SWEEPS[require(name, SWEEPS, "sweep")]
    if network is not None:
        grid = replace(grid, networks=dict.fromkeys(grid.networks, (_network(network),)))
    if methods is not None:
        grid = replace(grid, methods=tuple(named_method(word) for word in words(methods)))
    if timesteps:
        grid = replace(grid, timesteps=timesteps, small_timesteps=())
    return replace(grid, seeds=seeds, smoke_seeds=seeds) if seeds else grid


def named_run(
    dataset: str, network: str, method: str, timesteps: int, seed: int, scale: str | None, console: Console
) -> Run:
    """One run from its fields. Raises BadInput."""
    from benchmarks.data import DATASETS

    require(dataset, DATASETS, "dataset")
    _network(network)
    method = named_method(method)
    if timesteps < 1 or seed < 0:
        raise BadInput(f"timesteps must be at least 1 and seed at least 0, not {timesteps} and {seed}")
    if seed > MAX_SEED:
        raise BadInput(f"seed must be at most {MAX_SEED}, not {seed}")
    if timeless(method) and timesteps != 1:
        raise BadInput(f"{method} has no time axis: its timesteps are 1, not {timesteps}")
    chosen = require(scale, SCALES, "scale") if scale else _default_scale(console)
    return Run(dataset, network, method, timesteps, seed, chosen)  # type: ignore[arg-type]


def chosen_scale(scale: str | None, grid: Sweep, console: Console) -> Scale:
    """The scale asked for, or the one that fits this machine. Raises BadInput where the sweep has no such scale."""
    if scale is None and len(grid.networks) == 1:
        scale = next(iter(grid.networks))
    scale = scale or _default_scale(console)
    require(scale, SCALES, "scale")
    require(scale, grid.networks, "scale for this sweep")
    return scale  # type: ignore[return-value]


def words(text: str) -> tuple[str, ...]:
    """`"a, b"` -> ("a", "b"). Raises BadInput where nothing stands before, between or after commas."""
    found = tuple(word.strip() for word in text.split(","))
    if not all(found):
        raise BadInput(f"one of the names in {text!r} is empty: a comma stands between two names, as in a,b")
    return found


def jobs_of(text: str) -> int | None:
    """How many runs go on at once; None for `auto`. Raises BadInput for anything else but a whole number above 0."""
    if text == AUTO:
        return None
    if not (text.isascii() and text.isdigit() and int(text)):
        raise BadInput(f"--jobs must be {AUTO} or a whole number of at least 1, not {text!r}")
    return int(text)


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
    if not (found := re.fullmatch(r"(\d+)-(\d+)", word)):
        return int(word), int(word)
    first, last = int(found[1]), int(found[2])
    if last < first:
        raise ValueError(word)
    return first, last


def _default_scale(console: Console) -> Scale:
    import torch

    scale: Scale = "paper" if torch.cuda.is_available() else "laptop"
    why = "there is a GPU" if scale == "paper" else "there is no GPU"
    console.print(f" scale  {scale}, because {why}; choose with --scale {'|'.join(SCALES)}", highlight=False)
    return scale


def _network(name: str) -> str:
    from benchmarks.networks import NETWORKS

    return require(name, NETWORKS, "network")


def named_method(name: str) -> str:
    """A method, or a variant in its one spelling."""
    from benchmarks.methods import require_method

    base, changes = variant(name)
    require_method(base, changes)
    return spelled(base, changes)
