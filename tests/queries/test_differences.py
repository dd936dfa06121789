"""`dsr-bench diff`: only what differs, with differences and ratios, and what noise says of an accuracy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ended_runs import CLEAN, ended, finish

from benchmarks.runs import record
from benchmarks.runs.identity import key, parent
from benchmarks.spec import Run
from reports.queries.differences import tables, the_same
from reports.queries.lookup import find
from reports.rendering.table import DASH, Table
from reports.statistics.intervals import difference

RUN = Run("cifar10", "preact-resnet18-narrow", "dsr-if", 5, 0, "laptop")
MEASURED = {
    "top1": 50.0, "test_images": 10_000, "analog_macs": 1e6, "acs": 10e6, "peak_step_bytes": 30 * 2**20,
    "idle_bytes": 10 * 2**20, "train_seconds": 200.0, "train_step_ms": 40.0, "other_load_cores": 0.0, "epochs": 8,
}  # fmt: skip


def asked(tmp_path: Path, a: dict[str, Any], b: dict[str, Any], run: Run = RUN, other: Run = RUN) -> list[Table]:
    places = [finish(tmp_path / name, one, **MEASURED | facts) for name, one, facts in (("a", run, a), ("b", other, b))]
    return tables(*(find(str(place), tmp_path) for place in places))


def lines(shown: list[Table], section: str) -> dict[str, tuple[str, ...]]:
    (table,) = [table for table in shown if table.heading == section]
    return {row[0].text: tuple(cell.text + cell.marks for cell in row[1:]) for row in table.rows}


def test_the_same_run_twice_differs_in_nothing(tmp_path: Path) -> None:
    shown = asked(tmp_path, {}, {})
    assert shown == []
    assert the_same(shown) == "run, recipe, code, data, environment, results"


def test_sections_hold_what_differs_and_nothing_else(tmp_path: Path) -> None:
    origin = replace(CLEAN, commit="f" * 40, torch="2.14", threads=1, data_sha256="d2")
    shown = asked(tmp_path, {}, {"provenance": origin}, other=replace(RUN, method="dsr-lif", seed=3))
    assert lines(shown, "Run") == {"method": ("dsr-if", "dsr-lif"), "seed": ("0", "3")}
    assert lines(shown, "Code") == {"commit": ("abc", "f" * 12)}
    assert lines(shown, "Data") == {"data sha256": ("d1", "d2")}
    assert lines(shown, "Environment") == {"threads": ("2", "1"), "torch": ("2.13", "2.14")}
    assert lines(shown, "Recipe") == {  # both start by the first gradient at laptop scale
        "neuron.threshold floor": ("0.01", "0.001"),
        "neuron.tau": (DASH, "1"),
        "neuron.dt": (DASH, "0.1"),
    }
    assert the_same(shown) == "results"


def test_results_have_differences_and_ratios(tmp_path: Path) -> None:
    after = {"top1": 52.0, "acs": 20e6, "peak_step_bytes": 20 * 2**20, "train_seconds": 100.0, "other_load_cores": 1.0}
    (table,) = asked(tmp_path, {}, after)
    # energy: 4.6 + 9 and 4.6 + 18 µJ
    assert lines([table], "Results") == {
        "accuracy, %": ("50.00", "52.00", "+2.00", "1.040"),
        "energy: events, first layer once, µJ/image": ("13.60", "22.60", "+9.00", "1.662"),
        "accumulates, millions": ("10.00", "20.00", "+10.00", "2.000"),
        "peak memory, MiB": ("20.00", "10.00", "-10.00", "0.500"),
        "training time, s": ("200.0", f"{DASH}*", DASH, DASH),
    }
    assert any("4.6 pJ per MAC, 0.9 pJ per AC" in note for note in table.notes)
    assert any(note.startswith("* no time by the clock") for note in table.notes)


def test_what_one_of_them_lacks_is_a_dash_and_has_no_difference(tmp_path: Path) -> None:
    found = lines(asked(tmp_path, {}, {"acs": None}), "Results")
    assert found["accumulates, millions"] == ("10.00", DASH, DASH, DASH)


@pytest.mark.parametrize(
    ("top1", "images", "verdict"),
    [
        (51.3, 10_000, "less"),
        (51.5, 10_000, "more"),
        (53.0, 1_000, "less"),
        (53.5, 1_000, "more"),
        (48.5, 10_000, "more"),
    ],
)
def test_noise_of_the_test_images_is_said(top1: float, images: int, verdict: str, tmp_path: Path) -> None:
    # at 50 % of 10,000 images twice, 1.96 * sqrt(2 * 0.25 / 10,000) is 1.39 points; with 1,000 once, 3.25
    (table,) = asked(tmp_path, {}, {"top1": top1, "test_images": images})
    (said,) = [note for note in table.notes if note.startswith("Accuracy differs")]
    assert f"{top1 - 50:+.2f} points" in said
    assert f"{verdict} than the noise of" in said


def test_the_interval_of_a_difference_is_newcombes() -> None:
    # Newcombe 1998, Table II, example (a): 56 of 70 and 48 of 80, method 10: 0.0524 to 0.3339
    found = difference(100 * 56 / 70, 70, 100 * 48 / 80, 80)
    assert found.mean == pytest.approx(20.0)
    assert (found.low, found.high) == (pytest.approx(5.24, abs=0.005), pytest.approx(33.39, abs=0.005))


@pytest.mark.parametrize("other", [replace(RUN, scale="short"), replace(RUN, dataset="cifar100")])
def test_scales_and_data_sets_have_no_differences(other: Run, tmp_path: Path) -> None:
    shown = asked(tmp_path, {}, {"top1": 60.0}, other=other)
    assert lines(shown, "Results") == {"accuracy, %": ("50.00", "60.00", DASH, DASH)}
    assert shown[-1].notes == ("Data sets or scales differ: the numbers are not comparable.",)


def test_a_conversion_pays_for_its_parent(tmp_path: Path) -> None:
    converted = replace(RUN, method="qcfs")
    origin = parent(converted)
    assert origin is not None
    finish(tmp_path / "b", origin, **MEASURED | {"train_seconds": 500.0})
    own = {"parent_key": key(origin), "train_seconds": None, "epochs": 0, "train_step_ms": None}
    found = lines(asked(tmp_path, {}, own, other=converted), "Results")
    assert found["training time, s"][:3] == ("200.0", "500.0†", "+300.0")
    assert lines(asked(tmp_path, {}, own, other=converted), "Recipe")["parent's key"] == (DASH, key(origin)[:12])


def test_what_is_not_known_is_said_and_is_no_difference(tmp_path: Path) -> None:
    place = finish(tmp_path, RUN)
    record.write_csv([record.row(ended(RUN, key="beef"))], tmp_path / "rows.csv")
    shown = tables(find(str(place), tmp_path), find("beef", tmp_path))
    (recipe,) = [table for table in shown if table.heading == "Recipe"]
    assert not recipe.rows
    assert "recipe of B is not known" in recipe.notes[0]
    assert "recipe" not in the_same(shown)


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    (table,) = asked(tmp_path, {}, {"status": "failed", "reason": "the loss\nis nan", "top1": None})
    assert "B is failed: the loss is nan." in table.notes
