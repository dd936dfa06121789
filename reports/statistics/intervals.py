"""95 % intervals of an accuracy: over seeds where there are three or more, over test images where there is one.

Student t over n seeds:   mean +- t(0.975, n - 1) * s / sqrt(n),  s with n - 1 in the denominator
Wilson for one seed:      (p + z^2/2m +- z * sqrt(p(1 - p)/m + z^2/4m^2)) / (1 + z^2/m),  m test images, z = 1.96

Two seeds have no interval worth printing (12.7 standard errors to either side): the two values are shown. No interval
leaves the range that its quantity can have: 0 to 100 percent, or -100 to 100 points of difference.

The two say different things: t holds how much training varies, Wilson only how few test images there are.
The difference d of two accuracies, one seed each, is from d - sqrt((p - l)^2 + (u' - p')^2) to
d + sqrt((u - p)^2 + (p' - l')^2), (l, u) and (l', u') being their Wilson intervals.
Sources: Student, "The probable error of a mean" (1908); Wilson, "Probable inference" (1927), the form of
Brown, Cai and DasGupta (2001), eq. 4; Newcombe, "Interval estimation for the difference between independent
proportions" (1998), method 10.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from scipy.special import ndtri, stdtrit  # type: ignore[import-untyped]

UPPER = 0.975
"""Two-sided 95 %."""


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval, all in the unit of the values; NaN where unknown."""

    mean: float
    low: float
    high: float
    kind: Literal["student-t", "two values", "wilson", "newcombe", "none"]

    @property
    def half_width(self) -> float:
        """Half the interval's length; the +- of a Student t interval that is not cut."""
        return (self.high - self.low) / 2

    @property
    def even(self) -> bool:
        """Whether both ends are as far from the mean: not where the interval was cut at the end of a range."""
        return math.isclose(self.high - self.mean, self.mean - self.low, abs_tol=1e-9)


def student(values: Sequence[float], least: float = 0.0, most: float = 100.0) -> Interval:
    """The Student t interval of the mean of three or more values, cut at `least` and `most`; of two, these."""
    mean = fmean(values)
    if len(values) == 2:
        return Interval(mean, min(values), max(values), "two values")
    half = float(stdtrit(len(values) - 1, UPPER)) * stdev(values) / math.sqrt(len(values))
    return Interval(mean, max(least, mean - half), min(most, mean + half), "student-t")


def student_of_differences(points: Sequence[float]) -> Interval:
    """The same of differences of accuracies in points."""
    return student(points, -100.0, 100.0)


def wilson(percent: float, images: float) -> Interval:
    """The Wilson interval of one accuracy in percent, measured on `images` test images."""
    p, z = percent / 100, float(ndtri(UPPER))
    shrink = 1 + z * z / images
    centre = (p + z * z / (2 * images)) / shrink
    half = z * math.sqrt(p * (1 - p) / images + (z / (2 * images)) ** 2) / shrink
    return Interval(percent, 100 * (centre - half), 100 * (centre + half), "wilson")


def difference(percent: float, images: float, other: float, other_images: float) -> Interval:
    """The 95 % interval of `percent - other`, in points, each measured on its own test images."""
    one, two = wilson(percent, images), wilson(other, other_images)
    between = percent - other
    below = math.hypot(percent - one.low, two.high - other)
    above = math.hypot(one.high - percent, other - two.low)
    return Interval(between, between - below, between + above, "newcombe")


def interval(percents: Sequence[float], images: Sequence[float]) -> Interval:
    """The interval that fits the number of seeds; no seed, or one without a value, has no mean."""
    if not percents or any(math.isnan(percent) for percent in percents):
        return Interval(math.nan, math.nan, math.nan, "none")
    if len(percents) > 1:
        return student(percents)
    if math.isnan(images[0]):
        return Interval(percents[0], math.nan, math.nan, "none")
    return wilson(percents[0], images[0])
