"""From result CSVs to tables: a page, Markdown, LaTeX, a terminal. Reads CSV files only and writes nothing back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmarks.record import write_whole
from reports import (
    beside,
    checklist,
    comparison,
    constants,
    costs,
    energy_lines,
    energy_tables,
    fit,
    html,
    latex,
    lemaire,
    markdown,
    paired,
    perf,
    quantization,
    reach,
    regression,
    terminal,
    training_tables,
)
from reports.figures import Figure
from reports.table import Table

__all__ = ["show", "write"]


@dataclass(frozen=True)
class Found:
    """Tables of runs, where their rows come from, and their raw numbers as files."""

    tables: Sequence[Table] = ()
    details: Sequence[Table] = ()
    origin: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


def write(
    csv_paths: Sequence[Path],
    target_directory: Path,
    perf_paths: Iterable[Path] = (),
    study_paths: Sequence[Path] = (),
    history_paths: Sequence[Path] = (),
    energy_path: Path | None = None,
    percent: float | None = None,
) -> list[Path]:
    """Write `index.html`, `tables.md`, `tables.tex`, CSV files, `checklist.md` and figures; return their paths.

    Beside each of `csv_paths`, files of layers and of curves are read if they are there. `perf_paths`: records of
    `dsr-bench perf`; `study_paths`: CSV files of `dsr-bench quantization`; `history_paths`: of `dsr-bench regression`;
    `energy_path`: see `reports.constants`; `percent`: the accuracy whose cost in training is shown.
    Raises benchmarks.spec.BadInput for a file that is missing or is no result CSV, and where there is none.
    """
    chosen = constants.read(energy_path)
    found = _runs(csv_paths, bool(study_paths or history_paths), chosen, percent)
    records, studies, histories = perf.read(perf_paths), quantization.read(study_paths), regression.read(history_paths)
    tables = [*found.tables, *found.details]
    tables += [table for record in records for table in perf.tables_of(record)]
    tables += [table for study in studies for table in quantization.tables_of(study)]
    tables += [regression.table_of(history) for history in histories]
    figures = [figure for record in records for figure in perf.figures_of(record)]
    figures += [figure for study in studies for figure in quantization.figures_of(study)]
    figures += [figure for history in histories for figure in regression.figures_of(history)]
    texts = {
        "index.html": html.render(tables, found.origin, figures, chosen.headline),
        "tables.md": markdown.render(tables, found.origin),
        "tables.tex": latex.render(tables, found.origin),
        **found.texts,
    }
    return _put(texts, figures, target_directory)


def _runs(csv_paths: Sequence[Path], optional: bool, chosen: constants.Constants, percent: float | None) -> Found:
    """All that is said of runs; nothing where they are optional."""
    if optional and not csv_paths:
        return Found()
    frame = comparison.read(csv_paths)
    layers = beside.read(csv_paths, "layers", lemaire.COLUMNS, lemaire.TEXT)
    curves = beside.read(csv_paths, "curves", reach.COLUMNS, reach.TEXT)
    costed = costs.with_costs(frame, chosen.headline)
    return Found(
        tables=[*comparison.compare(frame, chosen.headline), *paired.compare_twins(frame)],
        details=[
            *energy_tables.compare_energy(frame, layers, chosen),
            *training_tables.compare_training(costed, curves, percent),
            *fit.of_rows(costed),
        ],
        origin=comparison.origin(frame),
        texts={
            "tables.csv": _csv(comparison.aggregate(frame, chosen.headline)),
            "energy.csv": _csv(energy_lines.numbers_of(frame, layers, chosen)),
            "checklist.md": checklist.render(frame),
        },
    )


def _csv(numbers: pd.DataFrame) -> str:
    return numbers.to_csv(index=False, lineterminator="\n")


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


def show(
    csv_paths: Sequence[Path],
    console: Console,
    study_paths: Sequence[Path] = (),
    energy_path: Path | None = None,
    percent: float | None = None,
    details: bool = True,
) -> None:
    """Print the tables to a terminal, without `details` only those of results. Raises BadInput as `write` does."""
    found = _runs(csv_paths, bool(study_paths), constants.read(energy_path), percent)
    tables = [*found.tables, *(found.details if details else ())]
    tables += [table for study in quantization.read(study_paths) for table in quantization.tables_of(study)]
    terminal.show(tables, found.origin, console)
