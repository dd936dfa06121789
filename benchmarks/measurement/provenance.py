"""Provenance of a result: commit, machine, versions, data."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.data import Dataset
from benchmarks.runs.record import Provenance

ROOT = Path(__file__).resolve().parents[2]
GIT_SECONDS = 60


class Code(NamedTuple):
    """`dirty`: whether tracked files differ from the commit; None if git cannot tell."""

    commit: str
    dirty: bool | None


class GitError(Exception):
    """git failed; the message is git's own, in one line."""


def code() -> Code:
    """Return the running code's commit at the time of the first call; without git `DSR_COMMIT` or "unknown"."""
    return _asked()[0]


def trouble() -> str:
    """Return git's error message if it cannot tell the commit, else an empty string."""
    return _asked()[1]


@cache
def _asked() -> tuple[Code, str]:
    try:
        place = Path(git("rev-parse", "--show-toplevel").strip()).resolve()
        if place != ROOT:  # installed inside somebody else's checkout
            raise GitError(f"{ROOT} is not a git checkout but a folder inside another one, {place}")
        head = git("rev-parse", "--verify", "HEAD").strip()
        # results are not code: rows that a sweep writes must not make the next sweep's code dirty
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!results")
        return Code(head, bool(changed.strip())), ""
    except GitError as error:
        return Code(os.environ.get("DSR_COMMIT", "unknown"), None), str(error)


def git(*arguments: str) -> str:
    """Run git in this checkout and return its output. Raises GitError with git's message, in English in any locale."""
    command, english = ["git", "-C", str(ROOT), *arguments], os.environ | {"LC_ALL": "C", "LANGUAGE": "C"}
    try:
        done = subprocess.run(
            command, env=english, capture_output=True, encoding="utf-8", errors="replace", timeout=GIT_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise GitError(f"git {arguments[0]} in {ROOT} takes longer than {GIT_SECONDS} s") from None
    except OSError as error:
        raise GitError(f"git cannot be called ({error.strerror})") from None
    if done.returncode:
        raise GitError(" ".join(done.stderr.split()) or f"git {arguments[0]} failed with exit code {done.returncode}")
    return done.stdout


def provenance(data: Dataset | None = None, running: Code | None = None, processes: int = 1) -> Provenance:
    """Collect the provenance now; `data` is None for a run that failed before its data were loaded.

    `running` is the launcher's code, which a process forked from the launcher runs even if the checkout has changed.
    """
    running = running or code()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return Provenance(
        commit=running.commit,
        dirty=running.dirty,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=f"{_processor()}{_vectors()}, {os.cpu_count()} cores, {platform.system()}",
        device=f"{processes} processes, {device}" if processes > 1 else device,
        threads=torch.get_num_threads(),
        python=platform.python_version(),
        torch=torch.__version__,
        data_sha256=data.sha256 if data else "",
        data_source=data.source if data else "",
    )


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _vectors() -> str:
    """Name the widest vector unit. Virtual machines give different processors the same model name."""
    flags = _cpuinfo("flags").split()
    return next((f" ({name})" for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "")


def _cpuinfo(field: str) -> str:
    """Return a field of the first processor; empty if the system does not report it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(field)), "")
