"""What the cells of a CSV file's columns may hold: the same rules, and the same words, for every reader.

A number is spelled with digits, one point and one exponent at most, as Python writes it. float() takes more (`1_000`,
`٣`, `nan`), and a spreadsheet writes all kinds of things.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.spec import BadInput, shown

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f]")
LARGEST_WHOLE = 2.0**53
"""Above it, a float is not every whole number."""


class Rule(Protocol):
    """What a cell may hold."""

    def wrong(self, cell: str, of: str = "") -> str:
        """What is wrong with a cell, after the name of its column; empty if nothing is. `of`: whose it is, in words."""
        ...


EMPTY = " has an empty cell"


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`, both included. `needed`: not an empty cell. `endless`: also inf and nan."""

    low: float = 0.0
    high: float = math.inf
    whole: bool = False
    needed: bool = False
    endless: bool = False

    def wrong(self, cell: str, of: str = "") -> str:
        if not cell:
            return f"{EMPTY}{of}" if self.needed else ""
        bare = cell.strip().lower()
        if self.endless and bare in ("inf", "nan"):
            return ""
        if not NUMBER.fullmatch(bare) and bare not in ("inf", "-inf", "nan"):
            return f": {shown(cell)}{of} is not a number"
        value, said = float(bare), f": {shown(cell, quoted=False)}{of} is not"
        if not math.isfinite(value) and self.high == math.inf:
            return f"{said} finite"
        if not self.low <= value <= self.high:
            return f"{said} within {self.low:g} and {self.high:g}"
        if self.whole and value > LARGEST_WHOLE:
            return f"{said} below {LARGEST_WHOLE:g}"
        return f"{said} a whole number" if self.whole and value % 1 else ""


@dataclass(frozen=True)
class Words:
    """One line of text, one of `allowed` if there are any. `needed`: not an empty cell. `lines`: several lines, too."""

    allowed: Collection[str] = ()
    needed: bool = False
    lines: bool = False

    def wrong(self, cell: str, of: str = "") -> str:
        if not cell:
            return f"{EMPTY}{of}" if self.needed else ""
        if CONTROL.search(" ".join(cell.split()) if self.lines else cell):
            return f": {shown(cell)}{of} has a line break or another control character"
        return (
            f": {shown(cell)}{of}; allowed: {', '.join(self.allowed)}"
            if self.allowed and cell not in self.allowed
            else ""
        )


Rules = Mapping[str, Rule]


def refuse(
    rows: Sequence[Mapping[str, str]], rules: Rules, where: str, later: Collection[str] = (), what: str = "column"
) -> None:
    """Raise BadInput for the first thing in a file's rows that breaks the rules; `where` names the file.

    That is a missing column, except one of `later`, a column whose name is misspelled, or a cell.
    """
    if not rows:
        return
    for name in rows[0]:
        if name not in rules and (right := name.strip().lower()) in rules and right not in rows[0]:
            raise BadInput(f"{where}: column {shown(name)} must be called {right!r}")
    if missing := [name for name in rules if name not in rows[0] and name not in later]:
        raise BadInput(f"{where} lacks the columns {', '.join(missing)}")
    for row in rows:
        for name, rule in rules.items():
            if rule.wrong(row.get(name, "")):
                of = f" of {shown(row['key'], quoted=False)}" if row.get("key") and name != "key" else ""
                raise BadInput(f"{where}: {what} {name}{rule.wrong(row.get(name, ''), of)}")


def refuse_repeated(rows: Iterable[Mapping[str, str]], names: Sequence[str], where: str) -> None:
    """Raise BadInput for a row that has the same values in these columns as one before it."""
    seen = set()
    for row in rows:
        if (identity := tuple(row[name] for name in names)) in seen:
            values = ", ".join(shown(value, quoted=False) for value in identity)
            raise BadInput(f"{where}: two rows have the same {' and '.join(names)} ({values})")
        seen.add(identity)
