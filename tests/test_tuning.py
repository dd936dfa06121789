"""What the sweep `tuning` found is what recipes at scale `workstation` have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.catalogue import timeless
from benchmarks.catalogue.chosen import RATES
from benchmarks.recipes import resolve
from benchmarks.runs.record import read_csv
from benchmarks.spec import MEASURED_START, Parameter, Run, variant
from benchmarks.sweeps import RATES as GRID
from benchmarks.sweeps import SWEEPS

RESULTS = Path(__file__).parent.parent / "results"


def held_out() -> Mapping[str, dict[str, float]]:
    """Accuracy on the held-out images of each variant, by method."""
    found = defaultdict[str, dict[str, float]](dict)
    for row in read_csv(RESULTS / "tuning.csv"):
        found[variant(row["method"])[0]][row["method"]] = float(row["validation_top1"])
    return found


FOUND = held_out()
NARROW = "preact-resnet18-narrow"
OVER_ALL_EPOCHS = {0.1: "ann@learning_rate=0.1", 0.2: "ann", 0.4: "ann@learning_rate=0.4"}


def of_grid(method: str) -> list[str]:
    """The variants but for those with a rate above the highest of the grid."""
    return [name for name in FOUND[method] if variant(name)[1]["learning_rate"] in GRID]


def best(method: str) -> Mapping[str, Parameter]:
    """What the best variant of the grid changes, but for its epochs."""
    _, changes = variant(max(of_grid(method), key=FOUND[method].__getitem__))
    return {name: value for name, value in changes.items() if name != "epochs"}


def test_every_method_of_the_sweep_has_all_its_rows_and_a_choice() -> None:
    assert FOUND.keys() == RATES.keys()
    assert {name for rows in FOUND.values() for name in rows} == {*SWEEPS["tuning"].methods}


@pytest.mark.parametrize("method", RATES)
def test_a_recipe_has_what_was_best_on_the_held_out_images(method: str) -> None:
    chosen = dict(best(method))
    recipe = resolve(Run("cifar10", NARROW, method, 1 if timeless(method) else 5, 0, "workstation"))
    assert recipe.learning_rate == chosen.pop("learning_rate")
    if chosen.get("threshold") == MEASURED_START:
        assert recipe.start == chosen.pop("threshold")
        assert "threshold" not in recipe.neuron
    assert chosen.items() <= recipe.neuron.items()
    assert "tuning" in recipe.sources


@pytest.mark.parametrize("method", RATES)
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


@pytest.mark.parametrize(("twin", "method"), [("dsr-if", "dsr-if-rep"), ("dsr-lif", "dsr-lif-rep")])
def test_a_twin_with_another_gradient_has_the_same_recipe(twin: str, method: str) -> None:
    ours, theirs = (resolve(Run("cifar10", NARROW, name, 5, 0, "workstation")) for name in (twin, method))
    assert ours == theirs
