"""Tables on a terminal; plain aligned text where the output is a file or a pipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import rich.table
from rich import box
from rich.console import Console
from rich.text import Text

from reports.rendering.table import Column, Table


def show(tables: Sequence[Table], origin: Mapping[str, str], console: Console) -> None:
    """Print all tables, then where their rows come from."""
    for table in tables:
        show_table(table, console)
    _print(console, "\n".join(f"{label}: {text}" for label, text in origin.items()), "dim")


def show_table(table: Table, console: Console) -> None:
    """Print one table in the way that fits."""
    if console.is_terminal and _width(_grid(table, details=False), console) <= console.width:
        _show_grid(table, console)
    else:  # a line that runs over is better than a number cut in two
        _print(console, plain(table))


def plain(table: Table) -> str:
    """The table as text: no escape codes, one line per row whatever the width."""
    deepest = max(len(column.stacked) for column in table.columns)
    headings = [[""] * (deepest - len(column.stacked)) + column.stacked for column in table.columns]
    grid = [*zip(*headings, strict=True), *([cell.text + cell.marks for cell in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    lines = ["  ".join(map(_aligned, row, widths, table.columns)).rstrip() for row in grid]
    head = [table.title, *filter(None, [table.warning])]
    return "\n".join([*head, "", *lines, "", *table.notes, ""])


def _aligned(text: str, width: int, column: Column) -> str:
    return text.rjust(width) if column.numeric else text.ljust(width)


def _show_grid(table: Table, console: Console) -> None:
    _print(console, table.title, "bold")
    if table.warning:
        _print(console, table.warning, "bold red")
    whole, short = _grid(table), _grid(table, details=False)
    shown = whole if _width(whole, console) <= console.width else short
    console.print(shown)
    left_out = ["Some columns are left out here: the terminal is narrow."] if shown is short else []
    for note in [*left_out, *table.notes]:
        console.print(Text(note, "dim"))
    console.print()


def _grid(table: Table, details: bool = True) -> rich.table.Table:
    grid = rich.table.Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    shown = [index for index, column in enumerate(table.columns) if details or not column.detail]
    for column in (table.columns[index] for index in shown):
        heading = Text("\n".join(column.stacked))
        grid.add_column(heading, justify="right" if column.numeric else "left", vertical="bottom", no_wrap=True)
    for row in table.rows:
        grid.add_row(*(Text.assemble(row[index].text, (row[index].marks, "yellow")) for index in shown))
    return grid


def _width(grid: rich.table.Table, console: Console) -> int:
    return console.measure(grid, options=console.options.update(width=1000)).maximum


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style if console.is_terminal else ""), soft_wrap=True)
