"""The words of `--launcher slurm` and its options, and `dsr-bench cancel`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.campaigns import NAMED
from benchmarks.cli.arguments import Request
from benchmarks.spec import BadInput, require

LOCAL, SLURM = "local", "slurm"

app = typer.Typer()
console = Console()
LauncherOption = Annotated[str, typer.Option(help="local, or slurm: submit jobs; see docs/several-machines.md.")]
WorkersOption = Annotated[int | None, typer.Option(help="Slurm: jobs at once, at most.")]
TimeOption = Annotated[str | None, typer.Option(help="Slurm: time limit of a job, as in 4h, 90m or 1-12:00:00.")]
GpusOption = Annotated[int | None, typer.Option(help="Slurm: GPUs of a job.")]
CpusOption = Annotated[int | None, typer.Option(help="Slurm: CPUs of a job.")]
MemoryOption = Annotated[str | None, typer.Option(help="Slurm: memory of a job, as in 32G.")]
PartitionOption = Annotated[str | None, typer.Option(help="Slurm: partition.")]
SbatchOption = Annotated[
    list[str] | None,
    typer.Option("--slurm", metavar="KEY=VALUE", help="Slurm: any other option of sbatch; may be repeated."),
]


def submits(launcher: str, given: Mapping[str, Any], options: Iterable[str] | None) -> bool:
    """Whether runs go to Slurm. Raises BadInput for an unknown launcher, and for Slurm's options without it."""
    if require(launcher, (LOCAL, SLURM), "launcher") == SLURM:
        return True
    stated = [f"--{name}" for name, value in given.items() if value is not None] + ["--slurm"] * bool(options)
    if stated:
        raise BadInput(f"{stated[0]} is for --launcher {SLURM}")
    return False


def submit(
    request: Request,
    selection: Mapping[str, str | None],
    given: Mapping[str, Any],
    options: Iterable[str] | None,
    console: Console,
) -> int:
    """Send a sweep to Slurm. `selection`: the options that choose its runs, by name; None: not given."""
    from benchmarks.slurm import command
    from benchmarks.slurm.settings import settings

    chosen = settings(given, options or (), Path.cwd())
    words = [word for name, value in selection.items() if value is not None for word in (f"--{name}", value)]
    return command.sweep(request, words, chosen, console)


@app.command()
def cancel(name: Annotated[str, typer.Argument(help="Which sweep or campaign.")]) -> None:
    """Cancel the Slurm jobs of a sweep that were submitted from this results folder; nothing but an epoch is lost."""
    from benchmarks.slurm import command

    raise typer.Exit(command.cancel(require(name, NAMED, "sweep"), console))
