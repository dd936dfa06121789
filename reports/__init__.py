"""From result CSVs to tables, figures and a page. Reads CSV files and records only and writes nothing back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.record import replacing, write_whole
from reports import (
    beside,
    claims,
    comparison,
    constants,
    energy,
    html,
    latex,
    lemaire,
    markdown,
    perf,
    quantization,
    reach,
    regression,
    sections,
    terminal,
)
from reports.figures import Figure

__all__ = ["Report", "read", "show", "write"]


@dataclass(frozen=True)
class Report:
    """What there is to say; `headline` is the energy model of tables that show one energy."""

    contents: sections.Contents
    headline: energy.EnergyModel


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

    Beside each of `csv_paths`, files of layers and of curves are read if they are there. `perf_paths`: records of
    `dsr-bench perf`; `study_paths`: CSV files of `dsr-bench quantization`; `history_paths`: of `dsr-bench regression`;
    `energy_path`: see `reports.constants`; `percent`: the accuracy whose cost in training is shown; `whole`: these are
    all results there are, so tables of the paper without a row of ours are shown too.
    Raises benchmarks.spec.BadInput for a file that is missing or is no result CSV, and where there is none.
    """
    optional = bool(study_paths or history_paths)
    found = sections.Inputs(
        chosen=constants.read(energy_path),
        rows=None if optional and not csv_paths else comparison.read(csv_paths),
        layers=beside.read(csv_paths, "layers", lemaire.COLUMNS, lemaire.TEXT),
        curves=beside.read(csv_paths, "curves", reach.COLUMNS, reach.TEXT, reach.LATER),
        records=perf.read(perf_paths),
        studies=quantization.read(study_paths),
        histories=regression.read(history_paths),
        percent=percent,
        whole=whole,
    )
    return Report(sections.of(found), found.chosen.headline)


def write(report: Report, target_directory: Path) -> list[Path]:
    """Write `index.html`, `tables.md`, `tables.tex`, CSV files, `checklist.md` and figures; return their paths."""
    contents = report.contents
    texts = {
        "index.html": html.render(contents, report.headline),
        "tables.md": markdown.render(contents.tables, contents.origin),
        "tables.tex": latex.render(contents.tables, contents.origin),
        **contents.texts,
    }
    return _put(texts, contents.figures, target_directory)


def _put(texts: dict[str, str], figures: Iterable[Figure], target: Path) -> list[Path]:
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in texts.items():
        write_whole(target / name, text)
        written.append(target / name)
    for figure in figures:
        write_whole(target / f"{figure.name}.svg", figure.svg)
        with replacing(target / f"{figure.name}.pdf", "wb") as file:
            file.write(figure.pdf)
        written += [target / f"{figure.name}.{ending}" for ending in ("svg", "pdf")]
    return written


SUMMARY = ("results", "neurons")
UNFIT = ("claims", "paper", "protocol")
"""What a sweep's summary shows, and what is too wide for a terminal."""


def show(report: Report, console: Console, details: bool = True) -> None:
    """Print the tables to a terminal, without `details` only those of results, with them also how claims stand."""
    contents = report.contents
    chosen = [part for part in contents.sections if (part.name not in UNFIT if details else part.name in SUMMARY)]
    terminal.show([table for part in chosen for table in part.tables], contents.origin, console)
    for line in claims.summary(contents.ledger) if details else ():
        console.print(f" claims {line}", highlight=False)
