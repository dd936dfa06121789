"""Metrics of a finished run that MLflow shows and that are not stored with the run, such as energy.

Energy is derived in `reports` from what is stored. `benchmarks.cli.energies` passes it to the mirror, which imports
neither energy models nor reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from benchmarks.runs.record import Result


class Derived(Protocol):
    """Derived metrics of a run by name, and tags that name the constants they are derived with."""

    @property
    def tags(self) -> Mapping[str, str]: ...
    def metrics(self, place: Path, result: Result) -> Mapping[str, float]: ...
