"""The drawings beside the page of results: of CIFAR-10 at its best-founded scale, accuracy against T and energy."""

from __future__ import annotations

from collections.abc import Iterator

from reports.energy.models import FP32_45NM
from reports.figures import accuracy, series, tradeoffs
from reports.figures.appearance import styles_of
from reports.figures.drawing import Figure
from reports.findings.facts import Facts
from reports.findings.plain import ANN, Place, places_of
from reports.questions.trials import without_trials
from reports.tables.comparison import aggregate

AGAINST_T, AGAINST_ENERGY = "accuracy.svg", "accuracy-against-energy.svg"
"""File names. The first is in the README."""


def drawn(facts: Facts) -> dict[str, str]:
    """SVG by file name; nothing where CIFAR-10 has no evidence.

    Where the best-founded scale has a single T so far, accuracy against T is of the next one.
    """
    found: dict[str, str] = {}
    for at, here in enumerate(places_of(facts.frame, facts.kept)):
        for name, figure in _figures(here):
            if name == AGAINST_T or at == 0:
                found.setdefault(name, figure.svg)
    return found


def _figures(here: Place) -> Iterator[tuple[str, Figure]]:
    frame = here.rows[here.rows["network"] == here.network]
    means, parents = series.drawable(frame, without_trials(aggregate(frame))), series.parents(frame)
    trained, styles = means[(means["kind"] == "trained") | (means["method"] == ANN)], styles_of(frame["method"])
    for name, found in (
        (AGAINST_T, accuracy.against_t(trained, parents, styles)),
        (AGAINST_ENERGY, tradeoffs.against_energy(means, styles, FP32_45NM)),
    ):
        if figure := next(iter(found), None):
            yield name, figure
