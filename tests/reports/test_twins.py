"""The two gradients of DSR, seed by seed."""

from __future__ import annotations

from pathlib import Path

from invented import result, write_rows

from reports.tables.comparison import read
from reports.tables.twins import compare_twins


def test_only_seeds_that_both_have_are_paired(tmp_path: Path) -> None:
    rows = [
        *(result(method="dsr-if", seed=seed, top1=top1) for seed, top1 in enumerate([50.0, 40.0, 99.0])),
        *(result(method="dsr-if-rep", seed=seed, top1=top1) for seed, top1 in enumerate([51.0, 43.0])),
        result(method="dsr-lif", top1=60.0),
        result(method="dsr-lif-rep", top1=57.0),
        result(method="dsr-lif", top1=60.0, timesteps=8),
        result(method="ann", timesteps=1),
        result(method="dsr-if", top1=60.0, scale="short"),
        result(method="dsr-if-rep", top1=None, status="failed", scale="short"),
    ]
    (table,) = compare_twins(read([write_rows(tmp_path / "rows.csv", *rows)]))
    assert table.title == "The two gradients of DSR, tiny on digits, scale laptop"
    lines = [[cell.text for cell in line] for line in table.rows]
    # differences 1 and 3: two have no interval; with -3: mean 1/3, s = 3.055,
    # t(0.975, 2) = 4.303, half = 4.303 x 3.055 / sqrt(3) = 7.59
    assert lines == [
        ["dsr-if", "4", "2", "45.00", "47.00", "+2.00 (+1.00, +3.00)"],
        ["dsr-lif", "4", "1", "60.00", "57.00", "-3.00 (–)"],
        ["all", "", "3", "50.00", "50.33", "+0.33 ± 7.59"],
    ]


def test_without_a_pair_there_is_no_table(tmp_path: Path) -> None:
    assert compare_twins(read([write_rows(tmp_path / "rows.csv", result(), result(method="dsr-lif-rep"))])) == []
