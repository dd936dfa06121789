"""`dsr-bench best`, `diff`, `why`, `why-cached` as a user calls them: exit codes, and one line for a mistake."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from called import Bench, calling
from ended_runs import ended, finish

from benchmarks.runs import record
from benchmarks.runs.identity import key
from benchmarks.spec import Run

RUN = Run("cifar10", "preact-resnet18-narrow", "dsr-if", 5, 0, "laptop")
SECOND = replace(RUN, seed=1)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Bench]:
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path))
    known = {"test_images": 10_000, "analog_macs": 1e6, "acs": 10e6}
    rows = [ended(RUN, top1=50.0, **known), ended(SECOND, top1=51.0, **known)]
    record.write_csv(map(record.row, rows), tmp_path / "cifar10.csv")
    with calling(monkeypatch, capsys) as bench:
        yield bench


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["best", "--max-energy", "1kJ"], "--max-energy must be a number above 0 with one of pJ"),
        (["best", "--max-memory", "many"], "--max-memory must be a number above 0 with one of KiB"),
        (["best", "--min-accuracy", "good"], "'--min-accuracy'"),
        (["best", "--by", "speed"], "unknown order (--by) 'speed'; allowed: accuracy, energy"),
        (["best", "--dataset", "cifra10"], "unknown dataset in these rows 'cifra10' (did you mean 'cifar10'?)"),
        (["best", "nowhere.csv"], "cannot read nowhere.csv"),
        (["best", "--energy", "nowhere.toml"], "cannot read nowhere.toml"),
        (["diff", "zz", "yy"], "'zz' names no run"),
        (["why", "zz"], "'zz' names no run"),
        (["why"], "Missing argument"),
        (["why-cached", "zz"], "'zz' names no run"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(words: list[str], said: str, bench: Bench) -> None:
    ending = bench(*words)
    assert (ending.code, ending.out) == (2, "")
    (line,) = ending.err.splitlines()
    assert line.startswith("dsr-bench: ")
    assert said in line


def test_best_shows_a_line_of_two_seeds_with_the_constants(bench: Bench) -> None:
    ending = bench("best", "--max-energy", "14µJ", "--min-accuracy", "50")  # 4.6 + 9 µJ
    assert (ending.code, ending.err) == (0, "")
    assert "dsr-if§" in ending.out
    assert "50.50 (50.00, 51.00)" in ending.out
    assert "4.6 pJ per MAC, 0.9 pJ per AC" in ending.out


def test_best_leaves_files_of_somebody_else_alone(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "groceries.csv").write_text("what,price\nbread,3\n", encoding="utf-8")
    assert bench("best", "--min-accuracy", "50").code == 0


def test_best_ends_in_1_where_nothing_fits_and_says_how_near(bench: Bench) -> None:
    ending = bench("best", "--min-accuracy", "60")
    assert (ending.code, ending.err) == (1, "")
    assert ending.out.endswith("nearest is dsr-if T=5: accuracy 50.5 %, 9.50 points short of 60 %\n")


def test_what_fits_is_said_last_where_other_tables_have_nothing_that_fits(bench: Bench, tmp_path: Path) -> None:
    other = replace(RUN, network="preact-resnet18")
    record.write_csv([record.row(ended(other, top1=10.0, test_images=10_000))], tmp_path / "other.csv")
    ending = bench("best", "--min-accuracy", "50")
    assert ending.code == 0
    first, last = (
        ending.out.index("preact-resnet18 on cifar10, scale laptop: none"),
        ending.out.index("50.50 (50.00, 51.00)"),
    )
    assert first < last


def test_diff_says_what_both_are_what_differs_and_what_does_not(bench: Bench, tmp_path: Path) -> None:
    place = finish(tmp_path, SECOND, top1=51.0, test_images=10_000, analog_macs=1e6, acs=10e6)
    ending = bench("diff", key(RUN)[:8], str(place))
    assert (ending.code, ending.err) == (0, "")
    first, second, *rest = ending.out.splitlines()
    assert first.startswith(f"A  {RUN}; {key(RUN)}, {tmp_path / 'cifar10.csv'}, started 2026-01-01")
    assert second.startswith(f"B  {SECOND}; {key(SECOND)}, {place}")
    assert any(line.split() == ["accuracy,", "%", "50.00", "51.00", "+1.00", "1.020"] for line in rest)
    assert any("less than the noise of 10,000 test images" in line for line in rest)
    assert rest[-1] == "the same: recipe, code, data, environment"


def test_why_ends_with_whether_the_row_is_comparable(bench: Bench) -> None:
    ending = bench("why", key(RUN))
    assert (ending.code, ending.err) == (0, "")
    assert ending.out.splitlines()[-1] == "Not comparable with the paper's row: 8 things differ from DSR, Fig. 3a."


def test_why_cached_shows_the_key_and_ends_in_0_where_the_run_counts_and_in_1_where_not(
    bench: Bench, tmp_path: Path
) -> None:
    ending = bench("why-cached", key(RUN))
    assert (ending.code, ending.err) == (0, "")
    assert any(line.split() == ["timesteps", "5", "in", "it"] for line in ending.out.splitlines())
    assert f"Cached: {tmp_path / 'cifar10.csv'} has its finished row.\n" in ending.out
    failed = replace(RUN, seed=2)
    place = finish(tmp_path, failed, status="failed", top1=None, reason="[bold]a bug")
    ending = bench("why-cached", str(place))
    assert (ending.code, ending.err) == (1, "")
    assert ending.out.endswith(f"Not cached: {place / 'result.json'} says failed: [bold]a bug.\n")


def test_the_command_line_starts_without_tables_figures_and_torch() -> None:
    """They take seconds to import, and most commands need none of them."""
    slow = "sys.modules.keys() & {'matplotlib', 'pandas', 'reports', 'torch'}"
    code = f"import sys, benchmarks.__main__; print(sorted({slow}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
