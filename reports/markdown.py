"""Tables as GitHub-flavoured Markdown, for a README or a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from reports.table import Cell, Column, Table


def render(tables: Sequence[Table], origin: Mapping[str, str]) -> str:
    """All tables, then where their rows come from."""
    foot = [f"{label}: {_escape(text)}" for label, text in origin.items()]
    return "\n\n".join([*map(_table, tables), "  \n".join(foot)]) + "\n"


def _table(table: Table) -> str:
    warning = [f"> **{table.warning}**"] if table.warning else []
    lines = [
        _line(_heading(column) for column in table.columns),
        _line("---:" if column.numeric else ":---" for column in table.columns),
        *(_line(map(_cell, row)) for row in table.rows),
    ]
    notes = "\n".join(f"- {_escape(note)}" for note in table.notes)
    return "\n\n".join([f"### {_escape(table.title)}", *warning, "\n".join(lines), notes])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _heading(column: Column) -> str:
    return _escape(f"{column.label} ({column.unit})" if column.unit else column.label)


def _cell(cell: Cell) -> str:
    return _escape(cell.text + cell.marks)


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_|<\[])", r"\\\1", text)
