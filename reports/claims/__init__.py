"""The claims ledger: each claim of the paper as a statement that rows support, contradict, or leave open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.claims import ablation, accuracy, cost, neurons
from reports.claims.evidence import Evidence
from reports.claims.statement import VERDICTS, Claim, Outcome
from reports.paper_tables import EVIDENCE
from reports.table import DASH, Cell, Column, Table, laid_out

__all__ = ["Claim", "Evidence", "Outcome", "counts", "judged", "table_of"]

Judged = tuple[Claim, str, Outcome]


def all_claims(evidence: Evidence) -> Iterator[Claim]:
    yield from accuracy.claims(evidence.published)
    yield from ablation.claims(evidence.published)
    yield from neurons.claims()
    yield from cost.claims()


def judged(evidence: Evidence) -> list[Judged]:
    """Every claim at every scale that has a finished run, `paper` always; claims without a scale once, scale ""."""
    there = set(evidence.runs["scale"])
    scales = [scale for scale in EVIDENCE if scale == "paper" or scale in there]
    return [
        (claim, scale, claim.judge(evidence, scale))
        for claim in all_claims(evidence)
        for scale in (scales if claim.scaled else [""])
    ]


def counts(ledger: Sequence[Judged]) -> dict[str, dict[str, int]]:
    """Verdicts per scale, all of them, 0 included."""
    scales = dict.fromkeys(scale for _, scale, _ in ledger)
    return {s: {v: sum(o.verdict == v for _, at, o in ledger if at == s) for v in VERDICTS} for s in scales}


def summary(ledger: Sequence[Judged]) -> list[str]:
    """A line per scale: how many claims have which verdict."""
    return [
        f"{scale or 'without a scale'}: {', '.join(f'{n} {verdict}' for verdict, n in verdicts.items() if n)}"
        for scale, verdicts in counts(ledger).items()
    ]


def table_of(ledger: Sequence[Judged]) -> Table:
    """The whole ledger, one line per claim and scale."""
    columns = [
        (Column("claim", numeric=False), [Cell(claim.statement) for claim, _, _ in ledger]),
        (Column("scale", numeric=False), [Cell(scale or DASH) for _, scale, _ in ledger]),
        (Column("verdict", numeric=False), [Cell(outcome.verdict) for _, _, outcome in ledger]),
        (Column("statistic", numeric=False), [Cell(outcome.statistic) for _, _, outcome in ledger]),
        (Column("paper", numeric=False, detail=True), [Cell(claim.where) for claim, _, _ in ledger]),
    ]
    headings, cells = laid_out(columns)
    heading = "Claims of the paper"
    return Table(heading, "ledger", heading, headings, cells, NOTES)


NOTES = (
    "Reproduced: the 95 % interval lies wholly on the claim's side. Close: it reaches over the boundary, so the runs "
    "neither confirm nor exclude the claim. Not reproduced: wholly on the other side. Intervals are paired by seed, "
    "Welch's, or of one seed that varies as several of the other side; of one seed on either side only the test images "
    "are known to vary (test images only), and the claim is undecided whatever the interval.",
    f"Equality with a number of the paper: two one-sided tests, margin ±{accuracy.EQUAL:g} points. A claim with parts "
    "is judged by its weakest part, and is undecided at best while a part has not been run. Claims without a scale are "
    "about single neurons and about the cost of a step.",
    "At laptop and short scale the same statement is asked of a shorter training: an answer there is about that scale.",
)
