"""`dsr-bench perf`: what is timed, the floor, and a whole small run."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from multiprocessing.connection import Connection

import pytest
import torch
from rich.console import Console
from torch import nn

import dsr.precision
from benchmarks.perf import machine, memory, peers
from benchmarks.perf.command import perf
from benchmarks.perf.machine import Rates, floor_ms
from benchmarks.perf.record import boiled_down, path_of, slug
from benchmarks.perf.subjects import SPIKINGJELLY, YARDSTICK, Setting, firing_rate, grid, make, subjects
from benchmarks.spec import BadInput

BFLOAT16 = {"precision": "bfloat16"}


def test_all_that_trains_is_timed_and_peers_only_where_installed():
    assert subjects()[0] == YARDSTICK
    assert {"ann", "dsr-if", "dsr-if-rep", "stbp-tdbn", "qcfs-ann"} <= set(subjects())
    assert "qcfs" not in subjects()
    assert (SPIKINGJELLY in subjects()) == peers.has_spikingjelly()


def test_what_has_no_time_is_timed_once():
    assert grid(("ann", "dsr-if"), (2, 4)) == [("ann", 1), ("dsr-if", 2), ("dsr-if", 4)]


def test_floors_add_convolutions_and_transfers():
    rates = Rates(10.0, 6.0, 4.0, copied_bytes_per_second=24_000.0, neurons=1)
    # one neuron of one image moves 24 bytes: 1 ms a step
    assert floor_ms("ann", 1, 1, rates) == pytest.approx(31.0)
    assert floor_ms("stbp-tdbn", 5, 1, rates) == pytest.approx(5 * 31.0)
    assert floor_ms("dsr-if-rep", 5, 1, rates) == pytest.approx(31.0 + 5 * 4.0)
    assert floor_ms("dsr-if", 5, 1, rates) == pytest.approx(5 * (4.0 + 10.0 + 1.0) + 10.0)


def test_a_floor_counts_weight_gradients_from_spikes_where_they_are_faster():
    rates = Rates(10.0, 6.0, 4.0, copied_bytes_per_second=24_000.0, neurons=1, weights_ms=3.0)
    assert floor_ms("ann", 1, 1, rates) == pytest.approx(31.0), "an ANN has no spikes"
    assert floor_ms("stbp-tdbn", 5, 1, rates) == pytest.approx(5 * (10.0 + 10.0 + 3.0 + 1.0))
    assert floor_ms("dsr-if", 5, 1, rates) == pytest.approx(5 * (4.0 + 3.0 + 1.0) + 10.0)
    slow = Rates(10.0, 6.0, 4.0, copied_bytes_per_second=24_000.0, neurons=1, weights_ms=30.0)
    assert floor_ms("stbp-tdbn", 5, 1, slow) == pytest.approx(5 * 31.0)


def test_a_floor_in_bfloat16_is_of_the_way_that_the_machine_takes():
    rates = Rates(10.0, 6.0, 7.0, copied_bytes_per_second=24_000.0, neurons=1)
    assert floor_ms("ann", 1, 1, rates, "bfloat16") == pytest.approx(3 * 6.0 + 1.0)
    assert floor_ms("dsr-if-rep", 5, 1, rates, "bfloat16") == pytest.approx(19.0 + 5 * 6.0)
    assert floor_ms("dsr-if-rep", 5, 1, rates) == pytest.approx(31.0 + 5 * 7.0), "bfloat16's rate is not float32's"


@pytest.mark.parametrize(("way", "dtype"), [("hardware", torch.bfloat16), ("rounding", torch.float32)])
def test_rates_in_bfloat16_are_measured_in_the_way_that_is_taken(way, dtype, monkeypatch):
    monkeypatch.setenv("DSR_BFLOAT16", way)
    seen = []
    multiply = nn.Conv2d._conv_forward
    monkeypatch.setattr(nn.Conv2d, "_conv_forward", lambda *given: seen.append(given[1].dtype) or multiply(*given))
    call = machine._dense(nn.Conv2d(3, 4, 3), torch.randn(2, 3, 8, 8), dsr.precision.Conv2d)
    call()
    assert seen == [dtype]


def test_records_of_two_precisions_have_two_baselines(tmp_path):
    where = {"machine": "Abacus", "device": "cpu", "network": "tiny", "batch": 8}
    old, wide, narrow = (path_of(tmp_path, {**where, **more}) for more in ({}, {"precision": "float32"}, BFLOAT16))
    assert old == wide
    assert wide.name == "abacus-tiny-b8.json"
    assert narrow.name == "abacus-tiny-b8-bfloat16.json"
    made = boiled_down([], "tiny", 4, Rates(10.0, 6.0, None, 1e9, 1), [("ann", 1)], "bfloat16")
    assert made["precision"] == "bfloat16"


def test_networks_are_timed_in_the_precision_asked_for_and_the_yardstick_as_released():
    asked = {name: make(Setting(name, "preact-resnet-tiny", 2, 4, "bfloat16")) for name in ("ann", YARDSTICK)}
    rounds = {name: any(map(dsr.precision.rounds, network.modules())) for name, network in asked.items()}
    assert rounds == {"ann": True, YARDSTICK: False}


def test_firing_rates_are_of_what_spikes():
    assert 0 < firing_rate(Setting("dsr-lif-rep", "preact-resnet-tiny", 4, 8)) < 1
    assert firing_rate(Setting("ann", "preact-resnet-tiny", 1, 8)) is None
    assert firing_rate(Setting(YARDSTICK, "preact-resnet-tiny", 4, 8)) is None


@pytest.mark.slow
@pytest.mark.long
def test_a_first_run_saves_a_baseline_and_says_so_and_the_next_compares(tmp_path):
    def run(save: bool = False) -> str:
        console = Console(file=io.StringIO(), width=200)
        assert perf(console, tmp_path, "preact-resnet-tiny", 4, (2,), ("ann", "dsr-if-rep"), save) == 0
        return console.file.getvalue()

    assert "no baseline for this machine and setting yet: saved as" in run()
    (baseline,) = tmp_path.glob("perf/*.json")
    first = json.loads(baseline.read_text())
    rows = {row["subject"]: row for row in first["rows"]}
    assert set(rows) == {"ann", "dsr-if-rep"}
    assert first["other_load_cores"] is None or first["other_load_cores"] >= 0
    assert all(row["train_ms"] > 0 and row["inference_ms"] > 0 and row["peak_step_bytes"] > 0 for row in rows.values())
    assert 0 < rows["dsr-if-rep"]["firing_rate"] < 1

    said = run()
    assert "x baseline" in said.replace("\n", " ") or "baseline" in said
    assert json.loads(baseline.read_text()) == first
    (latest,) = tmp_path.glob("perf/latest/*.json")
    assert json.loads(latest.read_text()) != first

    with pytest.raises(
        BadInput, match=r"--save would lose 1 rows of .*\.json \(dsr-if-rep T=2\): measure those too, or"
    ):
        perf(Console(file=io.StringIO()), tmp_path, "preact-resnet-tiny", 4, (2,), ("ann",), True)
    assert json.loads(baseline.read_text()) == first


def test_bad_requests_are_refused_before_anything_is_timed(tmp_path):
    for wrong in ({"network": "vgg"}, {"batch": 0}, {"chosen": ("dsr-fi",)}):
        given = {"network": "preact-resnet-tiny", "batch": 4, "timesteps": (2,), "chosen": (), "save": False, **wrong}
        with pytest.raises(BadInput):
            perf(Console(file=io.StringIO()), tmp_path, **given)
    assert not list(tmp_path.iterdir())


def test_a_machine_makes_a_file_name():
    assert slug("AMD EPYC, 2 cores, Linux") == "amd-epyc-2-cores-linux"


def test_a_setting_that_left_no_benchmark_has_a_row_without_numbers():
    info = {
        "subject": "ann",
        "timesteps": 1,
        "peak_step_bytes": 7,
        "rate": None,
        "reference_seconds": [0.25, 0.25],
        "other_load_cores": 0.5,
        "watched_seconds": 3.0,
    }
    one = {"extra_info": info, "group": "train T=1", "stats": {"min": 0.5, "median": 0.75, "data": [0.5, 1.0]}}
    rates = Rates(10.0, 6.0, None, copied_bytes_per_second=1e9, neurons=1)
    more = {**one, "group": "inference T=1", "extra_info": info | {"other_load_cores": 0.1, "watched_seconds": 1.0}}
    made = boiled_down([one, more], "tiny", 4, rates, [("ann", 1), ("stbp-tdbn", 20)])
    there, lost = made["rows"]
    assert (there["train_ms"], there["train_ms_median"], there["peak_step_bytes"]) == (500.0, 750.0, 7)
    assert lost.pop("subject") == "stbp-tdbn"
    assert lost.pop("T") == 20
    assert set(lost.values()) == {None}
    assert made["other_load_cores"] == pytest.approx(0.4)  # 0.5 for three seconds, 0.1 for one


def test_a_measuring_process_that_runs_out_of_memory_says_so():
    with pytest.raises(MemoryError, match="allocate memory"):
        memory.peak_step_bytes(Setting("ann", "preact-resnet-tiny", 1, 2**36))


def leave(setting: Setting, to: Connection) -> None:
    """In place of a measuring process: end as a broken installation would."""
    sys.exit(3)


def be_killed(setting: Setting, to: Connection) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("ending", "code", "error"), [(leave, 3, RuntimeError), (be_killed, -9, RuntimeError), (be_killed, -9, MemoryError)]
)
def test_a_measuring_process_that_ends_has_run_out_of_memory_only_if_the_kernel_says_so(
    ending, code, error, monkeypatch
):
    counts = iter([7, 8 if error is MemoryError else 7])
    monkeypatch.setattr(memory, "_report", ending)
    monkeypatch.setattr(memory.out_of_memory, "kills", lambda: next(counts))
    with pytest.raises(error, match=f"ended with exit code {code}$"):
        memory.peak_step_bytes(Setting("ann", "preact-resnet-tiny", 1, 2))
