"""What the sweeps `tuning` and `learning-rates` found is what recipes at scale `workstation` have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.campaigns import CAMPAIGNS, NAMED
from benchmarks.catalogue.chosen import RATES
from benchmarks.recipes import resolve
from benchmarks.runs.record import read_csv
from benchmarks.spec import MEASURED_START, Parameter, Recipe, Run, variant
from benchmarks.sweeps import RATES as GRID
from benchmarks.sweeps import SWEEPS

RESULTS = Path(__file__).parent.parent / "results"


def by_method(variants: Iterable[str]) -> Mapping[str, set[str]]:
    """The variants of each method; methods as they are, which are parents, are left out."""
    found = defaultdict[str, set[str]](set)
    for name in variants:
        method, changes = variant(name)
        if changes:
            found[method].add(name)
    return found


def held_out(name: str) -> Mapping[str, Mapping[str, float]]:
    """Accuracy on the held-out images of each variant, by method."""
    path = RESULTS / name
    rows = read_csv(path) if path.exists() else []
    accuracy = {row["method"]: float(row["validation_top1"]) for row in rows if row["validation_top1"]}
    return {method: {name: accuracy[name] for name in names} for method, names in by_method(accuracy).items()}


TUNED = held_out("tuning.csv")
ASKED = by_method(CAMPAIGNS["learning-rates"].methods)
RATED = {method: rows for method, rows in held_out("learning-rates.csv").items() if rows.keys() == ASKED[method]}
"""Of the methods of `learning-rates` those whose rows are all in."""
FOUND = {**RATED, **TUNED}
NARROW = "preact-resnet18-narrow"
OVER_ALL_EPOCHS = {0.1: "ann@learning_rate=0.1", 0.2: "ann", 0.4: "ann@learning_rate=0.4"}


def of_grid(method: str) -> list[str]:
    """The variants but for those of `tuning` with a rate above the highest of the grid."""
    return [name for name in FOUND[method] if method in RATED or variant(name)[1]["learning_rate"] in GRID]


def own_recipe(method: str) -> Recipe:
    """The method's own, where its variants were tuned."""
    run = next(
        run
        for name in ("tuning", "learning-rates")
        for run in NAMED[name].runs("workstation")
        if run.method in FOUND[method]
    )
    return resolve(replace(run, method=method))


def best(method: str) -> Mapping[str, Parameter]:
    """What the best variant of the grid changes, but for its epochs."""
    _, changes = variant(max(of_grid(method), key=FOUND[method].__getitem__))
    return {name: value for name, value in changes.items() if name != "epochs"}


def test_every_method_whose_rows_are_all_in_has_a_choice() -> None:
    assert FOUND.keys() == RATES.keys()
    assert {name for rows in TUNED.values() for name in rows} == {*SWEEPS["tuning"].methods}


def test_other_methods_have_three_rates_around_that_of_their_recipe() -> None:
    assert not ASKED.keys() & TUNED.keys()
    for run in CAMPAIGNS["learning-rates"].runs("workstation"):
        method, changes = variant(run.method)
        if method not in RATES and changes:
            own = resolve(replace(run, method=method)).learning_rate
            rates = sorted(float(str(variant(name)[1]["learning_rate"])) for name in ASKED[method])
            assert rates == pytest.approx([own / 2, own, 2 * own])


def test_every_trained_method_of_the_campaign_is_tuned_or_takes_over_what_a_twin_has() -> None:
    twins = {"plif-stepwise", "rate-bp-bptt", "sltt-k", "sltt-bptt", "cq-ann"}
    runs = CAMPAIGNS["workstation"].runs("workstation")
    trained = [run for run in runs if resolve(run).epochs and not variant(run.method)[1]]
    untuned = {run.method for run in trained if "tuning" not in resolve(run).sources}
    assert untuned - ASKED.keys() - RATES.keys() == twins | {"dsr-ann"}, "dsr-ann's rate is that of DSR, its last rung"


@pytest.mark.parametrize("method", RATES)
def test_a_recipe_has_what_was_best_on_the_held_out_images(method: str) -> None:
    chosen = dict(best(method))
    recipe = own_recipe(method)
    assert recipe.learning_rate == chosen.pop("learning_rate")
    if chosen.get("threshold") == MEASURED_START:
        assert recipe.start == chosen.pop("threshold")
        assert "threshold" not in recipe.neuron
    assert chosen.items() <= recipe.neuron.items()
    assert "tuning" in recipe.sources


@pytest.mark.parametrize("method", TUNED)
def test_a_method_whose_best_of_three_rates_is_the_highest_has_one_rate_more(method: str) -> None:
    rates = {variant(name)[1]["learning_rate"]: name for name in FOUND[method]}
    of_three = max(of_grid(method), key=FOUND[method].__getitem__)
    assert (max(rates) > max(GRID)) == (variant(of_three)[1]["learning_rate"] == max(GRID))


def test_a_rate_above_the_grid_which_is_best_for_the_ann_in_four_epochs_is_not_over_all() -> None:
    assert max(FOUND["ann"], key=FOUND["ann"].__getitem__) == "ann@epochs=4@learning_rate=0.4"
    rows = {
        row["method"]: row
        for row in read_csv(RESULTS / "workstation.csv")
        if (row["network"], row["seed"]) == (NARROW, "0")
    }
    whole = {rate: float(rows[name]["validation_top1"]) for rate, name in OVER_ALL_EPOCHS.items()}
    assert max(whole, key=whole.__getitem__) == RATES["ann"]


@pytest.mark.parametrize(
    ("twin", "method"), [("dsr-if", "dsr-if-rep"), ("dsr-lif", "dsr-lif-rep"), ("dsr-if-hybrid", "dsr-if-hybrid-rep")]
)
def test_a_twin_with_another_gradient_has_the_same_recipe(twin: str, method: str) -> None:
    ours, theirs = (resolve(Run("cifar10", NARROW, name, 5, 0, "workstation")) for name in (twin, method))
    assert ours == theirs
