"""Variants: a method's recipe with parameters of its neuron, or fields of the recipe itself, changed.

`dsr-if@alpha=1` changes the neuron, `ann@epochs=4@learning_rate=0.2` the recipe. `benchmarks.spec.OF_RECIPE` lists the
fields that a variant may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from benchmarks.spec import (
    LOSSES,
    MEASURED_START,
    OF_EVERY_STEP,
    OF_RECIPE,
    BadInput,
    Parameter,
    Precision,
    Recipe,
    is_number,
)

COUNTS = ("batch_size", "epochs", "trained_steps")


def varied(recipe: Recipe, method: str, changes: Mapping[str, Parameter]) -> Recipe:
    """The recipe with the changes of the variant `method`.

    Thresholds start from the one that a variant names, or where the first gradient says. Raises BadInput for a value
    that a field of the recipe cannot have, and for a field of training where the method does not train.
    """
    fields: dict[str, Any] = {name: changes[name] for name in OF_RECIPE if name in changes}
    for name, value in fields.items():
        _check(method, recipe, name, value)
    _check_steps(method, recipe, fields)
    neuron = {**recipe.neuron, **{name: value for name, value in changes.items() if name not in OF_RECIPE}}
    if changes.get("threshold") == MEASURED_START:
        fields["start"] = neuron.pop("threshold")
    elif "threshold" in changes:
        fields["start"] = "constant"
    # tdBN scales to its neuron's threshold
    fields["norm"] = {name: changes.get(name, value) for name, value in recipe.norm.items()}
    return replace(recipe, neuron=neuron, sources=f"{recipe.sources}; varied by {method}", **fields)


def _check(method: str, recipe: Recipe, name: str, value: Parameter) -> None:
    """Raise BadInput unless the field may have the value."""
    if name == "precision":
        allowed, good = " or ".join(get_args(Precision)), value in get_args(Precision)
    elif name == "loss":
        allowed, good = " or ".join(LOSSES), value in LOSSES
    elif name in COUNTS:
        allowed, good = "a whole number of at least 1", is_number(value) and value == int(value) >= 1
    elif name == "loss_share":
        allowed, good = "a number from 0 to 1", is_number(value) and 0 <= value <= 1
    elif name == "label_smoothing":
        allowed, good = "a number of at least 0 and below 1", is_number(value) and 0 <= value < 1
    else:
        allowed, good = "a number above 0", is_number(value) and value > 0
    if not good:
        raise BadInput(f"{method}: {name} is {allowed}, not {value!r}")
    if recipe.epochs == 0:
        raise BadInput(f"{method} is not trained, so its {name} cannot be varied")


def _check_steps(method: str, recipe: Recipe, fields: Mapping[str, Any]) -> None:
    """Raise BadInput where what a variant says of losses of every step means nothing to the method."""
    loss, allowed = fields.get("loss", recipe.loss), " or ".join(OF_EVERY_STEP)
    if "loss_share" in fields and loss not in OF_EVERY_STEP:
        raise BadInput(f"{method}: loss_share is of loss {allowed}, not of {loss}")
    if "trained_steps" in fields and recipe.trained_steps is None:
        raise BadInput(f"{method}: trained_steps is of methods that go backward behind some steps only")
    if recipe.trained_steps is not None and loss not in OF_EVERY_STEP:
        raise BadInput(f"{method}: it goes backward behind some steps only, so loss is {allowed}, not {loss}")
