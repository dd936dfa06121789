"""Findings in plain words: each a template that the ledger's verdict chooses, with its scale and its statistic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.catalogue.networks import LAYERS
from benchmarks.recipes import resolve
from benchmarks.spec import BadInput, Run
from reports.claims import Judged, correction, counts, group_of
from reports.claims.accuracy import LOW
from reports.claims.families import CONTROLS, FAMILIES, HYBRID, TWINS
from reports.claims.rule import SURVIVES
from reports.claims.statement import JUDGED, KINDS, Kind
from reports.inputs.rows import RUN
from reports.rendering.markdown import code, escape
from reports.tables.paper import EVIDENCE

WORDS = {"reproduced": "Holds", "inconclusive": "Open", "not reproduced": "Does not hold"}
GROUPS = {
    "the ANN": ("ann", "dsr-ann"),
    "DSR": (*FAMILIES["DSR"], *HYBRID),
    "DSR in representation space": tuple(TWINS),
    "surrogate gradient": FAMILIES["surrogate gradient"],
    "conversion": FAMILIES["conversion"],
    "controls": CONTROLS,
}
SCALES = {
    "paper": "the published recipe",
    "short": "the paper's network, a short training",
    "workstation": "a narrow network, up to 900,000 image visits",
    "laptop": "a narrow network and a few epochs on part of the images, too short to judge the paper's numbers",
}


def verdicts(ledger: Sequence[Judged]) -> Iterator[str]:
    """How the claims of each group came out."""
    for group, by_verdict in counts(ledger).items():
        run = ", ".join(f"{count} {verdict}" for verdict, count in by_verdict.items() if count)
        yield f"- {group[0].upper()}{group[1:]}: {run}."
    yield f"- {correction(ledger)}."


def claims_of_kind(ledger: Sequence[Judged], kind: Kind) -> Iterator[str]:
    """A sentence for every claim of a kind that has been judged, those that hold first."""
    judged = [(c, scale, o) for c, scale, o in ledger if c.kind == kind and o.verdict in JUDGED]
    for claim, scale, outcome in sorted(judged, key=lambda one: JUDGED.index(one[2].verdict)):
        bound = "" if outcome.within is None else f" within {outcome.within:.2f} points"
        mark = SURVIVES if outcome.survives else ""
        at = f" (scale {scale})" if scale else ""
        word = f"**{WORDS[outcome.verdict]}{bound}**{mark}"
        yield f"- {word}{at}: {escape(claim.statement)}. {escape(_upper(outcome.brief or outcome.statistic))}."


def _upper(text: str) -> str:
    """A sentence's beginning, unless a method's name or a number stands there."""
    first = text.split(" ")[0]
    return text if "-" in first or not first.isalpha() else f"{text[0].upper()}{text[1:]}"


def levels(frame: pd.DataFrame) -> Iterator[str]:
    """Per data set, network and scale what each family reaches: at the paper's low T, else where most were run."""
    done = frame[(frame["status"] == "done") & frame["scale"].isin(EVIDENCE)]
    groups = sorted(
        done.groupby(["dataset", "network", "scale"], sort=False), key=lambda one: EVIDENCE.index(one[0][2])
    )
    for (_, network, scale), rows in groups:
        moving = rows[(rows["timesteps"] > 1) & ~rows["method"].str.contains("@", regex=False)]
        if moving.empty or network in LAYERS:  # depth has a table of its own
            continue
        methods = moving.groupby("timesteps")["method"].nunique()
        steps = LOW if LOW in methods.index else int(methods[methods == methods.max()].index.min())
        trained = _span(rows.loc[rows["epochs"] > 0, "train_images"])
        here = rows["timesteps"].isin([1, steps])
        images = f"trained on {trained} images, tested on {_span(rows.loc[here, 'test_images'])}"
        where = f"{_named(rows)} ({code(str(network))}, scale `{scale}`, {images}), T = {steps}"
        yield f"- {where}: {'; '.join(_groups(rows, steps))}."


def _named(rows: pd.DataFrame) -> str:
    """The data set, and how many of its classes where the recipe takes a part of them."""
    first = rows.iloc[0]
    dataset = str(first["dataset"])
    name = ENTRIES[dataset].name if dataset in ENTRIES else dataset
    try:
        classes = resolve(Run(*first[RUN])).classes
    except (BadInput, KeyError, TypeError):
        return name
    return f"{classes} classes of {name}" if classes else name


def _span(values: pd.Series) -> str:
    known = values.dropna()
    return (
        " to ".join(f"{int(end):,}" for end in dict.fromkeys([known.min(), known.max()])) if len(known) else "unknown"
    )


def _groups(rows: pd.DataFrame, steps: int) -> Iterator[str]:
    for group, members in GROUPS.items():
        still = group == "the ANN"
        chosen = rows[rows["method"].isin(members) & (rows["timesteps"] == (1 if still else steps))]
        if len(chosen):
            yield f"{group} {_means(chosen, members)}"


def _means(chosen: pd.DataFrame, members: Sequence[str]) -> str:
    """Mean and number of seeds of each method that was run."""
    found = [(method, chosen[chosen["method"] == method]["top1"]) for method in members]
    return ", ".join(
        f"{values.mean():.1f} % ({code(str(name))}, n = {len(values)})" for name, values in found if len(values)
    )


def not_run(ledger: Sequence[Judged]) -> Iterator[str]:
    """Per group, what has not been run and cannot be compared."""
    for verdict in ("not run", "not comparable"):
        for kind in KINDS:
            left = [(claim, scale) for claim, scale, o in ledger if o.verdict == verdict and claim.kind == kind]
            for group in dict.fromkeys(group_of(claim, scale) for claim, scale in left):
                there = [claim.name for claim, scale in left if group_of(claim, scale) == group]
                names = ", ".join(code(str(name)) for name in there)
                yield f"- {verdict[0].upper()}{verdict[1:]}, {group} ({len(there)}): {names}."
