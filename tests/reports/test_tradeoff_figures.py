"""Accuracy against energy and against training time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from invented import ann, conversion, result
from painted import legend, line, painted, points

from reports.energy import models


def at(steps: int, top1: float, micro: float, **changes: Any) -> dict[str, Any]:
    """A run of so many microjoules, all of them accumulates of 0.9 pJ."""
    return result(timesteps=steps, top1=top1, analog_macs=0.0, acs=micro * 1e6 / 0.9, **changes)


ENERGY = "accuracy-against-energy-digits-tiny-laptop"
TIME = "accuracy-against-training-time-digits-tiny-laptop"


def test_the_front_steps_up_from_point_to_point(tmp_path: Path) -> None:
    rows = [
        at(2, 40.0, 1.0),
        at(4, 50.0, 4.0),
        at(8, 49.0, 8.0),
        at(2, 30.0, 2.0, method="dsr-lif"),
        at(4, 55.0, 16.0, method="dsr-lif"),
    ]
    with painted(tmp_path, *rows) as found:
        caption, axes = found[ENERGY]
        assert axes.get_xscale() == "log"
        assert line(axes, "Pareto front").get_drawstyle() == "steps-post"
        stepped = points(axes, "Pareto front")
        assert stepped[:3] == [pytest.approx(point) for point in ((1.0, 40.0), (4.0, 50.0), (16.0, 55.0))]
        assert stepped[3] == (pytest.approx(axes.get_xlim()[1]), 55.0)
        # the front, cheapest first, then dsr-if's last; dsr-lif's last is on the front
        assert [text.get_text() for text in axes.texts] == ["2", "4", "4", "8"]
        assert legend(axes) == ["dsr-if", "dsr-lif", "Pareto front"]
        assert "0.9 pJ per AC" in caption


def test_an_ann_is_on_the_front_without_a_t(tmp_path: Path) -> None:
    still = ann(method="ann", key="ann", top1=99.0, analog_macs=1e9, dense_macs_per_step=2e9)
    with painted(tmp_path, still, at(2, 40.0, 1.0), at(4, 50.0, 2.0)) as found:
        _, axes = found[ENERGY]
        assert points(axes, "Pareto front")[2] == (pytest.approx(4600.0), 99.0)
        assert [text.get_text() for text in axes.texts] == ["2", "4"]


def test_an_ann_of_few_bits_has_its_points_and_is_explained(tmp_path: Path) -> None:
    few = ann(
        method="lsq-ann", key="few", timesteps=4, top1=70.0, quantized_macs=4_000.0, activation_bits=3, neuron_updates=0
    )
    with painted(tmp_path, few, at(2, 40.0, 1.0), at(4, 50.0, 2.0)) as found:
        caption, axes = found[ENERGY]
        # 1,000 MACs of 4.6 pJ and 4,000 of 3 x 0.9 pJ
        assert points(axes, "Pareto front")[0] == (pytest.approx(0.0154), 70.0)
        assert models.FEW_BITS in caption
    (without := tmp_path / "without").mkdir()
    with painted(without, at(1, 30.0, 0.5), at(2, 40.0, 1.0), at(4, 50.0, 2.0)) as found:
        assert models.FEW_BITS not in found[ENERGY][0]


def test_what_ran_beside_other_work_has_no_time_and_a_conversion_pays_for_its_parent(tmp_path: Path) -> None:
    rows = [
        ann(),
        *(conversion(timesteps=steps, top1=50.0 + steps) for steps in (2, 4)),
        result(timesteps=2, train_seconds=10.0, other_load_cores=1.0),
        result(timesteps=4, train_seconds=20.0),
    ]
    with painted(tmp_path, *rows) as found:
        caption, axes = found[TIME]
        marked = [line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata())]
        assert [float(x) for line in marked for x in line.get_xdata()] == [20.0]
        (bought,) = [line for line in axes.lines if line.get_marker() == "X" and len(line.get_xdata())]
        assert list(bought.get_xdata()) == [300.0, 300.0]
        assert caption.endswith("Left out, timed beside other work, or not at all: 1 of 5.")
        assert "other work" not in found[ENERGY][0]


def test_core_seconds_take_the_place_of_time_where_they_are_known(tmp_path: Path) -> None:
    rows = [result(timesteps=steps, train_cpu_seconds=7.0 * steps, other_load_cores=1.0) for steps in (2, 4, 8)]
    with painted(tmp_path, *rows) as found:
        assert TIME not in found
        caption, axes = found["accuracy-against-core-seconds-digits-tiny-laptop"]
        assert axes.get_xlabel() == "training (core-seconds)"
        (drawn,) = [line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata())]
        assert list(drawn.get_xdata()) == [14.0, 28.0, 56.0]
        assert "training in core-seconds" in caption


def test_scales_never_share_a_figure(tmp_path: Path) -> None:
    rows = [at(steps, 50.0, steps, scale=scale) for steps in (2, 4, 8) for scale in ("laptop", "smoke")]
    with painted(tmp_path, *rows) as found:
        for scale in ("laptop", "smoke"):
            _, axes = found[f"accuracy-against-energy-digits-tiny-{scale}"]
            assert len(points(axes, "Pareto front")) == 2
            assert sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == "o") == 3


def test_what_has_no_cost_on_record_is_left_out_and_said(tmp_path: Path) -> None:
    rows = [at(steps, 50.0, steps) for steps in (2, 4, 8)]
    unknown = result(timesteps=16, acs=None)
    with painted(tmp_path, *rows, unknown) as found:
        assert found[ENERGY][0].endswith("Left out, cost not on record: 1 of 4.")
        assert "Left out" not in found[TIME][0]


def test_failed_runs_alone_draw_nothing(tmp_path: Path) -> None:
    rows = [result(timesteps=steps, status="failed", top1=None) for steps in (2, 4, 8)]
    with painted(tmp_path, *rows, result(seed=1, status="out-of-memory", top1=None)) as found:
        assert not found
