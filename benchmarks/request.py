"""From the words on a command line to runs; every mistake is one line, before anything expensive starts."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from benchmarks.recipes import timeless
from benchmarks.spec import SCALES, BadInput, Run, Scale, require, spelled, variant
from benchmarks.sweeps import SWEEPS, Sweep


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
    """`"a, b"` -> ("a", "b")."""
    return tuple(word.strip() for word in text.split(","))


def integers(words: str | None, what: str, least: int) -> tuple[int, ...] | None:
    """`"2,4,8"` -> (2, 4, 8). Raises BadInput for anything but whole numbers of at least `least`."""
    if words is None:
        return None
    try:
        numbers = tuple(int(word) for word in words.split(","))
    except ValueError:
        raise BadInput(f"{what} must be whole numbers separated by commas, not {words!r}") from None
    if min(numbers) < least:
        raise BadInput(f"{what} must be at least {least}, not {min(numbers)}")
    return numbers


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
