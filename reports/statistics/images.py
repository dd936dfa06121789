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
from scipy.special import bdtr  # type: ignore[import-untyped]

from reports.inputs.predictions import Kept, Predictions

DRAWS = 1000


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
    return min(1.0, 2 * float(bdtr(min(first, second), first + second, 0.5)))


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
    sides = [[side[s] for s in (*common, *sorted(side.keys() - other_side.keys()))]
             for side, other_side in ((one, other), (other, one))]  # fmt: skip
    accuracies = _drawn_images([*sides[0], *sides[1]], draws, generator)
    paired = _drawn_seeds(len(common), draws, generator)
    means, start = [], 0
    for side in sides:
        alone = _drawn_seeds(len(side) - len(common), draws, generator)
        weights = np.concatenate([paired, alone], axis=1)
        means.append((accuracies[:, start : start + len(side)] * weights).sum(1) / len(side))
        start += len(side)
    low, high = np.percentile(100 * (means[0] - means[1]), [2.5, 97.5])
    return float(low), float(high)


def _drawn_images(runs: Sequence[np.ndarray], draws: int, generator: np.random.Generator) -> np.ndarray:
    """Accuracies (draws, runs) on images drawn with replacement: images that all runs answer alike are drawn as one."""
    patterns, counts = np.unique(np.array(runs), axis=1, return_counts=True)
    images = int(counts.sum())
    drawn = generator.multinomial(images, counts / images, size=draws)
    return np.asarray(drawn @ patterns.T.astype(float) / images)


def _drawn_seeds(runs: int, draws: int, generator: np.random.Generator) -> np.ndarray:
    """How often each of `runs` was drawn, (draws, runs)."""
    return generator.multinomial(runs, np.full(runs, 1 / max(runs, 1)), size=draws) if runs else np.zeros((draws, 0))
