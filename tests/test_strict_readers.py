"""What cells of tables and values of JSON may be: the same rules for every reader."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from benchmarks.files import columns, json_files, toml_files
from benchmarks.files.columns import Number, Words
from benchmarks.operations.origins import Kind
from benchmarks.runs import agreement
from benchmarks.spec import BadInput


@pytest.mark.parametrize("cell", ["1", "1.5", "-.5", "5.", "1e3", " 2 ", "+1E-4"])
def test_numbers_as_python_and_spreadsheets_write_them_are_numbers(cell: str) -> None:
    assert Number(low=-10.0).wrong(cell) == ""


@pytest.mark.parametrize("cell", ["1_000", "٣", "1,5", "1 000", "0x10", "good", "1e", "--1", "1.2.3", "1%"])
def test_what_float_or_an_eye_would_take_for_a_number_is_none(cell: str) -> None:
    assert Number().wrong(cell, " of k") == f": {cell!r} of k is not a number"


@pytest.mark.parametrize(
    ("rule", "cell", "said"),
    [
        (Number(), "inf", ": inf is not finite"),
        (Number(endless=True), "nan", ""),
        (Number(), "-1", ": -1 is not within 0 and inf"),
        (Number(high=100.0), "nan", ": nan is not within 0 and 100"),
        (Number(whole=True), "4.5", ": 4.5 is not a whole number"),
        (Number(whole=True), "4.0", ""),
        (Number(whole=True), "1e300", ": 1e300 is not below 9.0072e+15"),
        (Number(), "", ""),
        (Number(needed=True), "", " has an empty cell"),
        (Words(), "a\x1b[31m", r": 'a\x1b[31m' has a line break or another control character"),
        (Words(lines=True), "a\nb", ""),
        (Words(("a", "b")), "c", ": 'c'; allowed: a, b"),
    ],
)
def test_rules_of_cells(rule: columns.Rule, cell: str, said: str) -> None:
    assert rule.wrong(cell) == said


def test_a_table_is_refused_for_its_first_fault() -> None:
    rules = {"key": Words(needed=True), "top1": Number()}
    columns.refuse([{"key": "a", "top1": "1", "more": "x"}], rules, "a.csv")
    columns.refuse([{"key": "a"}], rules, "a.csv", later=("top1",))
    for row, said in (
        ({"key": "a"}, "a.csv lacks the columns top1"),
        ({"key": "a", "Top1 ": "1"}, "a.csv: column 'Top1 ' must be called 'top1'"),
        ({"key": "a", "top1": "x"}, "a.csv: column top1: 'x' of a is not a number"),
    ):
        with pytest.raises(BadInput) as caught:
            columns.refuse([row], rules, "a.csv")
        assert str(caught.value) == said
    with pytest.raises(BadInput, match=r"two rows have the same key and T \(a, 4\)"):
        columns.refuse_repeated(2 * [{"key": "a", "T": "4"}], ("key", "T"), "a.csv")


@dataclass(frozen=True)
class Of:
    name: Literal["a", "b"]
    count: int
    share: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    steps: Sequence[int] = ()


def test_an_object_becomes_a_dataclass_only_with_its_names_and_types() -> None:
    good: dict[str, Any] = {"name": "a", "count": 3}
    assert json_files.made(Of, {**good, "share": 1, "parts": {"x": 0.5}, "steps": [1]}).share == 1
    for change, said in (
        ({"count": True}, "count is True, which is not a whole number"),
        ({"count": 3.0}, "count is 3.0, which is not a whole number"),
        ({"name": "c"}, "name is 'c', which is not one of a, b"),
        ({"share": "1"}, "share is '1', which is not a number or null"),
        ({"parts": {"x": "1"}}, "parts is {'x': '1'}, which is not of type"),
        ({"steps": [1, "2"]}, "steps is"),
        ({"more": 1}, "it has a field 'more', which is none of Of"),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            json_files.made(Of, {**good, **change})
    with pytest.raises(ValueError, match="it lacks count"):
        json_files.made(Of, {"name": "a"})


def test_json_with_a_name_twice_or_without_end_is_none() -> None:
    with pytest.raises(ValueError, match="'a' is there twice"):
        json_files.parsed('{"a": 1, "a": 2}')
    with pytest.raises(ValueError, match="nested too deeply"):
        json_files.parsed("[" * 100_000)


@pytest.mark.parametrize("text", [r'{"a": "\ud800"}', r'{"\uDFFF": 1}', r'["\udc00\ud800"]'])
def test_json_with_half_a_character_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        json_files.parsed(text)


def test_json_with_an_escaped_character_of_two_halves_is_read() -> None:
    assert json_files.parsed(r'["\ud83e\udde0"]') == ["🧠"]


@pytest.mark.parametrize(
    "text", ["a." * 5_000 + "b = 1", "x = " + "[" * 5_000, "x = [\n" + "[\n" * 5_000, "'\u2028'." * 5_000 + "b = 1"]
)
def test_deeply_nested_toml_is_refused_before_it_takes_memory(tmp_path: Path, text: str) -> None:
    (path := tmp_path / "chip.toml").write_text(f"y = 1.5\n{text}\n", encoding="utf-8")
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="nested too deeply"):
            toml_files.read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20e6, "5,000 dots would take 100 MB"


def test_a_toml_file_may_rule_a_line_of_dots_in_a_comment(tmp_path: Path) -> None:
    (path := tmp_path / "chip.toml").write_text(f"  # {'.' * 200}\ny = 1.5\n")
    assert toml_files.read(path) == {"y": 1.5}


def test_layers_and_curves_must_say_what_their_row_says() -> None:
    line = {"kind": "ac", "operations": "7", "dense_macs_per_step": "5"}
    layers = [line, line | {"kind": "sum"}, line | {"kind": "mac", "operations": "3"}]
    row = {"acs": 14.0, "analog_macs": 3, "dense_macs_per_step": 15}
    assert agreement.layers_differ(layers, row) == ""
    assert agreement.layers_differ(layers, {"acs": None}) == ""
    assert agreement.layers_differ(layers[1:], row) == "its layers add up to acs = 7 and its row says 14"
    curve = [{"epoch": "1", "test_top1": "50"}, {"epoch": "2", "test_top1": "60"}]
    assert agreement.curve_differs(curve, {"top1": 60.0, "epochs": 2}) == ""
    assert agreement.curve_differs(curve[:1], {"top1": 50.0, "epochs": 2}).endswith("its row says 2 epochs")
    assert agreement.curve_differs(curve[1:], {"top1": 60.0}) == "its curve does not have the epochs 1 to 1 in order"


def test_kinds_of_layers_are_those_that_the_counter_knows() -> None:
    assert set(agreement.KINDS) == set(get_args(Kind))
