"""What a Slurm job does: it starts `dsr-bench work` and, when its time is up and runs are left, has itself requeued.

The batch script becomes this process (`exec`), and Slurm's warning goes to it alone (`--signal=B:USR1@n`). So exactly
one process gets the warning, and passes it on to the worker, which stops its runs after their last whole epoch. A
signal to a job's steps would reach the runs' processes, too, and end them before their launcher knows why.

submitit could requeue a job by itself, in its handler of the signal. That is not used: submitit takes a signal for the
end of the job's time only if 80 % of the time, or all but ten minutes, have passed. Otherwise it requeues without a
limit. Here Slurm's own count of restarts is used, and a job is requeued only after its worker has said how it ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FrameType

from benchmarks.launching.stopping import EARLY

WARNING = signal.SIGUSR1
THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Worker:
    """What a job does. `words`: its command, after `dsr-bench`. `environment`: variables, unless the job has them.

    `at_once`: runs that share the job's CPUs. `requeues`: how often the job goes on after its time was up.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    at_once: int = 1
    requeues: int = 0

    def __call__(self) -> None:
        """Call the command and wait for its end. Raises SystemExit with its exit code if that is not 0."""
        warned = False
        process: subprocess.Popen[bytes] | None = None

        def warn(number: int, frame: FrameType | None) -> None:
            nonlocal warned
            warned = True
            if process:
                process.send_signal(WARNING)

        signal.signal(WARNING, warn)
        process = subprocess.Popen([sys.executable, "-m", "benchmarks", *self.words], env=self._environment())
        if warned:
            process.send_signal(WARNING)
        code = process.wait()
        if warned and code in (EARLY, -WARNING):  # or killed by the warning, before it could handle it
            code = EARLY
            self._go_on()
        if code:
            raise SystemExit(code if code > 0 else 128 - code)

    def _environment(self) -> dict[str, str]:
        found = {**self.environment, **os.environ}
        cpus = found.get("SLURM_CPUS_ON_NODE", "")
        if THREADS not in found and cpus.isdigit():  # on many clusters a job sees all cores of its node
            found[THREADS] = str(max(1, int(cpus) // self.at_once))
        return found

    def _go_on(self) -> None:
        """Have this job queued again, unless that has happened often enough."""
        times, job = int(os.environ.get("SLURM_RESTART_COUNT") or 0), os.environ.get("SLURM_JOB_ID", "")
        if times >= self.requeues:
            _say(f"time is up, and the job has been requeued {times} times, which is the most: submit the sweep again")
            return
        _say(f"time is up: the job is requeued ({times + 1} of at most {self.requeues} times)")
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, encoding="utf-8", errors="replace")
        if done.returncode:
            _say(f"the job could not be requeued ({' '.join(done.stderr.split())}): submit the sweep again")


def _say(text: str) -> None:
    print(f"dsr-bench: {text}", flush=True)
