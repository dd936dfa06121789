"""`dsr-bench status`: how far a sweep is, who works on what, what failed, and for how long it will still go on.

Only files are read; nothing is timed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.cli.arguments import Request
from benchmarks.cli.display import duration
from benchmarks.files import claims
from benchmarks.files.claims import Holder
from benchmarks.files.clock import Clock
from benchmarks.runs import pace, store
from benchmarks.runs.job import Job
from benchmarks.runs.order import passing
from benchmarks.runs.plan import Plan, plan
from benchmarks.runs.progress import STANDINGS, Standing, standings


@dataclass(frozen=True)
class Line:
    """What is known of one run. `seconds_left`: of a run that is not done; None: no pace is known.

    Of a run that is running: `host`, `pid` of the launcher, `since` when (UTC), `silent_seconds`: since the last sign
    of life. Of one that is running or was begun: `epochs` done, of `of`; a conversion has none.
    """

    standing: Standing
    epochs: int
    of: int
    host: str = ""
    pid: int | None = None
    since: str = ""
    running_seconds: float = 0.0
    silent_seconds: float = 0.0
    reason: str = ""
    seconds_left: float | None = None


def status(request: Request, as_json: bool, console: Console) -> int:
    """Print how far a sweep is. Exit code 0."""
    results = store.results_root()
    clock = Clock(results)
    work = plan(request.runs, results)
    found = standings(work, clock)
    lines, count = _lines(work, found, clock), Counter(found.values())
    if as_json:
        console.out(json.dumps(_record(request, lines, count, results), indent=1), highlight=False)
    else:
        _show(request, lines, count, console)
    return 0


def _lines(work: Plan, found: Mapping[Job, Standing], clock: Clock) -> dict[Job, Line]:
    others, longer, done = pace.alike(work.jobs), passing(work.missing), set(work.jobs) - set(work.missing)
    lines = {}
    for job, standing in found.items():
        of = job.recipe.epochs
        if job in done:
            lines[job] = Line(standing, of, of, seconds_left=0.0)
            continue
        result = job.result() if standing == "failed" else None
        left = 0.0 if longer[job] else pace.seconds_left(job, others)
        facts = _owner(claims.holder(job.place), clock) if standing == "running" else {}
        reason = f"{result.status}: {result.reason}" if result else ""
        lines[job] = Line(standing, pace.epochs_done(job), of, reason=reason, seconds_left=left, **facts)
    return lines


def _owner(holder: Holder | None, clock: Clock) -> dict[str, Any]:
    """Who works on a run, as fields of a `Line`; nothing, if it has ended a moment ago."""
    if holder is None or holder.owner is None:
        return {}
    owner, now = holder.owner, clock.now()
    return {
        "host": owner.host,
        "pid": owner.pid,
        "since": datetime.fromtimestamp(owner.since, UTC).isoformat(timespec="seconds"),
        "running_seconds": max(0.0, now - owner.since),
        "silent_seconds": max(0.0, now - holder.alive),
    }


def _time(lines: Iterable[Line]) -> tuple[float, int]:
    """Seconds left of all runs whose pace is known, and how many runs the others are."""
    left = [line.seconds_left for line in lines]
    return sum(seconds for seconds in left if seconds is not None), left.count(None)


def _record(request: Request, lines: Mapping[Job, Line], count: Counter[Standing], results: Path) -> dict[str, Any]:
    seconds, unknown = _time(lines.values())
    return {
        "sweep": request.sweep,
        "scale": request.scale,
        "results": str(results),
        "counts": {name: count[name] for name in STANDINGS},
        "seconds_left": seconds,
        "runs_of_unknown_pace": unknown,
        "runs": [
            {"key": job.key, **asdict(job.run), "directory": str(job.place), **asdict(line)}
            for job, line in lines.items()
        ],
    }


def _show(request: Request, lines: Mapping[Job, Line], count: Counter[Standing], console: Console) -> None:
    begun = sum(1 for line in lines.values() if line.standing == "left" and line.epochs)
    parts = [f"{count[name]} {name}" for name in STANDINGS]
    parts[-1] += f" ({begun} of them partly done)" if begun else ""
    head = f" status {request.sweep}, scale {request.scale}: {len(lines)} runs · {' · '.join(parts)}"
    console.print(escape(head), highlight=False, soft_wrap=True)
    running = {job: line for job, line in lines.items() if line.standing == "running"}
    _table(
        console,
        ("running", "host", "process", "for", "epoch", "last sign of life"),
        [(_name(job), *_where(line)) for job, line in running.items()],
    )
    failed = [(_name(job), line.reason) for job, line in lines.items() if line.standing == "failed"]
    _table(console, ("failed (tried again by the next launch)", "reason"), failed)
    _say_time(lines.values(), len(running), console)


def _name(job: Job) -> str:
    run = job.run
    return f"{run.method} T={run.timesteps} seed {run.seed}, {run.network} on {run.dataset}"


def _where(line: Line) -> tuple[str, ...]:
    epoch = f"{line.epochs}/{line.of}" if line.of else ""
    pid = "" if line.pid is None else str(line.pid)
    return line.host, pid, duration(line.running_seconds), epoch, f"{duration(line.silent_seconds)} ago"


def _table(console: Console, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    if not rows:
        return
    table = Table(box=None, header_style="dim", pad_edge=True)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def _say_time(lines: Iterable[Line], running: int, console: Console) -> None:
    seconds, unknown = _time(lines)
    parts = []
    if seconds:
        parts.append(f"about {duration(seconds)} of work is left, at the pace of the runs here")
    if seconds and running > 1:
        parts.append(f"{duration(seconds / running)} with {running} at once, as now")
    if unknown:
        parts.append(f"no pace is known of {unknown} run{'s' if unknown > 1 else ''}")
    if parts:
        console.print(f" time   {'; '.join(parts)}", highlight=False, soft_wrap=True)
