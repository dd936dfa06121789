"""Is a narrow network unfair to DSR? The gap between the ANN and DSR over networks of 18 layers and several widths.

Deviation errors average over a neuron's inputs, so a wide network may lose less to them. All runs have the same epochs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from benchmarks.catalogue.networks import ENTRIES, PreAct
from benchmarks.spec import spelled
from reports.claims.statement import described
from reports.inputs.predictions import Kept
from reports.questions.cells import accuracy, at, between, by_seed, contrast, places, surely_above, surely_below
from reports.questions.trials import LENGTH, changes
from reports.rendering.table import DASH, Cell, Column, Table, laid_out

PAIR = ("ann", "dsr-if-rep")
STEPS = 5
OF_THE_PAPER = 64
"""Channels of the first stage."""
BLOCKS = (2, 2, 2, 2)
"""Of PreAct-ResNet-18, whose width is varied."""


class Width(NamedTuple):
    """The runs of both methods in a network of one base width (channels of the first stage)."""

    channels: int
    network: str
    ann: pd.DataFrame
    dsr: pd.DataFrame


class Widths(NamedTuple):
    """Networks from narrow to wide, all trained for as many epochs."""

    dataset: str
    scale: str
    epochs: int
    networks: list[Width]


def channels_of(network: str) -> int | None:
    """The base width of a PreAct-ResNet-18; None for another network."""
    entry = ENTRIES.get(network)
    shape = entry.shape if entry else None
    narrow = isinstance(shape, PreAct) and shape.blocks == BLOCKS and not shape.large_images
    return shape.widths[0] if narrow and isinstance(shape, PreAct) else None


def groups(frame: pd.DataFrame) -> Iterator[Widths]:
    """One per data set, scale and number of epochs at which two widths were run."""
    for (dataset, scale), rows in places(frame, ["dataset", "scale"]):
        lengths = {
            int(found[LENGTH]) for name in rows["method"].unique() if (found := changes(name)).keys() == {LENGTH}
        }
        for epochs in sorted(lengths):
            networks = sorted(_widths(rows, epochs), key=lambda width: width.channels)
            if len(networks) > 1:
                yield Widths(dataset, scale, epochs, networks)


def _widths(rows: pd.DataFrame, epochs: int) -> Iterator[Width]:
    names = [spelled(method, {LENGTH: epochs}) for method in PAIR]
    for network, there in rows.groupby("network", sort=False):
        channels = channels_of(str(network))
        ann, dsr = (at(there, name, STEPS) for name in names)
        if channels and len(ann) and len(dsr):
            yield Width(channels, str(network), ann, dsr)


def tables_of(frame: pd.DataFrame, kept: Kept) -> list[Table]:
    """A table per group of widths."""
    return [_table(group, kept) for group in groups(frame)]


def _table(group: Widths, kept: Kept) -> Table:
    networks = group.networks
    gaps = [between(width.dsr, width.ann, kept) for width in networks]
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("network", numeric=False), [Cell(width.network) for width in networks]),
        (Column("channels"), [Cell(str(width.channels)) for width in networks]),
        (Column(PAIR[0], "%, 95 %"), [accuracy(width.ann) for width in networks]),
        (Column(f"{PAIR[1]}, T = {STEPS}", "%, 95 %"), [accuracy(width.dsr) for width in networks]),
        (Column("gap", numeric=False), [Cell(DASH if gap is None else described(gap)) for gap in gaps]),
    ]
    headings, cells = laid_out(columns)
    heading = f"Is a narrow network unfair to DSR? Base widths {networks[0].channels} to {networks[-1].channels}"
    heading += f" on {group.dataset}"
    note = (
        f"PreAct-ResNet-18 with as many channels in its first stage, all runs for {group.epochs} epochs. Gap: accuracy "
        "of DSR minus that of the ANN; where a side has a single run, of the seed that both have. Learning rates were "
        "tuned at 16 channels and are the same at every width."
    )
    badge = f"scale {group.scale}, {group.epochs} epochs"
    return Table(heading, badge, f"{heading}, {badge}", headings, cells, (note, *sentences(group)))


def sentences(group: Widths) -> Iterator[str]:
    """Whether the gap closes with width, where it is certain."""
    narrow, wide = group.networks[0], group.networks[-1]
    change = contrast(_gaps(wide), _gaps(narrow))
    if change is None:
        return
    gap = f"the gap between {PAIR[0]} and {PAIR[1]} at T = {STEPS}"
    at_both = f"from {narrow.channels} to {wide.channels} channels DSR gains on the ANN {described(change)}"
    if surely_above(change):
        yield f"A wider network narrows {gap}: {at_both}."
    elif surely_below(change):
        yield f"A wider network widens {gap}: {at_both}."
    else:
        yield f"Whether width changes {gap} is open: {at_both}."
    if change.mean > 0 and wide.channels == OF_THE_PAPER:
        yield f"If DSR does gain, narrow networks understate it: the paper's has {OF_THE_PAPER} channels."


def _gaps(width: Width) -> dict[int, float]:
    """DSR minus the ANN, seed by seed."""
    ann, dsr = by_seed(width.ann), by_seed(width.dsr)
    return {seed: dsr[seed] - ann[seed] for seed in ann.keys() & dsr.keys()}
