"""How many steps a run needs before its output means anything.

If the recipe says `delayed`, each neuron answers a step late. With n layers of neurons in series nothing arrives at the
output in the first n steps. Networks with shortcuts have a shortest and a longest way: in between, the output hears of
a part of the layers. If it has a `presimulation` of n steps (`baselines.srp`), the output of these is not read.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.catalogue.networks import neurons_in_series
from benchmarks.spec import BadInput, Recipe, Run

DELAYED = "delayed"
"""The parameter of a neuron that says so."""
UNREAD = "presimulation"
"""The parameter of a neuron that says of how many steps the output is not read."""


def heard_from(run: Run, recipe: Recipe) -> tuple[int, int]:
    """The first steps at which the output hears of an image at all, and by all layers; 1 and 1 without delay."""
    if unread := recipe.neuron.get(UNREAD):
        return int(unread) + 1, int(unread) + 1
    if not recipe.neuron.get(DELAYED):
        return 1, 1
    shortest, longest = neurons_in_series(run.network)
    return shortest + 1, longest + 1


def of_enough_steps(run: Run, recipe: Recipe) -> Run:
    """The run, or one of as many steps more as its output needs to hear of all layers."""
    return replace(run, timesteps=max(run.timesteps, heard_from(run, recipe)[1]))


def require_steps(run: Run, recipe: Recipe) -> None:
    """Raise BadInput for a run of so few steps that nothing arrives at the output, or none of it is read."""
    first, whole = heard_from(run, recipe)
    if run.timesteps < first and UNREAD in recipe.neuron:
        raise BadInput(
            f"{run}: the output of the first {first - 1} steps, which T counts, is not read; T must be at least {first}"
        )
    if run.timesteps < first:
        raise BadInput(
            f"{run}: each layer of neurons answers a step late, and {first - 1} or more of them are in series, so "
            f"nothing arrives at the output; T must be at least {first} ({whole} for all layers to be heard)"
        )
