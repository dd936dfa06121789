"""What the commands of the command line do with a request.

Each takes its request, if it has one, and a console, and returns its exit code; BadInput passes through as code 2.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from benchmarks.cli import preparation
from benchmarks.cli.arguments import ExportRequest, FindingsRequest, PerfRequest, ReportRequest, Request
from benchmarks.cli.preparation import Estimate
from benchmarks.distributed import torchrun
from benchmarks.export import rows
from benchmarks.files import partials
from benchmarks.runs import store
from benchmarks.runs.job import Job
from benchmarks.runs.plan import Plan, plan
from benchmarks.runs.record import Status
from benchmarks.spec import Run

if TYPE_CHECKING:
    from benchmarks.launching.pool import Limit
    from benchmarks.launching.workers import Workers
    from benchmarks.tracking.observer import Tracking

    Limiting = Callable[[Workers], Limit[Run]]

INTERRUPTED = 130
SMOKE = "-smoke"
"""How the folder of a smoke sweep's report ends."""
PERF, HISTORY = "perf/*.json", "regression/history/*.csv"


def sweep(request: Request, console: Console) -> int:
    """Plan, run what is missing, export, tabulate."""
    from benchmarks.cli import budgets, notices

    began = time.monotonic()
    notices.scale(console, request)
    preparation.look_at_precision()
    budgets.check(request)
    if not request.only_plan:
        torchrun.check()
    results = store.results_root()
    work = plan(request.runs, results)
    rows.look(request.sweep, request.scale, results)
    if torchrun.only_assists() and not request.only_plan:
        from benchmarks.launching.launch import assist

        return assist([job.run for job in work.missing], results)
    notices.plan(console, request, work)
    if not request.only_plan:
        notices.claims(console, results)
        tidy(work, results)
    notices.other_images(console, preparation.seen_otherwise(_data_of(work)))
    estimate = None
    if work.missing:
        look_at_data(request, work, console)
        estimate = look_at_time(request, work, console)
    if not request.only_plan:
        try:
            return _carry_out(request, work, results, console, partial(budgets.limit, request, estimate, began))
        finally:
            if torchrun.size() > 1:
                _dismiss_assistants()
    if estimate and request.budget_seconds:
        notices.forecast(console, request, len(work.missing), budgets.foreseen(request, work, estimate, began))
    return 0


def _dismiss_assistants() -> None:
    from benchmarks.launching.launch import dismiss

    dismiss()


def tidy(work: Plan, results: Path) -> None:
    """Remove what killed processes have left of the runs that are done here."""
    from benchmarks.launching import tidying

    missing = {*work.missing}
    tidying.tidy((job for job in work.jobs if job not in missing and job.key not in work.committed), results)


def _data_of(work: Plan) -> list[tuple[str, str]]:
    """Name and digest of what every cached run has seen."""
    here = [(job.run.dataset, job.result()) for job in work.jobs if job not in work.missing]
    done = [(dataset, result.provenance.data_sha256) for dataset, result in here if result]
    return [*done, *((row["dataset"], row["data_sha256"]) for row in work.committed.values())]


def look_at_data(request: Request, work: Plan, console: Console) -> None:
    """Find out whether the missing runs can use their data; download and pack first, unless this is only a plan.

    Raises BadInput.
    """
    from benchmarks.cli import datasets, notices
    from benchmarks.cli.display import packing

    missing = preparation.missing_sets(work.missing)
    if request.only_plan:
        notices.data_to_come(console, missing, preparation.to_pack(work.missing))
    else:
        for name in missing:
            datasets.get(name, console)
        preparation.load_all(work.missing, partial(packing, console))


def look_at_time(request: Request, work: Plan, console: Console) -> Estimate | None:
    """Say how long the missing runs will take; those of a smoke sweep take seconds, which only a budget asks for."""
    from benchmarks.cli import notices
    from benchmarks.measurement.provenance import code

    if not (request.only_plan or request.budget_seconds or request.scale != "smoke"):
        return None
    with console.status("timing small steps") if console.is_terminal else nullcontext():
        estimate = preparation.estimated(work.missing, [job for job in work.jobs if job.is_done()])
    notices.time(console, estimate)
    notices.code(console, code())
    return estimate


def _carry_out(request: Request, work: Plan, results: Path, console: Console, limit: Limiting) -> int:
    from benchmarks.cli.energies import Energies
    from benchmarks.tracking.observer import Tracking

    with Tracking(console, results, Energies()) as tracking:
        try:
            ended = _run(request, work, results, console, limit, tracking) if work.missing else {}
        except KeyboardInterrupt:
            tracking.is_interrupted = True
            done = len(work.jobs) - len(plan(request.runs, results).missing)
            console.print(
                f" [yellow]interrupted[/]: {done} of {len(work.jobs)} runs are done; the same command resumes the rest",
                highlight=False,
            )
            return INTERRUPTED
        if None in ended.values():
            _say_what_is_left(request, work, results, console)
        left_out = _export(request, results, console)
        _tabulate(request, results, console, tracking)
    failed = {job: status for job, status in ended.items() if status not in ("done", None)}
    say_what_failed(console, failed)
    return 1 if failed or left_out else 0


def say_what_failed(console: Console, failed: Mapping[Job, Status]) -> None:
    """A line for each run: how it ended, and where its log is."""
    for job, status in failed.items():
        text = escape(f"{job}; log: {job.place / store.LOG}")
        console.print(f"[red]{status}[/]: {text}", highlight=False, soft_wrap=True)


def _say_what_is_left(request: Request, work: Plan, results: Path, console: Console) -> None:
    """That the budget has ended the work, and how far the runs have come."""
    from benchmarks.cli import notices

    now = plan(request.runs, results)
    notices.budget(console, request, len(work.missing) - len(now.missing), now)


def _run(
    request: Request, work: Plan, results: Path, console: Console, limit: Limiting, tracking: Tracking
) -> dict[Job, Status | None]:
    """Run what is missing under a display; MLflow follows along. Returns how the runs ended; None: they did not."""
    from benchmarks.cli import notices
    from benchmarks.cli.display import Display
    from benchmarks.launching.launch import local
    from benchmarks.launching.workers import workers

    runs, crew = [job.run for job in work.missing], workers(request.jobs, request.scale)
    notices.jobs(console, crew.count)
    with Display(console, len(runs)) as display:
        observer = tracking.follow(display, runs)
        ended = local(runs, results, request.sweep, observer, crew, limit(crew))
    return {job: result.status if result else None for job, result in zip(work.missing, ended, strict=True)}


def _export(request: Request, results: Path, console: Console, replace: bool = False) -> int:
    """How many results were not exported; each is kept in its directory, and a line says why."""
    from benchmarks.cli import notices

    done = rows.export(request.sweep, request.runs, request.scale, results, replace)
    notices.exported(console, done)
    return done.dirty + len(done.refused)


def _tabulate(request: Request, results: Path, console: Console, tracking: Tracking) -> None:
    name, smoke = request.sweep, request.scale == "smoke"
    path = rows.path_of(name, request.scale, results)
    if not path.exists():
        return
    import reports

    target = results / "reports" / (f"{name}{SMOKE}" if smoke else name)
    report = reports.read([path])
    page, *_ = reports.write(report, target)
    reports.show(report, console)
    console.print(escape(f" csv    {path}\n page   {page}"), highlight=False, soft_wrap=True)
    tracking.attach(target, name, smoke)


def export(request: ExportRequest, console: Console) -> int:
    """Export without running."""
    results = store.results_root()
    left_out = 0
    for part in request.parts:
        left_out += _export(part, results, console, request.replace)
        path = rows.path_of(part.sweep, part.scale, results)
        written = path if path.exists() else f"none at scale {part.scale}"
        console.print(escape(f" csv    {written}"), highlight=False, soft_wrap=True)
    return 1 if left_out else 0


def report(request: ReportRequest, console: Console) -> int:
    """Tables and page from CSV files."""
    import reports

    results, files = store.results_root(), request.files
    if request.folder:
        partials.make_folder(request.folder)
    runs, studies = _kinds_of(files or store.files_of_rows(results))
    measured, checks = ([] if files else partials.seen(results, kept) for kept in (PERF, HISTORY))
    found = reports.read(runs, measured, studies, checks, request.energy, request.accuracy, whole=not files)
    page, *_ = reports.write(found, request.folder or results / "reports" / "all")
    reports.show(found, console, request.tables)
    if found.contents.shortest and not request.tables:
        console.print(" tables the page has all of them, as tables.md has; --tables prints them here", highlight=False)
    console.print(escape(f" page   {page}"), highlight=False, soft_wrap=True)
    return 0


def _kinds_of(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """CSV files of runs, and of studies; layers and curves are neither."""
    chosen = [path for path in paths if store.holds_rows(path)]
    studies = [path for path in chosen if path.name in store.STUDIES]
    return [path for path in chosen if path not in studies], studies


def write_findings(request: FindingsRequest, console: Console) -> int:
    """The page of results and a README's block of them, written from rows and ledger."""
    from reports import findings

    results = store.results_root()
    runs, studies = _kinds_of(request.files or store.files_of_rows(results))
    facts = findings.gather(runs, [] if request.files else partials.seen(results, PERF), studies)
    if request.page:
        findings.write_page(facts, request.page)
    if request.block:
        findings.put_block(facts, request.block)
    for written in filter(None, (request.page, request.block)):
        console.print(escape(f" page   {written}"), highlight=False, soft_wrap=True)
    return 0


def perf(request: PerfRequest, console: Console) -> int:
    """Time and weigh training steps, compare with this machine's baseline."""
    from benchmarks.perf.command import perf as measure

    asked = request.network, request.batch, request.timesteps, request.methods, request.save, request.precision
    return measure(console, store.results_root(), *asked)


def check(method: str, console: Console) -> int:
    """The contract, clause by clause; 1 if one is broken."""
    from benchmarks import contract

    return contract.report(method, console)


def neurobench(run: Path, console: Console) -> int:
    """Write and print what NeuroBench would call a run's results."""
    from benchmarks.operations.neurobench import rewrite

    console.print(rewrite(run), end="", markup=False, highlight=False, soft_wrap=True)
    return 0


def sync(console: Console) -> int:
    """Mirror every run directory, then put every sweep's tables and page on its parent run."""
    from benchmarks.cli.energies import Energies
    from benchmarks.tracking.mirror import attach, mirror

    results = store.results_root()
    places = [path.parent for path in partials.seen(results, f"runs/*/*/{store.RUN}")]
    trouble = mirror(places, results, Energies())
    for folder in (path.parent for path in partials.seen(results, "reports/*/index.html")):
        smoke = folder.name.endswith(SMOKE)
        trouble = trouble or attach(folder, folder.name.removesuffix(SMOKE), smoke, results)
    console.print(escape(f" mlflow {trouble or 'up to date'}"), highlight=False, soft_wrap=True)
    return 1 if trouble else 0


def listing(console: Console) -> int:
    """Print all names."""
    from benchmarks.cli import listing

    listing.show(console)
    return 0
