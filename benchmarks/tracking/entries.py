"""Finds experiments and runs in MLflow, runs by their tags, and creates those that do not exist.

If a server answers a request too late, mlflow sends it again, and the server may create a run twice. Such twins are
found and merged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.tracking import translation
from benchmarks.tracking.connection import Connection

if TYPE_CHECKING:
    from mlflow.entities import Run


def find_or_make(there: Connection, about: Mapping[str, Any], tags: Mapping[str, str], started: int) -> Run:
    """The MLflow run with the key in `tags`: in its data set's experiment, a child of its sweep's run.

    What does not exist is created. `started`: the start of what is created, in milliseconds since 1970.
    """
    experiment, own = _experiment(there, f"dsr-bench/{about['run']['dataset']}"), dict(tags)
    if about["sweep"]:
        scale = about["run"]["scale"]
        sweep = {"snn.kind": "sweep", "snn.sweep": about["sweep"], "snn.scale": scale}
        folder = _one(there, experiment, f"{about['sweep']}-{scale}", sweep, ("snn.sweep", "snn.scale"), started)
        there.client.set_terminated(folder.info.run_id)  # nothing else would ever end it
        own["mlflow.parentRunId"] = folder.info.run_id
    return _one(there, experiment, translation.title(about["run"]), own, ("snn.run_key",), started)


def sweeps(there: Connection, name: str, smoke: bool) -> list[Run]:
    """A sweep's parent runs in MLflow, one per experiment and scale: those of smoke scale (`smoke`), or the others."""
    experiments = [experiment.experiment_id for experiment in there.client.search_experiments()]
    wanted = f"tags.`snn.kind` = 'sweep' and tags.`snn.sweep` = {quoted(name)}"
    found = there.client.search_runs(experiments, wanted) if experiments else []
    return [run for run in found if (run.data.tags.get("snn.scale") == "smoke") == smoke]


def quoted(text: str) -> str:
    """A text in quotes for a search in MLflow, where a quote inside a text cannot be escaped."""
    mark = '"' if "'" in text else "'"
    return f"{mark}{text}{mark}"


def _experiment(there: Connection, name: str) -> str:
    """The id of an experiment. Raises RuntimeError, which says what to do, for one that has been deleted in MLflow."""
    from mlflow.exceptions import MlflowException

    if known := there.client.get_experiment_by_name(name):
        if known.lifecycle_stage != "deleted":
            return known.experiment_id
        number = known.experiment_id
        raise RuntimeError(
            f"the experiment {name} is deleted there: `mlflow experiments restore --experiment-id {number}` brings "
            f"it back, `mlflow gc --experiment-ids {number}` ends it for good and a new one is made"
        )
    artifacts = (there.results / "mlartifacts").as_uri() if there.database else None  # a server has a place of its own
    try:
        return there.client.create_experiment(name, artifacts)
    except MlflowException:
        # another process may have created it meanwhile, or the first of two equal requests
        if made := there.client.get_experiment_by_name(name):
            return made.experiment_id
        raise


def _one(
    there: Connection, experiment: str, title: str, tags: Mapping[str, str], known_by: Sequence[str], started: int
) -> Run:
    """The run with these tags among those of `known_by`, created if it does not exist; twins are merged."""
    wanted = " and ".join(f"tags.`{name}` = {quoted(tags[name])}" for name in ("snn.kind", *known_by))
    found = list(there.client.search_runs([experiment], wanted))
    if not found:
        made = there.client.create_run(experiment, started, dict(tags), title)
        # a slow server may have created two
        found = list(there.client.search_runs([experiment], wanted)) if there.is_server else [made]
    first, *twins = sorted(found, key=lambda run: (not run.data.metrics, run.info.start_time, run.info.run_id))
    for twin in twins:
        if not twin.data.metrics:
            _merge(there, experiment, twin, first)
    return first


def _merge(there: Connection, experiment: str, twin: Run, first: Run) -> None:
    """Delete a twin, to which nothing has been logged. Its children become those of the first run."""
    for child in there.client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{twin.info.run_id}'"):
        there.client.set_tag(child.info.run_id, "mlflow.parentRunId", first.info.run_id)
    there.client.delete_run(twin.info.run_id)
