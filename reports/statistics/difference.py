"""The difference of two mean accuracies, of runs that share all, some or none of their seeds.

With n1 and n2 runs, m seeds common to both sides, variances s1^2 and s2^2 over all runs of a side and the covariance c
over the common seeds (0 where fewer than three are common; never beyond +-s1 s2):

    V = s1^2 / n1 + s2^2 / n2 - 2 k c,    k = m / (n1 n2)

All seeds common: V is the variance of the paired t test. None common: Welch's. Degrees of freedom after Satterthwaite,
2 V^2 / var(V), with var(V) of normal variables that overlap in m of their seeds:

    var(s1^2) = 2 s1^4 / (n1 - 1),  var(c) = (s1^2 s2^2 + c^2) / (m - 1),  cov(s1^2, c) = 2 s1^2 c / (n1 - 1)
    cov(s1^2, s2^2) = 2 c^2 (m - m / n1 - m / n2 + m^2 / (n1 n2)) / ((n1 - 1) (n2 - 1))

which is n - 1 where all seeds are common, and Welch's where none is; never less than the common seeds alone would give
(few of them estimate a covariance badly), nor more than n1 + n2 - 2. Images: where predictions of all runs are known,
the variance of the mean difference over test images, v / N, is added, with N - 1 degrees of freedom.
Sources: Student (1908); Welch, "The generalization of Student's problem" (1947); Satterthwaite, "An approximate
distribution of estimates of variance components" (1946); for samples that overlap Derrick, Russ, Toher and White,
"Test statistics for the comparison of means for two samples that include both paired and independent observations"
(2017). `tests/reports/test_difference.py` simulates the coverage.

Adding the images' variance raises the degrees of freedom, too. It never makes an interval narrower or a p-value
smaller: those without images are taken where they are larger. With a single run on a side there is no spread: the
difference is that of the common seed, where there is one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import covariance, fmean, variance

from scipy.special import stdtr, stdtrit  # type: ignore[import-untyped]

FEWEST_COMMON = 3
"""Common seeds from which a covariance is estimated."""
MOST = 1000
"""Runs a side beyond which nobody is told how many would decide."""


@dataclass(frozen=True)
class Estimate:
    """A difference in points. `error` and `freedom` are NaN where one side has fewer than two runs.

    `n`: runs of either side; `common`: seeds in both; `spread`: what sqrt(n) times the error would be with n runs on
    either side, their seeds common (`paired`) or not; `per_run`: degrees of freedom per run beyond the first;
    `fixed`: variance that no further run lessens (test images, the other side's print), with degrees of freedom of its
    own (NaN: those of the runs); `shown`: of two runs on a side the values, in place of an interval, and of one that
    has a common seed the difference over all runs; `bound`: no difference is farther from 0; `least`: the estimate
    without images, whose interval and p-values are the least that this one may have.
    """

    mean: float
    error: float
    freedom: float
    n: tuple[int, int]
    common: int = 0
    paired: bool = False
    spread: float = math.nan
    per_run: float = 1.0
    fixed: float = 0.0
    fixed_freedom: float = math.inf
    shown: str = ""
    bound: float = 100.0
    least: Estimate | None = None

    @property
    def known(self) -> bool:
        """Whether there is a spread over runs on both sides."""
        return not math.isnan(self.error)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The two-sided t interval, never beyond the bound; NaN where one run knows no spread."""
        half = self._half(level)
        if math.isnan(half):
            return math.nan, math.nan
        return max(-self.bound, self.mean - half), min(self.bound, self.mean + half)

    def p_above(self, boundary: float) -> float:
        """One-sided p-value: how probable a difference so far above the boundary is if it lies on it."""
        own = self._tail(self.mean - boundary)
        return max(own, self.least.p_above(boundary)) if self.least else own

    def p_below(self, boundary: float) -> float:
        """The same of a difference below the boundary."""
        own = self._tail(boundary - self.mean)
        return max(own, self.least.p_below(boundary)) if self.least else own

    def half_with(self, n: int, level: float = 0.95) -> float:
        """Half the interval that `n` runs a side with the observed spread would have."""
        own, freedom = self.spread**2 / n, self.per_run * (n - 1)
        total = own + self.fixed
        if total == 0:
            return 0.0
        if not math.isnan(self.fixed_freedom):
            freedom = total**2 / (own**2 / freedom + self.fixed**2 / self.fixed_freedom)
        half = _half(math.sqrt(total), freedom, level)
        return max(half, self.least.half_with(n, level)) if self.least else half

    def needed(self, boundary: float, level: float = 0.95) -> int | None:
        """The fewest runs a side whose interval would exclude the boundary at the observed mean; None beyond MOST."""
        distance = abs(self.mean - boundary)
        if not self.known or self.half_with(MOST, level) >= distance:
            return None
        return next(n for n in range(2, MOST + 1) if self.half_with(n, level) < distance)

    def _half(self, level: float) -> float:
        half = _half(self.error, self.freedom, level)
        return max(half, self.least._half(level)) if self.least else half

    def _tail(self, distance: float) -> float:
        """One-sided p-value of a mean so far beyond a boundary."""
        if self.error == 0:
            return 0.0 if distance > 0 else 1.0
        return float(stdtr(self.freedom, -distance / self.error))


def _half(error: float, freedom: float, level: float) -> float:
    return float(stdtrit(freedom, (1 + level) / 2)) * error if error else 0.0


def difference(a: Mapping[int, float], b: Mapping[int, float]) -> Estimate:
    """Mean of `a` minus mean of `b`, both percent by seed, neither empty."""
    common = sorted(a.keys() & b.keys())
    n1, n2, m = len(a), len(b), len(common)
    mean = fmean(a.values()) - fmean(b.values())
    if min(n1, n2) < 2:
        return _of_one_run(a, b, common)
    v1, v2 = variance(a.values()), variance(b.values())
    c = _covariance([a[seed] for seed in common], [b[seed] for seed in common], math.sqrt(v1 * v2))
    k = m / (n1 * n2)
    total = max(0.0, v1 / n1 + v2 / n2 - 2 * k * c)
    paired = m >= FEWEST_COMMON
    alone = v1 + v2 - 2 * c
    return Estimate(
        mean=mean,
        error=math.sqrt(total),
        freedom=_freedom(v1, v2, c, (n1, n2, m), total),
        n=(n1, n2),
        common=m,
        paired=paired,
        spread=math.sqrt(max(0.0, alone)),
        per_run=1.0 if paired or v1 + v2 == 0 else alone**2 / (v1**2 + v2**2),
        shown=_both_values(a, b, common) if min(n1, n2) == 2 else "",
    )


def _of_one_run(a: Mapping[int, float], b: Mapping[int, float], common: list[int]) -> Estimate:
    """A difference without a spread: of the common seed where there is one, since both runs have one split."""
    sizes, mean = (len(a), len(b)), fmean(a.values()) - fmean(b.values())
    if not common or sizes == (1, 1):
        return Estimate(mean, math.nan, math.nan, sizes, len(common))
    (seed,) = common
    shown = f"seed {seed}; {mean:+.2f} over all runs"
    return Estimate(a[seed] - b[seed], math.nan, math.nan, sizes, 1, shown=shown)


def _both_values(a: Mapping[int, float], b: Mapping[int, float], common: list[int]) -> str:
    """The two differences, or of a side with two runs both, of the other the range."""
    if len(a) == len(b) == len(common):
        return f"seed by seed {' and '.join(f'{a[seed] - b[seed]:+.2f}' for seed in common)}"
    return f"{_side(a)} against {_side(b)}"


def _side(side: Mapping[int, float]) -> str:
    values = sorted(side.values())
    return f"{values[0]:.2f}{' and ' if len(values) == 2 else ' to '}{values[-1]:.2f}"


def _covariance(a: list[float], b: list[float], most: float) -> float:
    if len(a) < FEWEST_COMMON:
        return 0.0
    return max(-most, min(most, covariance(a, b)))


def _freedom(v1: float, v2: float, c: float, sizes: tuple[int, int, int], total: float) -> float:
    n1, n2, m = sizes
    if total == 0:
        return float(min(n1, n2) - 1)
    k = m / (n1 * n2)
    spread = 2 * v1**2 / (n1 - 1) / n1**2 + 2 * v2**2 / (n2 - 1) / n2**2
    if m >= FEWEST_COMMON:
        overlap = m - m / n1 - m / n2 + m**2 / (n1 * n2)
        spread += 4 * k**2 * (v1 * v2 + c**2) / (m - 1)
        spread += 4 * c**2 * overlap / ((n1 - 1) * (n2 - 1) * n1 * n2)
        spread -= 8 * k * c * (v1 / (n1 - 1) / n1 + v2 / (n2 - 1) / n2)
    least, most = (m if m >= FEWEST_COMMON else min(n1, n2)) - 1, n1 + n2 - 2
    return float(min(most, max(least, 2 * total**2 / spread))) if spread > 0 else float(least)


def with_images(estimate: Estimate, variance_of_mean: float, images: int) -> Estimate:
    """The estimate with what another draw of `images` test images would change added."""
    if not estimate.known:
        return estimate
    own = estimate.error**2
    total = own + variance_of_mean
    if total == 0:
        return estimate
    freedom = total**2 / (own**2 / estimate.freedom + variance_of_mean**2 / (images - 1))
    return replace(
        estimate,
        error=math.sqrt(total),
        freedom=freedom,
        fixed=estimate.fixed + variance_of_mean,
        fixed_freedom=images - 1,
        least=estimate,
    )


def against_print(values: list[float], printed: float, spread: float, runs: float) -> Estimate:
    """Mean of our runs minus a printed mean with the standard deviation of its runs (Welch).

    A print without a spread is one run, taken to vary as ours: s^2 (1 / n + 1), n - 1 degrees of freedom.
    """
    n, mean = len(values), fmean(values) - printed
    alone = math.isnan(spread) or math.isnan(runs) or runs < 2
    sizes = (n, 1 if alone else int(runs))
    if n < 2:
        return Estimate(mean, math.nan, math.nan, sizes)
    shown = f"{min(values) - printed:+.2f} and {max(values) - printed:+.2f}" if n == 2 else ""
    own = variance(values) / n
    theirs, theirs_freedom = (variance(values), math.nan) if alone else (spread**2 / runs, runs - 1)
    total = own + theirs
    freedom = float(n - 1) if alone or total == 0 else total**2 / (own**2 / (n - 1) + theirs**2 / theirs_freedom)
    return Estimate(
        mean,
        math.sqrt(total),
        freedom,
        sizes,
        spread=math.sqrt(own * n),
        fixed=theirs,
        fixed_freedom=theirs_freedom,
        shown=shown,
    )
