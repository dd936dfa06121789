"""The constants of STBP's neuron, for every implementation of it."""

from __future__ import annotations

from typing import NamedTuple


class Dynamics(NamedTuple):
    """`threshold` V, `decay`, `width` a of the surrogate gradient (equations: `baselines.stbp.neuron`).

    `triangle`: triangle instead of rectangle; `soft`: soft instead of hard reset; `detach`: no gradient through it.
    """

    threshold: float
    decay: float
    width: float
    triangle: bool
    soft: bool
    detach: bool
