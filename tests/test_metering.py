"""Memory that a step freed is there for the next one, unless memory is short."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.measurement import metering
from benchmarks.measurement.metering import Memory, keep_freed_memory

SCRIPT = """
import resource, torch
from benchmarks.measurement.metering import Memory, keep_freed_memory

def faults(rounds=20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.zeros(2**22)  # 16 MiB: mapped, and given back, each time
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
before = faults()
kept = keep_freed_memory(Memory(idle=0, peak=2**20))
faults()
print(before, faults(), kept)
"""


@pytest.mark.slow
def test_pages_are_cleared_once_and_not_at_every_step():
    environment = {"THP_MEM_ALLOC_ENABLE": "0", "PYTHONPATH": ":".join(sys.path), "MALLOC_MMAP_THRESHOLD_": "1048576"}
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment)
    before, after, kept = found.stdout.split()
    if kept != "True":
        pytest.skip("the C library is not glibc, or memory is short")
    assert int(before) > 20 * 100  # with huge pages few, with small ones 4,096 a round
    assert int(after) < int(before) / 20


def test_where_memory_is_short_nothing_is_kept(monkeypatch):
    monkeypatch.setattr(metering, "_available", lambda: 4 * 2**30 - 1)
    assert not keep_freed_memory(Memory(idle=0, peak=2**30))


def test_without_a_measured_peak_nothing_is_kept():
    assert not keep_freed_memory(Memory(idle=0))
