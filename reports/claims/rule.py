"""The one rule by which claims are judged, fixed before the runs; printed with the ledger.

Unit. A training, told by its seed. Where the predictions of all runs of both sides were kept, test images as well,
paired image by image: what another draw of images would change is added to the error. Without them only seeds speak.
Pairs. Runs of one data set, network, scale and seed see the same images in the same order. All runs of both sides are
used, whichever seeds they have; from three common seeds on their covariance is taken out
(`reports/statistics/difference.py`).
Verdicts. The two-sided 95 % t interval of the difference against the boundary that the claim names. Equality with a
printed number: two one-sided 5 % tests (Schuirmann 1987) with a margin of half a point, the print's own spread in the
error. A limit ("at most 1 point below") that is missed by less than that margin, surely, is reproduced within so many
points; an order ("above") has no margin. One seed on either side decides nothing.
Which epoch. The last one; against a printed number also the epoch that is best on the test split, which the released
code prints.
Who stands for a family of methods is fixed in `reports/claims/families.py`. Nothing is chosen by its accuracy.
Many claims. Every claim that is tested has a p-value; those that survive Holm's correction at 5 % over all of them are
marked (Holm, "A simple sequentially rejective multiple test procedure", 1979). A claim with parts holds if all hold:
its p-value is the largest (intersection-union, Berger 1982); it fails if one fails: the smallest times their number.
"""

from __future__ import annotations

EQUAL = 0.5
"""Points within which an accuracy counts as the paper's: three times the spread of its runs on CIFAR."""
LEVEL, EQUIVALENCE = 0.95, 0.90
"""Of the intervals of differences, and of the two one-sided tests."""
FAMILY_WISE = 0.05
SURVIVES = "‡"

PRINTED = (
    "Reproduced: the 95 % t interval lies wholly on the claim's side. Not reproduced: wholly on the other side. "
    "Inconclusive: on both sides, or too few runs; the number of seeds that would decide assumes the mean and the "
    "spread seen so far. One seed on either side decides nothing.",
    "Unit: the seed. All runs of both sides are used; with three or more common seeds, their covariance is "
    "taken out: the paired t test if all seeds are common, Welch's if none are. Where predictions of all runs were "
    "kept, test images, paired, are a second source of error. With two seeds, both values are shown, without an "
    "interval.",
    f"Equality with a number of the paper: two one-sided 5 % tests, margin ±{EQUAL:g} points, with the spread of the "
    "paper's own runs; a printed number without a spread is assumed to vary as ours do. Reproduced within X: the "
    f"deviation is at most X points, and X is less than {EQUAL:g}. Best epoch: the best on the test split, which "
    "the released code "
    "prints; last epoch: ours.",
    "A claim with parts is judged by its weakest part, and is inconclusive at best while a part has not been run. A "
    "family is represented by its published methods, fixed in reports/claims/families.py; controls have lines of their "
    "own, and nothing is chosen by its accuracy.",
    "Single neurons and the cost of a step are counted apart. At scales other than paper the same statement is tested "
    "on a shorter training: the verdict is about that scale.",
)
