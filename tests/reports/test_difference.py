"""The difference of two means whose runs share all, some or none of their seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from reports.claims.statement import described
from reports.statistics.difference import against_print, difference, with_images

A, B = [50.0, 52.0, 55.0, 51.0], [49.0, 49.5, 51.0, 50.0]


def seeded(values: list[float], first: int = 0) -> dict[int, float]:
    return dict(enumerate(values, first))


def test_with_all_seeds_common_it_is_the_paired_t_test_of_scipy() -> None:
    found, expected = difference(seeded(A), seeded(B)), stats.ttest_rel(A, B)
    assert found.freedom == pytest.approx(3)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert 2 * found.p_above(0) == pytest.approx(expected.pvalue)


def test_with_no_seed_common_it_is_welchs_t_test_of_scipy() -> None:
    found, expected = difference(seeded(A), seeded(B[:3], first=7)), stats.ttest_ind(A, B[:3], equal_var=False)
    assert found.freedom == pytest.approx(expected.df)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_some_common_seeds_take_their_covariance_out_and_leave_no_run_aside() -> None:
    a, b = seeded([50.0, 52.0, 54.0, 60.0]), seeded([49.0, 50.0, 51.0])
    # means 54 and 50; s^2: a (16 + 4 + 0 + 36) / 3 = 18.667, b 1; common 50, 52, 54 with 49, 50, 51: covariance 2
    # V = 18.667 / 4 + 1 / 3 - 2 x 2 x 3 / 12 = 4, and without the covariance 5
    found = difference(a, b)
    assert (found.mean, found.error, found.n, found.common) == (4, pytest.approx(2), (4, 3), 3)
    other = difference(a, seeded([49.0, 50.0, 51.0], first=2))  # two common: too few for a covariance
    assert (other.mean, other.error) == (4, pytest.approx(math.sqrt(5)))


def test_ten_against_ten_seeds_are_not_judged_on_the_two_that_are_common() -> None:
    generator = np.random.default_rng(3)
    a, b = (generator.normal(50, 1, 10).tolist() for _ in range(2))
    found = difference(seeded(a), seeded(b, first=8))
    assert found.common == 2
    assert found.interval() == pytest.approx(tuple(stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)))


def test_of_one_run_on_a_side_the_common_seed_is_compared() -> None:
    found = difference({0: 77.19, 1: 73.01}, {0: 75.18})
    assert found.mean == pytest.approx(77.19 - 75.18)
    assert described(found) == "+2.01 points (seed 0; -0.08 over all runs; n = 2 and 1)"
    other = difference({1: 73.01, 2: 77.19}, {0: 75.18})
    assert described(other) == "-0.08 points (n = 2 and 1, none common)"


def test_one_run_on_a_side_has_no_interval() -> None:
    found = difference(seeded([50.0]), seeded(B))
    assert not found.known
    assert all(map(math.isnan, found.interval()))
    assert found.needed(0) is None


@pytest.mark.parametrize(("sizes", "common", "correlation"), [
    ((3, 3), 3, 0.5), ((4, 3), 3, 0.0), ((5, 8), 4, 0.9), ((10, 10), 9, 0.5), ((6, 3), 3, 0.5), ((10, 10), 2, 0.5),
])  # fmt: skip
def test_ninety_five_percent_intervals_hold_the_truth_that_often(
    sizes: tuple[int, int], common: int, correlation: float
) -> None:
    generator, draws, held = np.random.default_rng(7), 600, 0
    for _ in range(draws):
        shared = math.sqrt(correlation) * generator.standard_normal(common)
        sides = []
        for size, spread in zip(sizes, (1.0, 2.0), strict=True):
            alone = generator.standard_normal(size)
            alone[:common] = shared + math.sqrt(1 - correlation) * alone[:common]
            sides.append(spread * alone)
        a = {seed: float(value) for seed, value in enumerate(sides[0])}
        b = {seed if seed < common else 100 + seed: float(value) for seed, value in enumerate(sides[1])}
        low, high = difference(a, b).interval()
        held += low < 0 < high
    # three standard errors of a share of 0.95 of 600 are 0.027; too wide intervals are allowed, too narrow ones are not
    assert held / draws > 0.923


def test_no_interval_of_accuracies_leaves_what_a_difference_can_be() -> None:
    low, high = difference(seeded([1.0, 99.0]), seeded([99.0, 2.0], first=5)).interval()
    assert (low, high) == (-100, 100)


def test_how_many_seeds_would_decide_follows_from_mean_and_spread() -> None:
    # differences 1, -1, 3: mean 1, s = 2. t(0.975, n - 1) 2 / sqrt(n) < 1 first at n = 18: 2.1098 x 2 / 4.2426
    found = difference(seeded([51.0, 49.0, 53.0]), seeded([50.0, 50.0, 50.0]))
    assert found.needed(0) == 18
    assert stats.t.ppf(0.975, 16) * 2 / math.sqrt(17) > 1 > stats.t.ppf(0.975, 17) * 2 / math.sqrt(18)
    assert found.needed(1) is None


def test_test_images_add_their_own_error() -> None:
    found = difference(seeded(A), seeded(B))
    wider = with_images(found, variance_of_mean=found.error**2, images=1000)
    assert wider.error == pytest.approx(math.sqrt(2) * found.error)
    # Satterthwaite: (2 v)^2 / (v^2 / 3 + v^2 / 999)
    assert wider.freedom == pytest.approx(4 / (1 / 3 + 1 / 999))


@pytest.mark.parametrize("images_variance", [1e-6, 0.05, 0.3, 1.0, 30.0])
def test_test_images_never_make_a_difference_more_certain(images_variance: float) -> None:
    found = difference(seeded([62.0, 63.0, 61.7]), seeded([62.5, 61.0, 62.2]))
    wider = with_images(found, images_variance, images=10_000)
    (low, high), (lower, higher) = found.interval(), wider.interval()
    assert lower <= low < high <= higher
    for boundary in (-1.0, 0.0, 0.2, 1.0):
        assert wider.p_above(boundary) >= found.p_above(boundary)
        assert wider.p_below(boundary) >= found.p_below(boundary)
    assert wider.half_with(9) >= found.half_with(9)


def test_a_print_brings_its_own_spread() -> None:
    found = against_print([95.3, 95.1, 95.2], 95.24, 0.17, 3)
    # 0.1^2 / 3 + 0.17^2 / 3; Welch
    total = (0.01 + 0.0289) / 3
    assert (found.mean, found.error) == (pytest.approx(-0.04), pytest.approx(math.sqrt(total)))
    assert found.freedom == pytest.approx(total**2 / ((0.01 / 3) ** 2 / 2 + (0.0289 / 3) ** 2 / 2))


def test_a_print_without_a_spread_is_one_run_that_varies_as_ours() -> None:
    found = against_print([67.0, 68.0, 69.0], 67.74, math.nan, math.nan)
    assert (found.error, found.freedom, found.n) == (pytest.approx(math.sqrt(4 / 3)), 2, (3, 1))
    assert not against_print([67.0], 67.74, math.nan, math.nan).known
