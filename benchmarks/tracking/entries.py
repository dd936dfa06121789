"""Experiments and runs in MLflow: one for each thing, found by its tags, and made where it is not there.

A request that was answered too late is sent again, and then the server has done it twice. What is found twice is made
one again here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.tracking import translation
from benchmarks.tracking.connection import Connection

if TYPE_CHECKING:
    from mlflow.entities import Run


def find_or_make(there: Connection, about: Mapping[str, Any], tags: Mapping[str, str], started: int) -> Run:
    """The MLflow run with this key, in its dataset's experiment and under its sweep: what is not there is made.

    `started`: in milliseconds, for what is made.
    """
    experiment, own = _experiment(there, f"dsr-bench/{about['run']['dataset']}"), dict(tags)
    if about["sweep"]:
        scale = about["run"]["scale"]
        sweep = {"snn.kind": "sweep", "snn.sweep": about["sweep"], "snn.scale": scale}
        folder = _one(there, experiment, f"{about['sweep']}-{scale}", sweep, ("snn.sweep", "snn.scale"), started)
        there.client.set_terminated(folder.info.run_id)  # nobody would ever end it
        own["mlflow.parentRunId"] = folder.info.run_id
    return _one(there, experiment, translation.title(about["run"]), own, ("snn.run_key",), started)


def sweeps(there: Connection, name: str, smoke: bool) -> list[Run]:
    """A sweep's parent runs, one per experiment and scale; `smoke`: those of smoke scale, else the others."""
    experiments = [experiment.experiment_id for experiment in there.client.search_experiments()]
    wanted = f"tags.`snn.kind` = 'sweep' and tags.`snn.sweep` = {quoted(name)}"
    found = there.client.search_runs(experiments, wanted) if experiments else []
    return [run for run in found if (run.data.tags.get("snn.scale") == "smoke") == smoke]


def quoted(text: str) -> str:
    """A text in a search of MLflow's, which knows no escaped quotes."""
    mark = '"' if "'" in text else "'"
    return f"{mark}{text}{mark}"


def _experiment(there: Connection, name: str) -> str:
    """The number of an experiment. Raises RuntimeError, which says what to do, for one that is deleted there."""
    from mlflow.exceptions import MlflowException

    if known := there.client.get_experiment_by_name(name):
        if known.lifecycle_stage != "deleted":
            return known.experiment_id
        number = known.experiment_id
        raise RuntimeError(
            f"the experiment {name} is deleted there: `mlflow experiments restore --experiment-id {number}` brings "
            f"it back, `mlflow gc --experiment-ids {number}` ends it for good and a new one is made"
        )
    artifacts = (there.results / "mlartifacts").as_uri() if there.database else None  # a server has its own place
    try:
        return there.client.create_experiment(name, artifacts)
    except MlflowException:
        if made := there.client.get_experiment_by_name(name):  # meanwhile: by another process, or by the first of two
            return made.experiment_id  # requests
        raise


def _one(
    there: Connection, experiment: str, title: str, tags: Mapping[str, str], known_by: Sequence[str], started: int
) -> Run:
    wanted = " and ".join(f"tags.`{name}` = {quoted(tags[name])}" for name in ("snn.kind", *known_by))
    found = list(there.client.search_runs([experiment], wanted))
    if not found:
        made = there.client.create_run(experiment, started, dict(tags), title)
        # a server that took its time may have made two
        found = list(there.client.search_runs([experiment], wanted)) if there.is_server else [made]
    first, *twins = sorted(found, key=lambda run: (not run.data.metrics, run.info.start_time, run.info.run_id))
    for twin in twins:
        if not twin.data.metrics:
            _merge(there, experiment, twin, first)
    return first


def _merge(there: Connection, experiment: str, twin: Run, first: Run) -> None:
    """Delete a run that nothing was logged to. What hangs under it hangs under the first from now on."""
    for child in there.client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{twin.info.run_id}'"):
        there.client.set_tag(child.info.run_id, "mlflow.parentRunId", first.info.run_id)
    there.client.delete_run(twin.info.run_id)
