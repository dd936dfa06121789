"""A pytest plugin: time is counted work. A step of the subjects named in `PLANTED` does that many times its work.

The machine itself slows down threefold while the benchmarks run: no reference ratio may notice.
"""

from __future__ import annotations

import json
import os
from functools import partial

from benchmarks.perf import memory, reference, subjects

STEP_SECONDS, KERNEL_SECONDS = 0.3, 0.1
PEAK_BYTES = 50 * 2**20
_now, _slowness = 0.0, 1.0


def clock() -> float:
    return _now


def work(seconds: float) -> None:
    global _now, _slowness
    _now += seconds * _slowness
    _slowness = min(3.0, _slowness * 1.01)


def step(setting: subjects.Setting):
    planted = json.loads(os.environ.get("PLANTED", "{}"))
    return lambda: work(STEP_SECONDS * planted.get(setting.subject, 1.0))


subjects.training_step = subjects.inference_step = step
subjects.firing_rate = lambda setting: None
memory.peak_step_bytes = lambda setting: PEAK_BYTES
reference.kernel = lambda: lambda: work(KERNEL_SECONDS)
reference.InTurn = partial(reference.InTurn, clock=clock)
