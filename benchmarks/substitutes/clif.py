"""CLIF: a surrogate gradient through a second state of each neuron."""

from __future__ import annotations

from collections.abc import Mapping

import baselines.stbp.clif
from benchmarks.method import Substitutes
from benchmarks.substitutes.stbp import norm_of_each_step

METHODS: Mapping[str, Substitutes] = {
    "clif": Substitutes(baselines.stbp.clif.CLIF),
    "clif-published": Substitutes(baselines.stbp.clif.CLIF, norm_of_each_step),
}
