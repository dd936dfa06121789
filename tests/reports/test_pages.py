"""Numbers in docs/ are those of the committed rows: a copied line is one of the report, a mean is worked out again."""

from __future__ import annotations

import json
import re
import statistics
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

import reports
from benchmarks.recipes import timeless
from benchmarks.record import read_csv
from benchmarks.store import STUDIES, holds_rows
from reports import html, markdown, matrix
from reports.comparison import aggregate, compare
from reports.energy import FP32_45NM
from reports.paired import compare_twins
from reports.rows import read

ROOT = Path(__file__).parents[2]
PAGE, COST = ROOT / "docs" / "results.md", ROOT / "docs" / "cost.md"
COMMITTED = [path for path in sorted((ROOT / "results").glob("*.csv")) if holds_rows(path) and path.name not in STUDIES]


def tables(page: Path) -> list[list[str]]:
    """Of a Markdown page: every table as its lines."""
    found: list[list[str]] = [[]]
    for line in page.read_text().splitlines():
        if line.startswith("|"):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


@cache
def reported() -> frozenset[str]:
    frame = read(COMMITTED)
    lines = aggregate(frame)
    shown = (matrix.accuracy(), matrix.energy(FP32_45NM), matrix.core_seconds(), matrix.memory())
    short = [table for quantity in shown for table in matrix.matrices(lines, quantity)]
    return frozenset(markdown.render([*short, *compare(frame, lines=lines), *compare_twins(frame)], {}).splitlines())


COPIED = [table for table in tables(PAGE) if table[0] in reported()]


def test_both_kinds_of_tables_are_recognised() -> None:
    assert [table[0].split(" | ")[:3] for table in COPIED][:2] == [["| method", "T", "n"], ["| method", "T", "pairs"]]


@pytest.mark.parametrize("table", COPIED, ids=lambda table: f"{len(table) - 2} lines")
def test_a_copied_line_is_a_line_of_the_report(table: list[str]) -> None:
    assert [line for line in table if line not in reported()] == []


def test_the_page_of_all_committed_rows_is_under_one_and_a_half_megabytes() -> None:
    """Drawings take what room tables and cards leave, so these are what has to stay small: see html.MOST_CHARACTERS."""
    contents = reports.read(COMMITTED, whole=True).contents
    words = replace(contents, sections=[replace(part, draw=tuple) for part in contents.sections])
    page = html.render(words)
    assert page.count('class="card"') > 150
    assert len(page.encode()) < html.MOST_CHARACTERS - 200_000
    assert html.MOST_CHARACTERS * len(page.encode()) / len(page) < 1_500_000


def accuracies() -> dict[tuple[str, str, str], list[float]]:
    """Of all committed runs on CIFAR-10 at laptop scale, by network, method and T, one per key."""
    found: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for row in (row for path in COMMITTED for row in read_csv(path)):
        if (row["status"], row["scale"], row["dataset"]) == ("done", "laptop", "cifar10"):
            found[row["network"], row["method"], row["timesteps"]][row["key"]] = float(row["top1"])
    return {key: [*values.values()] for key, values in found.items()}


def checked(start: str, of: Callable[[str, str], tuple[str, str, str]]) -> int:
    """Hold every cell of the one table that starts so against the mean of its rows; italics: one seed of several.

    `of`: network, method and T from a line's name and a heading. Returns the number of cells that are not dashes.
    """
    rows, count = accuracies(), 0
    ((heading, _, *lines),) = [table for table in tables(PAGE) if table[0].startswith(start)]
    for line in lines:
        name, *cells = [cell.strip() for cell in line.split("|")[1:-1]]
        for at, cell in zip((cell.strip() for cell in heading.split("|")[2:-1]), cells, strict=True):
            key = of(name.split("`")[1], at)
            found = rows.get(key, [])
            if cell == "–":
                assert found == [], key
                continue
            assert float(cell.strip("*")) == pytest.approx(statistics.mean(found), abs=0.0501), (key, found)
            assert not cell.startswith("*") or len(found) == 1, (key, found)
            count += 1
    return count


def test_conversions_at_every_t_are_means_of_committed_rows() -> None:
    assert checked("| conversion, T = |", lambda method, at: ("preact-resnet18-narrow", method, at)) >= 50


def test_depths_are_those_of_committed_rows() -> None:
    def of(method: str, depth: str) -> tuple[str, str, str]:
        return f"preact-resnet{depth}", method, "1" if timeless(method) else "5"

    assert checked("| layers, T = 5 |", of) >= 6


def test_costs_of_steps_are_those_of_the_record_that_is_named() -> None:
    found = re.search(r"\((\.\./results/perf/[^)]+\.json)\)", COST.read_text())
    assert found
    rows = {(row["subject"], str(row["T"])): row for row in json.loads((COST.parent / found[1]).read_text())["rows"]}
    (_, _, *lines), *_ = tables(COST)
    for line in lines:
        subject, steps, *cells = [cell.strip() for cell in line.split("|")[1:-1]]
        row, ann, yardstick = rows[subject, steps], rows["ann", "1"], rows.get(("dsr-if-reference", steps))
        assert cells == [
            f"{row['train_ms']:,.0f}",
            f"{yardstick['train_ms'] / row['train_ms']:.1f}" if yardstick else "–",
            f"{row['train_ms'] / ann['train_ms']:.1f}",
            f"{row['peak_step_bytes'] / 2**20:,.0f}",
            f"{row['inference_ms']:,.0f}",
        ], (subject, steps)
