"""What people, spreadsheets and merges do to CSV files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from random import Random

from bytewise import cut_anywhere, flip_a_bit, insert_a_block, overwrite_a_byte, zero_a_range
from mutation import Change, family

Grid = list[list[str]]
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
NOT_NUMBERS = (
    *("NaN", "nan", "inf", "-inf", "Infinity", "#N/A", "#REF!", "#DIV/0!", "null", "None", "-", "n/a", "?"),
    *("1e400", "-1e400", "1_000", "0x10", "1 234", "1\u00a0234", "٣", "½", "TRUE", "3-Apr", "2026-11-25", "='A1'"),
    *("1.2.3", "--5", "+-1", "5 %", "€ 5", "1e", ".", "e5", "1d3", "1e5j", "١٢٣.٥"),
)
MARKUP = (
    "<script>alert(1)</script>",
    "[red]x[/]",
    "[/]",
    "$\\alpha$ & %",
    "|a|b|",
    "`x`",
    "\x1b[31mred",
    "a\nb",
    "\u202eabc",
    "\ud7ff",
)


def _grid(raw: bytes) -> Grid | None:
    try:
        return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        return None


def _text(grid: Grid, **settings) -> bytes:
    out = io.StringIO()
    csv.writer(out, **({"lineterminator": "\n"} | settings)).writerows(grid)
    return out.getvalue().encode("utf-8", "surrogatepass")


def on_grid(change: Callable[[Grid, Random], Grid | None]) -> Change:
    """A mutation of rows and cells. What is no table any more stays as it is."""

    def changed(raw: bytes, rng: Random) -> bytes:
        grid = _grid(raw)
        if not grid or len(grid) < 2 or not all(grid):
            return raw
        after = change(grid, rng)
        return raw if after is None else _text(after)

    changed.__name__ = change.__name__
    return changed


def on_a_number(change: Callable[[str, Random], str], whole_column: bool = False) -> Change:
    """A mutation of one cell with a number, or of all such cells of its column."""

    def changed(grid: Grid, rng: Random) -> Grid | None:
        places = [(r, c) for r, row in enumerate(grid) for c, cell in enumerate(row) if r and NUMBER.fullmatch(cell)]
        if not places:
            return None
        row, column = rng.choice(places)
        for r, c in places:
            if (r, c) == (row, column) or (whole_column and c == column):
                grid[r][c] = change(grid[r][c], rng)
        return grid

    changed.__name__ = change.__name__
    return on_grid(changed)


def decimal_commas(cell: str, rng: Random) -> str:
    return cell.replace(".", ",")


def thousands_separators(cell: str, rng: Random) -> str:
    whole, dot, rest = cell.partition(".")
    return re.sub(r"(?<=\d)(?=(\d{3})+$)", rng.choice((",", ".", " ", "'", "\u202f")), whole) + dot + rest


def percent_signs(cell: str, rng: Random) -> str:
    return rng.choice((f"{cell}%", f"{cell} %"))


def made_negative(cell: str, rng: Random) -> str:
    return cell.removeprefix("-") if cell.startswith("-") else f"-{cell}"


def in_brackets(cell: str, rng: Random) -> str:
    """Negative, as accountants write it."""
    return f"({cell})"


def rounded(cell: str, rng: Random) -> str:
    return f"{float(cell):.{rng.choice((0, 1, 2, 4))}f}" if "e" not in cell.lower() else cell


def rescaled(cell: str, rng: Random) -> str:
    return repr(float(cell) * rng.choice((1000.0, 0.001, 100.0, 0.01)))


def scientific(cell: str, rng: Random) -> str:
    return f"{float(cell):.{rng.choice((2, 5))}E}"


def padded(cell: str, rng: Random) -> str:
    return rng.choice((f" {cell}", f"{cell} ", f"\t{cell}", f"'{cell}", f"{cell}\u00a0", f"+{cell}", f"0{cell}"))


def with_decimals(cell: str, rng: Random) -> str:
    return cell if "." in cell or "e" in cell.lower() else f"{cell}.{rng.choice(('0', '00', '5'))}"


def one_digit_changed(cell: str, rng: Random) -> str:
    at = rng.choice([i for i, c in enumerate(cell) if c.isdigit()])
    return cell[:at] + rng.choice("0123456789") + cell[at + 1 :]


def no_number(cell: str, rng: Random) -> str:
    return rng.choice(NOT_NUMBERS)


def huge_number(cell: str, rng: Random) -> str:
    return rng.choice(("1e300", "9" * 30, "9" * 5000, "1e18", str(2**31), str(2**53 + 1), str(2**63), str(2**64)))


def cell_emptied(grid: Grid, rng: Random) -> Grid:
    row = rng.choice(grid)
    row[rng.randrange(len(row))] = ""
    return grid


def column_emptied(grid: Grid, rng: Random) -> Grid:
    at = rng.randrange(len(grid[0]))
    for row in grid[1:]:
        row[at : at + 1] = [""]
    return grid


def cells_swapped_in_a_row(grid: Grid, rng: Random) -> Grid:
    row = rng.choice(grid)
    a, b = rng.randrange(len(row)), rng.randrange(len(row))
    row[a], row[b] = row[b], row[a]
    return grid


def cells_swapped_in_a_column(grid: Grid, rng: Random) -> Grid:
    a, b, at = rng.randrange(1, len(grid)), rng.randrange(1, len(grid)), rng.randrange(len(grid[0]))
    if max(len(grid[0]), at + 1) <= min(len(grid[a]), len(grid[b])):
        grid[a][at], grid[b][at] = grid[b][at], grid[a][at]
    return grid


def cells_shifted(grid: Grid, rng: Random) -> Grid:
    row = rng.choice(grid[1:])
    row.insert(rng.randrange(len(row)), "")
    row.pop()
    return grid


def text_in_a_cell(grid: Grid, rng: Random) -> Grid:
    row = rng.choice(grid[1:])
    row[rng.randrange(len(row))] = rng.choice(
        (*MARKUP, "x" * 200_000, "ann", "qcfs", "smoke", "done", "a" * 16, " ", ";")
    )
    return grid


def column_dropped(grid: Grid, rng: Random) -> Grid:
    at = rng.randrange(len(grid[0]))
    return [row[:at] + row[at + 1 :] for row in grid]


def column_doubled(grid: Grid, rng: Random) -> Grid:
    """One of the two is edited afterwards, or neither."""
    at, to = rng.randrange(len(grid[0])), rng.randrange(len(grid[0]) + 1)
    after = [row[:to] + row[at : at + 1] + row[to:] for row in grid]
    if rng.random() < 0.7:
        row = rng.choice(after[1:])
        row[to : to + 1] = [rng.choice(("", "0", "1", *row))]
    return after


def headings_swapped(grid: Grid, rng: Random) -> Grid:
    a, b = rng.randrange(len(grid[0])), rng.randrange(len(grid[0]))
    grid[0][a], grid[0][b] = grid[0][b], grid[0][a]
    return grid


def heading_changed(grid: Grid, rng: Random) -> Grid:
    at = rng.randrange(len(grid[0]))
    name = grid[0][at]
    grid[0][at] = rng.choice((name.upper(), f" {name}", f"{name} ", name.title(), "", "Unnamed: 3", f"{name}.1"))
    return grid


def headings_dropped(grid: Grid, rng: Random) -> Grid:
    return grid[1:]


def headings_repeated(grid: Grid, rng: Random) -> Grid:
    return [*grid[: (at := rng.randrange(1, len(grid) + 1))], [*grid[0]], *grid[at:]]


def only_headings(grid: Grid, rng: Random) -> Grid:
    return grid[:1]


def index_column(grid: Grid, rng: Random) -> Grid:
    """As pandas writes it."""
    return [["", *grid[0]], *([str(number), *row] for number, row in enumerate(grid[1:]))]


def row_dropped(grid: Grid, rng: Random) -> Grid:
    at = rng.randrange(1, len(grid))
    return grid[:at] + grid[at + 1 :]


def row_doubled(grid: Grid, rng: Random) -> Grid:
    at, to = rng.randrange(1, len(grid)), rng.randrange(1, len(grid) + 1)
    return [*grid[:to], [*grid[at]], *grid[to:]]


def row_doubled_and_edited(grid: Grid, rng: Random) -> Grid:
    after = [*grid, [*rng.choice(grid[1:])]]
    other, at = rng.choice(grid[1:]), rng.randrange(len(grid[0]))
    after[-1][at : at + 1] = other[at : at + 1]
    return after


def rows_merged(grid: Grid, rng: Random) -> Grid:
    at = rng.randrange(1, len(grid))
    return [*grid[: at - 1], grid[at - 1] + grid[at], *grid[at + 1 :]]


def row_split(grid: Grid, rng: Random) -> Grid:
    at = rng.randrange(1, len(grid))
    part = rng.randrange(len(grid[at]))
    return [*grid[:at], grid[at][:part] or [""], grid[at][part:], *grid[at + 1 :]]


def rows_sorted(grid: Grid, rng: Random) -> Grid:
    at = rng.randrange(len(grid[0]))
    return [grid[0], *sorted(grid[1:], key=lambda row: row[at : at + 1], reverse=rng.random() < 0.5)]


def one_column_sorted(grid: Grid, rng: Random) -> Grid:
    """The accident of every spreadsheet: the other columns stay."""
    at = rng.randrange(len(grid[0]))
    if any(len(row) <= at for row in grid):
        return grid
    for row, cell in zip(grid[1:], sorted(row[at] for row in grid[1:]), strict=True):
        row[at] = cell
    return grid


def filled_down(grid: Grid, rng: Random) -> Grid:
    """A cell dragged down by its corner: numbers count up."""
    at, start = rng.randrange(len(grid[0])), rng.randrange(1, len(grid))
    if any(len(row) <= at for row in grid):
        return grid
    first = grid[start][at]
    for step, row in enumerate(grid[start:]):
        row[at] = str(int(first) + step) if first.isdigit() else first
    return grid


def found_and_replaced(grid: Grid, rng: Random) -> Grid:
    old, new = rng.choice((("0", "O"), (".", ","), ("-", "–"), ("e", "E"), ("1", "l"), ("_", " "), ("False", "FALSE")))
    return [grid[0], *([cell.replace(old, new) for cell in row] for row in grid[1:])]


def a_row_of_commas(grid: Grid, rng: Random) -> Grid:
    return [*grid, [""] * len(grid[0])]


def commas_at_the_ends(grid: Grid, rng: Random) -> Grid:
    return [[*row, ""] for row in grid]


def scientific_keys(grid: Grid, rng: Random) -> Grid | None:
    """Keys and digests that look like numbers become numbers."""
    if "key" not in grid[0]:
        return None
    at = grid[0].index(rng.choice([name for name in ("key", "parent_key") if name in grid[0]]))
    row = rng.choice(grid[1:])
    row[at : at + 1] = [
        rng.choice(("5.05E+15", "5,05E+15", "5050000000000000", "505010123456789", "5.05e+15", "5E15", "1"))
    ]
    return grid


def dates_rewritten(grid: Grid, rng: Random) -> Grid:
    form = rng.choice((r"\3/\2/\1 \4", r"\2/\3/\1", r"\3.\2.\1 \4", r"45986.12"))
    return [
        grid[0],
        *([re.sub(r"(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d).*", form, cell) for cell in row] for row in grid[1:]),
    ]


def quotes_lost(raw: bytes, rng: Random) -> bytes:
    return raw.replace(b'"', b"")


def a_quote_opened(raw: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(raw) + 1)
    return raw[:at] + b'"' + raw[at:]


def semicolons(raw: bytes, rng: Random) -> bytes:
    grid = _grid(raw)
    return _text(grid, delimiter=rng.choice(";\t|")) if grid else raw


def nul_bytes(raw: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(raw) + 1)
    return raw[:at] + bytes(rng.choice((1, 2, 512))) + raw[at:]


def other_encodings(raw: bytes, rng: Random) -> bytes:
    text = raw.decode("utf-8", "replace").replace("a", "ä", 1)
    return text.encode(
        rng.choice(("latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7")), "replace"
    )


def mojibake(raw: bytes, rng: Random) -> bytes:
    return raw.replace(b"a", "Ã¤".encode(), rng.randint(1, 3))


def conflict_markers(raw: bytes, rng: Random) -> bytes:
    lines = raw.split(b"\n")
    at = rng.randrange(len(lines))
    ours, theirs = lines[at : at + 1], lines[at : at + 2]
    return b"\n".join([*lines[:at], b"<<<<<<< HEAD", *ours, b"=======", *theirs, b">>>>>>> theirs", *lines[at:]])


def with_a_mark(raw: bytes, rng: Random) -> bytes:
    return b"\xef\xbb\xbf" + raw.removeprefix(b"\xef\xbb\xbf")


def windows_line_ends(raw: bytes, rng: Random) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def no_last_line_end(raw: bytes, rng: Random) -> bytes:
    return raw.removesuffix(b"\n").removesuffix(b"\r")


def blank_lines(raw: bytes, rng: Random) -> bytes:
    lines = raw.split(b"\n")
    lines.insert(rng.randrange(1, len(lines) + 1), b"")
    return b"\n".join(lines) if b'"' not in raw else raw + b"\n"


def columns_reordered(grid: Grid, rng: Random) -> Grid | None:
    order = rng.sample(range(len(grid[0])), len(grid[0]))
    return None if any(len(row) != len(order) for row in grid) else [[row[at] for at in order] for row in grid]


def a_column_more(grid: Grid, rng: Random) -> Grid:
    if "my notes" in grid[0]:
        return grid  # two columns of one name are refused, and rightly
    return [[*grid[0], "my notes"], *([*row, rng.choice(("", "ok", "?"))] for row in grid[1:])]


def quoted_everywhere(raw: bytes, rng: Random) -> bytes:
    grid = _grid(raw)
    return _text(grid, quoting=csv.QUOTE_ALL) if grid and all(grid) else raw


OF_NUMBERS = (
    *(decimal_commas, thousands_separators, percent_signs, made_negative, in_brackets, rounded, rescaled, scientific),
    *(padded, with_decimals, one_digit_changed, no_number, huge_number),
)
OF_GRIDS = (
    *(cell_emptied, column_emptied, cells_swapped_in_a_row, cells_swapped_in_a_column, cells_shifted, text_in_a_cell),
    *(column_dropped, column_doubled, headings_swapped, heading_changed, headings_dropped, headings_repeated),
    *(only_headings, index_column, row_dropped, row_doubled, row_doubled_and_edited, rows_merged, row_split),
    *(rows_sorted, one_column_sorted, filled_down, found_and_replaced, a_row_of_commas, commas_at_the_ends),
    *(scientific_keys, dates_rewritten),
)
OF_BYTES = (
    *(quotes_lost, a_quote_opened, semicolons, nul_bytes, other_encodings, mojibake, conflict_markers),
    *(cut_anywhere, flip_a_bit, insert_a_block, overwrite_a_byte, zero_a_range),
)
HARMLESS = (
    *(with_a_mark, windows_line_ends, no_last_line_end, blank_lines, on_grid(columns_reordered)),
    *(on_grid(a_column_more), quoted_everywhere),
)
SPREADSHEET = family(
    [
        *(on_a_number(change) for change in OF_NUMBERS),
        *(on_a_number(change, whole_column=True) for change in OF_NUMBERS),
        *map(on_grid, OF_GRIDS),
        *OF_BYTES,
    ],
    HARMLESS,
)
