"""The jobs of a submission, sent to Slurm through submitit, and their record in the results folder.

    RESULTS/slurm/SWEEP-TOKEN/
        submission.json   sweep, command, job name, cluster, time, job ids
        ID_0_log.out      what a job printed, ID_0_log.err what went wrong; of an array ID_0_0_log.out, ID_1_0_log.out
        the rest          submitit's: batch scripts, and the pickled workers

Every submission has a folder and a job name of its own, because Slurm uses job ids again after a while, and clusters
use the same ones.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import shlex
import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.files import json_files, partials
from benchmarks.runs.record import write_whole
from benchmarks.slurm.queue import Cluster
from benchmarks.slurm.settings import Settings
from benchmarks.slurm.worker import WARNING, Worker
from benchmarks.spec import BadInput, one_line

FOLDER, RECORD = "slurm", "submission.json"
CARRIED = ("DSR_", "PYTHONPATH")
"""Beginnings of names of variables that a worker gets even if a cluster's jobs do not inherit the environment."""
FOLDERS = ("DSR_DATA", "DSR_RESULTS")


@dataclass(frozen=True)
class Submission:
    """Jobs that were submitted together. `words`: the command of each, after `dsr-bench`. `submitted`: UTC."""

    sweep: str
    words: tuple[str, ...]
    job_name: str
    cluster: str
    submitted: str
    folder: Path
    job_ids: tuple[str, ...] = field(default=())

    def write(self) -> None:
        """Write the record. Raises BadInput if that is impossible."""
        stated = {name: value for name, value in asdict(self).items() if name != "folder"}
        partials.make_folder(self.folder)
        write_whole(self.folder / RECORD, json.dumps(stated, indent=2) + "\n")


def submissions(results: Path, sweep: str) -> list[Submission]:
    """What has been submitted of a sweep from a results folder, oldest first; records that are damaged are left out."""
    found = []
    for path in partials.seen(results.absolute(), f"{FOLDER}/*/{RECORD}"):
        try:
            one = json_files.made(Submission, {**json_files.read(path), "folder": path.parent})
            found.append(replace(one, words=tuple(one.words), job_ids=tuple(one.job_ids)))
        except (OSError, ValueError, TypeError):
            continue
    return sorted((one for one in found if one.sweep == sweep), key=lambda one: one.submitted)


def submit(
    sweep: str, words: Iterable[str], workers: int, at_once: int, chosen: Settings, results: Path, where: Cluster
) -> Submission:
    """Submit `workers` jobs that each call `dsr-bench` with `words`. Returns the record of the submission.

    The record is written before the first job is sent, so that no job is ever without one. Raises BadInput if Slurm
    refuses the jobs.
    """
    name = f"dsr-bench-{sweep}-{secrets.token_hex(4)}"
    folder = results.absolute() / FOLDER / name.removeprefix("dsr-bench-")
    if "%" in str(folder):
        raise BadInput(f"results folder {results.absolute()} has a % in its name, which Slurm takes for a pattern")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = Submission(sweep, tuple(words), name, where.name, now, folder)
    record.write()
    worker = Worker(record.words, carried(os.environ, results, name), at_once, chosen.requeues)
    while workers:
        count = min(workers, where.largest_array)
        record = replace(record, job_ids=(*record.job_ids, _sent(worker, count, record, chosen)))
        record.write()
        workers -= count
    return record


def _sent(worker: Worker, count: int, record: Submission, chosen: Settings) -> str:
    """The job id of one job, or of an array of them."""
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    executor = _executor(record.folder, record.job_name, count, chosen)
    try:
        with redirect_stderr(io.StringIO()):  # submitit prints its exceptions there, too
            jobs = executor.submit_array([worker] * count)
    except (FailedJobError, FailedSubmissionError) as error:
        raise BadInput(f"sbatch: {one_line(error)}") from error
    return str(jobs[0].job_id).partition("_")[0]


def _executor(folder: Path, job_name: str, count: int, chosen: Settings) -> Any:
    from submitit import SlurmExecutor

    # `exec`: the batch script becomes the worker's process, to which alone Slurm sends its warning
    executor = SlurmExecutor(folder, python=f"exec {shlex.quote(sys.executable)}")
    executor.update_parameters(**parameters(job_name, count, chosen))
    return executor


def parameters(job_name: str, count: int, chosen: Settings) -> dict[str, Any]:
    """submitit's parameters for every job. None leaves a parameter to Slurm."""
    options = {"signal": f"B:{WARNING.name.removeprefix('SIG')}@{chosen.warning_seconds}", "requeue": True}
    return {
        "job_name": job_name,
        "time": chosen.minutes,
        "gpus_per_node": chosen.gpus or None,
        "cpus_per_task": chosen.cpus,
        "mem": chosen.memory,
        "partition": chosen.partition,
        "array_parallelism": count,
        "setup": list(chosen.setup) or None,
        "use_srun": False,
        "wckey": None,
        "additional_parameters": options | dict(chosen.options),
    }


def carried(environment: Mapping[str, str], results: Path, launch: str) -> dict[str, str]:
    """The environment variables that a worker gets. Folders are absolute paths.

    `launch`: the name that the workers of one submission share: a run that fails in one is not repeated by the others.
    """
    found = {name: value for name, value in environment.items() if name.startswith(CARRIED)}
    found |= {name: str(Path(found[name]).absolute()) for name in FOLDERS if found.get(name)}
    return found | {"DSR_RESULTS": str(results.absolute()), "DSR_LAUNCH": launch}
