"""What a sweep says before its first run and after its last: plan, data, time, rows that were left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape

import benchmarks
from benchmarks.catalogue import why_not
from benchmarks.cli.arguments import Request
from benchmarks.cli.display import duration
from benchmarks.cli.preparation import Estimate
from benchmarks.export.rows import Exported
from benchmarks.files import filesystems
from benchmarks.files.claims import lease as lease_of_claims
from benchmarks.launching.forecast import Forecast
from benchmarks.measurement.provenance import Code, trouble
from benchmarks.runs.plan import Plan
from benchmarks.spec import SCALES, Run


def scale(console: Console, request: Request) -> None:
    """Which scale was chosen and why, where the user did not name one."""
    if request.reason:
        text = f"{request.scale}, because {request.reason}; choose with --scale {'|'.join(SCALES)}"
        console.print(f" scale  {text}", highlight=False)


def plan(console: Console, request: Request, work: Plan) -> None:
    """How many runs, how many of them are done, and what cannot be run."""
    cached = len(work.jobs) - len(work.missing)
    parts = [_runs(len(work.jobs)), f"{cached} cached", f"{len(work.missing)} missing"]
    if work.committed:
        parts.insert(2, f"{len(work.committed)} of them from committed rows")
    if work.resumable:
        parts.append(f"{len(work.resumable)} of them partly done")
    head = f"[bold]dsr-bench {benchmarks.__version__}[/] · {escape(request.sweep)} · scale [bold]{request.scale}[/]"
    console.print(f"{head} · {escape(request.title)}")
    console.print(" plan   " + " · ".join(parts), highlight=False)
    for method, network in request.left_out:
        console.print(f" [yellow]note[/]   left out: {why_not(method, network)}", highlight=False, soft_wrap=True)


def jobs(console: Console, count: int) -> None:
    """That several runs share the machine, if they do."""
    if count > 1:
        text = f"{count} runs at once (--jobs); rows record this, and reports hide their wall times"
        console.print(f" jobs   {text}", highlight=False)


def claims(console: Console, results: Path) -> None:
    """How runs are claimed, where locks do not do it. Raises BadInput for a way that does not work."""
    manner = filesystems.manner(results)
    lease = duration(lease_of_claims())
    if manner.kind == "directory":
        text = f"by directories, because {manner.why}; runs of a machine that died are free after {lease}"
        console.print(escape(f" claims {text}"), highlight=False, soft_wrap=True)


def other_images(console: Console, others: Mapping[str, int]) -> None:
    """Cached runs that have seen other images than those here, by data set."""
    for name, count in others.items():
        what = f"{_runs(count, 'cached ')} used other {name} images than those here; their rows say which"
        console.print(f" [yellow]note[/]   {what}", highlight=False)


def data_to_come(console: Console, missing: Iterable[str], to_pack: Mapping[str, int]) -> None:
    """Data sets that are not found, and bytes of those that are packed before the first run."""
    for name in missing:
        text = f"{name} not found: `dsr-bench data get {name}`; planned with the sizes of the published set"
        console.print(f" [yellow]data[/]   {text}", highlight=False)
    for what, size in to_pack.items():
        text = f"packed before the first run ({decimal(size)}), not included in the time below"
        console.print(f" data   {what}: {text}", highlight=False)


def time(console: Console, estimate: Estimate) -> None:
    """How long the runs will take here, and for which machine they are meant if not for this one."""
    scale, failing = estimate.meant_for_gpu, estimate.failing
    machine = f", which has no GPU: scale {scale} is meant for one, laptop for two CPU cores" if scale else ""
    lost = f"; not counting {_runs(failing)} whose steps fail here" if failing else ""
    text = f"about {duration(estimate.seconds)} on this machine{machine} (from timing small steps{lost})"
    console.print(f" time   {text}", highlight=False)


def forecast(console: Console, request: Request, missing: int, foreseen: Forecast[Run]) -> None:
    """Which runs the budget is expected to be enough for, and which it will end."""
    done, begun = len(foreseen.ended), len(foreseen.begun)
    text = f"{duration(request.budget_seconds or 0)}: {_runs(done)} fit, {begun} begun, {missing - done - begun} left"
    console.print(f" budget {text}", highlight=False)
    for line in (*_grouped(foreseen.ended), *(f"{line} (begun)" for line in _grouped(foreseen.begun))):
        console.print(f"        {escape(line)}", highlight=False, soft_wrap=True)


def _grouped(runs: Iterable[Run]) -> list[str]:
    """A line per network, method and seed, with all its T where it is first named."""
    steps: dict[Run, list[int]] = {}
    for run in runs:
        steps.setdefault(replace(run, timesteps=1), []).append(run.timesteps)
    return [
        f"{run.method} T={','.join(map(str, sorted(found)))} seed {run.seed}, {run.network} on {run.dataset}"
        for run, found in steps.items()
    ]


def budget(console: Console, request: Request, done: int, now: Plan) -> None:
    """How far the runs have come in the time that was allowed; `done`: in this time."""
    begun = len(now.resumable)
    used = f"of {duration(request.budget_seconds or 0)} used"
    text = f"{used}: {_runs(done)} done, {begun} begun, {len(now.missing) - begun} left; the same command goes on"
    console.print(f" [yellow]budget[/] {text}", highlight=False, soft_wrap=True)


def code(console: Console, running: Code) -> None:
    """That rows of this code will not be exported, where they will not."""
    if running.dirty:
        console.print(" [yellow]note[/]   this code is not committed: rows beyond smoke scale will not be exported")
    elif running.commit == "unknown":
        text = f"no commit of this code is known, so rows beyond smoke scale will not be exported: {trouble()}"
        console.print(f" [yellow]note[/]   {escape(text)}", highlight=False, soft_wrap=True)


def _runs(count: int, kind: str = "") -> str:
    return f"{count} {kind}run" if count == 1 else f"{count} {kind}runs"


def exported(console: Console, done: Exported) -> None:
    """Rows that were dropped, changed or left out, and why."""
    if done.stale:
        console.print(f" rows   dropped {done.stale} whose recipe has changed", highlight=False)
    if changed := done.dirty - done.unknown:
        text = f"{changed} not exported: their code was not committed when they ran"
        console.print(f" [yellow]rows[/]   {text}", highlight=False)
    if done.unknown:
        git = f" (DSR_COMMIT may name it); now: {trouble()}" if trouble() else ""
        text = f"{done.unknown} not exported: no commit of their code was known when they ran{git}"
        console.print(f" [yellow]rows[/]   {escape(text)}", highlight=False, soft_wrap=True)
    for line in (*done.changes, *done.refused):
        console.print(f" [yellow]rows[/]   {escape(line)}", highlight=False, soft_wrap=True)
