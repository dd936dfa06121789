"""Tables as GitHub-flavoured Markdown, for a README or a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from reports.rendering.table import Cell, Column, Table


def render(tables: Sequence[Table], origin: Mapping[str, str]) -> str:
    """All tables, then where their rows come from."""
    foot = [f"{label}: {escape(text)}" for label, text in origin.items()]
    return "\n\n".join([*map(_table, tables), "  \n".join(foot)]) + "\n"


def _table(table: Table) -> str:
    warning = [f"> **{table.warning}**"] if table.warning else []
    lines = [
        _line(_heading(column) for column in table.columns),
        _line("---:" if column.numeric else ":---" for column in table.columns),
        *(_line(map(_cell, row)) for row in table.rows),
    ]
    notes = "\n".join(f"- {escape(note)}" for note in table.notes)
    return "\n\n".join([f"### {escape(table.title)}", *warning, "\n".join(lines), notes])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _heading(column: Column) -> str:
    return escape(f"{column.label} ({column.unit})" if column.unit else column.label)


def _cell(cell: Cell) -> str:
    return escape(cell.text + cell.marks)


def escape(text: str) -> str:
    """Text that Markdown prints as it stands."""
    return re.sub(r"([\\`*_|<\[])", r"\\\1", text)


def word(text: str) -> str:
    """The same for a name inside a sentence, where an underscore between letters is one."""
    return escape(text).replace(r"\_", "_")


def code(text: str) -> str:
    """Text in the typeface of code, where nothing can be escaped: what would end it, or a table's cell, is replaced."""
    return f"`{' '.join(text.split()).replace('`', chr(39)).replace('|', '/')}`"
