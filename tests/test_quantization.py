"""Rates of single neurons and their mapping, against values worked out by hand and what the paper claims."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.quantization import studies
from benchmarks.quantization.studies import IF, LOW_LATENCY, Row, bound, drives, measure, midpoints
from benchmarks.runs import store
from benchmarks.runs.record import read_csv

COMMITTED = Path(__file__).parent.parent / "results" / store.QUANTIZATION


def steady(*currents: float, steps: int) -> Tensor:
    """The same currents at every step: `(T, count)`."""
    return torch.tensor(currents, dtype=torch.float64).expand(steps, -1)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(studies.studies())


def of(rows: list[Row], **wanted: object) -> list[Row]:
    return [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]


def test_at_alpha_one_a_constant_current_is_rounded_down():
    # Eq. 18: floor(5 x) / 5, from 0 to 1
    found = measure(IF, 5, 1.0, steady(-0.3, 0.1, 0.3, 0.59, 0.61, 0.95, 1.7, steps=5))
    assert found.measured.tolist() == pytest.approx([0, 0, 0.2, 0.4, 0.6, 0.8, 1])
    assert found.mapping.tolist() == pytest.approx([0, 0.1, 0.3, 0.59, 0.61, 0.95, 1])


def test_at_alpha_one_half_it_is_rounded_to_the_nearest():
    # Eq. 21: 5 x is -1.5, 0.45, 1.5 and a bit, 2.45, 4.75, 8.5
    found = measure(IF, 5, 0.5, steady(-0.3, 0.09, 0.31, 0.49, 0.95, 1.7, steps=5))
    assert found.measured.tolist() == pytest.approx([0, 0, 0.4, 0.4, 1, 1])
    assert found.quantization.tolist() == pytest.approx([0, -0.09, 0.09, -0.09, 0.05, 0])


def test_lif_follows_a_rate_worked_out_by_hand():
    # V = .6, dt = .1, current 3 fires at steps 2 and 4: .17917 + .21884 of the rate, where the clamp says a half
    found = measure(LOW_LATENCY, 5, 0.5, steady(0.5, steps=5))
    assert found.measured.item() == pytest.approx(0.398010, abs=1e-6)
    assert found.mapping.item() == pytest.approx(0.5)


@pytest.mark.slow
def test_the_curves_of_figure_2_are_within_a_step_and_half_a_step_of_the_clamp(rows):
    for alpha, largest in ((1.0, 1 / 5), (0.5, 1 / 10)):
        errors = [row.error for row in of(rows, study="rate", neuron="if", alpha=alpha)]
        assert max(map(abs, errors)) == pytest.approx(largest, abs=1 / 128)
        assert max(map(abs, errors)) < largest
        assert max(errors) <= (0 if alpha == 1 else largest)


@pytest.mark.slow
def test_if_errors_are_those_of_a_phase_spread_over_a_step(rows):
    # N m - k is spread over (-alpha, 1 - alpha]: mean (alpha^2 + (1 - alpha)^2) / 2N, largest max(alpha, 1 - alpha) / N
    for row in of(rows, study="alpha", neuron="if"):
        a, n = row.alpha, row.timesteps
        assert row.mean_error == pytest.approx((a**2 + (1 - a) ** 2) / (2 * n), rel=1e-3)
        assert row.max_error == pytest.approx(max(a, 1 - a) / n, rel=2e-2)
        assert row.bound == pytest.approx(max(a, 1 - a) / n)


@pytest.mark.slow
def test_alpha_one_half_halves_the_largest_error_of_if_and_has_its_least_mean(rows):
    for steps in studies.STEPS:
        found = {row.alpha: row for row in of(rows, study="alpha", neuron="if", timesteps=steps)}
        assert min(found, key=lambda alpha: found[alpha].mean_error) == 0.5
        assert found[0.5].max_error == pytest.approx(found[1.0].max_error / 2, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("dt", "steps", "best", "error"), [(0.1, 5, 0.45, 0.0605), (0.05, 20, 0.325, 0.0194)])
def test_the_best_alpha_of_lif_depends_on_the_steps(rows, dt, steps, best, error):
    # worked out apart from this code when the recipes were written
    found = {row.alpha: row.mean_error for row in of(rows, study="alpha", dt=dt, timesteps=steps)}
    assert min(found, key=found.__getitem__) == best
    assert found[best] == pytest.approx(error, abs=1e-4)


def test_the_bound_is_worked_out_from_the_membranes_range():
    assert bound(IF.neuron(5, 1.0).dynamics(), 1.0) == pytest.approx(1 / 5)
    assert bound(IF.neuron(5, 0.5).dynamics(), 0.5) == pytest.approx(1 / 10)
    # one step: the weight is 1, the gain (1 - e^-.1) / .1 = .951626
    assert bound(LOW_LATENCY.neuron(1, 0.5).dynamics(), 0.5) == pytest.approx(0.5 + 1 - 0.951626, abs=1e-6)
    assert bound(LOW_LATENCY.neuron(1, 0.1).dynamics(), 0.1) == pytest.approx(0.9)


@pytest.mark.slow
def test_no_current_inside_the_range_passes_the_bound(rows):
    bounded = [row for row in rows if row.bound is not None]
    assert {row.drive for row in bounded} == {"constant", "inside"}
    assert all(row.max_error <= row.bound * (1 + 1e-9) for row in bounded)
    # and it is no loose one: some constant current comes within 15 % of it
    assert all(row.max_error > 0.85 * row.bound for row in bounded if row.study == "alpha" and row.neuron == "if")


@pytest.mark.slow
def test_if_converges_for_every_drive_whose_mean_does(rows):
    for drive in ("constant", "inside", "beyond", "settling"):
        found = {row.timesteps: row for row in of(rows, study="convergence", neuron="if", alpha=0.5, drive=drive)}
        assert found[1024].mean_error < found[64].mean_error / 4 < found[4].mean_error / 16
        assert found[1024].limit_error < 0.02


@pytest.mark.slow
def test_lif_stops_at_an_error_in_proportion_to_dt(rows):
    for row in of(rows, study="convergence", neuron="lif", drive="settling", timesteps=1024):
        assert row.dt / 5 < row.mean_error < row.dt / 3


@pytest.mark.slow
def test_independent_currents_have_a_deviation_at_the_ends_of_the_range_but_not_in_its_middle(rows):
    found = {row.current: row for row in of(rows, study="deviation", neuron="if", alpha=0.5, timesteps=5)}
    assert found[0.0].deviation_bias > 0.04
    assert found[1.0].deviation_bias < -0.04
    assert abs(found[0.5].deviation_bias) < 0.005
    for row in found.values():
        assert row.representation_bias == pytest.approx(row.quantization_bias + row.deviation_bias)


@pytest.mark.slow
def test_the_committed_rows_are_what_the_neurons_do_today(rows):
    committed = read_csv(COMMITTED)
    assert len(committed) == len(rows)
    for was, row in zip(committed, rows, strict=True):
        for name, value in vars(row).items():
            if isinstance(value, float):
                assert float(was[name]) == pytest.approx(value, rel=1e-6, abs=1e-9), (was, name)
            else:
                assert was[name] == ("" if value is None else str(value)), (was, name)


def test_currents_are_evenly_spread_in_the_open_range():
    assert midpoints(4).tolist() == [0.125, 0.375, 0.625, 0.875]
    inside = drives(64, 101)["inside"]
    assert (inside > 0).all()
    assert (inside < 1).all()
