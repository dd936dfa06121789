"""From result CSVs to tables: a page, Markdown, LaTeX, a terminal. Reads CSV files only and writes nothing back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from benchmarks.record import write_whole
from reports import comparison, html, latex, markdown, paired, perf, terminal

__all__ = ["show", "write"]


def write(csv_paths: Iterable[Path], target_directory: Path, perf_paths: Iterable[Path] = ()) -> list[Path]:
    """Write `index.html`, `tables.md`, `tables.tex`, `tables.csv` (raw numbers) and figures; return their paths.

    `perf_paths`: records of `dsr-bench perf`.
    Raises benchmarks.spec.BadInput for a file that is missing or is no result CSV.
    """
    frame, records = comparison.read(csv_paths), perf.read(perf_paths)
    origin = comparison.origin(frame)
    tables = [*comparison.compare(frame), *paired.compare_twins(frame), *(perf.table_of(record) for record in records)]
    figures = [figure for record in records for figure in perf.figures_of(record)]
    texts = {
        "index.html": html.render(tables, origin, figures),
        "tables.md": markdown.render(tables, origin),
        "tables.tex": latex.render(tables, origin),
        "tables.csv": comparison.aggregate(frame).to_csv(index=False, lineterminator="\n"),
    }
    target_directory.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_whole(target_directory / name, text)
    for figure in figures:
        write_whole(target_directory / f"{figure.name}.svg", figure.svg)
        (target_directory / f"{figure.name}.pdf").write_bytes(figure.pdf)
    drawn = [target_directory / f"{figure.name}.{ending}" for figure in figures for ending in ("svg", "pdf")]
    return [*(target_directory / name for name in texts), *drawn]


def show(csv_paths: Iterable[Path], console: Console) -> None:
    """Print the tables to a terminal. Raises BadInput as `write` does."""
    frame = comparison.read(csv_paths)
    tables = [*comparison.compare(frame), *paired.compare_twins(frame)]
    terminal.show(tables, comparison.origin(frame), console)
