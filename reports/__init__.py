"""From result CSVs to tables: a page, Markdown, LaTeX, a terminal. Reads CSV files only and writes nothing back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from benchmarks.record import write_whole
from reports import comparison, html, latex, markdown, terminal

__all__ = ["show", "write"]


def write(csv_paths: Iterable[Path], target_directory: Path) -> list[Path]:
    """Write `index.html`, `tables.md`, `tables.tex` and `tables.csv` (raw numbers); return their paths.

    Raises benchmarks.spec.BadInput for a file that is missing or is no result CSV.
    """
    frame = comparison.read(csv_paths)
    tables, origin = comparison.compare(frame), comparison.origin(frame)
    texts = {
        "index.html": html.render(tables, origin),
        "tables.md": markdown.render(tables, origin),
        "tables.tex": latex.render(tables, origin),
        "tables.csv": comparison.aggregate(frame).to_csv(index=False, lineterminator="\n"),
    }
    target_directory.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_whole(target_directory / name, text)
    return [target_directory / name for name in texts]


def show(csv_paths: Iterable[Path], console: Console) -> None:
    """Print the tables to a terminal. Raises BadInput as `write` does."""
    frame = comparison.read(csv_paths)
    terminal.show(comparison.compare(frame), comparison.origin(frame), console)
