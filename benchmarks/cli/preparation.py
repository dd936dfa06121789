"""What comes before the first run of a sweep: data are looked at and packed, the time is estimated."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape

from benchmarks.spec import OF_WHOLE_SETS, BadInput, Run


def check_data(console: Console, missing: Iterable[Run], only_plan: bool) -> None:
    """Everything a run could trip over later; what is missing is fetched and event data are packed, but for a plan.

    Raises BadInput.
    """
    from benchmarks.cli import datasets as inventory
    from benchmarks.cli.display import packing
    from benchmarks.data import load, sizes, to_pack
    from benchmarks.recipes import frames, resolve

    wanted = {(run.dataset, frames(run, recipe)): (run, recipe) for run in missing for recipe in [resolve(run)]}
    _fetch(console, {dataset for dataset, _ in wanted}, only_plan)
    for (dataset, count), (run, recipe) in wanted.items():
        if only_plan and inventory.missing(dataset):
            continue
        what, whole = f"{dataset}, {count} frames", run.scale in OF_WHOLE_SETS
        if only_plan:
            sizes(dataset, recipe, whole)  # by headers and names: a plan reads no images
            if size := to_pack(dataset, count):
                said = f"packed before the first run ({decimal(size)}), a time that is not estimated"
                console.print(f" data   {what}: {said}", highlight=False)
        else:
            with packing(console, what) as on_recording:
                load(dataset, recipe, frames=count, on_recording=on_recording, whole=whole)


def mention_other_data(console: Console, seen: Iterable[tuple[str, str]]) -> None:
    """Say how many cached runs are of other images than those here. `seen`: name and SHA-256 of each one's data.

    Sets that do not fit in memory are not looked at, and neither are those that are missing or damaged.
    """
    from benchmarks.cli import datasets as inventory
    from benchmarks.data import DATASETS, Images

    for name, digests in _by_name(seen).items():
        dataset = DATASETS[name]
        try:
            if not isinstance(dataset, Images) or inventory.missing(name):
                continue
            here = dataset.read().sha256
        except BadInput:
            continue
        if other := sum(digest != here for digest in digests):
            what = f"{other} cached runs are of other {name} images than those here; their rows say which"
            console.print(f" [yellow]note[/]   {what}", highlight=False)


def _by_name(seen: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, digest in seen:
        found.setdefault(name, []).append(digest)
    return found


def _fetch(console: Console, datasets: Iterable[str], only_plan: bool) -> None:
    from benchmarks.cli import datasets as inventory

    for needs in sorted({inventory.missing(name) for name in datasets} - {""}):
        if only_plan:
            said = f"{needs} not found: `dsr-bench data get {needs}`; planned with the sizes of the published set"
            console.print(f" [yellow]data[/]   {said}", highlight=False)
        else:
            inventory.get(console, needs)


def estimate(console: Console, missing: list[Run]) -> None:
    """Say how long the runs will take here, and for which machine they are meant if not for this one."""
    from benchmarks.cli.display import duration
    from benchmarks.cli.estimate import seconds
    from benchmarks.measurement.provenance import code, trouble

    with console.status("timing small steps") if console.is_terminal else nullcontext():
        times = seconds(missing)
    known = [time for time in times.values() if time is not None]
    lost = f"; {len(times) - len(known)} runs not among them, whose steps fail here" if len(known) < len(times) else ""
    console.print(
        f" time   about {duration(sum(known))} on this machine{_meant_for(missing)} (from timing small steps{lost})",
        highlight=False,
    )
    if code().dirty:
        console.print(" [yellow]note[/]   this code is not committed: rows beyond smoke scale will not be exported")
    elif code().commit == "unknown":
        said = f"no commit of this code is known, so rows beyond smoke scale will not be exported: {trouble()}"
        console.print(f" [yellow]note[/]   {escape(said)}", highlight=False, soft_wrap=True)


def _meant_for(missing: Iterable[Run]) -> str:
    import torch

    scales = sorted({run.scale for run in missing if run.scale in OF_WHOLE_SETS})
    if not scales or torch.cuda.is_available():
        return ""
    return f", which has no GPU: scale {scales[0]} is meant for one, laptop for two CPU cores"
