"""What reports derive of a finished run and a tracker is to show beside it: microjoules by every energy model.

Energy is never stored with a run (`reports` derives it). Who mirrors runs is given this, and knows neither models nor
reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Protocol

from benchmarks.export import layers
from benchmarks.runs.record import Result, row


class Derived(Protocol):
    """Metrics of a run by name, and the tags that say what they rest on."""

    @property
    def tags(self) -> Mapping[str, str]: ...
    def metrics(self, place: Path, result: Result) -> Mapping[str, float]: ...


class Energies:
    """`energy/<model>_uj_per_image`, events with the first layer once; `snn.energy.<model>`: the model's constants."""

    @cached_property
    def tags(self) -> dict[str, str]:
        from reports.energy import lines as energy_lines
        from reports.energy.constants import DEFAULT

        return {f"snn.energy.{model}": text for model, text in energy_lines.described(DEFAULT).items()}

    def metrics(self, place: Path, result: Result) -> dict[str, float]:
        """Of a run's result, and of the ledger in its directory; a model that lacks a count is left out."""
        from reports.energy import lines as energy_lines
        from reports.energy.constants import DEFAULT

        counted = [asdict(line) for line in layers.rows_of(place, result.key)]
        found = energy_lines.of_run(row(result), counted, DEFAULT)
        return {f"energy/{model}_uj_per_image": value for model, value in found.items()}
