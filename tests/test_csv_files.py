"""CSV files that people, spreadsheets and merges have touched: read, refused in a line, or left alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ended_runs import ended

import benchmarks
import reports
from benchmarks.export import rows as export
from benchmarks.files import csv_files
from benchmarks.regression import history, rows
from benchmarks.runs import store
from benchmarks.runs.identity import key
from benchmarks.runs.plan import plan
from benchmarks.runs.record import COLUMNS, read_csv, row, rows_of_runs, write_csv
from benchmarks.spec import BadInput, Run
from reports.queries import lookup

ANN = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "laptop")
REASON = 'Größe, "too large"'
FOREIGN = {
    "excel.csv": "Zähler;Wert\n1;2,5\n".encode("latin-1"),
    "notes.csv": b"day,said\n1,one,two\n",
    "sheet.csv": "a,b\n1,2\n".encode("utf-16"),
    "empty.csv": b"",
    "picture.csv": b"\x89PNG\0\0\xff",
}


@pytest.fixture
def text(tmp_path: Path) -> str:
    """A file of two rows as it is written."""
    write_csv([row(ended(ANN)), row(ended(ANN, key="0" * 16, reason=REASON, seed=1))], tmp_path / "text.csv")
    text = (tmp_path / "text.csv").read_text(encoding="utf-8")
    (tmp_path / "text.csv").unlink()
    return text


def put(folder: Path, raw: bytes, name: str = "quick.csv") -> Path:
    (folder / name).write_bytes(raw)
    return folder / name


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_mark_and_other_line_ends_change_nothing(text: str, ends: str, encoding: str, tmp_path: Path) -> None:
    path = put(tmp_path, text.replace("\n", ends).encode(encoding))
    assert [(line["key"], line["reason"]) for line in read_csv(path)] == [(key(ANN), ""), ("0" * 16, REASON)]
    assert plan([ANN], tmp_path).missing == []
    assert list(reports.inputs.rows.read([path])["seed"]) == [0, 1]


def conflict(text: str) -> str:
    head, one, two = text.splitlines()
    return "\n".join([head, "<<<<<<< HEAD", one, "=======", two, ">>>>>>> theirs", ""])


SPOILT = {
    "semicolons": (lambda t: t.replace(",", ";").encode(), "values are separated by ';', not ','"),
    "tabs": (lambda t: t.replace(",", "\t").encode(), "values are separated by '\\t', not ','"),
    "utf-16": (lambda t: t.encode("utf-16"), "it is UTF-16 or binary, not UTF-8"),
    "utf-16 without a mark": (lambda t: t.encode("utf-16-le"), "it is UTF-16 or binary, not UTF-8"),
    "latin-1": (lambda t: t.encode("latin-1"), ", line 3: it is not UTF-8"),
    "conflict": (lambda t: conflict(t).encode(), ", line 2: unresolved merge conflict"),
    "conflict above": (lambda t: ("<<<<<<< HEAD\n" + t).encode(), ", line 1: unresolved merge conflict"),
    "cut": (lambda t: t[:-30].encode(), ", line 3: "),
    "cut in a quotation": (lambda t: t[: t.index("too large")].encode(), ", line 3: unexpected end of data"),
    "too long": (
        lambda t: (t[:-1] + ",more\n").encode(),
        f", line 3: {len(COLUMNS) + 1} values for {len(COLUMNS)} columns",
    ),
}


@pytest.mark.parametrize("how", SPOILT)
def test_what_cannot_be_read_is_one_line_for_every_reader(how: str, text: str, tmp_path: Path) -> None:
    spoil, said = SPOILT[how]
    path = put(tmp_path, spoil(text))
    readers = {
        "plan": lambda: plan([ANN], tmp_path),
        "export": lambda: export.export("quick", [ANN], "laptop", tmp_path),
        "query": lambda: lookup.find("0" * 16, tmp_path),
        "report": lambda: reports.inputs.rows.read([path]),
        "regression": lambda: rows.of_folder(tmp_path),
        "layers": lambda: csv_files.keyed(path, COLUMNS),
    }
    for name, read in readers.items():
        with pytest.raises(BadInput) as error:
            read()
        assert str(path) in str(error.value), name
        assert said in str(error.value), name
        assert "restore it from git" in str(error.value)
        assert "\n" not in str(error.value)
    assert path.read_bytes() == spoil(text)


@pytest.mark.parametrize("ending", ["", "-layers", "-curves"])
def test_a_column_that_rewriting_would_lose_is_refused_before_anything_is_trained(
    ending: str, text: str, tmp_path: Path
) -> None:
    put(tmp_path, text.encode())
    path = tmp_path / f"quick{ending}.csv"
    if not ending:
        heads, *lines = text.splitlines()
        path.write_text("\n".join([f"{heads},later", *(f"{line},1" for line in lines)]))
    else:
        path.write_text("key,later\na,1\n")
    before = path.read_bytes()
    for read in (
        lambda: export.look("quick", "laptop", tmp_path),
        lambda: export.export("quick", [], "laptop", tmp_path),
    ):
        with pytest.raises(BadInput, match=rf"quick{ending}\.csv: this version does not know the column 'later'"):
            read()
    assert path.read_bytes() == before


def test_files_of_others_are_left_alone(text: str, tmp_path: Path) -> None:
    put(tmp_path, text.encode())
    (tmp_path / "folder.csv").mkdir()
    for name, raw in FOREIGN.items():
        put(tmp_path, raw, name)
    assert [path.name for path in rows_of_runs(tmp_path)] == ["quick.csv"]
    assert store.files_of_rows(tmp_path) == [tmp_path / "quick.csv"]
    assert plan([ANN], tmp_path).missing == []
    assert lookup.find("0" * 16, tmp_path).key == "0" * 16
    assert list(rows.of_folder(tmp_path)) == ["quick.csv"]
    export.export("quick", [], "laptop", tmp_path)
    for name, raw in FOREIGN.items():
        assert (tmp_path / name).read_bytes() == raw


@pytest.mark.parametrize("name", ["quick.csv", "quick-layers.csv", "quick-curves.csv"])
def test_a_foreign_file_is_not_written_over(name: str, text: str, tmp_path: Path) -> None:
    if name != "quick.csv":
        put(tmp_path, text.encode())
    path = put(tmp_path, FOREIGN["notes.csv"], name)
    for write in (export.look, lambda *where: export.export("quick", [ANN], *where[1:])):
        with pytest.raises(BadInput, match=f"{name} has no column 'key', so it is not a result CSV"):
            write("quick", "laptop", tmp_path)
    assert path.read_bytes() == FOREIGN["notes.csv"]


def test_a_key_that_a_spreadsheet_took_for_a_number_is_named(text: str, tmp_path: Path) -> None:
    put(tmp_path, text.replace("0" * 16, "5.05E+15").encode())
    with pytest.raises(BadInput, match=r"'5.05E\+15' is no key"):
        plan([ANN], tmp_path)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("one", "quick.csv: column timesteps: 'one' of .* is not a number"),
        ("1.5", "quick.csv: column timesteps: 1.5 of .* is not a whole number"),
    ],
)
def test_rows_without_whole_numbers_are_named_before_anything_runs(
    steps: str, said: str, text: str, tmp_path: Path
) -> None:
    put(tmp_path, text.replace(",ann,1,", f",ann,{steps},").encode())
    with pytest.raises(BadInput, match=said):
        export.look("quick", "laptop", tmp_path)


def test_a_history_of_others_is_seen_before_anything_is_measured(tmp_path: Path) -> None:
    path = history._path(tmp_path, history._machine())
    path.parent.mkdir(parents=True)
    history.look(tmp_path)
    put(path.parent, b"a,b\n1,2\n", path.name)
    with pytest.raises(BadInput, match="is not a history"):
        history.look(tmp_path)


def test_text_is_read_and_written_as_utf8_everywhere() -> None:
    """Whatever the terminal's language: no call leaves the encoding to it."""
    root = Path(benchmarks.__file__).parents[1]
    for path in (
        path for part in ("benchmarks", "reports", "dsr", "baselines") for path in (root / part).rglob("*.py")
    ):
        for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            named = {keyword.arg for keyword in call.keywords}
            if name in ("read_text", "write_text"):
                assert "encoding" in named, f"{path}:{call.lineno}"
            if name == "run" and getattr(getattr(call.func, "value", None), "id", "") == "subprocess":
                assert not named & {"text", "universal_newlines"} or "encoding" in named, f"{path}:{call.lineno}"
