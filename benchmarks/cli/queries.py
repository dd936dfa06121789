"""`dsr-bench best`, `diff`, `why`, `why-cached`: the words of the command line, and what is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.runs import store

app = typer.Typer()
console = Console()
RunArgument = Annotated[str, typer.Argument(help="A run's directory, or its key, or how the key begins.")]


@app.command()
def best(
    files: Annotated[list[Path] | None, typer.Argument(help="CSV files; default: all directly under results.")] = None,
    max_energy: Annotated[
        str | None, typer.Option(help="Per image, as in 1uJ or 0.5mJ; pJ, nJ, uJ, µJ, mJ or J.")
    ] = None,
    min_accuracy: Annotated[float | None, typer.Option(help="In percent.")] = None,
    max_memory: Annotated[str | None, typer.Option(help="In training, as in 500MiB; KiB, MiB, GiB, MB or GB.")] = None,
    max_timesteps: Annotated[int | None, typer.Option(help="The largest T.")] = None,
    dataset: Annotated[str | None, typer.Option(help="One data set instead of all.")] = None,
    scale: Annotated[str | None, typer.Option(help="One scale instead of all.")] = None,
    by: Annotated[str, typer.Option(help="Sort by accuracy, energy, core-seconds, time or memory.")] = "accuracy",
    count: Annotated[int, typer.Option(help="Lines per table.")] = 10,
    energy: Annotated[Path | None, typer.Option(help="TOML file of energy constants; see results/README.md.")] = None,
) -> None:
    """List the committed results within given limits, best first. Exit code 1: there are none."""
    from reports.queries import bounds
    from reports.queries.best import Question, answer
    from reports.rendering import terminal

    limits = bounds.Bounds(
        accuracy=min_accuracy,
        energy=bounds.energy(max_energy, "--max-energy"),
        memory=bounds.memory(max_memory, "--max-memory"),
        timesteps=max_timesteps,
    )
    question = Question(limits, dataset, scale, by, count)
    named = files or [path for path in store.files_of_rows(store.results_root()) if store.holds_rows(path)]
    found = answer([path for path in named if path.name not in store.STUDIES], question, energy)
    for miss in found.misses:  # first: what fits is what was asked for
        _say(miss)
    if found.tables:
        terminal.show(found.tables, found.origin, console)
    raise typer.Exit(0 if found.tables else 1)


@app.command()
def diff(a: RunArgument, b: RunArgument) -> None:
    """Show what differs between two runs: recipe, code, data, environment, results."""
    from reports.queries import differences
    from reports.queries.lookup import find
    from reports.rendering import terminal

    results = store.results_root()
    pair = find(a, results), find(b, results)
    for letter, one in zip("AB", pair, strict=True):
        _say(f"{letter}  {one}")
    console.print()
    shown = differences.tables(*pair)
    for table in shown:
        if table.rows:
            terminal.show_table(table, console)
        else:
            _say(f"{table.title}\n\n" + "\n".join(table.notes) + "\n")
    if same := differences.the_same(shown):
        _say(f"the same: {same}")


@app.command()
def why(run: RunArgument) -> None:
    """Explain how a run differs from its row in the paper (or its method's own), and whether they are comparable."""
    from reports.queries.lookup import find
    from reports.queries.why import explain
    from reports.rendering import terminal

    known = find(run, store.results_root())
    _say(f"{known}\n")
    table, conclusion = explain(known)
    if table:
        terminal.show_table(table, console)
    _say(conclusion)


@app.command("why-cached")
def why_cached(run: RunArgument) -> None:
    """Show what a run's key is made of, and what makes the run count as done. Exit code 1: it does not."""
    from reports.queries.cached import explain
    from reports.queries.lookup import find
    from reports.rendering import terminal

    results = store.results_root()
    known = find(run, results)
    _say(f"{known}\n")
    answer = explain(known, results)
    if answer.table:
        terminal.show_table(answer.table, console)
    _say("\n".join(answer.said))
    raise typer.Exit(0 if answer.is_cached else 1)


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
