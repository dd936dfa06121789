"""`dsr-bench regression`: measures, compares, and reports what changed, by how much and since which commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape

import reports
from benchmarks.cli.arguments import words
from benchmarks.files import partials
from benchmarks.measurement.provenance import ROOT, code
from benchmarks.perf.record import Failed
from benchmarks.regression import convergence, history, overhead, points, rows, steps
from benchmarks.regression.finding import Finding, is_bad
from benchmarks.runs import store
from benchmarks.spec import BadInput, Run, require

PARTS = (steps.PART, overhead.PART, convergence.PART, rows.PART)
COLOURS = {"worse": "red", "changed": "red", "missing": "red", "failed": "red", "better": "green"}


@dataclass(frozen=True)
class Request:
    """The checked options: `parts` of PARTS; `methods`, None for each part's own."""

    parts: tuple[str, ...] = PARTS
    methods: tuple[str, ...] | None = None
    folder: Path | None = None
    partial: bool = False
    against: str = "HEAD"
    save: bool = False


def request(
    only: str | None, methods: str | None, folder: Path | None, partial: bool, against: str, save: bool
) -> Request:
    """Parse and check the options of the command line. Raises BadInput."""
    parts = tuple(require(word, PARTS, "part of the check") for word in words(only)) if only else PARTS
    chosen = words(methods) if methods else None
    timed, trained = (set(parts) & {part} for part in (steps.PART, convergence.PART))
    for method in chosen or ():
        known = [*(steps.METHODS if timed else ()), *(convergence.METHODS if trained else ())]
        require(method, dict.fromkeys(known), "method of this check")
    if save and trained and code().dirty is not False:
        raise BadInput("reference points are saved from committed code only; commit first, then --save")
    return Request(parts, chosen, folder, partial, against, save)


def command(asked: Request, console: Console) -> int:
    """Run the parts one after the other. Returns exit code 1 if something has become worse."""
    results, running = store.results_root(), code()
    history.look(results)
    changes = " with changes" if running.dirty else ""
    console.print(f"[bold]regression[/] · commit {running.commit[:12]}{changes}", highlight=False)
    checks: Mapping[str, Callable[[], list[Finding]]] = {
        rows.PART: partial(_rows, results, asked),
        convergence.PART: partial(_convergence, console, results, asked),
        steps.PART: lambda: steps.check(results, _of(steps.METHODS, asked), asked.save),
        overhead.PART: lambda: overhead.check(results, asked.save),
    }
    findings: list[Finding] = []
    for part, check in checks.items():  # the quick ones first
        if part in asked.parts:
            try:
                of_part = check()
            except Failed as failed:
                of_part = [Finding(part=part, group="benchmarks", verdict="failed", note=str(failed))]
            show(console, part, of_part)
            findings += of_part
    _conclude(console, results, findings)
    return 1 if is_bad(findings) else 0


def show(console: Console, part: str, findings: Sequence[Finding]) -> None:
    """Print a line of counts, then one line per finding that is not "same"."""
    counts = Counter(finding.verdict for finding in findings)
    summary = " · ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "nothing to compare"
    console.print(f" [bold]{part:<12}[/] {summary}", highlight=False)
    for finding in findings:
        if finding.verdict != "same":
            colour = COLOURS.get(finding.verdict, "dim")
            console.print(f"   [{colour}]{finding.verdict:<12}[/] ", end="")
            console.print(str(finding), markup=False, highlight=False, soft_wrap=True)


def _conclude(console: Console, results: Path, findings: Sequence[Finding]) -> None:
    path = history.append(findings, results)
    bad, better = sum(is_bad([each]) for each in findings), sum(each.verdict == "better" for each in findings)
    compared = sum(each.verdict not in ("new", "not compared") for each in findings)
    verdict = f"[red]regression[/]: {bad} of {compared}" if bad else f"no regression in {compared}"
    others = [f"{better} better"] * bool(better) + [f"{len(findings) - compared} not compared"] * (
        compared < len(findings)
    )
    console.print(f" {verdict} comparisons{''.join(f', {other}' for other in others)}", highlight=False)
    if path is not None:
        page, *_ = reports.write(reports.read([], history_paths=[path]), results / "reports" / "regression")
        console.print(escape(f" history {path}\n page    {page}"), highlight=False, soft_wrap=True)


def _rows(results: Path, asked: Request) -> list[Finding]:
    if asked.against == "HEAD" and code().commit == "unknown":
        return [Finding(part=rows.PART, group="all", verdict="not compared", note="this code is not a git checkout")]
    fresh = rows.of_folder(asked.folder or (ROOT / "results" if _is_elsewhere(results) else results))
    return rows.compare(fresh, rows.of_commit(asked.against), asked.partial)


def _is_elsewhere(results: Path) -> bool:
    """Whether the results folder is another than the checkout's and has no rows; the checkout's own are then used."""
    return results.resolve() != (ROOT / "results").resolve() and not partials.seen(results, "*.csv")


def _convergence(console: Console, results: Path, asked: Request) -> list[Finding]:
    known, findings = points.read(results), []
    wanted: list[Run] = []
    for dataset in convergence.EPOCHS:
        seeds = convergence.REFERENCE_SEEDS if asked.save else convergence.FRESH_SEEDS
        runs = convergence.runs(dataset, _of(convergence.METHODS, asked), seeds)
        try:
            convergence.data_of(dataset)
            wanted += runs
        except BadInput as error:
            findings.append(Finding(part=convergence.PART, group=dataset, verdict="not compared", note=str(error)))

    def tell(run: Run) -> None:
        console.print(f"   {run}", highlight=False, style="dim")

    if asked.save:
        return [*findings, *_save(wanted, results, tell)]
    return [*findings, *convergence.check(wanted, known, tell if console.is_terminal else lambda run: None)]


def _save(wanted: Sequence[Run], results: Path, tell: Callable[[Run], None]) -> list[Finding]:
    """Make and save reference points method by method, so that an interruption leaves complete methods."""
    findings = []
    for dataset, method in dict.fromkeys((run.dataset, run.method) for run in wanted):
        measured = []
        for run in wanted:
            if (run.dataset, run.method) == (dataset, method):
                tell(run)
                measured.append(convergence.measure(run, convergence.EPOCHS[dataset]))
        path = points.merge(measured, results)
        note = f"{len(measured)} reference points saved to {path}"
        findings.append(Finding(part=convergence.PART, group=f"{dataset}, {method}", verdict="new", note=note))
    return findings


def _of(own: Sequence[str], asked: Request) -> tuple[str, ...]:
    return tuple(method for method in own if asked.methods is None or method in asked.methods)
