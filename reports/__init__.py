"""From result CSVs to tables, figures and a page. Reads CSV files and records only and writes nothing back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.files.partials import make_folder
from benchmarks.runs.record import replacing, write_whole
from reports import claims, page, sections
from reports.cost import to_accuracy
from reports.energy import constants, lemaire, models
from reports.figures import drawing
from reports.figures.drawing import Figure
from reports.inputs import layers_and_curves, predictions
from reports.rendering import latex, markdown, terminal
from reports.studies import perf, quantization, regression
from reports.tables import comparison

__all__ = ["Report", "read", "show", "write"]


@dataclass(frozen=True)
class Report:
    """What there is to say; `headline` is the energy model of tables that show one energy."""

    contents: sections.Contents
    headline: models.EnergyModel


def read(
    csv_paths: Sequence[Path],
    perf_paths: Iterable[Path] = (),
    study_paths: Sequence[Path] = (),
    history_paths: Sequence[Path] = (),
    energy_path: Path | None = None,
    percent: float | None = None,
    whole: bool = False,
) -> Report:
    """All that the files say.

    Beside each of `csv_paths`, files of layers, of curves and of predictions are read if they exist. `perf_paths`:
    records of `dsr-bench perf`; `study_paths`: CSV of `dsr-bench quantization`; `history_paths`: of its `regression`;
    `energy_path`: see `reports.energy.constants`; `percent`: the accuracy whose cost in training is shown; `whole`:
    these are all results, so tables of the paper without a row of ours are shown too.
    Raises benchmarks.spec.BadInput for a file that is missing or is no result CSV, and where there is none.
    """
    optional = bool(study_paths or history_paths)
    rows = None if optional and not csv_paths else comparison.read(csv_paths)
    inputs = sections.Inputs(
        chosen=constants.read(energy_path),
        rows=rows,
        layers=layers_and_curves.read(csv_paths, "layers", lemaire.COLUMNS, lemaire.TEXT, lemaire.LATER, rows),
        curves=layers_and_curves.read(
            csv_paths, "curves", to_accuracy.COLUMNS, to_accuracy.TEXT, to_accuracy.LATER, rows
        ),
        records=perf.read(perf_paths),
        studies=quantization.read(study_paths),
        histories=regression.read(history_paths),
        percent=percent,
        whole=whole,
        predictions={} if rows is None else predictions.beside(csv_paths, rows),
    )
    return Report(sections.contents_of(inputs), inputs.chosen.headline)


def write(report: Report, target_directory: Path) -> list[Path]:
    """Write `index.html`, `tables.md`, `tables.tex`, CSV files, `checklist.md` and figures; return their paths."""
    contents = report.contents
    texts = {
        "index.html": page.render(contents, report.headline),
        "tables.md": markdown.render(contents.tables, contents.origin),
        "tables.tex": latex.render(contents.tables, contents.origin),
        **contents.texts,
    }
    return _put(texts, contents.figures, target_directory)


def _put(texts: dict[str, str], figures: Iterable[Figure], target: Path) -> list[Path]:
    make_folder(target)
    written = []
    for name, text in texts.items():
        write_whole(target / name, text)
        written.append(target / name)
    for figure in figures:
        svg, pdf = (target / f"{figure.name}.{ending}" for ending in ("svg", "pdf"))
        if not (svg.exists() and pdf.exists() and svg.read_text(encoding="utf-8") == figure.svg):
            with replacing(pdf, "wb") as file:
                file.write(figure.pdf)
            write_whole(svg, figure.svg)  # last: a drawing that is as it was has its PDF
        written += [svg, pdf]
    _remove_earlier({*written}, target)
    return written


def _remove_earlier(written: Set[Path], target: Path) -> None:
    """Remove the figures of an earlier report that this one does not have."""
    for svg in {*target.glob("*.svg")} - written:
        if drawing.is_of_report(svg):
            for path in (svg.with_suffix(".pdf"), svg):
                path.unlink(missing_ok=True)


def show(report: Report, console: Console, tables: bool = False) -> None:
    """Print what fits a screen: which rows, one matrix of accuracies, verdicts on claims. `tables`: print them all."""
    contents = report.contents
    if tables or contents.shortest is None:
        terminal.show(contents.tables, contents.origin, console)
    else:
        terminal.show_table(contents.shortest, console)
    if contents.rows:
        console.print(f" rows   {contents.rows}", highlight=False, markup=False)
    for line in claims.summary(contents.ledger):
        console.print(f" claims {line}", highlight=False)
