"""Which rows stand together, and what a line says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from invented import cell, note, result, tables, tables_of, write_rows

from benchmarks.spec import BadInput
from reports.rendering.table import DASH, Cell, numbers


def test_scales_datasets_and_networks_never_share_a_table(tmp_path: Path) -> None:
    apart = [{}, {"scale": "smoke"}, {"dataset": "cifar10"}, {"network": "vgg11"}]
    found = tables(tmp_path, *(result(seed=seed, **changes) for seed in (0, 1) for changes in apart))
    assert [(table.heading, table.badge) for table in found] == [
        ("tiny on digits", "scale laptop"),
        ("tiny on digits", "scale smoke"),
        ("tiny on cifar10", "scale laptop"),
        ("vgg11 on digits", "scale laptop"),
    ]
    assert [len(table.rows) for table in found] == [1, 1, 1, 1]


def test_methods_keep_their_order_and_their_latencies_ascend(tmp_path: Path) -> None:
    order = [("stbp-tdbn", 8), ("dsr-if", 10), ("stbp-tdbn", 2), ("dsr-if", 4)]
    (table,) = tables(tmp_path, *(result(method=method, timesteps=steps) for method, steps in order))
    lines = [(line[0].text, line[1].text) for line in table.rows]
    assert lines == [("stbp-tdbn", "2"), ("stbp-tdbn", "8"), ("dsr-if", "4"), ("dsr-if", "10")]


def test_a_row_in_two_files_counts_once_and_a_finished_one_beats_a_failed_one(tmp_path: Path) -> None:
    done = write_rows(tmp_path / "done.csv", result(top1=80.0))
    failed = write_rows(tmp_path / "failed.csv", result(status="failed", top1=None))
    (table,) = tables_of(done, done, failed)
    assert (cell(table, "n").text, note(table, "failed")) == ("1", "")
    assert cell(table, "accuracy").text.startswith("80.00")


def test_one_run_with_two_recipes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"dsr-if T=4 seed 0, tiny on digits \(laptop\) .* several keys"):
        tables(tmp_path, result(key="a"), result(key="b"))


def test_two_seeds_are_averaged_with_their_interval(tmp_path: Path) -> None:
    best = {"top1_best": 93.0, "firing_rate": 0.1}
    (table,) = tables(tmp_path, result(top1=90.0, **best), result(top1=92.0, seed=1, **best | {"firing_rate": 0.2}))
    assert table.title == "tiny on digits, scale laptop, n = 2 seeds"
    assert cell(table, "n").text == "2"
    assert cell(table, "accuracy").text == "91.00 (90.00, 92.00)"
    assert cell(table, "best on test").text == "93.00"
    assert cell(table, "firing rate").text == "0.150"
    assert "values of two seeds" in note(table, "Accuracy")
    assert "Student t" not in note(table, "Accuracy")
    assert "Wilson" not in note(table, "Accuracy")


def test_three_seeds_have_their_students_t_interval_inside_0_to_100(tmp_path: Path) -> None:
    # s = 1, t(0.975, 2) = 4.3027: half = 4.3027 / sqrt 3 = 2.48; with 99 it would reach 100.87, so both ends are shown
    (table,) = tables(tmp_path, *(result(top1=89.0 + seed, seed=seed) for seed in range(3)))
    assert cell(table, "accuracy").text == "90.00 ± 2.48"
    assert "Student t" in note(table, "Accuracy")
    (table,) = tables(tmp_path, *(result(top1=98.0 + seed, seed=seed) for seed in range(3)))
    assert cell(table, "accuracy").text == "99.00 [96.52, 100.00]"


def test_one_seed_shows_its_wilson_interval(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result())
    assert cell(table, "accuracy").text == "90.00 [86.47, 92.69]"
    assert table.title.endswith("n = 1 seed")
    assert "Wilson" in note(table, "Accuracy")


def test_memory_is_the_peak_over_what_lay_there_before(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result())
    assert cell(table, "peak memory") == Cell("3.000")


def test_a_missing_value_is_a_dash(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result(top1_best=None, acs=None))
    for label in ("best on test", "selected on validation", "energy: events, first layer once", "firing rate"):
        assert cell(table, label) == Cell(DASH)


def test_held_out_images_have_a_column_where_any_run_has_them(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result(validation_top1=88.25), result(timesteps=8))
    assert (cell(table, "held out").text, cell(table, "held out", timesteps=8).text) == ("88.25", DASH)
    assert "read once, after the last epoch" in note(table, "Held out")
    (table,) = tables(tmp_path, result())
    assert "held out" not in {column.label for column in table.columns}
    assert note(table, "Held out") == ""


def test_a_value_that_one_seed_lacks_has_no_mean(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result(), result(seed=1, train_step_ms=None))
    assert cell(table, "train step").text == DASH
    assert cell(table, "training time").text == "10.00"


def test_a_column_has_one_number_of_decimals_and_loses_no_small_value() -> None:
    # Four digits of 1,234.5 need no decimals; two digits of 0.37 need two.
    assert numbers([1234.5, 88.0]) == [Cell("1,234"), Cell("88")]
    assert numbers([1234.5, 0.37, math.nan]) == [Cell("1,234.50"), Cell("0.37"), Cell(DASH)]
    assert numbers([380.4408, 0.0001]) == [Cell("380.441"), Cell("0.000")]
