"""What `dsr-bench report` prints: a screen, with the rows, one matrix, the verdicts and how to see the rest."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from invented import ann, conversion, result, write_rows
from rich.console import Console

import reports
from benchmarks.cli import commands
from benchmarks.cli.arguments import ReportRequest
from reports import summary
from reports.cost.costs import with_costs
from reports.energy import models
from reports.rendering.table import DASH
from reports.tables import comparison


@pytest.fixture(autouse=True)
def nothing_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "write", lambda report, target: [target / "index.html"])


def lines_of(tmp_path: Path, *rows: dict[str, Any]) -> pd.DataFrame:
    return comparison.aggregate(with_costs(comparison.read([write_rows(tmp_path / "rows.csv", *rows)])))


def printed(tmp_path: Path, *rows: dict[str, Any], tables: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=100)
    path = write_rows(tmp_path / "rows.csv", *rows)
    request = ReportRequest((path,), tmp_path / "report", tables=tables)
    assert commands.report(request, console) == 0
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


SET = {"dataset": "cifar10"}  # claims are about it
MANY = [
    ann(**SET),
    *(conversion(**SET, timesteps=2**n) for n in range(12)),
    *(result(**SET, method=f"method-{n}", timesteps=4) for n in range(18)),
    result(**SET, method="method-0", timesteps=4, seed=1),
    result(**SET, status="failed", top1=None),
]


def test_a_screen_says_which_rows_how_accurate_and_where_the_rest_is(tmp_path: Path) -> None:
    lines = printed(tmp_path, *MANY)
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    assert "32 runs, 20 methods, 2 seeds; cifar10; scale laptop; 1 failed" in text
    assert text.count(" claims ") >= 2
    assert "--tables prints them" in text
    assert f"page   {tmp_path / 'report' / 'index.html'}" in text.replace("\n", "")
    assert "Not shown here: 4 more methods, 7 more T." in text


def test_all_tables_are_printed_when_asked_for(tmp_path: Path) -> None:
    lines = printed(tmp_path, *MANY, tables=True)
    assert len(lines) > 100
    assert any(line.startswith("Energy by model") for line in lines)
    assert not any("--tables" in line for line in lines)


def test_the_matrix_has_half_intervals_and_none_of_two_seeds(tmp_path: Path) -> None:
    # Wilson, 90 % of 360: 86.47 to 92.69, half 3.11; three seeds 89, 90, 91: 2.48
    rows = [
        ann(),
        result(timesteps=2),
        *(result(timesteps=4, seed=seed, top1=89.0 + seed) for seed in range(3)),
        *(result(timesteps=8, seed=seed, top1=80.0 + 10 * seed) for seed in range(2)),
        conversion(timesteps=4, top1=60.0, test_images=None),
    ]
    found = summary.abbreviated(lines_of(tmp_path, *rows))
    assert found is not None
    assert [column.label for column in found.columns] == ["method", "no T", "T=2", "T=4", "T=8"]
    assert [[cell.text for cell in row] for row in found.rows] == [
        ["qcfs-ann", "90.0 ±3.1", "", "", ""],
        ["dsr-if", "", "90.0 ±3.1", "90.0 ±2.5", "85.0"],
        ["qcfs", "", DASH, "60.0", DASH],
    ]


def test_the_largest_scale_with_most_numbers_is_the_one_that_is_shown(tmp_path: Path) -> None:
    rows = [result(scale="smoke", timesteps=t) for t in (2, 4, 8)] + [result(), result(network="vgg11", timesteps=2)]
    rows += [result(network="vgg11", timesteps=4)]
    found = summary.abbreviated(lines_of(tmp_path, *rows))
    assert found is not None
    assert found.title == "Accuracy (%), vgg11 on digits, scale laptop"
    assert "2 more tables like this" in " ".join(found.notes)


def test_rows_without_a_finished_run_are_told_without_a_matrix(tmp_path: Path) -> None:
    lines = printed(tmp_path, result(status="failed", top1=None))
    assert any("0 runs" in line and "1 failed" in line for line in lines)
    assert reports.read([tmp_path / "rows.csv"]).contents.shortest is None


def test_what_t_means_for_an_activation_of_few_bits_is_said(tmp_path: Path) -> None:
    few = ann(method="lsq-ann", timesteps=4, quantized_macs=4_000.0, activation_bits=3, neuron_updates=0)
    for rows, said in (((few, result()), True), ((ann(), result()), False)):
        table = summary.abbreviated(lines_of(tmp_path, *rows))
        assert table is not None
        assert (models.T_OF_BITS in table.notes) == said
