"""`docs/results.md` and the README's block of results, written from the rows and the ledger: no number by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from benchmarks.runs.record import write_whole
from benchmarks.spec import BadInput
from reports import claims
from reports.claims import Evidence
from reports.cost import costs
from reports.findings import page
from reports.inputs import predictions, published
from reports.inputs.predictions import Kept
from reports.inputs.rows import read
from reports.studies import perf, quantization

__all__ = ["Facts", "gather", "put_block", "text_of", "with_block", "write_page"]

START, END = "<!-- results -->", "<!-- /results -->"


@dataclass(frozen=True)
class Facts:
    """What the page says.

    `frame`: all rows with their costs; `ledger`: judged claims; `kept`: predictions; `names`: of the CSV files;
    `studies`: of single neurons.
    """

    frame: pd.DataFrame
    ledger: Sequence[claims.Judged]
    kept: Kept = field(default_factory=dict)
    names: Sequence[str] = ()
    studies: pd.DataFrame = field(default_factory=pd.DataFrame)


def gather(csv_paths: Sequence[Path], perf_paths: Sequence[Path] = (), study_paths: Sequence[Path] = ()) -> Facts:
    """Rows, records and studies, judged. Raises BadInput for a file that cannot be read."""
    frame = costs.with_costs(read(csv_paths))
    studies = next((study for study in quantization.read(study_paths) if "study" in study), pd.DataFrame())
    kept = predictions.beside(csv_paths, frame)
    evidence = Evidence(frame[frame["status"] == "done"], studies, perf.read(perf_paths), published.read(), kept)
    return Facts(frame, claims.judged(evidence), kept, tuple(Path(path).name for path in csv_paths), studies)


def write_page(facts: Facts, path: Path) -> None:
    """Write the page of results."""
    write_whole(path, text_of(facts))


def text_of(facts: Facts) -> str:
    """The page of results as Markdown."""
    neurons = quantization.tables_of(facts.studies) if len(facts.studies) else []
    return page.render(facts.frame, facts.ledger, facts.kept, facts.names, neurons)


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
