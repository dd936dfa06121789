"""From result CSVs to tables: a page, Markdown, LaTeX, a terminal. Reads CSV files only and writes nothing back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.record import write_whole
from reports import comparison, html, latex, markdown, paired, perf, quantization, regression, terminal
from reports.figures import Figure
from reports.table import Table

__all__ = ["show", "write"]


def write(
    csv_paths: Sequence[Path],
    target_directory: Path,
    perf_paths: Iterable[Path] = (),
    study_paths: Sequence[Path] = (),
    history_paths: Sequence[Path] = (),
) -> list[Path]:
    """Write `index.html`, `tables.md`, `tables.tex`, `tables.csv` (raw numbers) and figures; return their paths.

    `perf_paths`: records of `dsr-bench perf`; `study_paths`: CSV files of `dsr-bench quantization`; `history_paths`:
    of `dsr-bench regression`.
    Raises benchmarks.spec.BadInput for a file that is missing or is no result CSV, and where there is none.
    """
    tables, origin, texts = _runs(csv_paths, bool(study_paths or history_paths))
    records, studies, histories = perf.read(perf_paths), quantization.read(study_paths), regression.read(history_paths)
    tables += [perf.table_of(record) for record in records]
    tables += [table for study in studies for table in quantization.tables_of(study)]
    tables += [regression.table_of(history) for history in histories]
    figures = [figure for record in records for figure in perf.figures_of(record)]
    figures += [figure for study in studies for figure in quantization.figures_of(study)]
    figures += [figure for history in histories for figure in regression.figures_of(history)]
    texts = {
        "index.html": html.render(tables, origin, figures),
        "tables.md": markdown.render(tables, origin),
        "tables.tex": latex.render(tables, origin),
        **texts,
    }
    return _put(texts, figures, target_directory)


def _runs(csv_paths: Sequence[Path], optional: bool) -> tuple[list[Table], dict[str, str], dict[str, str]]:
    """Tables of runs, where their rows come from, and the raw numbers as a file; nothing where they are optional."""
    if optional and not csv_paths:
        return [], {}, {}
    frame = comparison.read(csv_paths)
    raw = comparison.aggregate(frame).to_csv(index=False, lineterminator="\n")
    tables = [*comparison.compare(frame), *paired.compare_twins(frame)]
    return tables, comparison.origin(frame), {"tables.csv": raw}


def _put(texts: dict[str, str], figures: Iterable[Figure], target: Path) -> list[Path]:
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in texts.items():
        write_whole(target / name, text)
        written.append(target / name)
    for figure in figures:
        write_whole(target / f"{figure.name}.svg", figure.svg)
        (target / f"{figure.name}.pdf").write_bytes(figure.pdf)
        written += [target / f"{figure.name}.{ending}" for ending in ("svg", "pdf")]
    return written


def show(csv_paths: Sequence[Path], console: Console, study_paths: Sequence[Path] = ()) -> None:
    """Print the tables to a terminal. Raises BadInput as `write` does."""
    tables, origin, _ = _runs(csv_paths, bool(study_paths))
    tables += [table for study in quantization.read(study_paths) for table in quantization.tables_of(study)]
    terminal.show(tables, origin, console)
