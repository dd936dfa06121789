"""The page of results as Markdown, and the few lines of it that a README shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pandas as pd

from reports import claims
from reports.claims.evidence import network_of
from reports.claims.families import FAMILIES, TWINS
from reports.claims.statement import JUDGED, KINDS, VERDICTS
from reports.energy.models import FP32_45NM
from reports.findings import plain, sentences, tables
from reports.findings.facts import Facts
from reports.findings.figures import AGAINST_ENERGY
from reports.inputs import published
from reports.questions import error_split, ladder, length, precision, records, tuning, width
from reports.rendering import markdown
from reports.rendering.table import Table
from reports.studies import quantization
from reports.tables import comparison, disagreement, paper
from reports.tables.paper import EVIDENCE
from reports.tables.twins import compare_twins

COMMAND = "dsr-bench report --results-page docs/results.md --results-block README.md"
SHOWN = ("ann", *FAMILIES["DSR"], *TWINS, *FAMILIES["surrogate gradient"], *FAMILIES["conversion"], "qcfs")
"""The methods in a README's table, as far as they have been run."""
SHOWN_STEPS = (5, 20)
SHORT_NOTE = (
    "Test accuracy (%), last epoch; ± half the 95 % interval over seeds; (a, b): two seeds; [low, high]: one seed, "
    "Wilson's 95 % interval."
)


def render(facts: Facts) -> str:
    """The whole page: what the rows say, the tables that it is said from, and last the ledger of claims."""
    frame, kept = facts.frame, facts.kept
    groups = tables.grouped(frame)
    neurons = quantization.tables_of(facts.studies) if len(facts.studies) else []
    trials = [*tuning.tables_of(frame), *length.tables_of(frame, kept), *precision.tables_of(frame, kept)]
    parts = [
        ["# Results so far", _origin(facts.names), "\n".join(_scales(frame)), _data(frame)],
        ["## Findings", *_findings(facts), "\n".join(sentences.verdicts(facts.ledger))],
        ["## What was reached", "\n".join([*sentences.levels(frame), f"- {paper.coverage(frame, published.read())}"])],
        ["## Accuracy", *_tables(tables.accuracies(groups))],
        ["## Depth", *_tables(tables.depths(groups))],
        ["## Ablation and variants of a neuron", *_tables([*_ablation(frame), *tables.variants(groups)])],
        ["## Conversions against T", *_tables(tables.conversions(groups, frame))],
        ["## What does a spike cost?", *_tables(ladder.tables_of(frame, kept))],
        ["## Error split", *_tables(error_split.tables_of(frame, facts.layers))],
        ["## Width", *_tables(width.tables_of(frame, kept))],
        ["## Cost", *_tables([*records.tables_of(frame), *tables.costs(groups, frame, facts.curves)])],
        ["## Accuracy against energy", *_energy(facts, groups)],
        ["## The two gradients of DSR", *_tables(compare_twins(frame))],
        ["## Where SNN and ANN differ", *_tables(disagreement.tables_of(frame, kept))],
        ["## Tuning, length and precision of training", *_tables(trials)],
        ["## The study of single neurons", *_tables(neurons)],
        *_claims(facts.ledger),
        ["## The ledger", *_ledger(facts.ledger)],
    ]
    return "\n\n".join(text for part in parts if len(part) > 1 for text in part if text) + "\n"


def escaped(sentence: str) -> str:
    """A sentence as Markdown in which backticks stay code."""
    return "`".join(part if number % 2 else markdown.escape(part) for number, part in enumerate(sentence.split("`")))


def _findings(facts: Facts) -> Iterator[str]:
    """What CIFAR-10 says at its best-founded scale, and how much that scale can say."""
    here = plain.place_of(facts.frame, facts.kept)
    if here is not None:
        yield f"CIFAR-10 at scale `{here.scale}`: {sentences.SCALES[here.scale]}."
        yield "\n".join(f"- {escaped(one)}" for one in plain.findings(facts.frame, facts.kept))


def _ablation(frame: pd.DataFrame) -> list[Table]:
    """The paper's Tab. 3 with ours beside it, where any line of it has been run."""
    printed = published.read()
    lines = printed[printed["table"] == "Tab. 3"]
    return paper.tables_of(frame, lines) if frame["method"].isin(lines["method"]).any() else []


def _energy(facts: Facts, groups: Sequence[tables.Group]) -> Iterator[str]:
    """The fronts, and the drawing of the one that `figures` draws."""
    here = plain.place_of(facts.frame, facts.kept)
    place = here and [plain.DATASET, here.network, here.scale]
    if tables.fronts([group for group in groups if group.place == place], FP32_45NM):
        yield f"![Accuracy against energy of an inference, with the front]({AGAINST_ENERGY})"
    yield from _tables(tables.fronts(groups, FP32_45NM))


def block(frame: pd.DataFrame, ledger: Sequence[claims.Judged]) -> str:
    """A small table of CIFAR-10 at its best-founded scale, and how the paper's claims came out."""
    done = frame[(frame["status"] == "done") & (frame["dataset"] == "cifar10") & frame["method"].isin(SHOWN)]
    scale = next(iter(plain.scales_of(done)), None)
    verdicts = " ".join([_of_accuracy(ledger), *_of_cost(ledger)])
    if scale is None:
        return verdicts
    rows = done[(done["scale"] == scale) & done["timesteps"].isin([1, *SHOWN_STEPS])]
    network = network_of("cifar10", scale)
    if not (rows["network"] == network).any():
        network = rows["network"].value_counts().index[0]
    (table,) = tables.accuracies(tables.grouped(rows[rows["network"] == network]))
    lines = markdown.render([table], {}).split("\n\n")[1]
    where = (
        f"CIFAR-10, {markdown.code(str(network))}, scale `{scale}`: {sentences.SCALES.get(scale, scale)}. {SHORT_NOTE}"
    )
    return f"{where}\n\n{lines}\n\n{verdicts}"


def _of_accuracy(ledger: Sequence[claims.Judged]) -> str:
    found = [outcome for claim, _, outcome in ledger if claim.kind == "accuracy"]
    verdicts = [outcome.verdict for outcome in found]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in VERDICTS if verdict in verdicts)
    lacking = all(outcome.p is None for outcome in found if outcome.verdict == "inconclusive")
    why = " (inconclusive: seeds or parts are missing)" if lacking and "inconclusive" in verdicts else ""
    return f"Verdicts on the paper's accuracies, one per claim and scale: {counts or 'none'}{why}."


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
        here = done[done["scale"] == scale]
        if len(here) or scale == "paper":
            still = int((here["epochs"] == 0).sum())
            parts = f" ({len(here) - still} trained, {still} conversions of these)" if still else ""
            yield f"- scale `{scale}`: {len(here) or 'no'} runs{parts}; {sentences.SCALES.get(scale, scale)}."


def _claims(ledger: Sequence[claims.Judged]) -> Iterator[list[str]]:
    titles = {
        "accuracy": "The paper's claims, one by one",
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


def _tables(found: Iterable[Table]) -> Iterator[str]:
    """Tables of one section; what several of them note is said under the first."""
    said: set[str] = set()
    for table in found:
        yield _markdown(replace(table, notes=tuple(note for note in table.notes if note not in said)))
        said |= set(table.notes)


def _markdown(table: Table) -> str:
    return markdown.render([table], {}).strip()
