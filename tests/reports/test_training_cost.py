"""Training cost: throughput, memory, seconds and joules to an accuracy, and fits against T."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from invented import ORIGIN, ann, conversion, result, tables_of, write_rows
from test_perf_report import record, row

import reports
from benchmarks.runs.record import Provenance
from benchmarks.spec import BadInput
from reports.cost import fit, to_accuracy
from reports.cost.costs import with_costs
from reports.cost.fit import Fit
from reports.inputs import layers_and_curves
from reports.rendering.table import DASH, Cell, Table
from reports.studies import perf
from reports.tables.comparison import read
from reports.tables.training import compare_training


def cells(table: Table, method: str, steps: str = "4") -> dict[str, Cell]:
    (line,) = [found for found in table.rows if (found[0].text, found[1].text) == (method, steps)]
    return dict(zip([column.label for column in table.columns], line, strict=True))


def curve(key: str, *points: tuple[float, float, float | str]) -> str:
    """Lines of seconds, accuracy and joules, epoch by epoch."""
    return "".join(f"{key},{n},{s},{j},{a}\n" for n, (s, a, j) in enumerate(points, 1))


def trained(tmp_path: Path, *rows: dict[str, Any], curves: str = "", percent: float | None = 50.0) -> Table:
    path = write_rows(tmp_path / "rows.csv", *rows)
    (tmp_path / "rows-curves.csv").write_text(f"{','.join(to_accuracy.COLUMNS)}\n{curves}")
    found = layers_and_curves.read([path], "curves", to_accuracy.COLUMNS, to_accuracy.TEXT, to_accuracy.LATER)
    (table,) = compare_training(with_costs(read([path])), found, percent)
    return table


def test_images_per_second_are_of_whole_epochs(tmp_path: Path) -> None:
    # 10 epochs of 300 images in 10 s
    table = trained(tmp_path, result(train_images=300, train_step_ms_iqr=3.0), conversion(), ann())
    assert cells(table, "dsr-if")["images"].text == "300.0"
    assert cells(table, "dsr-if")["spread"].text == "3.000"
    assert cells(table, "qcfs")["images"].text == DASH
    assert cells(table, "qcfs")["training time"] == Cell("300.0", "†")


def test_reserved_memory_stands_there_where_a_gpu_has_some(tmp_path: Path) -> None:
    assert "reserved" not in cells(trained(tmp_path, result()), "dsr-if")
    table = trained(tmp_path, result(peak_reserved_bytes=7 * 2**20))
    assert (cells(table, "dsr-if")["peak memory"].text, cells(table, "dsr-if")["reserved"].text) == ("3.000", "7.000")


def test_the_time_to_an_accuracy_is_that_of_the_first_epoch_that_has_it(tmp_path: Path) -> None:
    points = curve("a", (2.0, 30.0, ""), (4.5, 50.0, ""), (7.0, 45.0, ""))
    table = trained(tmp_path, result(key="a"), curves=points)
    assert cells(table, "dsr-if")["time to 50 %"].text == "4.500"
    assert (
        cells(trained(tmp_path, result(key="a"), curves=points, percent=60), "dsr-if")["time to 60 %"].text == "never"
    )


@pytest.mark.parametrize("column", ["train_seconds", "test_top1"])
def test_a_curve_without_end_is_refused(column: str, tmp_path: Path) -> None:
    line = dict.fromkeys(to_accuracy.COLUMNS, "1") | {"key": "a", column: "inf"}
    with pytest.raises(BadInput, match=f"rows-curves.csv: column {column}: inf of a is not (finite|within 0 and 100)"):
        trained(tmp_path, result(key="a"), curves=",".join(line[name] for name in to_accuracy.COLUMNS) + "\n")


def test_core_seconds_to_an_accuracy_are_read_off_curves_that_have_them(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.csv", ann(train_cpu_seconds=300.0), result(key="a", train_cpu_seconds=14.0),
                      result(key="b", method="dsr-lif", parent_key="parent", train_cpu_seconds=9.0))  # fmt: skip
    lines = "a,1,2,,30,3.5\na,2,4,,60,7.25\nb,1,2,,60,4.5\n"
    (tmp_path / "rows-curves.csv").write_text(f"{','.join(to_accuracy.COLUMNS)},train_cpu_seconds\n{lines}")
    curves = layers_and_curves.read([path], "curves", to_accuracy.COLUMNS, to_accuracy.TEXT, to_accuracy.LATER)
    (table,) = compare_training(with_costs(read([path])), curves, 50.0)
    assert cells(table, "dsr-if")["to 50 %"] == Cell("7.2")
    assert cells(table, "dsr-lif")["to 50 %"] == Cell("304.5", "†")
    assert "to 50 %" not in cells(trained(tmp_path, result()), "dsr-if")


def test_beside_other_work_no_time_by_the_clock_is_shown(tmp_path: Path) -> None:
    row = result(key="a", other_load_cores=1.0, train_images=300, train_step_ms_iqr=3.0)
    table = trained(tmp_path, row, curves=curve("a", (2.0, 60.0, "")))
    marks = {label for label, cell in cells(table, "dsr-if").items() if cell == Cell(DASH, "*")}
    assert marks == {"train step", "spread", "images", "training time", "time to 50 %"}
    assert "see core-seconds" in " ".join(table.notes)


def test_seeds_that_do_not_all_get_there_have_no_mean(tmp_path: Path) -> None:
    rows = [result(key="a"), result(key="b", seed=1)]
    both = curve("a", (2.0, 60.0, "")) + curve("b", (4.0, 60.0, ""))
    assert cells(trained(tmp_path, *rows, curves=both), "dsr-if")["time to 50 %"].text == "3.000"
    one = curve("a", (2.0, 60.0, "")) + curve("b", (4.0, 40.0, ""))
    assert cells(trained(tmp_path, *rows, curves=one), "dsr-if")["time to 50 %"].text == "1 of 2"
    unknown = curve("a", (2.0, 60.0, ""))
    assert cells(trained(tmp_path, *rows, curves=unknown), "dsr-if")["time to 50 %"].text == DASH


def test_without_a_curve_only_a_miss_is_known(tmp_path: Path) -> None:
    low = result(method="dsr-lif", top1=40.0, top1_best=49.9)
    table = trained(tmp_path, result(), low)
    assert cells(table, "dsr-if")["time to 50 %"].text == DASH
    assert cells(table, "dsr-lif")["time to 50 %"].text == "never"


def test_a_conversion_gets_there_with_its_parents_whole_training(tmp_path: Path) -> None:
    table = trained(tmp_path, ann(), conversion(), conversion(timesteps=2, top1=30.0))
    assert cells(table, "qcfs")["time to 50 %"] == Cell("300.0", "†")
    assert cells(table, "qcfs", "2")["time to 50 %"].text == "never"


def test_training_that_goes_on_from_a_parent_starts_with_its_time(tmp_path: Path) -> None:
    table = trained(tmp_path, ann(), result(key="a", parent_key="parent"), curves=curve("a", (2.0, 60.0, "")))
    assert cells(table, "dsr-if")["time to 50 %"] == Cell("302.0", "†")


def test_joules_stand_there_with_their_source_where_they_were_counted(tmp_path: Path) -> None:
    counted = {"train_joules_source": "RAPL, 1 package"}
    rows = [ann(train_joules=100.0, **counted), conversion(), result(key="a", train_joules=40.0, **counted)]
    table = trained(tmp_path, *rows, result(method="dsr-lif"), curves=curve("a", (2.0, 30.0, 15.0), (4.0, 60.0, 30.0)))
    assert cells(table, "dsr-if")["energy"].text == "40.0"
    assert cells(table, "dsr-if")["energy to 50 %"].text == "30.0"
    assert cells(table, "qcfs")["energy"] == Cell("100.0", "†")
    assert cells(table, "dsr-lif")["energy"].text == DASH
    assert "(RAPL, 1 package)" in " ".join(table.notes)


def test_joules_that_nobody_counted_have_no_column_and_a_note(tmp_path: Path) -> None:
    table = trained(tmp_path, result())
    assert "energy" not in cells(table, "dsr-if")
    assert "not available" in " ".join(table.notes)


def test_a_data_set_without_a_stated_accuracy_has_no_such_column(tmp_path: Path) -> None:
    table = trained(tmp_path, result(dataset="pebbles"), percent=None)
    assert not any(column.label.startswith("time to") for column in table.columns)
    assert [c.label for c in trained(tmp_path, result(), percent=None).columns if c.label.startswith("time")] == [
        "time to 90 %"
    ]


@pytest.mark.parametrize("wrong", [0.0, -5.0, 101.0, math.nan])
def test_what_is_no_percentage_is_refused(wrong: float) -> None:
    with pytest.raises(BadInput, match="--reach takes a percentage"):
        to_accuracy.targets("cifar10", "paper", wrong)


def test_files_from_before_joules_were_counted_are_read(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.csv", result())
    frame = pd.read_csv(path).drop(columns=["train_joules", "train_joules_source"])
    frame.to_csv(path, index=False)
    assert math.isnan(read([path])["train_joules"].iloc[0])


def test_a_method_that_ran_out_of_memory_says_so_in_its_line(tmp_path: Path) -> None:
    lost = {"status": "out-of-memory", "reason": "CUDA out of memory", "top1": None}
    path = write_rows(tmp_path / "rows.csv", result(), result(method="stbp-tdbn", **lost), result(seed=1, **lost))
    (table,) = tables_of(path)
    assert cells(table, "stbp-tdbn")["accuracy"].text == "out of memory"
    assert cells(table, "dsr-if")["accuracy"].text.startswith("90.00")


def test_a_fit_finds_the_line_that_points_lie_on() -> None:
    found = fit.fit([(2, 14.0), (5, 20.0), (10, 30.0)])
    assert (found.constant, found.per_step, found.r2) == pytest.approx((10.0, 2.0, 1.0))


def test_a_fit_says_how_well_the_line_fits() -> None:
    # means 1, 2, 6 at T = 1, 2, 3: slope 2.5, through (2, 3); residuals .5, -1, .5 -> 1.5 of 14
    found = fit.fit([(1, 0.0), (1, 2.0), (2, 2.0), (3, 6.0)])
    assert (found.constant, found.per_step) == pytest.approx((-2.0, 2.5))
    assert found.r2 == pytest.approx(1 - 1.5 / 14)


def test_two_step_counts_make_no_fit() -> None:
    assert math.isnan(fit.fit([(2, 1.0), (5, 2.0), (5, 2.5)]).per_step)
    assert math.isnan(fit.fit([(2, 1.0), (5, 2.0), (8, math.nan)]).per_step)
    assert Fit() != fit.fit([(1, 1.0), (2, 1.0), (3, 1.0)])


def test_rows_are_fitted_per_method_on_one_machine(tmp_path: Path) -> None:
    elsewhere = Provenance(**{**ORIGIN.__dict__, "machine": "bench-02"})
    rows = [result(timesteps=t, train_step_ms=10.0 + 5 * t, peak_step_bytes=(3 + 2 * t) * 2**20) for t in (2, 4, 8)]
    rows += [result(timesteps=16, train_step_ms=1.0, provenance=elsewhere)]
    rows += [result(method="dsr-lif", timesteps=t) for t in (2, 4)]
    rows += [ann(), *(conversion(timesteps=t) for t in (2, 4, 8))]
    (table,) = fit.tables_of(with_costs(read([write_rows(tmp_path / "rows.csv", *rows)])))
    assert [[cell.text for cell in line] for line in table.rows] == [
        ["dsr-if", "2, 4, 8", "10.00", "5.00", "1.000", "1.00", "2.00", "1.000"],
        ["dsr-lif", "2, 4", *[DASH] * 6],
    ]


def test_records_of_perf_are_fitted_too_and_marked_where_the_machine_was_busy() -> None:
    rows = [row("dsr-if", t, 10.0 + 5 * t, t * 2**20) for t in (5, 10, 20)]
    quiet, busy = perf.tables_of(record(*rows))[1], perf.tables_of(record(*rows, other_load_cores=0.3))
    assert [cell.text for cell in quiet.rows[0]][2:6] == ["10.00", "5.00", "1.000", "0.00"]
    assert [cell.marks for cell in busy[1].rows[0]][2:4] == ["*", "*"]
    marked = {c.label for c, cell in zip(busy[0].columns, busy[0].rows[0], strict=True) if cell.marks == "*"}
    assert marked == {"train step", "median", "inference step"}
    assert all("busy" in " ".join(table.notes) for table in busy)
    assert "busy" not in " ".join(quiet.notes)
    assert len(perf.tables_of(record(row("ann", 1, 5.0), row("dsr-if", 5, 9.0), row("dsr-if", 20, 9.0)))) == 1


def test_a_step_without_room_has_dashes_and_a_note() -> None:
    lost = dict.fromkeys(("train_ms", "train_ms_median", "inference_ms", "peak_step_bytes", "floor_ms"))
    (table,) = perf.tables_of(record(row("ann", 1, 5.0), {**row("stbp-tdbn", 20, 1.0), **lost}))
    assert {cell.text for cell in table.rows[1][2:]} == {DASH}
    assert "Out of memory: stbp-tdbn T=20." in table.notes


def test_the_page_holds_every_table(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.csv", ann(method="ann"), *(result(timesteps=t) for t in (2, 4, 8)))
    reports.write(reports.read([rows], percent=70.0), tmp_path / "page")
    for name in ("index.html", "tables.md", "tables.tex"):
        text = (tmp_path / "page" / name).read_text()
        for heading in ("Energy by model", "Break-even firing rates", "Training cost", "Cost of a training step"):
            assert heading in text, name
    assert "time to 70 %" in (tmp_path / "page" / "tables.md").read_text()
    assert "images_per_second" in (tmp_path / "page" / "tables.csv").read_text()


def followed_curve(key: str, *points: tuple[float, float, float | str]) -> str:
    """Lines of core-seconds, accuracy on held-out images and on the test split, epoch by epoch."""
    return "".join(f"{key},{n},{s},,{t},{s},{v}\n" for n, (s, v, t) in enumerate(points, 1))


def once_tested(tmp_path: Path, *rows: dict[str, Any], curves: str, percent: float | None = None) -> Table:
    """The table of runs whose curves have held-out images."""
    path = write_rows(tmp_path / "rows.csv", *rows)
    heads = ",".join([*to_accuracy.COLUMNS, "train_cpu_seconds", "validation_top1"])
    (tmp_path / "rows-curves.csv").write_text(f"{heads}\n{curves}")
    found = layers_and_curves.read([path], "curves", to_accuracy.COLUMNS, to_accuracy.TEXT, to_accuracy.LATER)
    (table,) = compare_training(with_costs(read([path])), found, percent)
    return table


CIFAR = {"dataset": "cifar10", "network": "preact-resnet18-narrow", "scale": "workstation"}


def test_where_the_test_split_is_read_once_held_out_images_say_when_an_accuracy_is_reached(tmp_path: Path) -> None:
    # the parent takes 300 core-seconds; 84.9 on the test split, but held-out images had 85 after 70
    rows = [ann(**CIFAR, train_cpu_seconds=300.0, top1=90.0),
            result(**CIFAR, key="a", parent_key="parent", train_cpu_seconds=100.0, top1=84.9)]  # fmt: skip
    curves = followed_curve("a", (40.0, 79.0, ""), (70.0, 85.0, ""), (100.0, 84.0, ""))
    table = once_tested(tmp_path, *rows, curves=curves)
    assert cells(table, "dsr-if")["to 80 %"] == Cell("370.0", "†")
    assert cells(table, "dsr-if")["to 85 %"] == Cell("370.0", "†")
    assert {"time to 80 %", "time to 85 %"} <= {column.label for column in table.columns}
    notes = " ".join(table.notes)
    assert "To 80 and 85 %: training until the held-out images are first classified so well" in notes
    assert "the test split is read once, after training" in notes
    # one curve of the test split beside: that run's own counts, whatever held-out images say
    curves = followed_curve("a", (40.0, 86.0, 79.0), (70.0, 87.0, 81.0))
    table = once_tested(tmp_path, *rows, curves=curves)
    assert cells(table, "dsr-if")["to 80 %"] == Cell("370.0", "†")
    assert "until the test split is first classified so well" in " ".join(table.notes)


def test_without_a_curve_a_run_that_was_tested_once_may_have_got_there_earlier(tmp_path: Path) -> None:
    rows = [result(key="a", top1=49.0, validation_top1=49.5), result(method="dsr-lif", top1=49.0, top1_best=49.0)]
    table = trained(tmp_path, *rows)
    assert cells(table, "dsr-if")["time to 50 %"].text == DASH
    assert cells(table, "dsr-lif")["time to 50 %"].text == "never"


def test_accuracy_after_a_budget_is_that_of_the_last_epoch_that_ends_in_it(tmp_path: Path) -> None:
    # 10 minutes of two cores: 1,200 core-seconds; 1 hour: 7,200. The parent's 500 come first.
    rows = [
        ann(**CIFAR, train_cpu_seconds=500.0, top1=90.0),
        result(**CIFAR, key="a", parent_key="parent", train_cpu_seconds=900.0),
        result(**CIFAR, key="b", parent_key="parent", train_cpu_seconds=7000.0, seed=1),
        conversion(**CIFAR, top1=77.0),
        conversion(**CIFAR, timesteps=2, top1=66.0, train_cpu_seconds=701.0),
    ]
    first = followed_curve("a", (650.0, 60.0, ""), (710.0, 70.0, ""), (900.0, 80.0, ""))
    second = followed_curve("b", (800.0, 50.0, ""), (6700.0, 84.0, ""), (7000.0, 90.0, ""))
    table = once_tested(tmp_path, *rows, curves=first + second)
    assert cells(table, "dsr-if")["after 10 min"].text == "60.0 (1 of 2)"
    assert cells(table, "dsr-if")["after 1 h"].text == "80.0 to 84.0", "of cores whose speeds are not known"
    assert (cells(table, "dsr-if")["after 1 h"].marks, cells(table, "dsr-if")["training"].marks) == ("", "†")
    assert cells(table, "qcfs")["after 10 min"].text == "77.0"
    assert (cells(table, "qcfs", "2")["after 10 min"].text, cells(table, "qcfs", "2")["after 1 h"].text) == (
        DASH,
        "66.0",
    )
    assert cells(table, "qcfs-ann", "1")["after 1 h"].text == DASH  # no curve
    assert "After 10 min and 1 h: percent of the held-out images" in " ".join(table.notes)


@pytest.mark.parametrize(("speeds", "training", "after"), [
    ((100.0, 108.0), "2,900", "82.0"),
    ((60.0, 116.0), "800 to 5,000", "80.0 to 84.0"),
    ((100.0, None), "800 to 5,000", "80.0 to 84.0"),
])  # fmt: skip
def test_seeds_whose_cores_were_not_equally_fast_have_no_mean(
    speeds: tuple[float, float | None], training: str, after: str, tmp_path: Path
) -> None:
    rows = [
        result(**CIFAR, key="a", train_cpu_seconds=800.0, core_gflops=speeds[0]),
        result(**CIFAR, key="b", train_cpu_seconds=5000.0, core_gflops=speeds[1], seed=1),
    ]
    curves = followed_curve("a", (800.0, 80.0, "")) + followed_curve("b", (5000.0, 84.0, ""))
    found = cells(once_tested(tmp_path, *rows, curves=curves), "dsr-if")
    assert (found["training"].text, found["after 1 h"].text) == (training, after)


def test_the_speed_of_a_core_stands_beside_core_seconds_where_it_is_known(tmp_path: Path) -> None:
    rows = [result(key="a", core_gflops=90.0), result(key="b", seed=1, core_gflops=100.0), result(method="dsr-lif")]
    table = trained(tmp_path, *rows)
    assert cells(table, "dsr-if")["core speed"].text == "95"
    assert cells(table, "dsr-lif")["core speed"].text == DASH
    assert "core speed" not in cells(trained(tmp_path, result()), "dsr-if")


def test_a_budget_says_nothing_at_smoke_scale_and_without_core_seconds(tmp_path: Path) -> None:
    curves = followed_curve("a", (40.0, 79.0, 78.0))
    smoke = once_tested(tmp_path, result(key="a", scale="smoke", train_cpu_seconds=40.0), curves=curves)
    silent = trained(tmp_path, result(key="a"), curves=curve("a", (2.0, 30.0, "")))
    for table in (smoke, silent):
        assert not any(column.label.startswith("after") for column in table.columns)
        assert "After 10 min" not in " ".join(table.notes)
