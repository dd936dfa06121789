"""Metrics that a tracker shows of a finished run and that the run itself does not hold: energies above all.

Energy is never stored with a run. `benchmarks.cli.energies` lets `reports` derive it and hands it to the mirror, which
knows neither energy models nor reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from benchmarks.runs.record import Result


class Derived(Protocol):
    """Metrics of a run by name, and the tags that name the constants behind them."""

    @property
    def tags(self) -> Mapping[str, str]: ...
    def metrics(self, place: Path, result: Result) -> Mapping[str, float]: ...
