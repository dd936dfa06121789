"""The command line: `dsr-bench`, also `python -m benchmarks`.

Exit codes: 0 all well, or the budget used up, 1 some runs failed, 2 bad input, 75 `work` was stopped early, 130
interrupted (the same command resumes).
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

try:
    import typer
    from rich.console import Console

    from benchmarks.cli import arguments, commands, launchers, queries
    from benchmarks.cli.spelling import carry_everything
    from benchmarks.distributed.torchrun import only_assists
    from benchmarks.files import partials
    from benchmarks.launching import stopping
    from benchmarks.spec import BadInput
except KeyboardInterrupt:  # Ctrl-C comes at any moment, and a traceback of imports tells nobody anything
    sys.exit(130)

app = typer.Typer(
    name="dsr-bench",
    help="Train and convert spiking networks by every method, measure them the same way, tabulate them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data = typer.Typer(name="data", help="Data sets: list, get, verify.", no_args_is_help=True)
app.add_typer(data)
app.add_typer(queries.app)
app.add_typer(launchers.app)
console = Console(quiet=only_assists())
UsageError: Any = typer.BadParameter.__base__
"""What click raises for every mistake in the words themselves; typer carries click under no public name."""

ScaleOption = Annotated[
    str | None, typer.Option(help="paper, short, workstation, laptop or smoke; see docs/scales.md.")
]
NameArgument = Annotated[str, typer.Argument(help="Which sweep or campaign; `dsr-bench list` shows them.")]
NetworkOption = Annotated[str | None, typer.Option(help="One network instead of the sweep's.")]
MethodsOption = Annotated[str | None, typer.Option(help="Comma-separated methods instead of the sweep's.")]
TimestepsOption = Annotated[str | None, typer.Option(help="T instead of the sweep's, as in 2,4 or 2-5.")]
SeedsOption = Annotated[str | None, typer.Option(help="Seeds instead of the sweep's, as in 0,1 or 0-2.")]
JobsOption = Annotated[
    str,
    typer.Option(
        help="Runs at once: a number, or auto. auto is one per GPU; without a GPU, cores / OMP_NUM_THREADS if that is "
        "set, else one per core at smoke scale and one run at other scales."
    ),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        help="Time after which to stop, as in 90m, 3h or 1.5h. Runs that are expected to end in time go first; the "
        "same command goes on."
    ),
]


@app.command()
def sweep(
    name: NameArgument,
    scale: ScaleOption = None,
    network: NetworkOption = None,
    methods: MethodsOption = None,
    timesteps: TimestepsOption = None,
    seeds: SeedsOption = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would run, and how long it would take.")] = False,
    jobs: JobsOption = arguments.AUTO,
    budget: BudgetOption = None,
    launcher: launchers.LauncherOption = launchers.LOCAL,
    workers: launchers.WorkersOption = None,
    time: launchers.TimeOption = None,
    gpus: launchers.GpusOption = None,
    cpus: launchers.CpusOption = None,
    memory: launchers.MemoryOption = None,
    partition: launchers.PartitionOption = None,
    slurm: launchers.SbatchOption = None,
) -> None:
    """Carry out the missing runs of a sweep or campaign, then write its CSV file, tables and page.

    Of a campaign, --network, --methods, --timesteps and --seeds select runs: nothing takes their place.
    With --launcher slurm, submit jobs that carry the runs out, and return.
    """
    request = arguments.sweep_request(name, scale, network, methods, timesteps, seeds, plan, jobs, budget)
    given = {
        "workers": workers, "time": time, "gpus": gpus, "cpus": cpus, "memory": memory, "partition": partition,
    }  # fmt: skip
    if launchers.submits(launcher, given, slurm):
        selection = {"network": network, "methods": methods, "timesteps": timesteps, "seeds": seeds}
        raise typer.Exit(launchers.submit(request, selection, given, slurm, console))
    raise typer.Exit(commands.sweep(request, console))


@app.command()
def work(
    name: NameArgument,
    scale: ScaleOption = None,
    network: NetworkOption = None,
    methods: MethodsOption = None,
    timesteps: TimestepsOption = None,
    seeds: SeedsOption = None,
    jobs: JobsOption = arguments.AUTO,
    budget: BudgetOption = None,
) -> None:
    """Carry out missing runs that nobody else works on, and leave when none is free; for batch systems.

    Start as many of these as you like on one results folder. SIGTERM and SIGUSR1 stop it: nothing but the epochs in
    progress is lost. Exit codes: 0 nothing is left to start, 1 a run failed here, 75 stopped early, more is left.
    """
    from benchmarks.cli.work import work

    request = arguments.sweep_request(name, scale, network, methods, timesteps, seeds, False, jobs, budget)
    raise typer.Exit(work(request, console))


@app.command()
def status(
    name: NameArgument,
    scale: ScaleOption = None,
    network: NetworkOption = None,
    methods: MethodsOption = None,
    timesteps: TimestepsOption = None,
    seeds: SeedsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one record per run.")] = False,
) -> None:
    """Say how far a sweep is: what is done, who works on what, what failed and why, and how long it still takes."""
    from benchmarks.cli.status import status

    request = arguments.sweep_request(name, scale, network, methods, timesteps, seeds, False)
    raise typer.Exit(status(request, as_json, console))


@app.command()
def run(
    dataset: Annotated[str, typer.Option(help="A data set; `dsr-bench list` shows them.")],
    network: Annotated[str, typer.Option(help="A network, as above.")],
    method: Annotated[str, typer.Option(help="A method, or a variant like dsr-if@alpha=1.")],
    timesteps: Annotated[int, typer.Option("--timesteps", "-T", help="Number of time steps T; 1 for an ANN.")],
    seed: Annotated[int, typer.Option(help="Seed of weights and batches.")] = 0,
    scale: ScaleOption = None,
) -> None:
    """Carry out one run (and its parent, if it has one)."""
    request = arguments.run_request(dataset, network, method, timesteps, seed, scale)
    raise typer.Exit(commands.sweep(request, console))


@app.command("list")
def list_() -> None:
    """List sweeps, campaigns, data sets, methods, and networks with their sizes."""
    raise typer.Exit(commands.listing(console))


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="Which sweep or campaign.")],
    scale: ScaleOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let results take the place of committed rows that contradict them.")
    ] = False,
) -> None:
    """Write the finished runs of a sweep to its CSV file."""
    raise typer.Exit(commands.export(arguments.export_request(name, scale, replace), console))


@app.command()
def report(
    files: Annotated[list[Path] | None, typer.Argument(help="CSV files; default: all directly under results.")] = None,
    to: Annotated[Path | None, typer.Option(help="Folder to write to; default: results/reports/all.")] = None,
    energy: Annotated[Path | None, typer.Option(help="TOML file of energy constants; see results/README.md.")] = None,
    reach: Annotated[float | None, typer.Option(help="Accuracy (%) whose cost in training is shown.")] = None,
    tables: Annotated[bool, typer.Option("--tables", help="Print all tables, not a summary of one screen.")] = False,
    results_page: Annotated[Path | None, typer.Option(help="Write docs/results.md here instead of the report.")] = None,
    results_block: Annotated[Path | None, typer.Option(help="README whose block of results is written anew.")] = None,
) -> None:
    """Build tables and the page from CSV files alone: about a minute for all committed rows, most of it figures."""
    if results_page or results_block:
        findings = arguments.FindingsRequest(tuple(files or ()), results_page, results_block)
        raise typer.Exit(commands.write_findings(findings, console))
    request = arguments.ReportRequest(tuple(files or ()), to, energy, reach, tables)
    raise typer.Exit(commands.report(request, console))


@app.command()
def perf(
    network: Annotated[str, typer.Option(help="Network whose steps are timed.")] = "preact-resnet18-narrow",
    batch: Annotated[int, typer.Option(help="Images in a batch.")] = 64,
    timesteps: Annotated[str, typer.Option(help="T, as in 5,10 or 2-5.")] = "5,10,20",
    methods: Annotated[str | None, typer.Option(help="Comma-separated methods; default: all that train.")] = None,
    save: Annotated[bool, typer.Option("--save", help="Replace this machine's baseline.")] = False,
    precision: Annotated[str, typer.Option(help="float32 or bfloat16, as in a recipe.")] = "float32",
) -> None:
    """Time training and inference steps of every method, side by side, against this machine's baseline."""
    raise typer.Exit(
        commands.perf(arguments.perf_request(network, batch, timesteps, methods, save, precision), console)
    )


@app.command()
def regression(
    only: Annotated[str | None, typer.Option(help="Comma-separated parts: steps, harness, convergence, rows.")] = None,
    methods: Annotated[str | None, typer.Option(help="Comma-separated methods instead of all.")] = None,
    rows: Annotated[Path | None, typer.Option(help="Folder of fresh result CSVs; default: this checkout's.")] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="The folder is meant to hold only some of the rows.")
    ] = False,
    against: Annotated[str, typer.Option(help="Commit whose rows are the old ones.")] = "HEAD",
    save: Annotated[bool, typer.Option("--save", help="Make new baselines and reference points.")] = False,
) -> None:
    """Check whether anything became slower, larger, or worse at learning. Exit code 1: something did."""
    from benchmarks.regression import command

    raise typer.Exit(command.command(command.request(only, methods, rows, partial, against, save), console))


@app.command()
def quantization(
    run: Annotated[Path | None, typer.Option(help="Directory of a finished run, whose layers are measured.")] = None,
) -> None:
    """Measure how closely single neurons, or the layers of a run, follow the clamp that DSR differentiates."""
    from benchmarks.quantization import command

    raise typer.Exit(command.command(run, console))


@app.command()
def neurobench(run: Annotated[Path, typer.Argument(help="Directory of a finished run.")]) -> None:
    """Write and print what NeuroBench would call a run's results."""
    raise typer.Exit(commands.neurobench(run, console))


@app.command()
def card(
    run: Annotated[str, typer.Argument(help="A finished run: its directory, its key, or how the key begins.")],
    to: Annotated[Path | None, typer.Option(help="Folder to write to; default: results/cards/<run>.")] = None,
) -> None:
    """Export a run: weights (safetensors), a model card, and the network as a NIR graph if NIR can express it.

    A committed row, whose weights are not here, gets only a model card.
    """
    from benchmarks.card import command

    raise typer.Exit(command.command(command.Request(run, to), console))


@app.command()
def check(method: Annotated[str, typer.Argument(help="A method, or a variant like dsr-if@alpha=1.")]) -> None:
    """Check whether a method does everything that the suite relies on, one line per clause."""
    raise typer.Exit(commands.check(arguments.named_method(method), console))


@data.command("list")
def list_data() -> None:
    """List the data sets: which are in the data root, and how to get the others."""
    from benchmarks.cli import datasets

    raise typer.Exit(datasets.show(console))


@data.command()
def get(name: Annotated[str, typer.Argument(help="Which data set.")]) -> None:
    """Download a data set; an interrupted download is resumed."""
    from benchmarks.cli import datasets

    raise typer.Exit(datasets.get(name, console))


@data.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="Which data set; default: all that are here.")] = None,
) -> None:
    """Read everything and compare checksums."""
    from benchmarks.cli import datasets

    raise typer.Exit(datasets.verify(name, console))


@app.command()
def sync() -> None:
    """Bring MLflow up to date with the run directories."""
    raise typer.Exit(commands.sync(console))


@app.command()
def doctor() -> None:
    """Say what is installed, what works, where data and results are, and how to fix what does not work."""
    from benchmarks.cli.doctor import report

    raise typer.Exit(report(console))


def main() -> NoReturn:
    """Entry point: whatever goes wrong with a request is one line on stderr."""
    carry_everything()
    signal.signal(signal.SIGTERM, stopping.interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where a shell's background job ignores it
        signal.signal(signal.SIGINT, stopping.interrupt)
    try:
        code, said = app(standalone_mode=False) or 0, ""  # typer turns KeyboardInterrupt into 130
    except BadInput as error:
        code, said = 2, str(error)
    except UsageError as error:
        code, said = 2, " ".join(error.format_message().split())  # empty where help was asked for by saying nothing
    except Exception as error:
        if isinstance(error, OSError) and (failed := partials.failure(error)):
            code, said = 2, str(partials.refusal(failed.filename or "the output", failed))
        elif stopping.interrupted():
            code, said = commands.INTERRUPTED, ""
        else:
            raise
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # what comes now ends Python amid its own end, without a traceback
    if said:
        print(f"dsr-bench: {said}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
