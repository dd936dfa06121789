"""The page of results as Markdown, and the few lines of it that a README shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from reports import claims
from reports.claims.families import FAMILIES, TWINS
from reports.claims.statement import JUDGED, KINDS, VERDICTS
from reports.findings import sentences, tables
from reports.inputs.predictions import Kept
from reports.rendering import markdown
from reports.rendering.table import Table
from reports.tables import comparison, disagreement
from reports.tables.paper import EVIDENCE
from reports.tables.twins import compare_twins

COMMAND = "dsr-bench report --results-page docs/results.md --results-block README.md"
SHOWN = ("ann", *FAMILIES["DSR"], *TWINS, *FAMILIES["surrogate gradient"], *FAMILIES["conversion"], "qcfs")
"""The methods in a README's table, as far as they have been run."""
SHOWN_STEPS = (5, 20)
SHORT_NOTE = "Test accuracy (%) after the last epoch, ± half the 95 % interval over n seeds; (a, b): two seeds."


def render(
    frame: pd.DataFrame, ledger: Sequence[claims.Judged], kept: Kept, names: Sequence[str], neurons: Sequence[Table]
) -> str:
    """The whole page. `frame`: rows with their costs; `names`: of the CSV files in `results`; `neurons`: tables of the
    study of single neurons.
    """
    groups = tables.grouped(frame)
    parts = [
        ["# Results so far", _origin(names), "\n".join(_scales(frame)), _data(frame)],
        ["## In short", "\n".join(sentences.levels(frame)), "\n".join(sentences.verdicts(ledger))],
        *_findings(ledger),
        ["## Accuracy", *map(_markdown, tables.accuracies(groups))],
        ["## Variants of a neuron", *map(_markdown, tables.variants(groups))],
        ["## Conversions against T", *map(_markdown, tables.conversions(groups, frame))],
        ["## The two gradients of DSR", *map(_markdown, compare_twins(frame))],
        ["## Where SNN and ANN differ", *map(_markdown, disagreement.tables_of(frame, kept))],
        ["## The study of single neurons", *map(_markdown, neurons)],
        ["## The ledger", *_ledger(ledger)],
    ]
    return "\n\n".join(text for part in parts if len(part) > 1 for text in part if text) + "\n"


def block(frame: pd.DataFrame, ledger: Sequence[claims.Judged]) -> str:
    """A small table of CIFAR-10 at its best-founded scale, and how the paper's claims came out."""
    done = frame[(frame["status"] == "done") & (frame["dataset"] == "cifar10") & frame["method"].isin(SHOWN)]
    scale = next((scale for scale in EVIDENCE if (done["scale"] == scale).any()), None)
    verdicts = " ".join([_of_accuracy(ledger), *_of_cost(ledger)])
    if scale is None:
        return verdicts
    rows = done[(done["scale"] == scale) & done["timesteps"].isin([1, *SHOWN_STEPS])]
    network = rows["network"].value_counts().index[0]
    (table,) = tables.accuracies(tables.grouped(rows[rows["network"] == network]))
    lines = markdown.render([table], {}).split("\n\n")[1]
    where = f"CIFAR-10, `{network}`, scale `{scale}`: {sentences.SCALES.get(scale, scale)}. {SHORT_NOTE}"
    return f"{where}\n\n{lines}\n\n{verdicts}"


def _of_accuracy(ledger: Sequence[claims.Judged]) -> str:
    verdicts = [outcome.verdict for claim, _, outcome in ledger if claim.kind == "accuracy"]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in VERDICTS if verdict in verdicts)
    return f"Verdicts on the paper's accuracies, one per claim and scale: {counts or 'none'}."


def _of_cost(ledger: Sequence[claims.Judged]) -> Iterator[str]:
    """How many claims about the cost of a step are reproduced, and the first of them as an example."""
    judged = [(claim, outcome) for claim, _, outcome in ledger if claim.kind == "cost" and outcome.verdict in JUDGED]
    held = [(claim, outcome) for claim, outcome in judged if outcome.verdict == "reproduced"]
    if held:
        claim, outcome = held[0]
        yield (
            f"Of {len(judged)} claims about the cost of a training step, {len(held)} are reproduced. The first: "
            f'"{markdown.escape(claim.statement)}": {markdown.escape(outcome.brief or outcome.statistic)}.'
        )


def _origin(names: Sequence[str]) -> str:
    files = ", ".join(f"[{name}](../results/{name})" for name in names)
    return f"Written by `{COMMAND}` from {files}; a test checks that it is up to date. Do not edit it by hand."


def _data(frame: pd.DataFrame) -> str:
    """Where the images come from, and where the other numbers are."""
    data = markdown.escape(comparison.origin(frame)["data"])
    return f"Data: {data}. Energy, memory, time, protocol and figures: `tox -e report`."


def _scales(frame: pd.DataFrame) -> Iterator[str]:
    done = frame[frame["status"] == "done"]
    for scale in EVIDENCE:
        count = int((done["scale"] == scale).sum())
        if count or scale == "paper":
            yield f"- scale `{scale}`: {count or 'no'} runs; {sentences.SCALES.get(scale, scale)}."


def _findings(ledger: Sequence[claims.Judged]) -> Iterator[list[str]]:
    titles = {
        "accuracy": "What the rows say about the paper's claims",
        "control": "Controls and variants of ours",
        "neurons": "Single neurons",
        "cost": "Cost of a step",
    }
    for kind in KINDS:
        found = list(sentences.claims_of_kind(ledger, kind))
        yield [f"## {titles[kind]}", *(["\n".join(found)] if found else [])]


def _ledger(ledger: Sequence[claims.Judged]) -> Iterator[str]:
    judged = [(claim, scale, outcome) for claim, scale, outcome in ledger if outcome.verdict != "not run"]
    table = claims.table_of(judged, ledger)
    yield _markdown(table)
    yield "\n".join(sentences.not_run(ledger))


def _markdown(table: Table) -> str:
    return markdown.render([table], {}).strip()
