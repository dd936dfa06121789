"""Copies what run directories say to MLflow. Nothing is read back, so no run needs MLflow.

`mirror` adds what MLflow lacks, whatever state a run directory is in. So one function serves a run in progress, a run
that has ended, one that is resumed after it was killed, and `dsr-bench sync` days later. `attach` adds a sweep's report
to its parent run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.files import json_files
from benchmarks.runs import record, store
from benchmarks.tracking import entries, lineage, translation
from benchmarks.tracking.connection import MARKER, Connection, one_line
from benchmarks.tracking.derived import Derived
from benchmarks.tracking.translation import modified

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

REPORT = (".html", ".md", ".tex", ".csv")
"""Endings of the files of a report that are attached to its sweep."""
BATCH = 1000
"""MLflow's limit for the metrics of one request."""


def mirror(directories: Iterable[Path], results: Path, derived: Derived | None = None) -> str | None:
    """Bring MLflow up to date with run directories under `results`. Returns None, or an error in one line.

    `derived`: metrics of finished runs that are not in their directories.
    """
    there, trouble = Connection(results), None
    try:
        for directory in directories:
            if not (directory / store.RUN).exists() or _is_settled(directory, there, derived):
                continue
            try:
                with there.lock:
                    if not _is_settled(directory, there, derived):  # meanwhile, by another process
                        _bring_up_to_date(directory, there, derived)
            except (ValueError, KeyError, TypeError) as error:  # a damaged directory must not hold up the others
                trouble = one_line(f"{directory} cannot be read: {error!r}")
    except Exception as error:  # whatever it is, the mirror must not stop the work that it mirrors
        trouble = there.said(error)
    return trouble


def attach(folder: Path, sweep: str, smoke: bool, results: Path) -> str | None:
    """Attach the tables and the page in `folder` to the sweep's parent runs, once. Returns what `mirror` returns.

    If MLflow does not have the sweep, nothing happens. `smoke`: the report is of smoke scale, whose sweeps have parent
    runs of their own.
    """
    there = Connection(results)
    try:
        if not is_attached(folder, results) and there.exists():
            with there.lock:
                _attach(folder, sweep, smoke, there)
    except Exception as error:
        return there.said(error)
    return None


def close_stale(results: Path, live_keys: Collection[str]) -> str | None:
    """Mark as KILLED the runs that are running according to MLflow and not live. Returns what `mirror` returns."""
    there = Connection(results)
    try:
        with there.lock:
            client = there.client
        ours = (  # a server may be shared with other results folders
            f"attributes.status = 'RUNNING' and tags.`snn.results` = {entries.quoted(str(there.results))}"
        )
        experiments = [e.experiment_id for e in client.search_experiments()]
        for run in client.search_runs(experiments, ours) if experiments else ():
            if run.data.tags["snn.run_key"] not in live_keys:
                client.set_tag(run.info.run_id, "snn.status", "killed")
                client.set_terminated(run.info.run_id, "KILLED")
    except Exception as error:
        return there.said(error)
    return None


def unsettled(directories: Iterable[Path], results: Path) -> list[Path]:
    """Those of these directories of ended runs that MLflow lacks according to their markers."""
    there = Connection(results)
    return [directory for directory in directories if not _is_settled(directory, there, None)]


def is_attached(folder: Path, results: Path) -> bool:
    """Whether the report in `folder` has been attached in its present state."""
    there = Connection(results)
    marker = _marker(folder)
    return there.exists() and (marker.get("uri"), marker.get("report")) == (there.masked_uri, _digest(_files(folder)))


def _is_settled(directory: Path, there: Connection, derived: Derived | None) -> bool:
    marker, ended = _marker(directory), modified(directory / store.RESULT)
    same = ended and (marker.get("uri"), marker.get("ended")) == (there.masked_uri, ended) and "model" in marker
    return bool(same and (derived is None or marker.get("derived") == dict(derived.tags)) and there.exists())


def _marker(folder: Path) -> Mapping[str, Any]:
    """What a folder's marker says; nothing where it is missing or damaged."""
    try:
        found = json_files.read(folder / MARKER)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in REPORT)


def _digest(files: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()


def _attach(folder: Path, sweep: str, smoke: bool, there: Connection) -> None:
    files = _files(folder)
    digest, parents = _digest(files), entries.sweeps(there, sweep, smoke)
    for run in parents:
        if run.data.tags.get("snn.report") != digest:
            for path in files:
                there.client.log_artifact(run.info.run_id, str(path))
            there.client.set_tag(run.info.run_id, "snn.report", digest)
    if parents:
        record.write_whole(folder / MARKER, json.dumps({"uri": there.masked_uri, "report": digest}) + "\n")


def _bring_up_to_date(directory: Path, there: Connection, derived: Derived | None) -> None:
    """Log what MLflow lacks, then the status, then the marker. A call that is interrupted is completed by the next."""
    about = json_files.read(directory / store.RUN)
    ended, started = modified(directory / store.RESULT), modified(directory / store.RUN)
    result = record.load(directory / store.RESULT) if ended else None
    tags = translation.tags(about, result) | {"snn.results": str(there.results)}
    tags |= derived.tags if derived and result else {}
    epochs = translation.epochs(directory / store.CURVES)
    run = entries.find_or_make(there, about, tags, started)
    logged = _logged(there, run)
    if any(logged.get((m.key, m.step), m.value) != m.value for m in epochs):  # the run has been started again since
        _supersede(there, run)
        run, logged = entries.find_or_make(there, about, tags, started), {}
    new = [m for m in epochs if (m.key, m.step) not in logged]
    if result is None:
        if run.info.status == "KILLED" and not new:
            return  # closed as stale, and no news of it since
        _log(there, run, about, tags, new)
        there.client.update_run(run.info.run_id, "RUNNING")
        return
    # a run that was killed may have left counts, but no result to derive anything of
    shown = dict(derived.metrics(directory, result)) if derived and result.status == "done" else {}
    final = translation.final(result, shown, ended)
    _log(there, run, about, tags, [*new, *(m for m in final if run.data.metrics.get(m.key) != m.value)])
    model = lineage.link(there, run, directory, about, result, final)
    if there.is_server and not logged:  # merges a twin that the server has created late
        entries.find_or_make(there, about, tags, started)
    there.client.set_terminated(run.info.run_id, "FINISHED" if result.status == "done" else "FAILED", ended)
    marker = {"uri": there.masked_uri, "run_id": run.info.run_id, "ended": ended, "model": model}
    marker |= {"derived": dict(derived.tags)} if derived else {}
    record.write_whole(directory / MARKER, json.dumps(marker) + "\n")


def _log(
    there: Connection, run: Run, about: Mapping[str, Any], tags: Mapping[str, str], metrics: Sequence[Metric]
) -> None:
    """Log these metrics, and the parameters and tags that the run lacks in MLflow."""
    from mlflow.entities import Param, RunTag

    known, run_id = run.data, run.info.run_id
    params = [Param(name, value) for name, value in translation.params(about).items() if name not in known.params]
    changed = [RunTag(name, value) for name, value in tags.items() if known.tags.get(name) != value]
    there.client.log_batch(run_id, params=params, tags=changed, synchronous=True)
    for first in range(0, len(metrics), BATCH):
        there.client.log_batch(run_id, metrics[first : first + BATCH], synchronous=True)
    if "snn.reason" in known.tags and "snn.reason" not in tags:
        there.client.delete_tag(run_id, "snn.reason")


def _supersede(there: Connection, run: Run) -> None:
    there.client.set_tag(run.info.run_id, "snn.kind", "superseded")
    if run.info.status == "RUNNING":
        there.client.set_terminated(run.info.run_id, "KILLED")


def _logged(there: Connection, run: Run) -> dict[tuple[str, int], float]:
    """What MLflow has of a run: values by metric and step."""
    histories = (there.client.get_metric_history(run.info.run_id, name) for name in run.data.metrics)
    return {(m.key, m.step): m.value for history in histories for m in history}
