"""Joules by the machine's counters: made-up sysfs trees and a made-up NVML."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.measurement import joules
from benchmarks.measurement.joules import Meter, Unavailable, nvml, rapl
from benchmarks.measurement.metering import Memory
from benchmarks.runs.record import Epoch
from benchmarks.training.loop import Training

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
RANGE = 1_000_000
"""A counter that starts again after a joule."""


def zone(root: Path, place: str, name: str, microjoules: int = 0) -> Path:
    """A zone as the kernel shows it: packages are `intel-rapl:0`, their parts `intel-rapl:0:1`."""
    made = root / place
    made.mkdir(parents=True)
    for file, text in {"name": name, "energy_uj": microjoules, "max_energy_range_uj": RANGE}.items():
        (made / file).write_text(f"{text}\n")
    return made


def set_to(made: Path, microjoules: int) -> None:
    (made / "energy_uj").write_text(f"{microjoules}\n")


class Library:
    """NVML's C functions, as far as they are called; 0 is success."""

    def __init__(self, readings: list[int], code: int = 0) -> None:
        self.readings, self.code, self.asked = readings, code, b""

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return 0

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes, handle: Any) -> int:  # noqa: N802
        self.asked = uuid
        handle._obj.value = 7
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, energy: Any) -> int:  # noqa: N802
        assert handle.value == 7
        energy._obj.value = self.readings.pop(0)
        return self.code


def test_packages_and_their_memory_are_added_up_and_their_parts_and_doubles_left_out(tmp_path: Path) -> None:
    first, second = zone(tmp_path, "intel-rapl:0", "package-0", 100), zone(tmp_path, "intel-rapl:1", "package-1", 50)
    memory, core = zone(tmp_path, "intel-rapl:0:1", "dram"), zone(tmp_path, "intel-rapl:0:0", "core")
    double, everything = zone(tmp_path, "intel-rapl-mmio:0", "package-0"), zone(tmp_path, "intel-rapl:2", "psys")
    meter = rapl(tmp_path)
    assert meter.source == "RAPL, 2 packages and memory"
    assert meter.joules() == 0
    for made, microjoules in {first: 300_100, second: 20_050, memory: 4_000}.items():
        set_to(made, microjoules)
    for ignored in (core, double, everything):
        set_to(ignored, 999_999)
    assert meter.joules() == pytest.approx(0.324)


def test_a_counter_that_starts_again_goes_on(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 900_000)
    meter = rapl(tmp_path)
    for microjoules in (200_000, 700_000, 100_000):  # 0.3 J with the turn, then 0.5, then 0.4 with another
        set_to(package, microjoules)
        last = meter.joules()
    assert last == pytest.approx(1.2)
    assert meter.source == "RAPL, 1 package"


def test_ticks_see_a_turn_that_two_readings_far_apart_would_miss(tmp_path: Path, monkeypatch: Any) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = rapl(tmp_path)
    for microjoules in (600_000, 200_000, 800_000):
        set_to(package, microjoules)
        meter.tick()  # too early: no reading
    assert meter.counters[0].total == 0
    monkeypatch.setattr(joules, "SECONDS_BETWEEN_READINGS", -1.0)
    for microjoules in (600_000, 200_000, 800_000):
        set_to(package, microjoules)
        meter.tick()
    assert meter.joules() == pytest.approx(1.8)


def test_a_counter_for_root_only_is_none(tmp_path: Path, monkeypatch: Any) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0")

    def refuse(path: Path, *rest: Any, **more: Any) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return "package-0\n" if path.name == "name" else f"{RANGE}\n"

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(Unavailable, match=r"energy_uj is readable by root only"):
        rapl(tmp_path)
    monkeypatch.setattr(joules, "POWERCAP", tmp_path)
    monkeypatch.setattr(joules, "rapl", lambda: rapl(tmp_path))
    assert joules.meter(CPU).joules() is None
    assert joules.meter(CPU).source is None
    assert str(package / "energy_uj") in joules.missing(CPU)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_none(tmp_path: Path) -> None:
    (zone(tmp_path, "intel-rapl:0", "package-0") / "energy_uj").chmod(0)
    with pytest.raises(Unavailable, match="root only"):
        rapl(tmp_path)


def test_a_machine_without_counters_has_no_joules(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no RAPL counter"):
        rapl(tmp_path / "nowhere")
    zone(tmp_path, "intel-rapl:0", "psys")
    with pytest.raises(Unavailable, match="no RAPL counter"):
        rapl(tmp_path)
    assert Meter().joules() is None


def test_a_counter_that_goes_away_ends_the_count(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0")
    meter = rapl(tmp_path)
    (package / "energy_uj").unlink()
    assert meter.joules() is None
    set_to(package, 500)
    assert (meter.joules(), meter.source) == (None, None)


def test_nvml_counts_millijoules_of_the_gpu_asked_for() -> None:
    library = Library([5_000, 5_000, 7_500])
    meter = nvml("GPU-abc", lambda name: library)
    assert library.asked == b"GPU-abc"
    assert [meter.joules(), meter.joules()] == [0.0, 2.5]
    assert meter.source == "NVML, GPU"


def test_nvml_that_refuses_or_goes_back_is_none() -> None:
    with pytest.raises(Unavailable, match="NVML returned error 3"):  # an old GPU has no such counter
        nvml("GPU-abc", lambda name: Library([1], code=3))
    assert nvml("GPU-abc", lambda name: Library([9, 8])).joules() is None

    def absent(name: str) -> Any:
        raise OSError(name)

    with pytest.raises(Unavailable, match="not found"):
        nvml("GPU-abc", absent)


def counting(joules_each: float, source: str) -> Meter:
    readings = iter(range(0, 10_000_000, 1000))
    return Meter([joules.Counter(lambda: next(readings), joules_each / 1000)], source)


def unavailable() -> Meter:
    raise Unavailable("none")


@pytest.mark.parametrize(
    ("device", "alone", "gpu", "processor", "source"),
    [
        (CPU, True, True, True, "RAPL"),
        (CPU, True, True, False, None),
        (CPU, False, True, True, None),
        (GPU, True, True, True, "NVML + RAPL"),
        (GPU, True, True, False, "NVML"),
        (GPU, True, False, True, None),  # the processor's joules are not the run's
        (GPU, False, True, True, "NVML"),
    ],
)
def test_a_gpu_needs_its_own_counter_and_processes_together_count_no_package_twice(
    device: torch.device, alone: bool, gpu: bool, processor: bool, source: str | None, monkeypatch: Any
) -> None:
    def there(is_there: bool, name: str) -> Callable[..., Meter]:
        return lambda *uuid: counting(1.0, name) if is_there else unavailable()

    monkeypatch.setattr(joules, "_uuid", lambda device: "GPU-abc")
    monkeypatch.setattr(joules, "nvml", there(gpu, "NVML"))
    monkeypatch.setattr(joules, "rapl", there(processor, "RAPL"))
    meter = joules.meter(device, alone)
    assert meter.source == source
    assert meter.joules() == (len(source.split(" + ")) if source else None)


def epoch(number: int, train_joules: float | None) -> Epoch:
    return Epoch(number, 0.1, 1.0, 50.0, 1.0, 50.0, None, None, 10.0 * number, 5.0, 1.0, train_joules)


def test_joules_add_up_over_epochs_and_end_where_one_is_unknown_or_counted_otherwise() -> None:
    training = Training(Memory(0))
    assert training.joules(5.0, "RAPL") == 5.0
    training.epochs.append(epoch(1, 5.0))
    assert training.joules(2.0, "RAPL") == 7.0
    assert training.joules_source == "RAPL"
    assert training.joules(2.0, "NVML") is None
    assert training.joules_source is None
    training = Training(Memory(0), [epoch(1, 5.0)], joules_source="RAPL")
    assert training.joules(None, None) is None
    training = Training(Memory(0), [epoch(1, None)])
    assert training.joules(3.0, "RAPL") is None
