"""Numbers in README and docs are those of the committed rows: pages are generated, what is told by hand is held."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import pytest

import reports
from benchmarks.runs.store import STUDIES, holds_rows
from reports import findings
from reports.findings import figures
from reports.page import MOST_CHARACTERS, render

ROOT = Path(__file__).parents[2]
README, PAGE, COST = ROOT / "README.md", ROOT / "docs" / "results.md", ROOT / "docs" / "cost.md"
PERF = sorted((ROOT / "results" / "perf").glob("*.json"))
AGAIN = "dsr-bench report --results-page docs/results.md --results-block README.md"


@cache
def facts() -> findings.Facts:
    paths = [path for path in sorted((ROOT / "results").glob("*.csv")) if holds_rows(path)]
    studies = [path for path in paths if path.name in STUDIES]
    return findings.gather([path for path in paths if path not in studies], PERF, studies)


def test_the_page_of_results_is_what_the_rows_say() -> None:
    assert PAGE.read_text() == findings.text_of(facts()), f"write it again: {AGAIN}"


def test_the_readmes_block_of_results_is_what_the_rows_say() -> None:
    text = README.read_text()
    assert text == findings.with_block(text, facts(), README), f"write it again: {AGAIN}"


@pytest.mark.parametrize("name", ["accuracy.svg", "accuracy-against-energy.svg"])
def test_figures_in_the_docs_are_what_the_rows_say(name: str) -> None:
    committed = (PAGE.parent / name).read_text()
    made_by = re.search("Matplotlib v[^,]+", committed)
    assert made_by
    if made_by[0] != f"Matplotlib v{matplotlib.__version__}":
        pytest.skip(f"drawn by {made_by[0]}, and each version draws a little differently")
    assert committed == figures.drawn(facts())[name], f"write it again: {AGAIN}"


def tables(page: Path) -> list[list[str]]:
    """Of a Markdown page: every table as its lines."""
    found: list[list[str]] = [[]]
    for line in page.read_text().splitlines():
        if line.startswith("|"):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def rows_of(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["subject"], str(row["T"])): row for row in json.loads(path.read_text())["rows"]}


def test_the_page_of_all_committed_rows_is_under_one_and_a_half_megabytes() -> None:
    """Drawings take what room tables and cards leave, so these are what has to stay small: see MOST_CHARACTERS."""
    paths = [path for path in sorted((ROOT / "results").glob("*.csv")) if holds_rows(path)]
    contents = reports.read([path for path in paths if path.name not in STUDIES], whole=True).contents
    words = replace(contents, sections=[replace(part, draw=tuple) for part in contents.sections])
    page = render(words)
    assert page.count('id="run-') > 120
    assert "<dd>()</dd>" not in page
    assert 'id="layers-' in page
    assert not re.search(r'id="layers-[^"]*-epochs-4', page), "trials' layers"
    assert len(page.encode()) < MOST_CHARACTERS - 200_000
    assert MOST_CHARACTERS * len(page.encode()) / len(page) < 1_500_000


def test_costs_of_steps_are_those_of_the_record_that_is_named() -> None:
    found = re.search(r"\((\.\./results/perf/[^)]+\.json)\)", COST.read_text())
    assert found
    rows = rows_of(COST.parent / found[1])
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


@pytest.mark.parametrize(("record", "told"), [
    ("amd-epyc-avx-512-", "gives `dsr-if-rep` {dsr-if-rep} times the yardstick's speed at T = 5 and 20"),
    ("amd-epyc-avx2-", "as multiples of the yardstick's speed at T = 5 and 20, `dsr-if-rep` {dsr-if-rep}, "
                       "`dsr-if` {dsr-if} (SpikingJelly's STBP {stbp-spikingjelly})"),
])  # fmt: skip
def test_speeds_that_the_text_tells_are_those_of_the_other_records(record: str, told: str) -> None:
    (path,) = [path for path in PERF if path.name.startswith(record)]
    rows = rows_of(path)

    def speeds(found: re.Match[str]) -> str:
        of = [rows["dsr-if-reference", t]["train_ms"] / rows[found[1], t]["train_ms"] for t in ("5", "20")]
        return f"{of[0]:.1f} and {of[1]:.1f}"

    assert re.sub(r"\{([^}]+)\}", speeds, told) in " ".join(COST.read_text().split())
