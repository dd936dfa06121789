"""MLflow mirrors what the run directories say, and never the other way round: no run needs any of this.

`mirror` adds to MLflow what is missing there, whatever state a run directory is in: one function for a run in progress,
its end, its resumption after a kill, and `dsr-bench sync` days later. `attach` puts a sweep's report on its parent run.
The only importer of mlflow, inside functions; what is derived of a run is handed in.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import sqlite3
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from benchmarks.files import addresses, partials
from benchmarks.runs import record, store
from benchmarks.tracking.derived import Derived

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

# fmt: off
EPOCH_METRICS = {  # columns of curves.csv, at step = epoch; the others become epoch/COLUMN
    "train_loss": "train/loss", "test_loss": "test/loss", "validation_loss": "val/loss",
    "train_top1": "train/acc1", "test_top1": "test/acc1", "validation_top1": "val/acc1",
}
FINAL_METRICS = {  # fields of Result, at step 0; the other numbers become result/FIELD
    "top1": "test/acc1_last", "top1_best": "test/acc1_best", "firing_rate": "spikes/rate_mean",
    "acs": "synops/ac_per_image", "analog_macs": "synops/mac_per_image", "train_seconds": "time/train_s",
    "train_cpu_seconds": "time/train_core_s",
    "train_step_ms": "time/train_step_ms_p50", "test_images_per_second": "throughput/test_images_per_s",
    "peak_step_bytes": "mem/peak_step_bytes", "peak_reserved_bytes": "mem/peak_reserved_bytes",
    "idle_bytes": "mem/idle_bytes",
}
ENVIRONMENT = {  # each unless the user has set it; left alone, mlflow waits four minutes for a dead server
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
# fmt: on
LOCK_SECONDS = 300
"""How long another process is waited for, which may be making the store on a busy machine; a dead one holds no lock."""
MARKER = "mlflow.json"
"""In a run's directory or a report's folder: what MLflow has of it."""
REPORT = (".html", ".md", ".tex", ".csv")
"""How the files of a report end that are attached to its sweep."""


def mirror(directories: Iterable[Path], results: Path, derived: Derived | None = None) -> str | None:
    """Bring MLflow up to date with run directories under `results`; None, or one line saying why it could not.

    `derived`: what is shown of finished runs beside what their directories say.
    """
    there, trouble = _Mirror(results, derived), None
    try:
        for directory in [d for d in directories if (d / store.RUN).exists() and not there.is_settled(d)]:
            try:
                with there.lock:
                    there.bring_up_to_date(directory)
            except (ValueError, KeyError, TypeError) as error:  # a damaged directory must not hold up the others
                trouble = _one_line(f"{directory} cannot be read: {error!r}")
    except Exception as error:  # whatever it is, the mirror must not stop the work that it mirrors
        trouble = there.said(error)
    return trouble


def attach(folder: Path, sweep: str, smoke: bool, results: Path) -> str | None:
    """Put the tables and the page in `folder` on the sweep's parent runs, once; returns what `mirror` returns.

    A sweep that is not in MLflow gets nothing. `smoke`: whether they are of smoke scale, which has parents of its own.
    """
    there = _Mirror(results)
    files = sorted(path for path in folder.iterdir() if path.suffix in REPORT)
    digest = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()
    try:
        if not there.holds(folder, digest) and there.exists():
            with there.lock:
                there.attach(files, digest, sweep, smoke, folder)
    except Exception as error:
        return there.said(error)
    return None


def close_stale(results: Path, live_keys: set[str]) -> str | None:
    """End as KILLED the runs that MLflow takes for running and whose key is not live; returns what `mirror` returns."""
    there = _Mirror(results)
    try:
        with there.lock:
            client = there.client
        mark = '"' if "'" in str(there.results) else "'"  # MLflow knows no escaped quotes
        ours = (
            f"attributes.status = 'RUNNING' and tags.`snn.results` = {mark}{there.results}{mark}"  # a server is shared
        )
        experiments = [e.experiment_id for e in client.search_experiments()]
        for run in client.search_runs(experiments, ours) if experiments else ():
            if run.data.tags["snn.run_key"] not in live_keys:
                client.set_tag(run.info.run_id, "snn.status", "killed")
                client.set_terminated(run.info.run_id, "KILLED")
    except Exception as error:
        return there.said(error)
    return None


class _Mirror:
    """MLflow as one results folder sees it. Connect and write under the lock: a store made twice at once is broken."""

    def __init__(self, results: Path, derived: Derived | None = None) -> None:
        os.environ.update(ENVIRONMENT | dict(os.environ))  # before the first import of mlflow
        self.results, self.derived = results.resolve(), derived
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or addresses.of_file(self.results / "mlflow.db")
        self.database = addresses.file_of(self.uri)
        self.lock = FileLock(self.results / "mlflow.lock", timeout=LOCK_SECONDS)

    @cached_property
    def client(self) -> MlflowClient:
        warnings.filterwarnings("ignore", module="mlflow")  # which uses what sqlalchemy has deprecated
        from mlflow import MlflowClient

        if addresses.is_in_memory(self.uri):
            raise RuntimeError("a database in memory ends with this process; name a file, as in sqlite:///mlflow.db")
        if self.database and not self.database.exists():
            for marker in self.results.rglob(MARKER):  # of a store that is gone
                marker.unlink(missing_ok=True)
            self.make(self.database)
        if self.database:  # raises within 5 s where mlflow would try for 100 s
            sqlite3.connect(self.database, timeout=5).execute("BEGIN IMMEDIATE").connection.close()
        return MlflowClient(self.uri)

    def make(self, database: Path) -> None:
        """A new store, made beside its place: a kill half-way would spoil it for good."""
        from mlflow import MlflowClient

        partial = database.with_name(f"{database.name}.partial")
        try:
            partial.write_bytes(b"")  # empties what a kill has left, and fails at once where nothing can be written
            MlflowClient(addresses.of_file(partial))
            partial.replace(database)
        except BaseException:  # the disk may be full
            for left in (partial, partial.with_name(f"{partial.name}-journal")):
                partials.remove(left)
            raise

    def said(self, error: Exception) -> str:
        """One line about trouble with MLflow: where, what, and how to mend it if that is known."""
        where = addresses.masked(self.uri.replace(" ", "%20"))  # a blank would end it
        what = str(error).replace(self.uri, where)
        return _one_line(f"MLflow at {where}: {_of_schema(what) or what}")

    def is_settled(self, directory: Path) -> bool:
        try:
            marker = json.loads((directory / MARKER).read_text(encoding="utf-8"))
            same = (marker["uri"], marker["ended"]) == (_one_line(self.uri), _modified(directory / store.RESULT))
            derived = self.derived is None or marker.get("derived") == dict(self.derived.tags)
            return same and derived and self.exists()
        except (OSError, ValueError, KeyError):
            return False

    def exists(self) -> bool:
        """Whether the store has been made; a server is taken to be there."""
        return self.database is None or self.database.exists()

    def holds(self, folder: Path, digest: str) -> bool:
        """Whether a report of this content has been attached."""
        try:
            marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
            return self.exists() and (marker["uri"], marker["report"]) == (_one_line(self.uri), digest)
        except (OSError, ValueError, KeyError):
            return False

    def attach(self, files: Sequence[Path], digest: str, sweep: str, smoke: bool, folder: Path) -> None:
        experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
        wanted = f"tags.`snn.kind` = 'sweep' and tags.`snn.sweep` = '{sweep}'"
        found = self.client.search_runs(experiments, wanted) if experiments else []
        parents = [run for run in found if (run.data.tags.get("snn.scale") == "smoke") == smoke]
        for run in parents:
            if run.data.tags.get("snn.report") != digest:
                for path in files:
                    self.client.log_artifact(run.info.run_id, str(path))
                self.client.set_tag(run.info.run_id, "snn.report", digest)
        if parents:
            record.write_whole(folder / MARKER, json.dumps({"uri": _one_line(self.uri), "report": digest}) + "\n")

    def bring_up_to_date(self, directory: Path) -> None:
        """Log what MLflow lacks, then the status, then the marker: cut short anywhere, the next call goes on there."""
        from mlflow.entities import Param, RunTag

        about = json.loads((directory / store.RUN).read_text(encoding="utf-8"))
        ended = _modified(directory / store.RESULT)
        result = record.load(directory / store.RESULT) if ended else None
        epochs, params = _epochs(directory / store.CURVES), _params(about)
        tags = _tags(about, result) | {"snn.results": str(self.results)}
        tags |= self.derived.tags if self.derived and result else {}
        run = self.find_or_make(about, tags, _modified(directory / store.RUN))
        logged = self.logged(run)
        if any(logged.get((m.key, m.step), m.value) != m.value for m in epochs):  # the run has begun anew since
            self.client.set_tag(run.info.run_id, "snn.kind", "superseded")
            if run.info.status == "RUNNING":
                self.client.set_terminated(run.info.run_id, "KILLED")
            run, logged = self.find_or_make(about, tags, _modified(directory / store.RUN)), {}
        run_id, known = run.info.run_id, run.data
        new = [m for m in epochs if (m.key, m.step) not in logged]
        if result:
            numbers = {n: v for n, v in vars(result).items() if isinstance(v, int | float) and n not in about["run"]}
            shown = dict(self.derived.metrics(directory, result)) if self.derived else {}
            final = _metrics(FINAL_METRICS | {name: name for name in shown}, "result", {**numbers, **shown}, 0, ended)
            new += [m for m in final if known.metrics.get(m.key) != m.value]
        elif run.info.status == "KILLED" and not new:
            return  # closed as stale, and no news of it since
        missing = [Param(name, value) for name, value in params.items() if name not in known.params]
        changed = [RunTag(name, value) for name, value in tags.items() if known.tags.get(name) != value]
        self.client.log_batch(run_id, params=missing, tags=changed, synchronous=True)
        for first in range(0, len(new), 1000):  # MLflow's limit per batch
            self.client.log_batch(run_id, new[first : first + 1000], synchronous=True)
        if "snn.reason" in known.tags and "snn.reason" not in tags:
            self.client.delete_tag(run_id, "snn.reason")
        if not result:
            self.client.update_run(run_id, "RUNNING")
            return
        self.client.set_terminated(run_id, "FINISHED" if result.status == "done" else "FAILED", ended)
        marker = {"uri": _one_line(self.uri), "run_id": run_id, "ended": ended}
        marker |= {"derived": dict(self.derived.tags)} if self.derived else {}
        record.write_whole(directory / MARKER, json.dumps(marker) + "\n")

    def logged(self, run: Run) -> dict[tuple[str, int], float]:
        """What MLflow has of a run: values by metric and step."""
        histories = (self.client.get_metric_history(run.info.run_id, name) for name in run.data.metrics)
        return {(m.key, m.step): m.value for history in histories for m in history}

    def find_or_make(self, about: dict[str, Any], tags: dict[str, str], started: int) -> Run:
        """The MLflow run with this key, in its dataset's experiment and under its sweep: what is not there is made."""
        name = f"dsr-bench/{about['run']['dataset']}"
        artifacts = (self.results / "mlartifacts").as_uri() if self.database else None  # a server has its own place
        known = self.client.get_experiment_by_name(name)
        if known and known.lifecycle_stage == "deleted":
            number = known.experiment_id
            raise RuntimeError(
                f"the experiment {name} is deleted there: `mlflow experiments restore --experiment-id {number}` brings "
                f"it back, `mlflow gc --experiment-ids {number}` ends it for good and a new one is made"
            )
        experiment = known.experiment_id if known else self.client.create_experiment(name, artifacts)

        def run(title: str, tags: dict[str, str], *known_by: str) -> Run:
            wanted = " and ".join(f"tags.`{name}` = '{tags[name]}'" for name in ("snn.kind", *known_by))
            found = self.client.search_runs([experiment], wanted, max_results=1)
            return found[0] if found else self.client.create_run(experiment, started, tags, title)

        if about["sweep"]:
            sweep = {"snn.kind": "sweep", "snn.sweep": about["sweep"], "snn.scale": about["run"]["scale"]}
            folder = run(f"{about['sweep']}-{about['run']['scale']}", sweep, "snn.sweep", "snn.scale")
            self.client.set_terminated(folder.info.run_id)  # nobody would ever end it
            tags["mlflow.parentRunId"] = folder.info.run_id
        return run("{method}-{network}-T{timesteps}-s{seed}".format(**about["run"]), tags, "snn.run_key")


def _epochs(curves: Path) -> list[Metric]:
    rows, when = record.read_csv(curves) if curves.exists() else [], _modified(curves)
    return [m for row in rows for m in _metrics(EPOCH_METRICS, "epoch", row, int(row.pop("epoch")), when)]


def _metrics(names: Mapping[str, str], group: str, values: Mapping[str, Any], step: int, when: int) -> list[Metric]:
    """The values that are finite numbers; of infinity MLflow would make 1.8e308."""
    from mlflow.entities import Metric

    numbers = {names.get(n, f"{group}/{n}"): float(value) for n, value in values.items() if value not in (None, "")}
    return [Metric(name, number, when, step) for name, number in numbers.items() if math.isfinite(number)]


def _params(about: dict[str, Any]) -> dict[str, str]:
    flat = about["run"] | about["recipe"]
    flat |= {f"{part}.{name}": value for part in ("neuron", "norm") for name, value in flat.pop(part).items()}
    flat |= {"T": flat.pop("timesteps"), "sources": None}  # the sources are no part of what was done
    return {name: str(value) for name, value in flat.items() if value is not None}


def _tags(about: dict[str, Any], result: record.Result | None) -> dict[str, str]:
    tags = {"kind": "run", "run_key": about["key"], "parent_key": about["parent_key"], "sweep": about["sweep"]}
    tags |= {name.replace("timesteps", "T"): value for name, value in about["run"].items()} | {"status": "running"}
    if result:
        tags |= vars(result.provenance) | {"status": result.status, "reason": result.reason}
    named = {f"snn.{name}": str(value) for name, value in tags.items() if value is not None}
    return named | ({"mlflow.source.git.commit": result.provenance.commit} if result else {})


def _modified(path: Path) -> int:
    return int(1000 * path.stat().st_mtime) if path.exists() else 0  # milliseconds, as MLflow counts


def _of_schema(text: str) -> str:
    """What to do about a database of another version of MLflow; empty where the text is of something else."""
    found = re.search(r"out-of-date database schema \(found version (\w+)", text)
    if not found:
        return ""
    import mlflow

    here, known = f"MLflow {mlflow.__version__}", Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions"
    if any(known.glob(f"{found[1]}_*.py")):
        return f"the database is older than {here}: copy it, then `mlflow db upgrade` with this address mends it"
    return f"the database is of a newer MLflow than {here}: install that one, or name another database"


def _one_line(text: str) -> str:
    """Without line breaks, SQL, and what is secret in an address."""
    return addresses.masked(" ".join(text.partition("[SQL:")[0].split()))[:400]
