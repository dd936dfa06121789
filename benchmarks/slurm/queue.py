"""Asks Slurm through its own commands.

Each is called once per command of the suite, because frequent calls by many users overload Slurm's controller.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from importlib.util import find_spec
from typing import NamedTuple

from benchmarks.spec import BadInput

PATIENCE_SECONDS = 60.0
FEWEST, DEFAULT_TASKS = 1, 1001


class Cluster(NamedTuple):
    """A cluster's name, and how many jobs an array may have."""

    name: str
    largest_array: int


def require_commands(*names: str) -> None:
    """Raise BadInput if one of these commands of Slurm is not installed, or submitit, which `sbatch` needs here."""
    for name in names:
        if not shutil.which(name):
            raise BadInput(f"{name} not found: Slurm's commands are needed here, as on a cluster's login node")
    if "sbatch" in names and not find_spec("submitit"):
        raise BadInput("--launcher slurm needs submitit: pip install 'dsr-bench[slurm]'")


def cluster() -> Cluster:
    """The cluster that this machine submits to. Raises BadInput if Slurm does not answer."""
    said = _said("scontrol", "show", "config")
    known = dict(re.findall(r"^(\w+)\s*= (.*?)\s*$", said, re.MULTILINE))
    tasks = known.get("MaxArraySize", "")
    return Cluster(known.get("ClusterName", "unknown"), max(FEWEST, int(tasks) if tasks.isdigit() else DEFAULT_TASKS))


class Jobs(NamedTuple):
    """By job name: how many jobs wait or run, requeued ones included (`alive`), and how many are held (`held`).

    A held job does not start until somebody releases it. Slurm itself holds a job that a node could not start.
    """

    alive: Counter[str]
    held: Counter[str]


def jobs(job_names: Iterable[str]) -> Jobs:
    """Count the jobs that have these names. Raises BadInput if Slurm does not answer."""
    names = ",".join(job_names)
    if not names:
        return Jobs(Counter(), Counter())
    said = _said("squeue", "--noheader", "--array", f"--user={os.getuid()}", f"--name={names}", "--format=%j %r")
    lines = [line.partition(" ") for line in said.splitlines() if line.strip()]
    held = Counter(name for name, _, reason in lines if "held" in reason.lower())
    return Jobs(Counter(name for name, _, _ in lines) - held, held)


def cancel(job_name: str) -> None:
    """End all jobs of a name: Slurm sends SIGTERM, and SIGKILL half a minute later. Raises BadInput if that fails."""
    _said("scancel", f"--user={os.getuid()}", f"--name={job_name}")


def _said(*command: str) -> str:
    """What a command prints on stdout. If it fails, raises BadInput with what it prints on stderr."""
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=PATIENCE_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        raise BadInput(f"Slurm does not answer: {command[0]} took more than {PATIENCE_SECONDS:.0f} s") from None
    except subprocess.CalledProcessError as error:
        raise BadInput(f"{command[0]}: {' '.join(error.stderr.split()) or f'exit code {error.returncode}'}") from error
    return done.stdout
