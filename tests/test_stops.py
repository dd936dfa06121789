"""One simulated run gives every shorter one: against runs of their own, interrupted, and only where it may."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import execution
from benchmarks.execution import execute
from benchmarks.measurement import latencies
from benchmarks.runs import store
from benchmarks.runs.identity import key
from benchmarks.runs.job import job_of
from benchmarks.runs.order import longer, passing
from benchmarks.runs.record import Result, read_csv
from benchmarks.spec import Run

ANN = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")
LONG = replace(ANN, method="threshold-balancing-half", timesteps=8)
SHORT = replace(LONG, timesteps=3)


@pytest.fixture(scope="module")
def ann(tmp_path_factory) -> Path:
    """A results folder that holds the trained parent alone."""
    execute(ANN, results := tmp_path_factory.mktemp("ann"))
    return results


@pytest.fixture
def results(ann: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return Path(shutil.copytree(ann, tmp_path / "results"))


@pytest.fixture(scope="module")
def alone(ann: Path, tmp_path_factory) -> tuple[Result, dict[str, bytes]]:
    """The short run on its own: its result, and what it counted."""
    results = Path(shutil.copytree(ann, tmp_path_factory.mktemp("alone") / "results"))
    result = execute(SHORT, results)
    return result, counts(store.directory(results, SHORT))


def counts(place: Path) -> dict[str, bytes]:
    names = store.LEDGER, store.RATES, store.NEUROBENCH, store.PREDICTIONS
    return {name: (place / name).read_bytes() for name in names}


def of_interest(result: Result) -> dict[str, object]:
    return {
        name: value for name, value in vars(result).items() if name not in ("provenance", "test_loss", "idle_bytes")
    }


def test_a_run_that_a_longer_one_passed_is_the_run_on_its_own(alone, results, monkeypatch):
    longer = execute(LONG, results)
    monkeypatch.setattr(execution, "load", None)  # nothing is simulated again
    short = execute(SHORT, results)
    assert of_interest(short) == of_interest(alone[0])
    assert short.test_loss == pytest.approx(alone[0].test_loss)
    assert counts(store.directory(results, SHORT)) == alone[1]
    assert short.predictions_sha256 == hashlib.sha256(alone[1][store.PREDICTIONS]).hexdigest()
    assert short.predictions_sha256 != longer.predictions_sha256
    assert (short.weights_sha256, short.parent_sha256) == (longer.weights_sha256, longer.parent_sha256)
    correct = np.unpackbits(np.load(store.directory(results, SHORT) / store.PREDICTIONS)["correct"]).sum()
    assert short.top1 == 100 * correct / 360
    assert short.key == key(SHORT) != longer.key
    assert (short.acs, short.timesteps) != (longer.acs, 8)
    assert store.result(results, SHORT) == short
    shorter = execute(replace(SHORT, timesteps=2), results)  # of the longest too, not of the one that was taken
    assert (shorter.timesteps, shorter.neuron_updates) == (2, longer.neuron_updates / 4)


def test_a_stop_of_an_older_version_is_taken_with_the_columns_it_has(results):
    execute(replace(LONG, timesteps=4), results)
    place = store.directory(results, replace(LONG, timesteps=4))
    old = json.loads((place / store.STOPS).read_text())
    columns = "layer", "origin", "kind", "operations", "images", "dense_macs_per_step", "padded_macs_per_step"
    for stop in old:
        stop["ledger"] = [{**{name: row[name] for name in columns}, "origin_nonzero": 1} for row in stop["ledger"]]
    (place / store.STOPS).write_text(json.dumps(old))
    (place / store.RATES).unlink()
    (place / "predictions-T3.npz").unlink()
    assert execute(SHORT, results).acs == old[2]["operations"]["acs"]
    taken = store.directory(results, SHORT)
    assert not (taken / store.RATES).exists()
    assert not (taken / store.PREDICTIONS).exists()
    assert store.result(results, SHORT).predictions_sha256 is None
    assert not (taken / store.NEUROBENCH).exists()
    assert read_csv(taken / store.LEDGER)[1]["operations"] == str(old[2]["ledger"][1]["operations"])


def passed_through(run: Run, *others: Run) -> bool:
    jobs = [job_of(one, Path()) for one in (run, *others)]
    assert passing(jobs)[jobs[0]] == [job for job in longer(jobs[0]) if job in jobs]
    return bool(passing(jobs)[jobs[0]])


def test_another_step_count_or_method_is_simulated_on_its_own(results):
    execute(LONG, results)
    for run in (replace(LONG, timesteps=6), replace(LONG, method="maximum-shift", timesteps=3)):
        assert latencies.take(job_of(run, results), None) is None
    calibrated = replace(LONG, method="calibration")
    assert latencies.stops_of(calibrated) == [8]  # its thresholds depend on T
    assert latencies.stops_of(LONG) == [1, 2, 3, 4, 5, 8]
    assert passed_through(SHORT, LONG)
    assert not passed_through(LONG, LONG, SHORT)


def test_the_whole_test_split_is_not_taken_for_a_part_of_it():
    """At laptop scale runs beyond T = 64 see 1,000 test images."""
    laptop = replace(LONG, dataset="cifar10", scale="laptop", timesteps=64)
    assert not passed_through(laptop, replace(laptop, timesteps=128))
    assert passed_through(replace(laptop, timesteps=128), replace(laptop, timesteps=2048))


def test_an_interrupted_simulation_goes_on_to_the_same_result(alone, results, monkeypatch):
    monkeypatch.setattr(latencies, "IMAGES", 100)  # 320 test images in four batches
    uninterrupted, add, calls = execute(SHORT, results), latencies._add, []
    (store.directory(results, SHORT) / store.RESULT).unlink()

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        add(*arguments)

    monkeypatch.setattr(latencies, "_add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        execute(SHORT, results)
    resumed = execute(SHORT, results)
    assert len(calls) == 3 + 2  # the third batch again, and the fourth
    assert of_interest(resumed) == of_interest(uninterrupted) == of_interest(alone[0])
    assert torch.isfinite(torch.tensor(resumed.test_loss))
    assert counts(store.directory(results, SHORT)) == alone[1]
