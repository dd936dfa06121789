"""What reports derive of runs stands in MLflow, once: energies with their constants, and a sweep's tables and page."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mirrored import MEASURED, RUN, client, ended, found, started, steps, the_run, trained

from benchmarks.cli.energies import Energies
from benchmarks.tracking import mirror
from reports.energy import by_model

TOOLS = Path(__file__).parents[2] / "docs" / "tools.md"


def finished(store: Path, key: str, **measured: Any) -> Path:
    return ended(trained(started(store, key), 1), **MEASURED | measured)


def test_energies_of_every_model_stand_beside_their_constants(store: Path) -> None:
    place = finished(store, "energy", analog_macs_every_step=1e8, dense_macs_per_step=10**7, train_cpu_seconds=155.0)
    assert mirror.mirror([place], store, Energies()) is None
    data = the_run(store, "energy").data
    # 5e6 MACs and 1.25e7 ACs: 23 + 11.25 µJ; int8 1.15 + 0.375; 77 fJ leaves the analog layer out
    assert data.metrics["energy/fp32_uj_per_image"] == pytest.approx(34.25)
    assert data.metrics["energy/int8_uj_per_image"] == pytest.approx(1.525)
    assert data.metrics["energy/synop_uj_per_image"] == pytest.approx(0.9625)
    assert data.metrics["time/train_core_s"] == 155.0
    assert "energy/memory_uj_per_image" not in data.metrics, "no layers were counted"
    assert "4.6 pJ per MAC, 0.9 pJ per AC" in data.tags["snn.energy.fp32"]
    assert data.tags["snn.energy.fp32"].startswith("events, first layer once; ")
    assert {f"snn.energy.{model}" for model in ("fp32", "int8", "synop", "memory")} <= set(data.tags)


def test_a_run_that_was_settled_without_energies_gets_them_once(store: Path) -> None:
    place = finished(store, "older")
    mirror.mirror([place], store)
    assert "energy/fp32_uj_per_image" not in the_run(store, "older").data.metrics
    for _ in range(2):
        assert mirror.mirror([place], store, Energies()) is None
        assert steps(store, "older", "energy/fp32_uj_per_image") == [(0, 34.25)]
        (place / "mlflow.json").unlink()
    assert steps(store, "older", "test/acc1_last") == [(0, 91.5)]


def test_a_failed_run_has_no_energies(store: Path) -> None:
    mirror.mirror([ended(started(store, "lost"), "failed", "a bug")], store, Energies())
    assert not [name for name in the_run(store, "lost").data.metrics if name.startswith("energy/")]


def test_a_run_that_was_killed_after_its_counts_and_then_ended_well_has_its_energies_once(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_model, "energies_of_run", lambda *words: {"memory": 6.0})  # as its ledger alone gives it
    place = ended(started(store, "killed"), "failed", "killed")
    mirror.mirror([place], store, Energies())
    os.utime(place / "result.json", (1, 1))
    (place / "network.pt").touch()
    mirror.mirror([ended(place, **MEASURED)], store, Energies())
    assert steps(store, "killed", "energy/memory_uj_per_image") == [(0, 6.0)]


def test_the_most_accurate_run_under_20_microjoules_is_one_question(store: Path) -> None:
    asked = {"cheap": (60.0, 1e6, 1e6), "best": (70.0, 1e6, 1e7), "dear": (90.0, 1e7, 1e7)}  # 5.5, 13.6 and 55 µJ
    for seed, (key, (top1, macs, acs)) in enumerate(asked.items()):
        place = started(store, f"asked-{key}", "question", replace(RUN, seed=seed, dataset="cifar100"))
        mirror.mirror([ended(place, top1=top1, analog_macs=macs, acs=acs)], store, Energies())
    (asked_in_docs,) = re.findall(r"```\n(metrics\.[^\n]+)\n```", TOOLS.read_text())
    order = re.findall(r'order_by=\["([^"]+)"\]', TOOLS.read_text())
    experiment = client(store).get_experiment_by_name("dsr-bench/cifar100").experiment_id
    runs = client(store).search_runs([experiment], asked_in_docs, order_by=order)
    assert [run.data.tags["snn.run_key"] for run in runs] == ["asked-best", "asked-cheap"]


def report(store: Path, name: str, text: str = "tables") -> Path:
    folder = store / "reports" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("index.html", "tables.md", "figure.svg"):
        (folder / file).write_text(f"{text} of {file}")
    return folder


def attached(store: Path, run: Any) -> list[str]:
    return sorted(item.path for item in client(store).list_artifacts(run.info.run_id))


def test_tables_and_page_hang_on_the_sweeps_parent_run_of_their_scales(store: Path) -> None:
    for scale in ("laptop", "smoke"):
        place = started(store, f"reported-{scale}", "reported", replace(RUN, scale=scale))  # type: ignore[arg-type]
        mirror.mirror([ended(place, **MEASURED)], store)
    assert mirror.attach(report(store, "reported"), "reported", False, store) is None
    parents = {run.info.run_name: run for run in found(store, "tags.`snn.kind` = 'sweep'")}
    assert attached(store, parents["reported-laptop"]) == ["index.html", "tables.md"]
    assert attached(store, parents["reported-smoke"]) == []
    mirror.attach(report(store, "reported-smoke", "smoke"), "reported", True, store)
    assert attached(store, parents["reported-smoke"]) == ["index.html", "tables.md"]


def test_a_report_is_attached_once_and_again_when_it_changes(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    mirror.mirror([ended(started(store, "anew", "changing"), **MEASURED)], store)
    logged: list[str] = []
    whole = MlflowClient.log_artifact

    def counted(self: Any, run: str, path: str) -> None:
        logged.append(Path(path).name)
        whole(self, run, path)

    monkeypatch.setattr(MlflowClient, "log_artifact", counted)
    folder = report(store, "changing")
    mirror.attach(folder, "changing", False, store)
    (folder / "mlflow.json").unlink()
    mirror.attach(folder, "changing", False, store)
    assert logged == ["index.html", "tables.md"]
    report(store, "changing", "other tables")
    assert mirror.attach(folder, "changing", False, store) is None
    assert logged == ["index.html", "tables.md"] * 2
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert mirror.attach(folder, "changing", False, store) is None, "nothing is left to do"


def test_a_report_of_a_sweep_that_is_not_in_mlflow_makes_no_store(tmp_path: Path, store: Path) -> None:
    assert mirror.attach(report(tmp_path, "quick"), "quick", False, tmp_path) is None
    assert not (tmp_path / "mlflow.db").exists()
    assert mirror.attach(report(store, "unknown"), "unknown", False, store) is None
    assert not (store / "reports" / "unknown" / "mlflow.json").exists()


def test_sync_brings_energies_and_reports_in(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from benchmarks.cli import commands

    place = started(store, "synced", "late", RUN)
    moved = store / "runs" / "cifar10-laptop" / "synced"
    moved.parent.mkdir(exist_ok=True)
    ended(place, **MEASURED).rename(moved)
    report(store, "late")
    monkeypatch.setenv("DSR_RESULTS", str(store))
    for _ in range(2):
        assert commands.sync(Console(quiet=True)) == 0
        assert steps(store, "synced", "energy/fp32_uj_per_image") == [(0, 34.25)]
    (parent,) = [run for run in found(store, "tags.`snn.kind` = 'sweep'") if run.info.run_name == "late-laptop"]
    assert attached(store, parent) == ["index.html", "tables.md"]
    assert json.loads((store / "reports" / "late" / "mlflow.json").read_text())["report"]
