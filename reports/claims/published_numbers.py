"""DSR's accuracies as printed: the last epoch, and the best on the test split, which the released code prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

import pandas as pd

from reports.claims.evidence import Evidence
from reports.claims.families import DSR, HYBRID
from reports.claims.statement import Claim, Outcome, equal, not_run
from reports.statistics.difference import against_print
from reports.tables.paper import NAMES

EPOCHS = {"": ("top1_best", "best epoch on test, as the released code prints it"), "-last": ("top1", "last epoch")}


def claims(published: pd.DataFrame) -> Iterator[Claim]:
    """Every line of Tab. 2 that is DSR's, once for each epoch."""
    lines = published[published["method"].isin([*DSR, *HYBRID]) & (published["table"] == "Tab. 2")]
    for line in lines.to_dict("records"):
        for suffix, (column, epoch) in EPOCHS.items():
            yield _claim(line, suffix, column, epoch)


def _claim(line: Mapping[Any, Any], suffix: str, column: str, epoch: str) -> Claim:
    dataset, steps, paper = line["dataset"], int(line["steps"]), float(line["accuracy"])

    def judge(evidence: Evidence, scale: str) -> Outcome:
        rows = evidence.runs_of(scale, dataset, line["method"], steps)
        if rows.empty:
            return not_run(f"{line['method']} at T = {steps}")
        values = rows[column].tolist()
        if rows[column].isna().any():
            once = rows["validation_top1"].notna().any()
            why = "; its test split was read once, after the last epoch" if once else ""
            return Outcome("not comparable", f"a run does not say its {epoch.partition(',')[0]}{why}")
        if scale != "paper":
            return Outcome("not comparable", f"{fmean(values):.2f} %, of a shorter training than the paper's")
        return equal(against_print(values, paper, float(line["spread"]), float(line["runs"])))

    statement = f"DSR, {line['neuron']}, T = {steps}: {paper:.2f} % on {NAMES[dataset]} ({epoch})"
    return Claim(f"{dataset}-{line['method']}{suffix}", "Tab. 2", statement, judge)
