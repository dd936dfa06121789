"""CSV files that people, spreadsheets and merges may have changed, with the same rules for every reader.

read            UTF-8 with or without a byte-order mark, commas, any line endings
refused         UTF-16 and Latin-1, semicolons and tabs, conflict markers, lines that are too short or too long, two
                columns of one name: BadInput names the file, the line and the remedy
ignored         files without the columns that a reader needs, when it reads a whole folder
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Collection
from pathlib import Path

from benchmarks.spec import BadInput, shown

MARKERS = ("<<<<<<< ", "||||||| ", ">>>>>>> ")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MEND = "restore it from git, save it as CSV in UTF-8 with commas, or move it away"
BEGINNING = 1 << 16
"""Bytes that are read for the names of the columns."""


def rows(path: Path) -> list[dict[str, str]]:
    """Read a file's rows; all values are text. Raises BadInput for a file that has to be refused."""
    return parsed(decoded(_bytes(path), str(path)), str(path))


def whole(path: Path) -> str:
    """Read a file's text and check its rows, for other CSV readers. Raises BadInput for a file to be refused."""
    text = decoded(_bytes(path), str(path))
    parsed(text, str(path))
    return text


def keyed(path: Path, known: Collection[str]) -> list[dict[str, str]]:
    """Read the rows of a file that is about to be rewritten, each with a key; none if the file does not exist.

    Raises BadInput if it cannot be read, and if it has no column `key`, or one beside the `known` ones, because it
    would then be lost.
    """
    if not path.exists():
        return []
    if not has_columns(path, "key"):
        raise BadInput(f"{path} has no column 'key', so it is not a result CSV and is not overwritten; move it away")
    found = rows(path)
    if more := [shown(name) for name in (found[0] if found else ()) if name.strip().lower() not in known]:
        lost = f"column{'s' * (len(more) > 1)} {', '.join(more)}"
        raise BadInput(f"{path}: this version does not know the {lost} and would lose what is in it; update dsr-bench")
    return found


def has_columns(path: Path, *names: str) -> bool:
    """Whether a file has these columns."""
    return not path.is_dir() and columns(_bytes(path, BEGINNING)).issuperset(names)


def columns(raw: bytes) -> set[str]:
    """Return the names of a CSV's columns, in any encoding and with any separator."""
    text = raw.decode("utf-16" if raw.startswith(UTF16) else "utf-8-sig", errors="replace").replace("\0", "")
    heads = (line for line in text.splitlines() if line.strip() and not line.startswith(MARKERS))
    return {word.strip(' "') for word in re.split("[,;\t]", next(heads, ""))}


def decoded(raw: bytes, where: str) -> str:
    """Decode a file's bytes without a byte-order mark; `where` names the file. Raises BadInput if it is not UTF-8."""
    if raw.startswith(UTF16) or b"\0" in raw:
        raise BadInput(f"cannot read {where}: it is UTF-16 or binary, not UTF-8; {MEND}")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadInput(f"cannot read {where}, line {line}: it is not UTF-8; {MEND}") from None


def parsed(text: str, where: str) -> list[dict[str, str]]:
    """Parse the rows of a CSV text; `where` names it. Raises BadInput for a text to be refused."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(MARKERS):
            raise BadInput(f"cannot read {where}, line {number}: unresolved merge conflict; {MEND}")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = next(reader, [])
        if len(names) == 1 and (other := re.search("[;\t]", names[0])):
            raise BadInput(f"cannot read {where}: values are separated by {other[0]!r}, not ','; {MEND}")
        if twice := [name for name in names if name and names.count(name) > 1]:
            raise BadInput(f"cannot read {where}: two columns are called {shown(twice[0])}; {MEND}")
        return [_row(names, values, f"{where}, line {reader.line_num}") for values in reader if values]
    except csv.Error as error:
        raise BadInput(f"cannot read {where}, line {reader.line_num}: {error}; {MEND}") from None


def _row(names: list[str], values: list[str], where: str) -> dict[str, str]:
    if len(values) != len(names):
        raise BadInput(f"cannot read {where}: {len(values)} values for {len(names)} columns; {MEND}")
    return dict(zip(names, values, strict=True))


def _bytes(path: Path, count: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error
