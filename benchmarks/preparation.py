"""What comes before the first run of a sweep: data are looked at and packed, the time is estimated."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.filesize import decimal

from benchmarks.spec import OF_WHOLE_SETS, BadInput, Run


def check_data(console: Console, missing: Iterable[Run], only_plan: bool) -> None:
    """Everything a run could trip over later; what is missing is fetched and event data are packed, but for a plan.

    Raises BadInput.
    """
    from benchmarks.data import load, sizes, to_pack
    from benchmarks.display import packing
    from benchmarks.recipes import frames, resolve

    wanted = {(run.dataset, frames(run, recipe)): (run, recipe) for run in missing for recipe in [resolve(run)]}
    _fetch(console, {dataset for dataset, _ in wanted}, only_plan)
    for (dataset, count), (run, recipe) in wanted.items():
        what, whole = f"{dataset}, {count} frames", run.scale in OF_WHOLE_SETS
        if only_plan:
            sizes(dataset, recipe, whole)
            if size := to_pack(dataset, count):
                said = f"packed before the first run ({decimal(size)}), a time that is not estimated"
                console.print(f" data   {what}: {said}", highlight=False)
        else:
            with packing(console, what) as on_recording:
                load(dataset, recipe, frames=count, on_recording=on_recording, whole=whole)


def _fetch(console: Console, datasets: Iterable[str], only_plan: bool) -> None:
    from benchmarks import inventory
    from benchmarks.data import packed

    for needs in sorted({inventory.missing(name, packed.root()) for name in datasets} - {""}):
        if only_plan:
            raise BadInput(f"{needs} is not there: `dsr-bench data get {needs}` (a plan downloads nothing)")
        inventory.get(console, needs)


def estimate(console: Console, missing: list[Run]) -> None:
    from benchmarks.display import duration
    from benchmarks.estimate import seconds
    from benchmarks.provenance import code

    times = seconds(missing)
    console.print(f" time   about {duration(sum(times.values()))} on this machine (from timing small steps)")
    if code().dirty is not False:
        console.print(" [yellow]note[/]   this code is not committed: rows beyond smoke scale will not be exported")
