"""The claims ledger: each claim of the paper as a statement that rows support, contradict, or leave open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.claims import ablation, accuracy, cost, neurons, others, published_numbers
from reports.claims.evidence import Evidence
from reports.claims.rule import FAMILY_WISE, PRINTED, SURVIVES
from reports.claims.statement import KINDS, VERDICTS, Claim, Outcome, holm
from reports.questions.trials import are_trials
from reports.rendering.table import DASH, Cell, Column, Table, laid_out
from reports.tables.paper import EVIDENCE

__all__ = [
    "Claim",
    "Evidence",
    "Judged",
    "Outcome",
    "correction",
    "counts",
    "group_of",
    "judged",
    "summary",
    "table_of",
    "tested",
]

Judged = tuple[Claim, str, Outcome]


def all_claims(evidence: Evidence) -> Iterator[Claim]:
    yield from published_numbers.claims(evidence.published)
    yield from accuracy.claims()
    yield from others.claims()
    yield from ablation.claims(evidence.published)
    yield from neurons.claims()
    yield from cost.claims()


def judged(evidence: Evidence) -> list[Judged]:
    """Every claim at every scale that has a finished run other than trials, `paper` always; those of neurons and cost
    once, scale "".
    """
    there = set(evidence.runs.loc[~are_trials(evidence.runs["method"]), "scale"])
    scales = [scale for scale in EVIDENCE if scale == "paper" or scale in there]
    found = [
        (claim, scale, claim.judge(evidence, scale))
        for claim in all_claims(evidence)
        for scale in (scales if claim.scaled else [""])
    ]
    corrected = holm([outcome for _, _, outcome in found], FAMILY_WISE)
    return [(claim, scale, outcome) for (claim, scale, _), outcome in zip(found, corrected, strict=True)]


def group_of(claim: Claim, scale: str) -> str:
    """What a claim is counted with: accuracies of one scale, controls, single neurons, or the cost of a step."""
    return f"{KINDS[claim.kind]}, scale {scale}" if claim.scaled else KINDS[claim.kind]


def counts(ledger: Sequence[Judged]) -> dict[str, dict[str, int]]:
    """Verdicts per group, all of them, 0 included."""
    groups = dict.fromkeys(group_of(c, scale) for kind in KINDS for c, scale, _ in ledger if c.kind == kind)
    return {
        group: {v: sum(o.verdict == v for c, at, o in ledger if group_of(c, at) == group) for v in VERDICTS}
        for group in groups
    }


def tested(ledger: Sequence[Judged]) -> tuple[int, int]:
    """How many claims have a p-value, and how many verdicts survive Holm's correction over all of them."""
    found = [outcome.survives for _, _, outcome in ledger if outcome.survives is not None]
    return len(found), sum(found)


def summary(ledger: Sequence[Judged]) -> list[str]:
    """A line per group: how many claims have which verdict; then how many were tested."""
    lines = [
        f"{group}: {', '.join(f'{n} {verdict}' for verdict, n in verdicts.items() if n)}"
        for group, verdicts in counts(ledger).items()
    ]
    return [*lines, correction(ledger)] if ledger else lines


def correction(ledger: Sequence[Judged]) -> str:
    """How many claims were tested, and what is left after Holm's correction."""
    count, left = tested(ledger)
    return (
        f"{count} of {len(ledger)} claims have been tested with a p-value; {left} of these verdicts survive Holm's "
        f"correction at {100 * FAMILY_WISE:g} % over all {count} ({SURVIVES}). Claims about single neurons are checked "
        "exactly and have none"
    )


def table_of(ledger: Sequence[Judged], whole: Sequence[Judged] | None = None) -> Table:
    """One line per claim and scale; `whole`: the ledger that the tests were corrected over, if these are a part."""
    columns = [
        (Column("claim", numeric=False), [Cell(claim.statement) for claim, _, _ in ledger]),
        (Column("scale", numeric=False), [Cell(scale or DASH) for _, scale, _ in ledger]),
        (Column("verdict", numeric=False), [verdict_cell(outcome) for _, _, outcome in ledger]),
        (Column("statistic", numeric=False), [Cell(outcome.statistic) for _, _, outcome in ledger]),
        (Column("p"), [Cell(p_text(outcome.p)) for _, _, outcome in ledger]),
        (Column("paper", numeric=False, detail=True), [Cell(claim.where) for claim, _, _ in ledger]),
    ]
    headings, cells = laid_out(columns)
    heading = "Claims of the paper, and controls of ours"
    return Table(heading, "ledger", heading, headings, cells, (*PRINTED, f"{correction(whole or ledger)}."))


def verdict_cell(outcome: Outcome) -> Cell:
    """The verdict, with a mark where it survives Holm's correction."""
    return Cell(outcome.label, SURVIVES if outcome.survives else "")


def p_text(p: float | None) -> str:
    """Two digits, a bound where it is tiny, a dash where nothing was tested."""
    if p is None:
        return DASH
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"
