"""What has been run of a sweep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from invented import result
from painted import Painted, painted

from benchmarks.campaigns import NAMED, Campaign
from benchmarks.catalogue import timeless
from benchmarks.sweeps import METHODS, SWEEPS, Sweep
from reports.figures.coverage import FAILED, FULL, NONE, SOME, Cell, matrix

LAPTOP = {"dataset": "cifar10", "network": "preact-resnet18-narrow"}
STILL = sum(timeless(method) for method in METHODS)
MOVING = len(METHODS) - STILL
"""Compared methods without and with a time axis: cells per T, of 9 at scale laptop and 7 at scale paper."""
CIFAR = "coverage-cifar10-preact-resnet18-narrow-laptop"


def drawn(found: Painted) -> list[str]:
    return [name for name in found if name.startswith("coverage")]


def texts(found: Painted, name: str) -> dict[tuple[str, str], str]:
    axes = found[name][1]
    methods, steps = (
        [label.get_text() for label in labels] for labels in (axes.get_yticklabels(), axes.get_xticklabels())
    )
    cells = [text for text in axes.texts if text.get_text() != "SMOKE"]
    return {(methods[int(t.get_position()[1])], steps[int(t.get_position()[0])]): t.get_text() for t in cells}


def test_a_cell_says_what_is_done_failed_and_missing(tmp_path: Path) -> None:
    rows = [
        *(result(seed=seed, timesteps=2, **LAPTOP) for seed in (0, 1, 2)),
        *(result(seed=seed, timesteps=4, **LAPTOP) for seed in (0, 1, 3)),  # seed 3 is in no plan
        result(seed=0, timesteps=5, **LAPTOP),
        result(seed=1, timesteps=5, status="out-of-memory", top1=None, **LAPTOP),
        result(method="ann", timesteps=1, acs=0.0, **LAPTOP),
    ]
    with painted(tmp_path, *rows) as found:
        assert drawn(found) == [CIFAR]
        cells = texts(found, CIFAR)
        assert [cells["dsr-if", steps] for steps in ("1", "2", "4", "5")] == ["0/3", "3/3", "2/3", "1/3\nF1"]
        assert cells["ann", "1"] == "1/3"
        assert ("ann", "2") not in cells
        assert len(cells) == STILL + MOVING * 9
        assert f"7 of {3 * (STILL + MOVING * 9)} runs" in found[CIFAR][0]
        assert "F: failed or out of memory" in found[CIFAR][0]


def test_colours_follow_the_text() -> None:
    assert [Cell(3, *ended).colour for ended in ((3, 0), (1, 0), (0, 0), (2, 1))] == [FULL, SOME, NONE, FAILED]


def test_the_cells_of_a_plan_are_all_of_its_runs() -> None:
    planned = SWEEPS["cifar10"].runs("paper")
    cells = matrix(planned, dict.fromkeys(planned, "done"))
    assert sum(cell.planned for cell in cells.values()) == len(planned) == 3 * (STILL + MOVING * 7)
    assert all(cell.done == cell.planned and not cell.failed for cell in cells.values())


def test_rows_are_of_the_fewest_sweeps_that_hold_them(tmp_path: Path) -> None:
    converted = {"method": "threshold-balancing", **LAPTOP}
    short, long = result(timesteps=4, **converted), result(timesteps=512, **converted)
    with painted(tmp_path, short) as found:
        assert drawn(found) == [CIFAR]
    with painted(tmp_path, short, long) as found:
        assert drawn(found) == ["coverage-conversion-preact-resnet18-narrow-laptop"]
    odd = result(timesteps=2, method="stbp-tdbn@surrogate_width=2.5", **LAPTOP)
    with painted(tmp_path, short, long, result(timesteps=2, **LAPTOP), odd) as found:
        assert {name.split("-preact")[0] for name in drawn(found)} == {
            "coverage-conversion",
            "coverage-cifar10",
            "coverage-stbp-variants",
        }


def test_scales_and_networks_have_matrices_of_their_own(tmp_path: Path) -> None:
    def deep(depth: int, **changes: Any) -> dict[str, Any]:
        return result(timesteps=5, dataset="cifar10", network=f"preact-resnet{depth}", **changes)

    smoke = result(dataset="digits", network="preact-resnet-tiny", scale="smoke")
    with painted(tmp_path, deep(20), deep(110), smoke, result()) as found:
        assert drawn(found) == [
            "coverage-depth-preact-resnet20-laptop",
            "coverage-depth-preact-resnet110-laptop",
            "coverage-quick-preact-resnet-tiny-smoke",
        ]
        assert texts(found, drawn(found)[2])["dsr-if", "4"] == "1/1"  # quick has one seed


def test_a_campaign_has_a_matrix_per_data_set_and_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny, narrow = (Sweep("", "digits", {"laptop": (name,)}, ("ann", "dsr-if"), (4,), (0,)) for name in ("a", "b"))
    other = replace(tiny, dataset="cifar10", methods=("dsr-if",))
    monkeypatch.setitem(NAMED, "mixed", Campaign("", ((tiny, narrow), (other,))))
    rows = [result(network=name, seed=0) for name in ("a", "b")]
    with painted(tmp_path, *rows, result(network="a", dataset="cifar10", seed=0)) as found:
        assert drawn(found) == [f"coverage-mixed-{of}-laptop" for of in ("digits-a", "digits-b", "cifar10-a")]
        assert texts(found, drawn(found)[0]) == {("ann", "1"): "0/1", ("dsr-if", "4"): "1/1"}
        assert "sweep mixed: a on cifar10, scale laptop, 1 of 1 runs" in found[drawn(found)[2]][0]
