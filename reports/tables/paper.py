"""The paper's Tab. 2 and 3 with our numbers beside its own: a column per scale, so that no cell mixes two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.recipes import resolve
from benchmarks.spec import SCALES, Run, Scale, variant
from reports.inputs.published import stands_for
from reports.rendering.table import DASH, Cell, Column, Table, interval_cell, laid_out
from reports.statistics.intervals import Interval, interval

EVIDENCE = tuple(scale for scale in SCALES if scale != "smoke")
"""Scales whose accuracies say something."""

NAMES = {name: entry.paper.name for name, entry in ENTRIES.items() if entry.paper}
"""The paper's names of its data sets."""
WHAT = {
    "Tab. 2": "Tab. 2 of the paper: accuracy on",
    "Tab. 3": "Tab. 3 of the paper: firing level (F) and trained threshold (T) of DSR's IF neuron on",
}


def tables_of(frame: pd.DataFrame, published: pd.DataFrame) -> list[Table]:
    """A table per table of the paper and data set, from rows of runs and from what `reports.inputs.published` reads."""
    of_paper = published[published["table"].isin(WHAT)]
    return [
        _table(f"{WHAT[str(name)]} {NAMES.get(str(dataset), dataset)}", lines, _ours(frame, str(dataset)))
        for (name, dataset), lines in of_paper.groupby(["table", "dataset"], sort=False)
    ]


def _ours(frame: pd.DataFrame, dataset: str) -> dict[str, pd.DataFrame]:
    """Finished rows of a data set by scale: `paper` always, the others where there are some."""
    done = frame[(frame["status"] == "done") & (frame["dataset"] == dataset)]
    by_scale = {scale: done[done["scale"] == scale] for scale in EVIDENCE}
    return {scale: rows for scale, rows in by_scale.items() if scale == "paper" or len(rows)}


def _table(heading: str, lines: pd.DataFrame, ours: dict[str, pd.DataFrame]) -> Table:
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("method", numeric=False), [Cell(label) for label in lines["label"]]),
        (Column("T"), [Cell(_or_dash(steps) if neuron else DASH) for steps, neuron in _steps(lines)]),
        (Column("network", numeric=False, detail=True), [Cell(network) for network in lines["network"]]),
        (Column("neuron", numeric=False, detail=True), [Cell(_or_dash(neuron)) for neuron in lines["neuron"]]),
        (Column("paper", "%"), [_printed(line) for line in lines.to_dict("records")]),
    ]
    for scale, rows in ours.items():
        found = [_found(rows, line) for line in lines.to_dict("records")]
        columns.append((Column(f"ours, {scale}", "%, 95 %"), [interval_cell(one) for one, _ in found]))
        columns.append((Column("n"), [Cell(str(seeds) if seeds else DASH) for _, seeds in found]))
    headings, cells = laid_out(columns)
    notes = (*_notes(ours), *_threshold_notes(lines, ours), *_remarks(lines))
    return Table(heading, "beside ours", heading, headings, cells, notes)


def _steps(lines: pd.DataFrame) -> Iterator[tuple[str, str]]:
    return zip(lines["timesteps"].str.replace("-", "–"), lines["neuron"], strict=True)


def _or_dash(text: str) -> str:
    return text or DASH


def _printed(line: Mapping[Any, Any]) -> Cell:
    """As the paper prints it: the standard deviation of its runs, no interval."""
    spread = line["spread"]
    return Cell(f"{line['accuracy']:.2f}" + ("" if pd.isna(spread) else f" (SD {spread:.2f})"))


def _found(rows: pd.DataFrame, line: Mapping[Any, Any]) -> tuple[Interval, int]:
    """Ours at the same method and T, in the network, or where it has not been run in its narrow form."""
    same = rows[(rows["method"] == line["method"]) & (rows["timesteps"] == line["steps"])]
    same = same[same["network"].map(lambda network: stands_for(network, line["our_network"])).astype(bool)]
    if (exact := same["network"] == line["our_network"]).any():  # never a mean over networks
        same = same[exact]
    return interval(same["top1"].tolist(), same["test_images"].tolist()), len(same)


def _notes(ours: dict[str, pd.DataFrame]) -> Iterator[str]:
    yield (
        "Paper: as printed there, SD over its runs; which epoch it reports is not said, its code keeps the best on the "
        "test split. Ours: last epoch, the same T, the same network or, where that was not run, its narrow form, "
        "with its 95 % interval; (a, b) are the values of two seeds; a dash: not run, or not ours."
    )
    if cut := [scale for scale in ours if scale != "paper"]:
        yield f"Ours at {' and '.join(cut)} scale is of a shorter training and no reproduction of the paper's number."


def _remarks(lines: pd.DataFrame) -> Iterator[str]:
    """What is known of a printed number beside the number."""
    for line in lines.to_dict("records"):
        if line["remark"]:
            yield f"{line['label']}, {line['accuracy']:.2f} %: {line['remark']}."


def _threshold_notes(lines: pd.DataFrame, ours: dict[str, pd.DataFrame]) -> Iterator[str]:
    """Of lines that name a threshold: which scales have rows of the method that do not start from it."""
    named = [line for line in lines.to_dict("records") if "threshold" in variant(line["method"])[1]]
    if not named:
        return
    yield "Ours are rows of variants that name their threshold, as the line does: it is the same at every scale."
    for scale, rows in ours.items():
        for base in dict.fromkeys(variant(line["method"])[0] for line in named):
            plain = rows[(rows["method"] == base) & rows["timesteps"].isin(line["steps"] for line in named)]
            if len(plain) and not _starts_alike(plain.iloc[0], base, named[0]["method"]):
                yield f"At {scale} scale {base} itself starts from another threshold, and answers none of these lines."


def _starts_alike(row: pd.Series, *methods: str) -> bool:
    """Whether the methods have one recipe in the network, and at the T and scale, of a row."""
    scale: Scale = row["scale"]
    runs = [Run(row["dataset"], row["network"], method, int(row["timesteps"]), 0, scale) for method in methods]
    one, other = ({**vars(resolve(run)), "sources": ""} for run in runs)
    return one == other
