"""`dsr-bench best`: which lines fit, in which order, which are on the front, and how near the nearest miss is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from invented import ann, cell, conversion, note, result, write_rows

from benchmarks.spec import BadInput
from reports.queries import bounds
from reports.queries.best import Answer, Question, answer, front
from reports.queries.bounds import Bounds
from reports.rendering.table import Cell

# energy of an invented spiking run in microjoules: 4.6e-6 * 1,000 MACs + 0.9e-6 * ACs
ENERGY = "energy: events, first layer once"
SPENT = {10_000.0: 0.0136, 20_000.0: 0.0226}


def asked(tmp_path: Path, *rows: dict[str, Any], **question: Any) -> Answer:
    return answer([write_rows(tmp_path / "rows.csv", *rows)], Question(**question))


def methods(answer: Answer) -> list[list[str]]:
    return [[line[0].text for line in table.rows] for table in answer.tables]


@pytest.mark.parametrize(
    ("text", "microjoules"),
    [("2pJ", 2e-6), ("2nJ", 2e-3), ("2uJ", 2.0), ("2µJ", 2.0), ("2μJ", 2.0), ("0.5 mJ", 500.0), ("1e-3J", 1e3)],
)
def test_energies_are_read_in_every_unit(text: str, microjoules: float) -> None:
    assert bounds.energy(text, "--max-energy") == pytest.approx(microjoules, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "count"), [("1KiB", 1024), ("1MiB", 1048576), ("1GiB", 1073741824), ("1MB", 1e6), ("2.5GB", 2.5e9)]
)
def test_memories_are_read_in_every_unit(text: str, count: float) -> None:
    assert bounds.memory(text, "--max-memory") == count


@pytest.mark.parametrize("text", ["1kJ", "1", "uJ", "1.2.3uJ", "-1uJ", "0uJ", "1e999J", "MJ", "1 u J", ""])
def test_a_wrong_energy_is_one_line_that_names_the_units(text: str) -> None:
    with pytest.raises(BadInput, match=r"^--max-energy must be a number above 0 with one of pJ, nJ, uJ, µJ, mJ, J,"):
        bounds.energy(text, "--max-energy")


@pytest.mark.parametrize("text", ["1Mib", "5 B", "1TB", "MiB"])
def test_a_wrong_memory_is_one_line_that_names_the_units(text: str) -> None:
    with pytest.raises(BadInput, match=r"^--max-memory .* KiB, MiB, GiB, MB, GB, like 500KiB, not"):
        bounds.memory(text, "--max-memory")


@pytest.mark.parametrize(
    "make",
    [lambda: Bounds(accuracy=101), lambda: Bounds(timesteps=0), lambda: Question(by="T"), lambda: Question(count=0)],
)
def test_questions_that_make_no_sense_are_refused(make: Any) -> None:
    with pytest.raises(BadInput):
        make()


ROWS = [
    result(method="accurate", top1=92.0, acs=20_000.0, train_seconds=20.0, train_cpu_seconds=20.0),
    result(
        method="cheap", top1=88.0, acs=10_000.0, train_seconds=30.0, train_cpu_seconds=50.0, peak_step_bytes=9 * 2**20
    ),
    result(
        method="beaten",
        top1=87.0,
        acs=20_000.0,
        train_seconds=10.0,
        train_cpu_seconds=40.0,
        peak_step_bytes=7 * 2**20,
        timesteps=2,
    ),
    result(method="uncounted", top1=99.0, acs=None, train_seconds=None, peak_step_bytes=None),
]


@pytest.mark.parametrize(
    ("by", "order"),
    [
        ("accuracy", ["uncounted", "accurate", "cheap", "beaten"]),
        ("energy", ["cheap", "accurate", "beaten", "uncounted"]),
        ("core-seconds", ["accurate", "beaten", "cheap", "uncounted"]),
        ("time", ["beaten", "accurate", "cheap", "uncounted"]),
        ("memory", ["accurate", "beaten", "cheap", "uncounted"]),
    ],
)
def test_lines_are_ordered_and_what_is_missing_comes_last(by: str, order: list[str], tmp_path: Path) -> None:
    assert methods(asked(tmp_path, *ROWS, by=by)) == [order]


@pytest.mark.parametrize(
    ("bound", "kept"),
    [
        (Bounds(accuracy=88.0), ["uncounted", "accurate", "cheap"]),
        (Bounds(energy=SPENT[10_000.0] + 1e-9), ["cheap"]),
        (Bounds(memory=5 * 2**20), ["accurate", "beaten"]),  # 3 and 5 MiB above the idle process
        (Bounds(timesteps=3), ["beaten"]),
        (Bounds(accuracy=90.0, energy=1.0), ["accurate"]),
    ],
)
def test_a_bound_keeps_what_meets_it_and_never_what_was_not_measured(
    bound: Bounds, kept: list[str], tmp_path: Path
) -> None:
    assert methods(asked(tmp_path, *ROWS, bounds=bound)) == [kept]


def test_the_front_is_of_all_lines_even_those_that_do_not_fit(tmp_path: Path) -> None:
    (table,) = asked(tmp_path, *ROWS, bounds=Bounds(timesteps=4)).tables
    assert {line[0].text for line in table.rows if "§" in line[0].marks} == {"accurate", "cheap"}
    (table,) = asked(tmp_path, *ROWS, bounds=Bounds(timesteps=2)).tables
    assert [line[0].marks for line in table.rows] == [""]
    assert "of all 4 lines" in note(table, "§")


def test_equal_lines_are_both_on_the_front_and_a_missing_value_is_not() -> None:
    lines = pd.DataFrame(
        {"top1": [50.0, 50.0, 60.0, math.nan, 50.0], "energy_events_microjoules": [1.0, 1.0, 2.0, 0.1, 1.5]},
        index=list("abcde"),
    )
    assert front(lines).to_dict() == {"a": True, "b": True, "c": True, "d": False, "e": False}


def test_data_sets_and_scales_stand_apart_and_seeds_are_averaged(tmp_path: Path) -> None:
    rows = [result(top1=90.0), result(top1=92.0, seed=1), result(scale="smoke", top1=99.0), result(dataset="cifar10")]
    answer = asked(tmp_path, *rows)
    assert [table.badge for table in answer.tables] == ["scale laptop", "scale smoke", "scale laptop"]
    assert cell(answer.tables[0], "accuracy").text == "91.00 (90.00, 92.00)"
    assert answer.tables[1].warning
    assert not answer.tables[0].warning
    (only,) = asked(tmp_path, *rows, dataset="digits", scale="smoke").tables
    assert only.title == "tiny on digits, scale smoke: 1 line, highest accuracy first"


def test_a_conversion_pays_for_its_parent_and_failed_lines_do_not_stand_there(tmp_path: Path) -> None:
    rows = [ann(), conversion(), result(method="broken", status="failed", top1=None)]
    (table,) = asked(tmp_path, *rows).tables
    assert cell(table, "training time", "qcfs") == Cell("300.0", "†")
    assert "broken" not in [line[0].text for line in table.rows]


def test_only_so_many_lines_are_shown_and_the_rest_is_counted(tmp_path: Path) -> None:
    (table,) = asked(tmp_path, *ROWS, count=2, bounds=Bounds(accuracy=88.0)).tables
    assert len(table.rows) == 2
    assert "3 of 4 lines fit, 2 shown" in table.title
    assert "accuracy at least 88 %" in note(table, "Bounds")


def test_the_constants_stand_under_the_table_and_a_file_changes_them(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.csv", *ROWS)
    (chosen := tmp_path / "ours.toml").write_text("[fp32]\nac_picojoules = 1.8\n")
    (before,), (after,) = (answer([path], Question(), energy).tables for energy in (None, chosen))
    assert "0.9 pJ per AC" in note(before, "Energy")
    assert "1.8 pJ per AC" in note(after, "Energy")
    assert (cell(before, ENERGY, "cheap").text, cell(after, ENERGY, "cheap").text) == ("0.0136", "0.0226")


def test_where_nothing_fits_the_nearest_line_is_named_with_its_misses(tmp_path: Path) -> None:
    # shares of the bounds: accurate misses 0.032 of 95 % and 0.13 of 0.02 µJ, cheap 0.074 of 95 %, beaten more of both
    answer = asked(tmp_path, *ROWS, bounds=Bounds(accuracy=95.0, energy=0.02))
    assert answer.tables == []
    (said,) = answer.misses
    assert said == (
        "tiny on digits, scale laptop: none of 4 lines meets the bounds (accuracy at least 95 %, energy at most "
        "0.02 µJ); nearest is cheap T=4: accuracy 88 %, 7.00 points short of 95 %"
    )
    (said,) = asked(tmp_path, *ROWS, bounds=Bounds(memory=2**20)).misses
    assert said.endswith("nearest is accurate T=4: memory 3 MiB, 3 times 1 MiB")
    (said,) = asked(tmp_path, result(acs=None), bounds=Bounds(energy=1.0)).misses
    assert said.endswith("energy not measured")


def test_a_group_without_a_fit_is_said_beside_one_that_has_some(tmp_path: Path) -> None:
    answer = asked(tmp_path, result(top1=90.0), result(dataset="cifar10", top1=50.0), bounds=Bounds(accuracy=80.0))
    assert [table.heading for table in answer.tables] == ["tiny on digits"]
    assert [said.partition(":")[0] for said in answer.misses] == ["tiny on cifar10, scale laptop"]


@pytest.mark.parametrize(
    ("question", "said"), [({"dataset": "digit"}, "did you mean 'digits'"), ({"scale": "paper"}, "allowed: laptop")]
)
def test_data_sets_and_scales_without_rows_are_refused(question: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=said):
        asked(tmp_path, result(), **question)
