"""Many workers on one results folder: the real pool, claims and plan, and runs that end at once.

    python tests/simulated_workers.py --runs 10000 --workers 64 --claims directory --life 60

Workers are processes. The first ones (two for every place) kill themselves by SIGKILL after a random time, wherever
they are, and others take their places.
Prints what was lost, what was done twice, and what claims and planning cost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from benchmarks.files import owners
from benchmarks.files.claims import CLAIM, Claim, Claims
from benchmarks.launching import pool
from benchmarks.launching.claiming import claimed
from benchmarks.runs import attempts, store
from benchmarks.runs.attempts import Launch
from benchmarks.runs.job import Job
from benchmarks.runs.order import after
from benchmarks.runs.plan import plan
from benchmarks.runs.record import Provenance, Result, save, write_whole
from benchmarks.spec import BadInput, Run

T = TypeVar("T")
METHODS = ("ann", "dsr-if", "calibration", "threshold-balancing", "qcfs")
TIMESTEPS = (2, 4, 8)
NOWHERE = Provenance("x", False, "2026-01-01T00:00:00+00:00", "x", "cpu", 1, "3", "2", "d", "digits")
SLOTS = 2
"""Runs at once in a worker."""
RECORDED, COSTS = "recorded.log", "costs.log"


def runs_of(count: int) -> list[Run]:
    """About so many runs, parents not counted."""
    seeds = range(-(-count // (2 + 3 * len(TIMESTEPS))))
    timed = [(method, steps) for method in METHODS[2:] for steps in TIMESTEPS]
    cells = [("ann", 1), ("dsr-if", 2), *timed]
    return [Run("digits", "preact-resnet-tiny", method, t, seed, "smoke") for seed in seeds for method, t in cells]


class Measured(Claims):
    """Claims that count what they cost: seconds by the clock, of the processor, and operations on files."""

    cost: ClassVar[Counter[str]] = Counter()
    counts_operations = False

    def take(self, place: Path) -> Claim | None:
        return self._measured("take", lambda: Claims.take(self, place))

    def release(self, claim: Claim) -> None:
        self._measured("release", lambda: Claims.release(self, claim))

    def _measured(self, what: str, act: Callable[[], T]) -> T:
        if Measured.counts_operations:  # taking a claim may release it again
            return act()
        clock, processor = time.perf_counter(), time.thread_time()
        Measured.counts_operations = True
        try:
            done = act()
        finally:
            Measured.counts_operations = False
        what = "refusal" if what == "take" and done is None else what
        self.cost[f"{what} s"] += time.perf_counter() - clock  # type: ignore[assignment]
        self.cost[f"{what} cpu s"] += time.thread_time() - processor  # type: ignore[assignment]
        self.cost[what] += 1
        return done


def count_operations(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook. `stat` is not audited."""
    if Measured.counts_operations and (event == "open" or event.startswith(("os.", "shutil.", "fcntl."))):
        Measured.cost["operations"] += threading.current_thread() is threading.main_thread()


@dataclass
class Dry:
    """A crew whose runs end when it is next waited for. Whatever else a crew does is done."""

    results: Path
    known: Mapping[Run, Job]
    claims: Claims
    launch: Launch
    busy: dict[Run, Claim] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def start(self, run: Run, worker: int) -> pool.State:
        job = self.known[run]
        assert job.parent is None or job.parent.has_weights(), f"{run} starts before its parent has ended"
        claim = claimed(job, "simulated", self.claims, self.launch)
        if claim is None:
            return "elsewhere"
        if isinstance(claim, Result):
            return "over"
        self.busy[run] = claim
        return "started"

    def wait(self, seconds: float) -> dict[Run, pool.State]:
        ended = {run: self._end(run, claim) for run, claim in self.busy.items()}
        self.busy.clear()
        return ended

    def idle(self, items: Collection[Run]) -> None: ...
    def stop(self) -> None: ...

    def _end(self, run: Run, claim: Claim) -> pool.State:
        """Record a run as its process would."""
        job = self.known[run]
        result = Result(
            key=job.key, parent_key=job.parent_key, **vars(run), status="done", top1=9.0, provenance=NOWHERE
        )
        state: pool.State = "over"
        try:
            write_whole(job.place / store.NETWORK, "")
            save(result, job.place / store.RESULT)
            append(self.results / RECORDED, f"{job.key}\n")
            self.counts["recorded"] += 1
        except BadInput:
            assert not claim.is_held(), "only a lost claim keeps a run from being recorded"
            self.counts["lost claims"] += 1
            state = "elsewhere"
        self.claims.release(claim)
        return state


def append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line)


def work(results: Path, count: int, life: float, number: int, strangers: bool) -> None:
    """Be one worker. `strangers`: nobody knows the processes of others, as if each had a machine of its own."""
    if life:
        timer = threading.Timer(random.Random(number).expovariate(1 / life), os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    if strangers:
        owners.machine = lambda: f"machine {number}"  # type: ignore[assignment]
    began = time.process_time()
    launch = attempts.launch(results, "simulated")
    todo = plan(runs_of(count), results)
    known = {job.run: job for job in todo.missing}
    before = after(todo.missing)
    planned, size = time.process_time() - began, memory()
    sys.addaudithook(count_operations)
    with Measured(results) as claims:
        crew = Dry(results, known, claims, launch)
        pool.carry_out([*known], SLOTS, before, crew, patient=False)
    costs = {"planning": planned, "memory": size, "grown": memory() - size, **crew.counts, **Measured.cost}
    append(results / COSTS, json.dumps(costs) + "\n")


def memory() -> float:
    """The most that this process has ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def simulate(results: Path, count: int, workers: int, kind: str, life: float, strangers: bool) -> dict[str, Any]:
    """Let so many workers go until none has anything to do; what came of it."""
    began = time.monotonic()
    lease = {"DSR_LEASE": "5"} if strangers else {}
    environment = os.environ | {"DSR_CLAIMS": kind, "PYTHONPATH": os.pathsep.join(sys.path)} | lease
    words = [sys.executable, __file__, "--results", str(results), "--runs", str(count), "--worker"]
    started, deaths, going = 0, 0, list[subprocess.Popen[bytes]]()
    while going or not started or left(results, count):
        while len(going) < workers and (started < workers or left(results, count)):
            mortal = life if started < 2 * workers else 0.0
            asked = [*words, str(started), "--life", str(mortal), *(["--strangers"] if strangers else [])]
            going.append(subprocess.Popen(asked, env=environment))
            started += 1
        time.sleep(0.05)
        for one in [one for one in going if one.poll() is not None]:
            going.remove(one)
            assert one.returncode in (0, -signal.SIGKILL), one.returncode
            deaths += one.returncode != 0
    return found(results, count) | {"deaths": deaths, "workers": started, "seconds": time.monotonic() - began}


def left(results: Path, count: int) -> bool:
    """Whether runs are missing, as far as the log of records says: a worker may have died before it wrote there."""
    recorded = (results / RECORDED).read_text().split() if (results / RECORDED).exists() else []
    if len({*recorded}) >= count:
        return bool(plan(runs_of(count), results).missing)
    return True


def found(results: Path, count: int) -> dict[str, Any]:
    """What is in the folder at the end."""
    work = plan(runs_of(count), results)
    recorded = Counter((results / RECORDED).read_text().split())
    costs = [json.loads(line) for line in (results / COSTS).read_text().splitlines()]
    total = Counter[str]()
    for one in costs:
        total.update(one)
    taken = max(1, total["take"])
    return {
        "runs": len(work.jobs),
        "lost": len(work.missing),
        "recorded twice": sum(times > 1 for times in recorded.values()),
        "claims left behind": sum((job.place / CLAIM).exists() for job in work.jobs),
        "claims lost to others": total["lost claims"],
        "ms per claim, by the clock": 1000 * (total["take s"] + total["release s"]) / taken,
        "ms per claim, of the processor": 1000 * (total["take cpu s"] + total["release cpu s"]) / taken,
        "ms per claim that was refused": 1000 * total["refusal s"] / max(1, total["refusal"]),
        "refusals per claim": total["refusal"] / taken,
        "operations on files per claim, refusals included": total["operations"] / taken,
        "seconds of planning, of the processor": max(one["planning"] for one in costs),
        "MB after planning": max(one["memory"] for one in costs),
        "MB that a worker grew": max(one["grown"] for one in costs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--claims", choices=("flock", "directory"), default="directory")
    parser.add_argument("--life", type=float, default=120.0, help="mean seconds until a worker dies; 0: none does")
    parser.add_argument("--strangers", action="store_true", help="deaths are known by the lease (5 s) alone")
    parser.add_argument("--results", type=Path, required=True, help="an empty folder")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker is not None:
        work(asked.results, asked.runs, asked.life, asked.worker, asked.strangers)
        return
    asked.results.mkdir(parents=True, exist_ok=True)
    ended = simulate(asked.results, asked.runs, asked.workers, asked.claims, asked.life, asked.strangers)
    for name, value in ended.items():
        print(f"{value:>12.4g}  {name}")


if __name__ == "__main__":
    main()
