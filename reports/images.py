"""Two networks on the same test images: what pairing images tells, where predictions were kept.

Difference per image, averaged over the runs of each side: d_i; the variance of its mean over N images is var(d) / N.
McNemar's exact test of one run against one run: of the b + c images that only one gets right, b is binomial with 1/2.
Bootstrap of two levels: seeds are drawn with replacement (a pair's two runs together where both sides have the seed),
then images, the same for all runs; the interval lies between the 2.5th and 97.5th percentile of the difference. With
three seeds it is too narrow (seeds drawn from three vary by two thirds), so verdicts take the t interval.
Cohen's kappa of two networks' classes: (p_o - p_e) / (1 - p_e).
Sources: McNemar (1947), exact as in Fagerland, Lydersen and Laake (2013); Cohen (1960); Efron and Tibshirani, "An
introduction to the bootstrap" (1993); for two levels Davison and Hinkley, "Bootstrap methods" (1997), 3.8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest  # type: ignore[import-untyped]

from reports.predictions import Kept, Predictions

DRAWS = 2000


@dataclass(frozen=True)
class Agreement:
    """Shares of the images (0 to 1) of two networks, and the p-value of McNemar's exact test."""

    both: float
    only_one: float
    only_other: float
    neither: float
    same_class: float
    kappa: float
    p: float


def agreement(one: Predictions, other: Predictions) -> Agreement:
    """Where two networks agree, image by image. Both are of the same test images."""
    a, b = one.correct, other.correct
    first, second = int((a & ~b).sum()), int((b & ~a).sum())
    return Agreement(
        both=float((a & b).mean()),
        only_one=first / one.images,
        only_other=second / one.images,
        neither=float((~a & ~b).mean()),
        same_class=float((one.predicted == other.predicted).mean()),
        kappa=kappa(one.predicted, other.predicted),
        p=mcnemar(first, second),
    )


def mcnemar(first: int, second: int) -> float:
    """Two-sided exact p-value of `first` against `second` images that only one of two networks gets right."""
    return float(binomtest(first, first + second).pvalue) if first + second else 1.0


def kappa(one: np.ndarray, other: np.ndarray) -> float:
    """Cohen's kappa of two classifications; 1 where both say one and the same class throughout."""
    size = int(max(one.max(), other.max())) + 1
    shares = [np.bincount(found, minlength=size) / len(found) for found in (one, other)]
    expected = float(shares[0] @ shares[1])
    return (float((one == other).mean()) - expected) / (1 - expected) if expected < 1 else 1.0


def kept(keys: Sequence[str], predictions: Kept) -> np.ndarray | None:
    """Right or not, runs by images; None where a run has no predictions or another number of images."""
    found = [predictions[key].correct for key in keys if key in predictions]
    if len(found) < len(keys) or len({len(one) for one in found}) != 1:
        return None
    return np.array(found)


def variance_of_mean(one: np.ndarray, other: np.ndarray) -> float:
    """Of the difference of two sides in points, over test images: `one`, `other` are right or not, runs by images."""
    points = 100 * (one.mean(0) - other.mean(0))
    return float(points.var(ddof=1) / len(points))


def bootstrap(
    one: Mapping[int, np.ndarray], other: Mapping[int, np.ndarray], draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of the difference in points; right or not per image, by seed."""
    generator = np.random.default_rng(seed)
    common = sorted(one.keys() & other.keys())
    pools = [np.array([side[s] for s in common] + [side[s] for s in side if s not in common]) for side in (one, other)]
    images, found = pools[0].shape[1], np.empty(draws)
    for draw in range(draws):
        pairs = generator.integers(0, len(common), len(common)) if common else np.empty(0, int)
        counts = np.bincount(generator.integers(0, images, images), minlength=images)
        means = []
        for pool in pools:
            alone = len(pool) - len(common)
            rest = len(common) + generator.integers(0, alone, alone) if alone else np.empty(0, int)
            means.append(float(pool[np.concatenate([pairs, rest]).astype(int)].mean(0) @ counts) / images)
        found[draw] = 100 * (means[0] - means[1])
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)
