"""The catalogue: what every method, data set and network says about itself, in one place each. Standard library only.

A method of this repository has an entry here, in the file of its family, and its torch modules under the same name in
`benchmarks.methods`. A method from outside says both in one `benchmarks.method.Method`, and is loaded when somebody
asks for a name that is not built in.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from benchmarks import plugins
from benchmarks.catalogue import (
    clif,
    coded,
    conversions,
    counts,
    dsr,
    fine_tuned,
    ide,
    on_qcfs,
    online,
    quantized,
    stbp,
    tssl,
)
from benchmarks.catalogue.chosen import rate_of
from benchmarks.catalogue.facts import Facts
from benchmarks.catalogue.networks import TINY, WITH_FEEDBACK
from benchmarks.plugins import PlugIn
from benchmarks.spec import BadInput, variant

BUILT_IN: Mapping[str, Facts] = {
    "ann": Facts(
        "ANN, ReLU",
        family="ANN",
        tuned=rate_of("ann"),
        timeless=True,
        compared=True,
        watched=True,
        colour="#000000",
        marker="*",
    ),
    **dsr.METHODS,
    **stbp.METHODS,
    **clif.METHODS,
    **conversions.METHODS,
    **coded.METHODS,
    **counts.METHODS,
    **fine_tuned.METHODS,
    **tssl.METHODS,
    **ide.METHODS,
    **on_qcfs.METHODS,
    **quantized.METHODS,
    **online.METHODS,
}


def facts(method: str) -> Facts | None:
    """What a method, or the method that a variant varies, says about itself; None for an unknown one."""
    base = variant(method)[0]
    if base in BUILT_IN:
        return BUILT_IN[base]
    outside = from_outside().get(base)
    return outside.method if outside else None


@cache
def from_outside() -> dict[str, PlugIn]:
    """Methods from outside this repository by name.

    Raises BadInput for one that cannot be loaded, is not a Method, or has a name that is taken or contains an @.
    """
    outside: dict[str, PlugIn] = {}
    for one in plugins.loaded():
        if one.name in BUILT_IN or one.name in outside:
            raise BadInput(f"{one}: a method of that name exists already")
        if "@" in one.name:
            raise BadInput(f"{one}: its name contains an @, which begins a variant")
        if not isinstance(one.method, Facts):
            raise BadInput(f"{one} is not a benchmarks.method.Method")
        outside[one.name] = one
    return outside


def timeless(method: str) -> bool:
    """Whether a method has no time axis: it exists at T = 1 only, and every T of a comparison shares it."""
    about = facts(method)
    return about is not None and about.timeless


def passes(method: str, timesteps: int) -> int:
    """How many time steps of a network an image passes through: T, or 1 for a method without a time axis."""
    about = facts(method)
    return 1 if about is not None and (about.timeless or about.levels) else timesteps


def runs_on(method: str, network: str) -> bool:
    """Whether a method can run a network: both have a feedback loop, or neither has."""
    about = facts(method)
    return (about is not None and about.feedback) == (network in WITH_FEEDBACK)


def require_runs_on(method: str, network: str) -> None:
    """Raise BadInput where a method cannot run a network."""
    if not runs_on(method, network):
        raise BadInput(why_not(method, network))


def why_not(method: str, network: str) -> str:
    """Why a method cannot run a network, and what is allowed; in a line."""
    if network in WITH_FEEDBACK:
        allowed = ", ".join(name for name, about in BUILT_IN.items() if about.feedback)
        return f"{network} feeds back from its last layer to its first, which {method} cannot run; methods: {allowed}"
    return f"{method} runs on networks with a feedback loop only, not on {network}; allowed: {', '.join(WITH_FEEDBACK)}"


def reference(network: str) -> str:
    """A method that runs a network: the ANN, or the first in this catalogue that can."""
    return next(name for name in BUILT_IN if runs_on(name, network))


def network_of(method: str) -> str:
    """The small network on which a method is checked: the one that it names, or the first that it can run."""
    about = facts(method)
    return about.small if about and about.small else next(name for name in TINY if runs_on(method, name))


def anytime(method: str) -> bool:
    """Whether nothing in a converted network depends on T, so that a run passes through all shorter ones.

    A shift depends on T: it is spread over the T steps.
    """
    about = facts(method)
    return about is not None and about.anytime and not variant(method)[1].get("shift")
