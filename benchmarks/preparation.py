"""What comes before the first run of a sweep: data are looked at and packed, the time is estimated."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from benchmarks.spec import Run


def check_data(console: Console, missing: Iterable[Run], only_plan: bool) -> None:
    """Everything a run could trip over later; event data are packed, unless this is a plan. Raises BadInput."""
    from benchmarks.data import load, needs_packing, sizes
    from benchmarks.display import packing
    from benchmarks.recipes import frames, resolve

    wanted = {(run.dataset, frames(run, recipe)): recipe for run in missing for recipe in [resolve(run)]}
    for (dataset, count), recipe in wanted.items():
        what = f"{dataset}, {count} frames"
        if only_plan:
            sizes(dataset, recipe)
            if needs_packing(dataset, count):
                console.print(f" data   {what}: packed before the first run, a time that is not estimated")
        else:
            with packing(console, what) as on_recording:
                load(dataset, recipe, frames=count, on_recording=on_recording)


def estimate(console: Console, missing: list[Run]) -> None:
    from benchmarks.display import duration
    from benchmarks.estimate import seconds
    from benchmarks.provenance import code

    times = seconds(missing)
    console.print(f" time   about {duration(sum(times.values()))} on this machine (from timing small steps)")
    if code().dirty is not False:
        console.print(" [yellow]note[/]   this code is not committed: rows beyond smoke scale will not be exported")
