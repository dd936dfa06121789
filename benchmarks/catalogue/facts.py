"""What a method says about itself: the facts that planning, sweeps, recipes and reports need, without torch.

Methods of this repository state them in this folder, methods from outside as arguments of `benchmarks.method.Method`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.spec import Recipe, Run

Family = Literal["ANN", "DSR", "surrogate gradient", "conversion", "spike counts"]
Role = Literal["representative", "twin", "hybrid", "control"]
TemporalGradient = Literal["none", "within a step", "all"]
MakeRecipe = Callable[[Run, Recipe], Recipe]
Adjust = Callable[[Recipe], Recipe]


def dsrs_recipe(run: Run, usual: Recipe) -> Recipe:
    """DSR's recipe on CIFAR, unchanged."""
    return usual


def unchanged(recipe: Recipe) -> Recipe:
    """The published recipe serves short schedules too."""
    return recipe


@dataclass(frozen=True)
class Facts:
    """Everything about a method except the torch modules that it puts into a network.

    Training:
    `recipe` turns a run and DSR's recipe on CIFAR into the recipe the method would be published with, whatever the
    run's scale; the suite cuts it down. `shortened` adapts that recipe to schedules too short to carry a threshold from
    its published start to where it works. `tuned` adapts it to scale workstation: what was chosen there (`chosen.py`).
    `published_on`: by data set, what turns the recipe that the suite has there into the one that the authors have
    there; a scale cuts it down. `fits_data`: the recipe is published for each kind of data, and DSR's changes for event
    data are not made to it. `parent` names the method whose trained weights a run starts from.

    Time:
    `timeless`: the method has no time axis and exists at T = 1 only. `levels`: it has none either, but T sets how
    many levels it has. `anytime`: nothing in the network depends on T, so one simulation passes through all shorter
    ones.

    `temporal_gradient`: what training keeps of the gradient through time. "all": a step's loss reaches the currents of
    all steps before it, through the membranes. "within a step": it reaches the currents of that step alone. "none":
    neurons are not differentiated step by step, but their rates or representations are. None for methods that are not
    trained as spiking networks (ANNs, conversions).

    Networks:
    `feedback`: the method runs on networks whose last layer feeds back into the first, and on no others. `small` names
    the network on which `dsr-bench check` and `regression` look at it, if it is not meant for preact-resnet-tiny.

    Comparisons, of methods of this repository only:
    `compared`: the sweeps that compare all methods include it. `watched`: `dsr-bench regression` trains it again.
    `role` is its part in verdicts on the paper's claims: it represents its family, is the twin of a representative with
    another gradient, represents DSR where the paper uses hybrid training, or is a control. `label` names it among its
    family ("IF").

    Figures:
    `colour` and `marker` (matplotlib's) are the same in every figure. A method without them takes spare ones.
    """

    title: str
    family: Family | None = field(default=None, kw_only=True)
    recipe: MakeRecipe = field(default=dsrs_recipe, kw_only=True)
    shortened: Adjust = field(default=unchanged, kw_only=True)
    tuned: Adjust = field(default=unchanged, kw_only=True)
    published_on: Mapping[str, Adjust] = field(default_factory=dict, kw_only=True)
    fits_data: bool = field(default=False, kw_only=True)
    parent: str | None = field(default=None, kw_only=True)
    timeless: bool = field(default=False, kw_only=True)
    levels: bool = field(default=False, kw_only=True)
    anytime: bool = field(default=False, kw_only=True)
    temporal_gradient: TemporalGradient | None = field(default=None, kw_only=True)
    feedback: bool = field(default=False, kw_only=True)
    small: str | None = field(default=None, kw_only=True)
    compared: bool = field(default=False, kw_only=True)
    watched: bool = field(default=False, kw_only=True)
    role: Role | None = field(default=None, kw_only=True)
    label: str = field(default="", kw_only=True)
    colour: str | None = field(default=None, kw_only=True)
    marker: Any = field(default=None, kw_only=True)
