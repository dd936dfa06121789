"""Keys, order, plans and exports: which runs are the same experiment, which are done, and what is committed of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields, make_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ended_runs import CLEAN, ended, finish
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.export.rows import Exported, export
from benchmarks.recipes import anytime, resolve
from benchmarks.runs import identity, store
from benchmarks.runs.identity import in_order, key, parent
from benchmarks.runs.plan import plan
from benchmarks.runs.record import COLUMNS, load, read_csv, row, save, write_csv
from benchmarks.spec import SCALES, Recipe, Run, spelled, variant
from benchmarks.sweeps import SWEEPS

PAPER = Run("cifar10", "preact-resnet18", "dsr-if", 20, 0, "paper")
CHILD = Run("digits", "preact-resnet-tiny", "qcfs", 4, 0, "laptop")
PARENT, ANN = (replace(CHILD, method=method, timesteps=1) for method in ("qcfs-ann", "ann"))
PLAIN = Recipe(epochs=3, batch_size=32, learning_rate=0.1)
METHODS = ("ann", "dsr-if", "dsr-lif", "stbp-tdbn", "qcfs-ann", "qcfs")
AXES: tuple[Any, ...] = (("digits", "cifar10"), ("preact-resnet-tiny",), METHODS, (1, 2, 3), (0, 1), SCALES)


def test_a_key_hashes_the_run_the_changed_part_of_its_recipe_and_its_parents_key() -> None:
    neuron = {"threshold": 6.0, "alpha": 0.5, "threshold_floor": 0.01}
    recipe = {"epochs": 200, "batch_size": 128, "learning_rate": 0.1, "neuron": neuron}
    text = json.dumps({"run": asdict(PAPER), "recipe": recipe, "parent": None}, sort_keys=True)
    # To change this value is a deliberate act: it makes every committed row stale and needs a line in CHANGELOG.md.
    assert key(PAPER) == hashlib.sha256(text.encode()).hexdigest()[:16] == "a0e4f6d455a8323b"


def test_defaults_stay_as_they_are_because_keys_leave_them_out() -> None:
    """Another default would move numbers under old keys: state the new value in the recipes that want it instead."""
    assert (
        Recipe(
            3,
            32,
            0.1,
            0.9,
            5e-4,
            400,
            "crop-flip",
            None,
            0,
            None,
            {},
            {},
            {},
            None,
            "float32",
            "sgd",
            None,
            None,
            1,
            None,
            "constant",
            None,
            True,
            0.0,
            "cross-entropy",
            None,
            (),
            0.1,
            1.0,
            "normalised",
            "all",
            0.05,
            None,
            "",
        )
        == PLAIN
    )


def test_every_field_of_run_and_recipe_but_the_sources_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def key_with(run: Run = PAPER, **changes: Any) -> str:
        stated = replace(PLAIN, **changes)
        monkeypatch.setattr(identity, "resolve", lambda run: PLAIN if run.method == "ann" else stated)
        return key(run)

    runs: dict[str, Any] = {"dataset": "digits", "network": "x", "method": "dsr-lif", "timesteps": 5, "seed": 1}
    runs |= {"scale": "short"}
    recipes: dict[str, Any] = {
        name: found + 1 for name, found in asdict(PLAIN).items() if isinstance(found, int | float)
    }
    recipes |= {
        "train_images": 7,
        "test_images": 7,
        "augmentation": "none",
        "loss": "tet",
        "precision": "other",
        "parent": "ann",
    }
    recipes |= {"optimizer": "adam", "classes": 10, "image_size": 64, "code": "0123456789ab"}
    recipes |= {"start": "first-gradient", "warmup_share": 0.1, "test_every_epoch": False, "loss": "tet"}
    recipes |= {"half_period": 4, "drops": (0.5,), "pixels": "raw", "decayed": "weights"}
    recipes |= {"half_period": 4, "drops": (0.5,), "pixels": "raw", "trained_steps": 2}
    recipes |= {"neuron": {"threshold": 1.0}, "norm": {"threshold": 1.0}, "conversion": {"images": 1}}
    assert runs.keys() == {field.name for field in fields(Run)}
    assert recipes.keys() | {"sources"} == {field.name for field in fields(Recipe)}
    keys = {key_with(), *(key_with(replace(PAPER, **{name: other})) for name, other in runs.items())}
    keys |= {key_with(**{name: other}) for name, other in recipes.items()}
    assert len(keys) == 1 + len(runs) + len(recipes)
    assert key_with(sources="another page") == key_with()


def test_a_variant_is_its_method_with_other_parameters_of_its_neurons() -> None:
    varied = replace(PAPER, method=spelled("dsr-if", {"train_threshold": False, "alpha": 1}))
    assert varied.method == "dsr-if@alpha=1@train_threshold=false"
    assert variant(varied.method) == ("dsr-if", {"alpha": 1, "train_threshold": False})
    assert variant("stbp-tdbn@reset=soft@decay=0.50") == ("stbp-tdbn", {"reset": "soft", "decay": 0.5})
    recipe = resolve(PAPER)
    assert resolve(varied).neuron == {**recipe.neuron, "alpha": 1, "train_threshold": False}
    assert replace(resolve(varied), neuron=recipe.neuron, sources=recipe.sources) == recipe
    assert key(varied) != key(PAPER)


@pytest.mark.parametrize("method", ["ann", "dsr-if", "stbp-tdbn", "dsr-if-hybrid"])
def test_a_variant_may_train_in_another_precision(method: str) -> None:
    usual = replace(PAPER, method=method, timesteps=1 if method == "ann" else 20)
    varied = replace(usual, method=f"{method}@precision=bfloat16")
    recipe = resolve(usual)
    assert recipe.precision == "float32"
    assert resolve(varied) == replace(recipe, precision="bfloat16", sources=resolve(varied).sources)
    assert key(varied) != key(usual)


@pytest.mark.parametrize("method", ["dsr-if", "dsr-lif-rep"])
def test_sources_say_which_settings_nobody_has_published(method: str) -> None:
    def sources(timesteps: int, dataset: str = "cifar10") -> str:
        return resolve(Run(dataset, "x", method, timesteps, 0, "paper")).sources

    assert sources(20) == sources(5) == "DSR released code, CIFAR defaults"
    assert sources(2).endswith("; those of T = 5, at T = 2 by us")
    assert sources(10).endswith("; those of T = 20, at T = 10 by us")
    assert sources(20, "cifar10dvs").endswith("; schedule of DSR's DVS-CIFAR10")
    assert sources(20, "nmnist").endswith("; schedule of DSR's DVS-CIFAR10, taken over by us")


def test_event_data_leave_adam_its_learning_rate() -> None:
    rates = {m: resolve(Run("nmnist", "x", m, 5, 0, "paper")).learning_rate for m in ("dsr-if", "ann", "dsr-if-hybrid")}
    assert rates == {"dsr-if": 0.05, "ann": 0.05, "dsr-if-hybrid": 0.001}


def test_a_shift_is_spread_over_t_so_shorter_runs_are_not_read_off() -> None:
    assert anytime("qcfs")
    assert anytime("threshold-balancing@start=0.5@shift=0")
    assert not anytime("threshold-balancing@shift=0.5")
    assert not anytime("calibration")


def test_tdbn_scales_to_the_threshold_of_a_variant() -> None:
    recipe = resolve(replace(PAPER, method="stbp-tdbn@threshold=2"))
    assert (recipe.neuron["threshold"], recipe.norm) == (2, {"threshold": 2})
    assert resolve(replace(PAPER, method="stbp-tdbn@decay=0.5")).norm == {"threshold": 0.5}


def test_a_parents_recipe_changes_its_childrens_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    before, changed = key(CHILD), replace(resolve(PARENT), sources="another page")
    monkeypatch.setattr(identity, "resolve", lambda run: changed if run == PARENT else resolve(run))
    assert key(CHILD) == before
    changed = replace(changed, epochs=11)
    assert key(CHILD) != before


def test_a_new_recipe_field_with_a_default_leaves_keys_as_they_are() -> None:
    later = make_dataclass("Later", [("dropout", float, 0.0)], bases=(Recipe,), frozen=True)(**asdict(resolve(PAPER)))
    assert identity._changed(later) == identity._changed(resolve(PAPER))
    assert identity._changed(replace(later, dropout=0.1)) == identity._changed(later) | {"dropout": 0.1}


def test_parents_come_first_once_and_are_shared_over_timesteps() -> None:
    other = replace(CHILD, timesteps=2)
    assert in_order([other, ANN, CHILD, PARENT, CHILD]) == [PARENT, CHILD, other, ANN]  # the longest passes the other
    runs = in_order(replace(SWEEPS["quick"], methods=("qcfs",), timesteps=(2, 4, 8), smoke_seeds=(0, 1)).runs("smoke"))
    assert [(run.seed, run.timesteps) for run in runs] == [(seed, steps) for seed in (0, 1) for steps in (1, 8, 4, 2)]


@given(st.lists(st.builds(Run, *map(st.sampled_from, AXES)), max_size=12))
@settings(deadline=None, max_examples=60, database=None)
def test_order_is_idempotent_and_keeps_parents_first(runs: list[Run]) -> None:
    ordered = in_order(runs)
    assert in_order(ordered) == ordered
    assert len(set(ordered)) == len(ordered)
    assert set(ordered) == {*runs, *filter(None, map(parent, runs))}
    assert all(ordered.index(origin) < ordered.index(run) for run in runs if (origin := parent(run)))


def planned(runs: list[Run], results: Path) -> tuple[list[Run], Any, list[Run], list[Run]]:
    """All runs, committed rows, missing runs and those that are half done."""
    work = plan(runs, results)
    jobs, missing, resumable = ([job.run for job in jobs] for jobs in (work.jobs, work.missing, work.resumable))
    return jobs, work.committed, missing, resumable


def missing(runs: list[Run], results: Path) -> list[Run]:
    return [job.run for job in plan(runs, results).missing]


def test_a_run_is_missing_until_it_is_done_here(tmp_path: Path) -> None:
    assert planned([CHILD, ANN], tmp_path) == ([PARENT, CHILD, ANN], {}, [PARENT, CHILD, ANN], [])
    place = finish(tmp_path, ANN, status="failed")
    (place / store.CHECKPOINT).touch()
    assert planned([ANN], tmp_path) == ([ANN], {}, [ANN], [ANN])
    for damaged in ("{}", "[]", "{"):
        (place / store.RESULT).write_text(damaged)
        assert missing([ANN], tmp_path) == [ANN]
    finish(tmp_path, ANN)
    assert planned([ANN], tmp_path) == ([ANN], {}, [], [])


def test_a_committed_row_with_the_same_key_counts_as_done_unless_it_failed(tmp_path: Path) -> None:
    (tmp_path / "smoke").mkdir()
    (tmp_path / "published.csv").write_text("paper,top1\nDSR,95.4\n")
    write_csv([row(ended(ANN))], tmp_path / "smoke" / "quick.csv")
    write_csv([row(ended(ANN, key="0" * 16)), row(ended(ANN, status="failed"))], tmp_path / "quick.csv")
    assert planned([ANN], tmp_path) == ([ANN], {}, [ANN], [])
    write_csv([row(ended(ANN))], tmp_path / "other.csv")
    assert missing([ANN], tmp_path) == []
    assert plan([ANN], tmp_path).committed[key(ANN)]["top1"] == "90.5"
    finish(tmp_path, ANN)
    assert plan([ANN], tmp_path).committed == {}


def test_a_parent_runs_again_only_where_a_missing_child_needs_its_weights(tmp_path: Path) -> None:
    write_csv([row(ended(PARENT))], tmp_path / "quick.csv")
    assert planned([CHILD], tmp_path) == ([PARENT, CHILD], {}, [PARENT, CHILD], [])
    place = finish(tmp_path, PARENT)
    assert missing([CHILD], tmp_path) == [CHILD]
    (place / store.NETWORK).unlink()
    assert missing([CHILD], tmp_path) == [PARENT, CHILD]
    finish(tmp_path, CHILD)
    assert missing([CHILD], tmp_path) == []


def test_a_result_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    result = ended(CHILD, acs=1.5e9, train_step_ms=1 / 3, reason='a, "b"\nc', provenance=replace(CLEAN, dirty=None))
    save(result, tmp_path / "result.json")
    assert load(tmp_path / "result.json") == result
    write_csv([row(result)], tmp_path / "rows.csv")
    (found,) = read_csv(tmp_path / "rows.csv")
    assert (found["train_step_ms"], found["reason"], found["test_loss"]) == (repr(1 / 3), 'a, "b"\nc', "")


def test_exports_merge_to_the_same_file_in_whatever_order(tmp_path: Path) -> None:
    digits = [ANN, CHILD, replace(CHILD, seed=1), replace(CHILD, timesteps=10), PARENT]
    runs = [*digits, replace(ANN, dataset="cifar10")]
    for run in runs:
        finish(tmp_path / "all", run)
    assert export("quick", runs, "laptop", tmp_path / "all") == Exported(tmp_path / "all" / "quick.csv", 6, 0, 0)
    for run in reversed(runs):  # each as if from a machine of its own
        place = finish(tmp_path / "merged", run)
        export("quick", [run], "laptop", tmp_path / "merged")
        (place / store.RESULT).unlink()
    text = (tmp_path / "all" / "quick.csv").read_text()
    assert (tmp_path / "merged" / "quick.csv").read_text() == text
    head, *lines = text.splitlines()
    assert head == ",".join(COLUMNS)
    assert [line[:16] for line in lines] == [key(run) for run in (runs[-1], *digits)]


def test_an_export_replaces_failed_by_done_never_back_and_drops_stale_rows(tmp_path: Path) -> None:
    path, found = tmp_path / "quick.csv", []
    for top1, status in enumerate(("failed", "out-of-memory", "done", "failed", "done")):
        finish(tmp_path, ANN, status=status, top1=top1)
        export("quick", [ANN], "laptop", tmp_path, replace=True)
        found += [line["status"] + line["top1"] for line in read_csv(path)]
    assert found == ["failed0", "out-of-memory1", "done2", "done2", "done4"]
    stale = [row(ended(CHILD, key="0" * 16)), row(ended(PAPER, key="2" * 16))]
    write_csv([*stale, *read_csv(path)], path)
    assert export("quick", [], "laptop", tmp_path) == Exported(path, 1, 0, stale=2)
    foreign = row(ended(CHILD, key="1" * 16)) | {"method": "of-a-plug-in"}
    write_csv([foreign, *read_csv(path)], path)
    assert export("quick", [], "laptop", tmp_path) == Exported(path, 2, 0, stale=0), "nobody here can tell"
    write_csv([found for found in read_csv(path) if found["method"] != "of-a-plug-in"], path)
    assert [line["key"] for line in read_csv(path)] == [key(ANN)]


def test_a_failed_smoke_run_is_told_of_only_where_it_was_asked_for(tmp_path: Path) -> None:
    failed, done, other = (replace(ANN, scale="smoke", seed=seed) for seed in (0, 1, 2))
    finish(tmp_path, failed, status="failed")
    for run in (done, other):
        finish(tmp_path, run)
    path = export("quick", [failed, done], "smoke", tmp_path).path
    assert [line["status"] for line in read_csv(path)] == ["failed", "done"]
    assert export("quick", [other], "smoke", tmp_path).stale == 0
    assert [line["key"] for line in read_csv(path)] == [key(done), key(other)]


@pytest.mark.parametrize(("commit", "dirty", "kept"), [("abc", True, 0), ("unknown", None, 0), ("stated", None, 1)])
def test_uncommitted_code_is_exported_at_smoke_scale_only(tmp_path: Path, commit: str, dirty: Any, kept: int) -> None:
    smoke, made = replace(ANN, scale="smoke"), replace(CLEAN, commit=commit, dirty=dirty)
    for run in (ANN, smoke):
        finish(tmp_path, run, provenance=made)
    unknown = int(commit == "unknown")
    assert export("quick", [ANN], "laptop", tmp_path) == Exported(
        tmp_path / "quick.csv", kept, 1 - kept, 0, unknown=unknown
    )
    assert (tmp_path / "quick.csv").exists() == bool(kept)
    assert export("quick", [smoke], "smoke", tmp_path) == Exported(tmp_path / "smoke" / "quick.csv", 1, 0, 0)
    assert [line["key"] for line in read_csv(tmp_path / "smoke" / "quick.csv")] == [key(smoke)]


def test_what_comes_of_uncommitted_weights_is_not_exported_either(tmp_path: Path) -> None:
    finish(tmp_path, PARENT, provenance=replace(CLEAN, dirty=True))
    finish(tmp_path, CHILD)
    assert export("quick", [CHILD], "laptop", tmp_path) == Exported(tmp_path / "quick.csv", 0, 2, 0)


def test_rows_that_another_file_has_are_taken_over(tmp_path: Path) -> None:
    write_csv([row(ended(ANN)), row(ended(PARENT))], tmp_path / "other.csv")
    assert export("quick", [ANN], "laptop", tmp_path).rows == 1
    assert [line["key"] for line in read_csv(tmp_path / "quick.csv")] == [key(ANN)]
