"""`docs/results.md` and the README's block of results, written from the rows and the ledger: no number by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.runs.record import write_whole
from benchmarks.spec import BadInput
from reports import claims
from reports.claims import Evidence
from reports.cost import costs, to_accuracy
from reports.findings import figures, page
from reports.findings.facts import Facts
from reports.inputs import layers_and_curves, predictions, published
from reports.inputs.rows import read
from reports.studies import perf, quantization

__all__ = ["Facts", "gather", "put_block", "text_of", "with_block", "write_page"]

START, END = "<!-- results -->", "<!-- /results -->"


def gather(csv_paths: Sequence[Path], perf_paths: Sequence[Path] = (), study_paths: Sequence[Path] = ()) -> Facts:
    """Rows, records and studies, judged. Raises BadInput for a file that cannot be read."""
    frame = costs.with_costs(read(csv_paths))
    measured = quantization.read(study_paths)
    studies, layers = (next((one for one in measured if kind in one), pd.DataFrame()) for kind in quantization.IDENTITY)
    kept = predictions.beside(csv_paths, frame)
    evidence = Evidence(frame[frame["status"] == "done"], studies, perf.read(perf_paths), published.read(), kept)
    columns = to_accuracy.COLUMNS, to_accuracy.TEXT, to_accuracy.LATER
    curves = layers_and_curves.read(csv_paths, "curves", *columns)
    names = tuple(Path(path).name for path in (*csv_paths, *study_paths))
    return Facts(frame, claims.judged(evidence), kept, names, studies, layers, curves)


def write_page(facts: Facts, path: Path) -> None:
    """Write the page of results, and beside it the figures that it and a README show."""
    write_whole(path, text_of(facts))
    for name, svg in figures.drawn(facts).items():
        write_whole(path.with_name(name), svg)


def text_of(facts: Facts) -> str:
    """The page of results as Markdown."""
    return page.render(facts)


def with_block(text: str, facts: Facts, path: Path) -> str:
    """A README's text with its block of results written anew. Raises BadInput where it has no block."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise BadInput(f"{path} has no block of results: it needs the lines {START} and {END}")
    return f"{before}{START}\n{page.block(facts.frame, facts.ledger)}\n{END}{after}"


def put_block(facts: Facts, path: Path) -> None:
    """Write the block of results into a README. Raises BadInput where it has none, or cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error
    write_whole(path, with_block(text, facts, path))
