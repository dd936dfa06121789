"""Learning rates that were chosen on held-out images for scale `workstation` (`Facts.tuned`). [ours]

Every method of the sweep `tuning` has the same runs: three learning rates from its first start, and two other starts at
the middle rate. One seed, T = 5, a fifth of the epochs. The row with the highest accuracy on the held-out images is the
method's recipe. It has the first start in every method.

Where the best of the three rates is the highest, the sweep has a row with a rate of 0.4, too. It is no choice. It is
best for `ann` in 4 epochs, but over all 20 it has 86.7 % of the held-out images, 0.2 has 89.3 % and 0.1 has 88.8 %: the
weights of three residual branches decay to nothing.

The campaign `learning-rates` gives other trained methods three learning rates, with the same budget. A method is listed
here once all three of its rows are in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from benchmarks.catalogue.facts import Adjust, unchanged
from benchmarks.spec import Recipe

RATES: Mapping[str, float] = {
    "ann": 0.2,
    "dsr-if-rep": 0.1,
    "dsr-lif-rep": 0.2,
    "qcfs-ann": 0.2,
    "stbp-tdbn": 0.2,
    "lsq-ann": 0.1,
    "dsr-if-hybrid-rep": 0.0005,
}


def rate_of(method: str, start: Adjust = unchanged) -> Adjust:
    """The learning rate that was chosen for `method`, which may be a twin of the one that takes it, and a start."""
    return partial(_tuned, method, start)


def _tuned(method: str, start: Adjust, recipe: Recipe) -> Recipe:
    sources = f"{recipe.sources}; what tuning {method} on held-out images chose"
    return replace(start(recipe), learning_rate=RATES[method], sources=sources)
