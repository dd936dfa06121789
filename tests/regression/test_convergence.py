"""Brief trainings against reference points: the band, a wrong gradient on digits, and what cannot be compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.catalogue import network_of
from benchmarks.methods import METHODS
from benchmarks.recipes import resolve, timeless
from benchmarks.regression import convergence, points
from benchmarks.regression.points import Point
from benchmarks.runs.identity import key
from benchmarks.spec import BadInput, Run
from dsr.engine import exact_functions

RESULTS = Path(__file__).parents[2] / "results"
METHOD = "dsr-if-rep"


def point(seed: int, loss: float, top1: float, method: str = "dsr-if", **more) -> Point:
    run = Run("digits", network_of(method), method, 4, seed, convergence.SCALE)
    facts = {"epochs": 3, "key": key(run), "commit": "a" * 40, "started": "2026-11-25", "machine": "Abacus"}
    facts |= {"device": "cpu", "threads": 1, "torch": "2.13", "data_sha256": "aa"}
    return Point(**vars(run) | {"loss": loss, "top1": top1} | facts | more)


POINTS = [point(seed, loss, top1) for seed, loss, top1 in ((0, 0.4, 90.0), (1, 0.5, 92.0), (2, 0.6, 94.0))]
"""Means 0.5 and 92, standard deviations 0.1 and 2."""


def check(loss: float, top1: float, known=POINTS):
    """Findings by quantity, with two fresh seeds that came to this."""
    fresh = convergence.runs("digits", ["dsr-if"], range(2))
    found = convergence.check(fresh, known, by=lambda run, epochs: point(run.seed, loss, top1))
    return {each.quantity: each for each in found}


def test_the_band_is_a_one_sided_t_interval_beyond_the_tolerance():
    # two quantities share 5 %: t(0.975, 2) = 4.3027; sqrt(1/3 + 1/2) = 0.91287
    band = 4.3027 * 0.91287
    found = check(0.5, 92.0)
    assert found["accuracy"].limit == pytest.approx(92.0 - 0.5 - 2 * band, abs=1e-3)
    assert found["loss"].limit == pytest.approx(0.5 * 1.02 + 0.1 * band, abs=1e-4)
    assert found["accuracy"].since == "a" * 40


@pytest.mark.parametrize(
    ("loss", "top1", "verdicts"),
    [
        (0.5, 92.0, ("same", "same")),
        (0.9, 83.7, ("same", "same")),
        (0.91, 83.6, ("worse", "worse")),
        (0.05, 99.9, ("better", "same")),
        (float("nan"), 10.0, ("worse", "worse")),
    ],
)
def test_only_the_bad_side_of_the_band_is_worse(loss, top1, verdicts):
    found = check(loss, top1)
    assert (found["loss"].verdict, found["accuracy"].verdict) == verdicts


def test_points_of_another_recipe_are_no_reference():
    (found,) = check(0.5, 92.0, [replace(known, key="0" * 16) for known in POINTS]).values()
    assert found.verdict == "not compared"
    assert "recipe has changed since aaaaaaaaaaaa" in found.note


def test_without_points_nothing_is_trained_and_the_way_to_make_some_is_said():
    fresh = convergence.runs("digits", ["dsr-if"], range(2))
    (found,) = convergence.check(fresh, [], by=lambda run, epochs: pytest.fail("trained for nothing"))
    assert found.verdict == "new"
    assert "--save" in found.note


@pytest.mark.parametrize("error", [RuntimeError, TypeError, KeyError])
def test_a_training_that_raises_is_a_failure(error: type[Exception]):
    def diverge(run: Run, epochs: int) -> Point:
        raise error("the training loss is nan in epoch 1")

    (found,) = convergence.check(convergence.runs("digits", ["dsr-if"], range(2)), POINTS, by=diverge)
    assert found.verdict == "failed"
    assert found.note.startswith(f"{error.__name__}: ")
    assert "the training loss is nan in epoch 1" in found.note


def test_points_of_other_data_are_no_reference():
    def of_others(run: Run, epochs: int) -> Point:
        return replace(point(run.seed, 0.5, 92.0), data_sha256="other")

    (found,) = convergence.check(convergence.runs("digits", ["dsr-if"], range(2)), POINTS, by=of_others)
    assert (found.verdict, "of other data" in found.note) == ("not compared", True)


def test_all_that_trains_is_checked_but_for_what_only_a_recipe_tells_apart():
    def recipe(method: str):
        run = Run("digits", network_of(method), method, 1 if timeless(method) else 4, 0, convergence.SCALE)
        return replace(resolve(run), sources="", conversion={})

    known = [(METHODS[m].neuron, METHODS[m].readout, METHODS[m].wrap, recipe(m)) for m in convergence.METHODS]
    for name, method in METHODS.items():
        if recipe(name).epochs:
            assert (method.neuron, method.readout, method.wrap, recipe(name)) in known, name
    assert any(recipe(name).epochs == 0 for name in convergence.METHODS)


def test_points_survive_the_file_and_replace_those_of_their_setting(tmp_path):
    path = points.merge([*POINTS, point(0, 1.0, 50.0, "stbp-tdbn")], tmp_path)
    assert points.read(tmp_path)[:3] == POINTS
    points.merge([point(0, 0.7, 80.0, epochs=4)], tmp_path)
    assert [(p.method, p.loss) for p in points.read(tmp_path)] == [("dsr-if", 0.7), ("stbp-tdbn", 1.0)]
    path.write_text("key,loss\n1,2\n")
    with pytest.raises(BadInput, match=r"convergence\.csv lacks the columns"):
        points.read(tmp_path)


def test_the_committed_points_are_of_todays_recipes_and_of_committed_code():
    known = points.read(RESULTS)
    assert {p.method for p in known if p.dataset == "digits"} == set(convergence.METHODS)
    for p in known:
        assert p.key == key(Run(p.dataset, p.network, p.method, p.timesteps, p.seed, p.scale)), p
        assert len(p.commit) == 40
    seeds = [p.seed for p in known if (p.dataset, p.method) == ("digits", "ann")]
    assert seeds == list(convergence.REFERENCE_SEEDS)


def verdicts_on_digits() -> set[str]:
    found = convergence.check(convergence.runs("digits", [METHOD], [0]), points.read(RESULTS))
    return {each.verdict for each in found}


def test_a_wrong_gradient_is_caught_on_digits_and_the_right_one_passes(monkeypatch):
    assert verdicts_on_digits() <= {"same", "better"}

    def outside(ctx, grad):
        """The clamp's gradient where it should be none, and none where it should be."""
        current, _, _, _, state = ctx.saved_tensors
        return grad.expand_as(current) * (state != 1), *[None] * 10

    monkeypatch.setattr(exact_functions.NormAndNeuron, "backward", staticmethod(outside))
    assert "worse" in verdicts_on_digits()


def test_data_that_are_not_there_are_named_and_not_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("DSR_DATA", str(tmp_path))
    convergence.data_of.cache_clear()
    with pytest.raises(BadInput, match="set DSR_DATA"):
        convergence.data_of("cifar10")
    assert not list(tmp_path.iterdir())
