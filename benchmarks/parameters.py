"""Which parameters of its neuron a method lets a variant change, and to what: checked before anything is planned."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial

from benchmarks.method import Method
from benchmarks.methods import named
from benchmarks.spec import MEASURED_START, OF_EVERY_STEP, OF_RECIPE, BadInput, Parameter, is_number, require, spelled


def require_method(base: str, changes: Mapping[str, Parameter]) -> None:
    """Raise BadInput unless the method exists and its neuron takes these parameters.

    Changes to the recipe are checked where it is made (`benchmarks.recipes.variants`).
    """
    method = named(base)
    _require_loss(base, method, changes)
    neuron = method.neuron
    changes = {name: value for name, value in changes.items() if name not in OF_RECIPE}
    allowed = [name for name in inspect.signature(neuron).parameters if name != "timesteps"]
    if "threshold" in changes and method.parent:
        raise BadInput(f"the thresholds of {base} come from its parent ({method.parent}): they cannot be varied")
    if refused := [name for name in changes if name not in allowed]:
        fields = _fields_of(method)
        if not allowed:
            raise BadInput(f"the neurons of {base} have no {refused[0]}; its recipe can vary in {', '.join(fields)}")
        require(refused[0], (*allowed, *fields), f"parameter of {base}")
    if method.start and changes.get("threshold") == MEASURED_START:
        del changes["threshold"]
    defaults = inspect.signature(neuron).parameters
    for name, value in changes.items():
        if wanted := _unlike(value, defaults[name].default):
            raise BadInput(f"{spelled(base, changes)}: {name} takes {wanted}, not {_said(value)}")
    try:
        neuron(1, **changes)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{spelled(base, changes)}: {error}") from error


def _require_loss(base: str, method: Method, changes: Mapping[str, Parameter]) -> None:
    """Raise BadInput where a variant names a loss and the method has its own, or no output at every step for it."""
    if "loss" not in changes:
        return
    if method.loss:
        raise BadInput(f"{base} lowers a loss of its own: it cannot be varied")
    if changes["loss"] in OF_EVERY_STEP and (why := _no_outputs(method)):
        raise BadInput(f"{spelled(base, changes)}: {base} has no output at every step, which this loss needs: {why}")


def _fields_of(method: Method) -> list[str]:
    """What of the recipe is worth trying in a variant of the method."""
    useless = {"loss"} if method.loss else set()
    if method.loss or _no_outputs(method):
        useless |= {"loss_share", "trained_steps"}
    return [name for name in OF_RECIPE if name not in useless]


def _no_outputs(method: Method) -> str:
    """Why a method has no output at every step that a loss could be of; empty where it has."""
    if method.timeless or method.levels:
        return "it has no time steps"
    if method.temporal_gradient == "none":
        return "it is differentiated through rates over all steps"
    head = method.readout(partial(method.neuron, 1), 1)(1, 1)
    return "" if hasattr(head, "every_step") else "its head reads all steps at once"


def _unlike(value: Parameter, default: object) -> str:
    """What a parameter with this default takes, if `value` is something else: 0 and False would name one run twice.

    Empty where the value will do.
    """
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true or false"
    if is_number(default):
        return "" if is_number(value) else "a number"
    return ""


def _said(value: Parameter) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
