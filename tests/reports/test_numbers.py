"""Intervals and energy, worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from invented import ann, note, result, tables

from reports.energy import models
from reports.statistics.intervals import Interval, interval, student, student_of_differences, wilson


def test_two_seeds_are_shown_as_they_are() -> None:
    assert student([92.0, 90.0]) == Interval(91.0, 90.0, 92.0, "two values")


@pytest.mark.parametrize("values", [[98.0, 99.0, 100.0], [0.0, 1.0, 2.0]])
def test_no_interval_of_an_accuracy_leaves_0_to_100(values: list[float]) -> None:
    found = student(values)  # half = 2.48
    assert (found.low, found.high) == pytest.approx((96.516, 100.0) if values[0] else (0.0, 3.484), abs=1e-3)
    assert not found.even


def test_differences_may_be_negative_and_reach_to_a_hundred_points() -> None:
    assert student_of_differences([-1.0, 0.0, 1.0]).low == pytest.approx(-2.4841, abs=1e-4)
    found = student_of_differences([-90.0, 0.0, 90.0])
    assert (found.low, found.high) == (-100.0, 100.0)


def test_three_seeds_get_the_student_t_interval() -> None:
    # s = sqrt((1 + 0 + 1) / 2) = 1, t(0.975, 2) = 4.3027, 4.3027 / sqrt 3 = 2.4841.
    assert student([89.0, 90.0, 91.0]).half_width == pytest.approx(2.4841, abs=1e-4)


def test_one_seed_gets_the_wilson_interval() -> None:
    # Its ends are the p with |0.9 - p| = 1.96 * sqrt(p (1 - p) / 360); solved by hand: 0.86466 and 0.92689.
    found = wilson(90.0, 360)
    assert (found.low, found.high) == (pytest.approx(86.466, abs=1e-3), pytest.approx(92.689, abs=1e-3))
    for end in (found.low / 100, found.high / 100):
        assert abs(0.9 - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / 360), rel=1e-6)


def test_a_perfect_seed_still_has_an_interval() -> None:
    # p = 1: low = 1 / (1 + z^2 / m) = 1 / (1 + 3.84146 / 100).
    found = wilson(100.0, 100)
    assert found.low == pytest.approx(100 / 1.0384146)
    assert found.high == pytest.approx(100.0)


def test_one_seed_of_unknown_test_images_has_a_mean_but_no_interval() -> None:
    found = interval([90.0], [math.nan])
    assert found.mean == 90.0
    assert math.isnan(found.low)


def test_a_seed_without_a_value_leaves_no_mean() -> None:
    assert math.isnan(interval([90.0, math.nan], [360.0, 360.0]).mean)
    assert math.isnan(interval([], []).mean)


def test_a_spiking_network_multiplies_in_its_first_layer_only() -> None:
    # 1,000 MACs * 4.6 pJ + 10,000 ACs * 0.9 pJ = 13,600 pJ; at every step 4,000 * 4.6 + 9,000 = 27,400 pJ.
    # Dense, 20,000 synapses at 4 steps: 4,000 * 4.6 + (80,000 - 4,000) * 0.9 = 86,800 pJ.
    frame = pd.DataFrame([result()])
    assert models.events(frame).tolist() == pytest.approx([0.0136])
    assert models.events_every_step(frame).tolist() == pytest.approx([0.0274])
    assert models.dense(frame).tolist() == pytest.approx([0.0868])


def test_frames_of_events_are_other_images_so_both_counts_are_one() -> None:
    frame = pd.DataFrame([result(analog_macs=4_000.0)])
    assert models.events(frame).tolist() == models.events_every_step(frame).tolist() == pytest.approx([0.0274])


@pytest.mark.parametrize("acs", [0.0, None])
def test_an_ann_multiplies_everywhere(acs: float | None) -> None:
    # 20,000 dense MACs * 4.6 pJ = 92,000 pJ; 5,000 with zero activations skipped: 23,000 pJ.
    frame = pd.DataFrame([ann(acs=acs)]).astype({"acs": float})
    assert models.dense(frame).tolist() == pytest.approx([0.092])
    assert models.events(frame).tolist() == models.events_every_step(frame).tolist() == pytest.approx([0.023])


def test_a_silent_or_uncounted_spiking_network_does_not_pass_for_an_ann() -> None:
    frame = pd.DataFrame([result(acs=0.0), result(acs=None)]).astype({"acs": float})
    silent, uncounted = models.events(frame)
    assert silent == pytest.approx(0.0046)
    assert math.isnan(uncounted)


def test_the_constants_stand_under_every_table(tmp_path: Path) -> None:
    for table in tables(tmp_path, result(), result(scale="short")):
        assert "4.6 pJ per MAC, 0.9 pJ per AC" in note(table, "Energy")
