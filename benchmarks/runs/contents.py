"""One key has one content: compares rows of the same run, and finds rows whose parent has been trained again.

The content of a row is its digests and its measured numbers. Times, memory, machine and load do not belong to it: they
differ from one measurement of the same network to the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.spec import BadInput

Row = Mapping[str, Any]

DIGESTS = ("weights_sha256", "predictions_sha256")
MEASURED = (
    "top1",
    "top1_best",
    "top1_validation_selected",
    "validation_top1",
    "train_loss",
    "test_loss",
    "parameters",
    "dense_macs_per_step",
    "analog_macs",
    "analog_macs_every_step",
    "acs",
    "neuron_updates",
    "firing_rate",
    "quantized_macs",
    "activation_bits",
    "initial_threshold",
)
CLOSE = 1e-6
"""Relative difference that is allowed between sums of the same floats in another order."""


class Difference(NamedTuple):
    """A column, and what the two rows have there."""

    column: str
    one: str
    other: str


def difference(one: Row, other: Row) -> Difference | None:
    """The first column in which two rows contradict each other; None if there is none.

    Accuracy comes before digests, because it tells a reader more. A cell that is empty in either row is not compared.
    """
    for column in (*MEASURED, *DIGESTS):
        pair = _text(one.get(column)), _text(other.get(column))
        if all(pair) and pair[0] != pair[1] and (column in DIGESTS or not _close(*pair)):
            return Difference(column, *pair)
    return None


def _close(one: str, other: str) -> bool:
    return math.isclose(float(one), float(other), rel_tol=CLOSE)


def _text(value: Any) -> str:
    """A cell as text; empty where it holds nothing."""
    return "" if value is None or value != value else str(value)


def by_key(found: Iterable[tuple[Path, Row]]) -> dict[str, Row]:
    """Finished rows of several files, one per key: a row with the digest of its weights if there is one, else the last.

    Raises BadInput, which names both files, where one key has two contents, and for a run that is its own ancestor.
    """
    chosen: dict[str, tuple[Path, Row]] = {}
    everything = list(found)
    _refuse_cycles({row["key"]: _text(row.get("parent_key")) for _, row in everything})
    for path, row in everything:
        if row["status"] != "done":
            continue
        before = chosen.get(row["key"])
        if before and (differing := difference(before[1], row)):
            column, one, other = differing
            raise BadInput(
                f"{row['key']} has two contents: {column} {one} in {before[0]} and {other} in {path}; "
                "take one out, or let `dsr-bench export SWEEP --replace` write what the run's directory holds"
            )
        if not before or _text(row.get("weights_sha256")) or not _text(before[1].get("weights_sha256")):
            chosen[row["key"]] = path, row
    return {key: row for key, (_, row) in chosen.items()}


def _refuse_cycles(parents: Mapping[str, str]) -> None:
    """Raise BadInput for a run that descends from itself; `parents`: key to the parent's key, empty for none."""
    rooted: set[str] = set()
    for key in parents:
        chain: list[str] = []
        ancestor = key
        while ancestor in parents and ancestor not in rooted and ancestor not in chain:
            chain.append(ancestor)
            ancestor = parents[ancestor]
        if ancestor in chain:
            circle = " -> ".join([*chain[chain.index(ancestor) :], ancestor])
            raise BadInput(f"column parent_key: {ancestor} is its own ancestor ({circle}): restore the file from git")
        rooted.update(chain)


def stale(rows: Mapping[str, Row]) -> set[str]:
    """Keys of rows that started from other weights than their parent's row has, and of all rows that descend from them.

    A row is not stale if one of the two digests is missing, because nobody can tell.
    """
    found = {
        key for key, row in rows.items() if (origin := rows.get(_text(row.get("parent_key")))) and other(row, origin)
    }
    return found | set(descendants(rows, found))


def other(child: Row, origin: Row) -> bool:
    """Whether a child is known to have started from other weights than those of its parent's row."""
    started, weights = _text(child.get("parent_sha256")), _text(origin.get("weights_sha256"))
    return bool(started and weights and started != weights)


def descendants(rows: Mapping[str, Row], of: Iterable[str]) -> dict[str, Row]:
    """The rows that start from one of these keys, directly or not."""
    ancestors, found = set(of), dict[str, Row]()
    while True:
        more = {key: row for key, row in rows.items() if _text(row.get("parent_key")) in ancestors and key not in found}
        if not more:
            return found
        found |= more
        ancestors |= set(more)
