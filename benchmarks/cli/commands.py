"""What the commands of the command line do. Each returns its exit code; BadInput passes through as code 2."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from benchmarks.cli import preparation
from benchmarks.cli.arguments import (
    AUTO,
    chosen_scale,
    integers,
    jobs_of,
    named_method,
    named_run,
    named_sweep,
    words,
)
from benchmarks.distributed import torchrun
from benchmarks.export import rows as exporting
from benchmarks.files import partials
from benchmarks.runs import store
from benchmarks.runs.plan import Plan, plan
from benchmarks.runs.record import Status
from benchmarks.spec import MAX_SEED, Run, Scale

INTERRUPTED = 130
SMOKE = "-smoke"
"""How the folder of a smoke sweep's report ends."""
PERF, HISTORY = "perf/*.json", "regression/history/*.csv"


def sweep(
    console: Console,
    name: str,
    scale: str | None,
    network: str | None,
    methods: str | None,
    timesteps: str | None,
    seeds: str | None,
    only_plan: bool,
    jobs: str = AUTO,
) -> int:
    """Plan, run what is missing, export, tabulate."""
    at_once = jobs_of(jobs)
    steps, chosen_seeds = integers(timesteps, "timesteps", 1), integers(seeds, "seeds", 0, MAX_SEED)
    grid = named_sweep(name, network, methods, steps, chosen_seeds)
    chosen = chosen_scale(scale, grid, console)
    runs = grid.runs(chosen)
    return _carry_out(console, name, grid.title, runs, chosen, only_plan, at_once)


def single(
    console: Console, dataset: str, network: str, method: str, timesteps: int, seed: int, scale: str | None
) -> int:
    """One run; its row goes to `results/runs.csv` (smoke: `results/smoke/runs.csv`)."""
    run = named_run(dataset, network, method, timesteps, seed, scale, console)
    return _carry_out(console, "runs", str(run), [run], run.scale, False)


def _carry_out(
    console: Console, name: str, title: str, runs: list[Run], scale: Scale, only_plan: bool, jobs: int | None = 1
) -> int:
    if not only_plan:
        torchrun.check()
    results = store.results_root()
    work = plan(runs, results)
    exporting.look(name, scale, results)
    if torchrun.only_assists() and not only_plan:
        from benchmarks.launching.launch import assist

        return assist(work.missing, results)
    _describe(console, name, title, work, scale)
    preparation.mention_other_data(console, _data_of(work, results))
    if work.missing:
        preparation.check_data(console, work.missing, only_plan)
        if only_plan or scale != "smoke":
            preparation.estimate(console, work.missing)
    if only_plan:
        return 0
    try:
        failed = _run(console, work, results, name, jobs, scale) if work.missing else {}
    except KeyboardInterrupt:
        done = len(work.runs) - len(plan(runs, results).missing)
        console.print(
            f" [yellow]interrupted[/] {done} runs done; the same command goes on with the rest", highlight=False
        )
        return INTERRUPTED
    left_out = _export(console, name, work.runs, scale, results)
    _tabulate(console, name, scale, results)
    for run, status in failed.items():
        log = store.directory(results, run) / store.LOG
        console.print(f"[red]{status}[/]: {escape(f'{run}; log: {log}')}", highlight=False, soft_wrap=True)
    return 1 if failed or left_out else 0


def _data_of(work: Plan, results: Path) -> list[tuple[str, str]]:
    """Name and digest of what every cached run has seen."""
    here = [(run, store.result(results, run)) for run in work.runs if run not in work.missing]
    done = [(run.dataset, found.provenance.data_sha256) for run, found in here if found]
    return [*done, *((row["dataset"], row["data_sha256"]) for row in work.committed.values())]


def _describe(console: Console, name: str, title: str, work: Plan, scale: Scale) -> None:
    import benchmarks

    cached = len(work.runs) - len(work.missing)
    parts = [f"{len(work.runs)} runs", f"{cached} cached", f"{len(work.missing)} missing"]
    if work.committed:
        parts.insert(2, f"{len(work.committed)} of them from committed rows")
    if work.resumable:
        parts.append(f"{len(work.resumable)} of them half done")
    console.print(f"[bold]dsr-bench {benchmarks.__version__}[/] · {name} · scale [bold]{scale}[/] · {title}")
    console.print(" plan   " + " · ".join(parts), highlight=False)


def _run(console: Console, work: Plan, results: Path, name: str, jobs: int | None, scale: Scale) -> dict[Run, Status]:
    """Run what is missing under a display; MLflow follows along. Returns how the runs ended that did not end well.

    `jobs`: how many at once; None: as many as fit this machine.
    """
    from benchmarks.cli.display import Display
    from benchmarks.launching.launch import local
    from benchmarks.launching.workers import workers
    from benchmarks.tracking.energies import Energies
    from benchmarks.tracking.observer import Mirroring

    crew = workers(jobs, scale)
    if crew.count > 1:
        shared = f"{crew.count} runs at once (--jobs); rows mark timings that were taken beside other runs"
        console.print(f" jobs   {shared}", highlight=False)
    with Display(console, len(work.missing)) as display:
        observer = Mirroring(display, results, console, work.missing, Energies())
        ended = local(work.missing, results, name, observer, crew)
    return {run: result.status for run, result in zip(work.missing, ended, strict=True) if result.status != "done"}


def _export(console: Console, name: str, runs: list[Run], scale: Scale, results: Path, replace: bool = False) -> int:
    """How many results were not exported; each is kept in its directory, and a line says why."""
    done = exporting.export(name, runs, scale, results, replace)
    if done.stale:
        console.print(f" rows   dropped {done.stale} whose recipe has changed since", highlight=False)
    if changed := done.dirty - done.unknown:
        console.print(
            f" [yellow]rows[/]   {changed} not exported: their code was not committed when they ran", highlight=False
        )
    if done.unknown:
        said = f"{done.unknown} not exported: no commit of their code was known when they ran"
        console.print(f" [yellow]rows[/]   {escape(said + _git_says())}", highlight=False, soft_wrap=True)
    for line in (*done.changes, *done.refused):
        console.print(f" [yellow]rows[/]   {escape(line)}", highlight=False, soft_wrap=True)
    return done.dirty + len(done.refused)


def _git_says() -> str:
    from benchmarks.measurement.provenance import trouble

    return f" (DSR_COMMIT may name it); now: {trouble()}" if trouble() else ""


def _tabulate(console: Console, name: str, scale: Scale, results: Path) -> None:
    path = exporting.path_of(name, scale, results)
    if not path.exists():
        return
    import reports
    from benchmarks.tracking.observer import attach

    target = results / "reports" / (f"{name}{SMOKE}" if scale == "smoke" else name)
    found = reports.read([path])
    page, *_ = reports.write(found, target)
    reports.show(found, console)
    console.print(escape(f" rows   {path}\n page   {page}"), highlight=False, soft_wrap=True)
    attach(console, target, name, scale == "smoke", results)


def export(console: Console, name: str, scale: str | None, replace: bool) -> int:
    """Export without running. Without a scale: every scale there are runs of."""
    grid = named_sweep(name, None, None, None, None)
    results = store.results_root()
    left_out = 0
    for found in [chosen_scale(scale, grid, console)] if scale else grid.networks:
        left_out += _export(console, name, grid.runs(found), found, results, replace)  # type: ignore[arg-type]
        path = exporting.path_of(name, found, results)  # type: ignore[arg-type]
        written = path if path.exists() else f"none at scale {found}"
        console.print(escape(f" rows   {written}"), highlight=False, soft_wrap=True)
    return 1 if left_out else 0


def report(
    console: Console,
    files: list[Path] | None,
    to: Path | None,
    energy: Path | None,
    percent: float | None,
    tables: bool = False,
) -> int:
    """Tables and page from CSV files."""
    import reports

    results = store.results_root()
    if to:
        partials.make_folder(to)
    runs, studies = _kinds_of(files or store.files_of_rows(results))
    measured, checks = ([] if files else partials.seen(results, kept) for kept in (PERF, HISTORY))
    found = reports.read(runs, measured, studies, checks, energy, percent, whole=not files)
    page, *_ = reports.write(found, to or results / "reports" / "all")
    reports.show(found, console, tables)
    if found.contents.shortest and not tables:
        console.print(" tables the page has all of them, as tables.md has; --tables prints them here", highlight=False)
    console.print(escape(f" page   {page}"), highlight=False, soft_wrap=True)
    return 0


def _kinds_of(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """CSV files of runs, and of studies; layers and curves are neither."""
    chosen = [path for path in paths if store.holds_rows(path)]
    studies = [path for path in chosen if path.name in store.STUDIES]
    return [path for path in chosen if path not in studies], studies


def findings(console: Console, files: list[Path] | None, page: Path | None, block: Path | None) -> int:
    """The page of results and a README's block of them, written from rows and ledger."""
    from reports import findings as found

    results = store.results_root()
    runs, studies = _kinds_of(files or store.files_of_rows(results))
    facts = found.gather(runs, [] if files else partials.seen(results, PERF), studies)
    if page:
        found.write_page(facts, page)
    if block:
        found.put_block(facts, block)
    for written in filter(None, (page, block)):
        console.print(escape(f" page   {written}"), highlight=False, soft_wrap=True)
    return 0


def perf(console: Console, network: str, batch: int, timesteps: str, methods: str | None, save: bool) -> int:
    """Time and weigh training steps, compare with this machine's baseline."""
    from benchmarks.perf.record import perf as measure

    steps = integers(timesteps, "timesteps", 1)
    assert steps is not None
    chosen = words(methods) if methods else ()
    return measure(console, store.results_root(), network, batch, steps, chosen, save)


def check(console: Console, method: str) -> int:
    """The contract, clause by clause; 1 if one is broken."""
    from benchmarks.contract import report

    return report(console, named_method(method))


def sync(console: Console) -> int:
    """Mirror every run directory, then put every sweep's tables and page on its parent run."""
    from benchmarks.tracking.energies import Energies
    from benchmarks.tracking.mirror import attach, mirror

    results = store.results_root()
    places = [path.parent for path in partials.seen(results, f"runs/*/*/{store.RUN}")]
    trouble = mirror(places, results, Energies())
    for folder in (path.parent for path in partials.seen(results, "reports/*/index.html")):
        smoke = folder.name.endswith(SMOKE)
        trouble = trouble or attach(folder, folder.name.removesuffix(SMOKE), smoke, results)
    console.print(escape(f" mlflow {trouble or 'up to date'}"), highlight=False, soft_wrap=True)
    return 1 if trouble else 0


def listing(console: Console) -> None:
    """Print all names."""
    from benchmarks.cli.listing import show

    show(console)
