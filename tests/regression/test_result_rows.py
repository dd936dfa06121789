"""Fresh rows against committed ones: every clause of the rule, with numbers worked out here."""

from __future__ import annotations

import math
import subprocess

import pytest

from benchmarks.measurement import provenance
from benchmarks.regression import rows
from benchmarks.runs.record import COLUMNS, write_csv
from benchmarks.spec import BadInput


def row(seed: int = 0, **more) -> dict[str, str]:
    facts = {"dataset": "cifar10", "network": "narrow", "method": "dsr-if", "timesteps": 5, "scale": "laptop"}
    facts |= {"key": f"key-{seed}", "seed": seed, "status": "done", "top1": 50.0, "test_images": 10_000, "acs": 1000.0}
    facts |= {"parameters": 700, "dense_macs_per_step": 900, "train_step_ms": 100.0, "other_load_cores": 0.0}
    facts |= {"peak_step_bytes": 50 * 2**20, "idle_bytes": 10 * 2**20, "commit": "c" * 40}
    facts |= {"machine": "Abacus", "device": "cpu", "threads": 2, **more}
    return {name: str(facts.get(name, "")) for name in COLUMNS}


def compare(before: list[dict[str, str]], now: list[dict[str, str]], **options):
    """Findings by quantity, of one file."""
    found = rows.compare({"x.csv": now}, {"x.csv": before}, **options)
    return {each.quantity: each for each in found}


def test_rows_as_committed_are_the_same():
    found = compare([row(0), row(1)], [row(0), row(1)])
    assert {name: each.verdict for name, each in found.items()} == dict.fromkeys(
        ("accuracy", "accumulates", "train step", "peak memory"), "same"
    )
    assert found["accuracy"].since == "c" * 40


def test_accuracy_may_drop_by_two_standard_errors():
    before = [row(seed, top1=top1) for seed, top1 in enumerate((49.0, 50.0, 51.0))]
    now = [row(seed, top1=top1) for seed, top1 in enumerate((47.0, 48.0, 49.0))]
    # both have a standard deviation of 1: the difference of the means has sqrt(1/3 + 1/3)
    found = compare(before, now)["accuracy"]
    assert found.limit == pytest.approx(50.0 - 2 * math.sqrt(2 / 3))
    assert (found.value, found.baseline, found.verdict) == (48.0, 50.0, "worse")
    assert compare(before, [row(3, top1=48.4)])["accuracy"].verdict == "same"  # 2 sqrt(1/3 + 1) = 2.3


def test_accuracy_may_always_drop_by_three_tenths_of_a_point():
    before = [row(0), row(1)]
    assert compare(before, [row(0, top1=49.71), row(1, top1=49.71)])["accuracy"].verdict == "same"
    assert compare(before, [row(0, top1=49.69), row(1, top1=49.69)])["accuracy"].verdict == "worse"


def test_of_one_seed_on_each_side_the_test_images_say_what_is_noise():
    # at 50 %, 10,000 images leave 100 sqrt(2 * 0.25 / 10,000) = 0.7071 points, twice that 1.414
    assert rows.standard_error([50.0], [50.0], 10_000) == pytest.approx(0.70711, abs=1e-5)
    assert compare([row()], [row(top1=48.6)])["accuracy"].verdict == "same"
    found = compare([row()], [row(top1=48.5)])["accuracy"]
    assert found.verdict == "worse"
    assert "one seed on each side" in str(found)


@pytest.mark.parametrize(("acs", "verdict"), [(1099.0, "same"), (1101.0, "worse"), (899.0, "better")])
def test_accumulates_may_rise_by_a_tenth(acs, verdict):
    assert compare([row()], [row(acs=acs)])["accumulates"].verdict == verdict


def test_costs_are_compared_on_one_quiet_machine_only():
    slow = {"train_step_ms": 130.0, "peak_step_bytes": 90 * 2**20}
    found = compare([row()], [row(**slow)])
    assert (found["train step"].verdict, found["peak memory"].verdict) == ("worse", "worse")
    assert (found["peak memory"].baseline, found["peak memory"].value) == (40.0, 80.0)
    for other in ({"machine": "Calculi"}, {"threads": 1}, {"device": "GPU"}):
        assert not {"train step", "peak memory"} & set(compare([row()], [row(**slow | other)]))
    for busy in ({"other_load_cores": 0.3}, {"other_load_cores": ""}):
        found = compare([row()], [row(**slow | busy)])
        assert "train step" not in found
        assert found["peak memory"].verdict == "worse"


@pytest.mark.parametrize("name", ["parameters", "dense_macs_per_step"])
def test_sizes_must_be_equal(name):
    found = compare([row()], [row(**{name: 701})])[name.replace("_", " ")]
    assert found.verdict == "changed"
    assert "701, was" in found.note


def test_what_is_missing_or_failed_is_a_failure_and_no_silence():
    (found,) = compare([row()], []).values()
    assert found.verdict == "missing"
    (found,) = rows.compare({}, {"x.csv": [row()]})
    assert (found.verdict, found.group) == ("missing", "x.csv")
    (found,) = compare([row()], [row(status="failed", reason="no memory", top1="")]).values()
    assert found.verdict == "failed"
    assert "no memory" in found.note
    (found,) = compare([row()], [], partial=True).values()
    assert found.verdict == "not compared"


def test_a_seed_that_is_gone_is_missing_and_rows_of_other_data_are_not_compared():
    found = rows.compare({"x.csv": [row(0), row(1)]}, {"x.csv": [row(0), row(1), row(2), row(10)]})
    assert [each.group[-12:] for each in found if each.verdict == "missing"] == [", seed 2, 10"]
    found = rows.compare({"x.csv": [row(0)]}, {"x.csv": [row(0), row(1)]}, partial=True)
    assert "missing" not in {each.verdict for each in found}
    (other,) = compare([row(data_sha256="a")], [row(data_sha256="b", top1=10.0)]).values()
    assert (other.verdict, other.note) == ("not compared", "of other data")


def test_another_recipe_is_not_compared_and_a_new_method_is_new():
    (found,) = compare([row()], [row(key="other", top1=10.0)]).values()
    assert (found.verdict, found.note) == ("not compared", "the recipe has changed")
    verdicts = [each.verdict for each in rows.compare({"x.csv": [row(), row(timesteps=10)]}, {"x.csv": [row()]})]
    assert verdicts.count("new") == 1


def test_scales_and_networks_are_never_mixed():
    other = row(scale="paper", top1=90.0)
    found = rows.compare({"x.csv": [row(), other]}, {"x.csv": [row(), other]})
    assert {each.value for each in found if each.quantity == "accuracy"} == {50.0, 90.0}


def test_files_that_hold_no_runs_are_left_alone():
    assert rows.compare({}, {"quantization.csv": [{"study": "rate"}]}) == []


def test_the_rows_of_a_commit_are_read_from_git(tmp_path, monkeypatch):
    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    results = tmp_path / "results"
    results.mkdir()
    write_csv([row(0), row(1)], results / "x.csv")
    git("init")
    git("add", ".")
    git("commit", "-m", "rows")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    write_csv([row(0, top1=40.0), row(1, top1=40.0)], results / "x.csv")
    found = rows.compare(rows.of_folder(results), rows.of_commit("HEAD"))
    assert [(each.quantity, each.value) for each in found if each.verdict == "worse"] == [("accuracy", 40.0)]
    with pytest.raises(BadInput, match="commit 'elsewhere' not found"):
        rows.of_commit("elsewhere")
    with pytest.raises(BadInput, match="folder of result CSVs not found"):
        rows.of_folder(tmp_path / "nowhere")
