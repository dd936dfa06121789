"""Tables as LaTeX floats with booktabs rules, to be read in with `\\input`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from reports.rendering.table import Cell, Column, Table

SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{character: f"\\{character}" for character in "{}$&#%_"},
        "<": "$<$",
        ">": "$>$",
        "±": r"$\pm$",
        "µ": r"$\mu$",
        "†": r"$\dagger$",
        "‡": r"$\ddagger$",
        "²": r"$^2$",
        "–": "--",
        "≠": r"$\neq$",
        "≤": r"$\leq$",
        "≥": r"$\geq$",
        "×": r"$\times$",
        "§": r"\S{}",
        "…": r"\dots{}",
    }
)
PAGE = 45
"""Rows that a page has room for."""


def render(tables: Sequence[Table], origin: Mapping[str, str]) -> str:
    """All tables; the document that reads them in loads booktabs."""
    # A comment ends with its line, so one from data must not bring a line of its own.
    head = [
        "% needs \\usepackage{booktabs}",
        *(f"% {label}: {' '.join(text.split())}" for label, text in origin.items()),
    ]
    return "\n".join(head) + "\n\n" + "\n\n".join(part for table in tables for part in _parts(table)) + "\n"


def _parts(table: Table) -> Iterator[str]:
    """A float per page of rows; the notes stand under the last."""
    starts = range(0, max(1, len(table.rows)), PAGE)
    for number, start in enumerate(starts, 1):
        of = f" ({number} of {len(starts)})" if len(starts) > 1 else ""
        last = number == len(starts)
        yield _float(
            replace(
                table,
                title=table.title + of,
                rows=table.rows[start : start + PAGE],
                notes=table.notes if last else (),
            )
        )


def _float(table: Table) -> str:
    caption = f"{table.title}. {table.warning}".rstrip()
    return "\n".join(
        [
            r"\begin{table*}",
            r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{escape(caption)}}}",
            rf"\begin{{tabular}}{{{''.join('r' if column.numeric else 'l' for column in table.columns)}}}",
            r"\toprule",
            _line(_heading(column) for column in table.columns),
            r"\midrule",
            *(_line(map(_cell, row)) for row in table.rows),
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par\smallskip\raggedright {escape(note)}" for note in table.notes),
            r"\end{table*}",
        ]
    )


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _heading(column: Column) -> str:
    side = "r" if column.numeric else "l"
    lines = r" \\ ".join(map(escape, column.stacked))
    return rf"\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}{lines}\end{{tabular}}"


def _cell(cell: Cell) -> str:
    # Marks hang beside the number, so that the digits stay in line.
    marks = escape(cell.marks).replace("$", "")
    return escape(cell.text) + (rf"\rlap{{$^{{{marks}}}$}}" if marks else "")


def escape(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return text.translate(SPECIAL)
