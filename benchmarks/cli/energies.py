"""Microjoules of a finished run by every energy model, derived by `reports` for a tracker to show."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from benchmarks.export import layers
from benchmarks.runs.record import Result, row


class Energies:
    """`energy/<model>_uj_per_image`: events, the first layer once. `snn.energy.<model>`: the model's constants.

    `reports` is imported when a run has ended, not when a sweep starts. See `benchmarks.tracking.derived.Derived`.
    """

    @cached_property
    def tags(self) -> dict[str, str]:
        from reports.energy import by_model
        from reports.energy.constants import DEFAULT

        return {f"snn.energy.{model}": text for model, text in by_model.described(DEFAULT).items()}

    def metrics(self, place: Path, result: Result) -> dict[str, float]:
        """From a run's result and the ledger in its directory. A model that lacks a count is left out."""
        from reports.energy import by_model
        from reports.energy.constants import DEFAULT

        ledger = [asdict(line) for line in layers.rows_of(place, result.key)]
        microjoules = by_model.energies_of_run(row(result), ledger, DEFAULT)
        return {f"energy/{model}_uj_per_image": value for model, value in microjoules.items()}
