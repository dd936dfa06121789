"""A kill campaign: a sweep whose processes are ended at random moments until it is done, over and over.

    python tests/chaos/campaign.py --kills 200 --seed 1 --to figures.json

Launcher, run processes, the server that they are forked from, the readers of recordings, the process that mirrors into
MLflow, or all at once: each is sent SIGKILL, SIGTERM or SIGINT while it packs data, trains, writes a checkpoint or the
files of a result, mirrors, exports or reports. Then the same command is called again. Every finished sweep is compared
with an undisturbed one: weights, curves, counts, predictions and rows bit for bit, MLflow run by run, and no file more
than there. Then come other disasters (`disasters`). Exit code 1 if anything differs, if a command prints a traceback,
hangs, or ends with a code that nothing explains.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import clocks
import disasters
import disks
import processes
import sleepers
import verification
from phases import PHASES, Phase, Watch, possible
from processes import Role
from verification import Fingerprint
from workload import COMMANDS, EVENTS, RUNS, SYNC, Broken, Call, Place, finish

SHARES: dict[Phase, float] = {
    "packing": 0.1, "checkpoint": 0.14, "recording": 0.12, "mirroring": 0.16,
    "exporting": 0.1, "reporting": 0.08, "training": 0.2, "starting": 0.1,
}  # fmt: skip
"""Of the kills, as far as they are aimed."""
BLIND = 0.2
"""Of the kills: at any moment, whatever goes on."""
VICTIMS: dict[Phase, tuple[str, ...]] = {
    "packing": ("launcher", "group", "reader"),
    "checkpoint": ("launcher", "group", "run", "run", "server"),
    "recording": ("launcher", "group", "run", "run", "server"),
    "mirroring": ("launcher", "group", "mlflow", "mlflow"),
    "exporting": ("launcher", "group"),
    "reporting": ("launcher", "group"),
    "training": ("launcher", "group", "run", "run", "server"),
    "starting": ("launcher", "group"),
}
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
"""A process that is no launcher ignores SIGINT: it gets SIGTERM instead."""
SECONDS: dict[Phase, float] = {
    "packing": 0.6, "mirroring": 2.0, "reporting": 1.0, "training": 3.0, "starting": 2.5, "recording": 0.1,
}  # fmt: skip
"""How long after a phase has been seen it is disturbed, at most."""
SCENARIOS = {
    "full disk": disks.full,
    "read-only": disks.read_only,
    "clock": clocks.jumping,
    "asleep": sleepers.asleep,
}
MOST_HITS = 18
"""In one sweep; the rest of it is left alone."""
MOST_SECONDS_OF_ORPHANS = 60.0


@dataclass
class Score:
    """`hits`: by phase, victim and signal."""

    hits: Counter[tuple[Phase, str, str]] = field(default_factory=Counter)
    calls: int = 0
    sweeps: int = 0
    runs: int = 0
    faults: list[str] = field(default_factory=list)

    def count(self, phase: Phase) -> int:
        return sum(times for (found, _, _), times in self.hits.items() if found == phase)

    @property
    def total(self) -> int:
        return self.hits.total()


class Campaign:
    """Kills until there have been enough. `names`: of the commands; `expected`: what they leave undisturbed."""

    def __init__(
        self, place: Place, names: Sequence[str], expected: Fingerprint, kills: int, seed: int, logs: Path
    ) -> None:
        self.place, self.names, self.expected, self.kills, self.logs = place, names, expected, kills, logs
        self.dice = random.Random(seed)
        self.score = Score()

    def go_on(self) -> None:
        """Sweeps, one after the other. What is broken ends a sweep and is kept for the table."""
        while self.score.total < self.kills and len(self.score.faults) < 20:
            self.place.begin_anew()
            groups = list[int]()
            try:
                for name in self.names:
                    self._until_done(name, groups)
                self._look_for_orphans(groups)
                self._verify()
            except Broken as error:
                self._fault(str(error))
                for group in groups:
                    processes.kill_session(group)
                    processes.wait_until_empty(group, 10.0)

    def _until_done(self, name: str, groups: list[int]) -> None:
        """Call a command until a call ends well that was not disturbed."""
        before = self.score.total
        while True:
            self.score.calls += 1
            log = self.logs / f"{self.score.calls:04}-{name}.log"
            watch = Watch(self.place, name)
            call = Call(self.place, name, log)
            groups.append(call.group)
            watch.follow(call)
            while call.goes_on() and self._may_hit(before) and self._hit(call, watch):
                pass
            call.wait()
            if fault := call.fault():
                self._fault(fault)
            if not call.hits or call.process.returncode == 0:
                break

    def _may_hit(self, before: int) -> bool:
        return self.score.total < self.kills and self.score.total - before < MOST_HITS // 2

    def _hit(self, call: Call, watch: Watch) -> bool:
        """Wait for a moment and send one signal. Whether the call may be hit again."""
        blind = self.dice.random() < BLIND
        aim = None if blind else self._aim(possible(call.name, self.place))
        if not self._wait_for(aim, call, watch):
            return False
        processes.signal_group(call.group, signal.SIGSTOP)  # so that what is seen is what is hit
        try:
            if aim and not watch.sees(aim):
                return True
            phase = aim or watch.phase()
            victim = self.dice.choice(VICTIMS[phase])
            number = self.dice.choice(SIGNALS)
            if number == signal.SIGINT and not call.said():
                number = signal.SIGTERM  # Python itself prints a traceback if it is interrupted while it starts
            if self._strike(call, victim, number):
                self._note(call, phase, victim)
        finally:
            processes.signal_group(call.group, signal.SIGCONT)
        if victim in ("launcher", "group"):
            return False
        time.sleep(0.3)
        return True

    def _aim(self, open_to: list[Phase]) -> Phase:
        """The phase that is furthest behind its share, among those that this call comes to."""
        behind = {phase: SHARES[phase] * self.kills - self.score.count(phase) for phase in open_to}
        return max(open_to, key=lambda phase: (behind[phase], self.dice.random()))

    def _wait_for(self, aim: Phase | None, call: Call, watch: Watch) -> bool:
        """Whether the moment has come before the call has ended."""
        if aim is None:
            return self._sleep(self.dice.uniform(0.0, 14.0), call)
        waited = False
        while call.goes_on():
            if watch.sees(aim):
                if waited or not SECONDS.get(aim):
                    return True
                waited = True
                if not self._sleep(self.dice.uniform(0.0, SECONDS[aim]), call):
                    return False
                continue
            time.sleep(0.0005)
        return False

    def _sleep(self, seconds: float, call: Call) -> bool:
        end = time.monotonic() + seconds
        while call.goes_on():
            if time.monotonic() >= end:
                return True
            time.sleep(min(0.01, max(0.0, end - time.monotonic())))
        return False

    def _strike(self, call: Call, victim: str, number: signal.Signals) -> bool:
        if victim == "group":
            processes.signal_group(call.group, number)
        elif victim == "launcher":
            processes.send(call.group, number)
        else:
            role: Role = victim  # type: ignore[assignment]
            others = processes.of_role(call.group, role)
            number = signal.SIGTERM if number == signal.SIGINT else number
            if not others or not processes.send(self.dice.choice(others), number):
                return False
        call.hits.append((victim, number))
        return True

    def _note(self, call: Call, phase: Phase, victim: str) -> None:
        number = call.hits[-1][1]
        self.score.hits[phase, victim, number.name] += 1
        print(f" {self.score.total:4}  {call.name:7} {phase:11} {victim:9} {number.name}", flush=True)

    def _look_for_orphans(self, groups: list[int]) -> None:
        for group in groups:
            if left := processes.wait_until_empty(group, MOST_SECONDS_OF_ORPHANS):
                raise Broken(f"processes outlived their launcher: {left}")

    def _verify(self) -> None:
        found = verification.fingerprint(self.place)
        wrong = [*verification.differences(found, self.expected), *verification.traces(self.place)]
        self.score.sweeps += 1
        self.score.runs += found.runs
        print(f" sweep {self.score.sweeps} done: {len(wrong)} differences", flush=True)
        for line in wrong:
            self._fault(line)

    def _fault(self, line: str) -> None:
        self.score.faults.append(f"sweep {self.score.sweeps}, call {self.score.calls}: {line}")
        print(f"FAULT {self.score.faults[-1]}", flush=True)


def table(score: Score) -> list[str]:
    """Kills by phase and victim."""
    victims = sorted({victim for _, victim, _ in score.hits})
    lines = [f"{'kills':11}" + "".join(f"{victim:>10}" for victim in (*victims, "all"))]
    for phase in PHASES:
        counts = [sum(n for (p, v, _), n in score.hits.items() if (p, v) == (phase, victim)) for victim in victims]
        lines.append(f"{phase:11}" + "".join(f"{count or '':>10}" for count in (*counts, sum(counts))))
    sums = [sum(n for (_, v, _), n in score.hits.items() if v == victim) for victim in victims]
    lines.append(f"{'all':11}" + "".join(f"{count:>10}" for count in (*sums, score.total)))
    by_signal = Counter[str]()
    for (_, _, name), times in score.hits.items():
        by_signal[name] += times
    lines.append(" ".join(f"{name} {times}" for name, times in sorted(by_signal.items())))
    counts = f"{score.calls} calls, {score.sweeps} sweeps finished, {score.runs} runs verified"
    lines.append(f"{counts}, {len(score.faults)} mismatches")
    return lines


def reference(place: Place, names: Sequence[str], logs: Path) -> Fingerprint:
    """What these commands leave undisturbed. Raises Broken if they do not end well."""
    place.begin_anew()
    finish(place, logs / "0000-undisturbed.log", names)
    found = verification.fingerprint(place)
    if found.runs != sum(RUNS[name] for name in names) or verification.traces(place):
        raise Broken(f"the undisturbed sweep has {found.runs} runs, {verification.traces(place)}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="0: only other disasters")
    parser.add_argument("--small", action="store_true", help="one run on recordings, nothing on digits")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=[*SCENARIOS], action="append", help="only these other disasters")
    parser.add_argument("--without-disasters", action="store_true")
    parser.add_argument("--folder", type=Path, help="where everything goes, and stays; default: one that is removed")
    parser.add_argument("--to", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and so would ours
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        return run(asked, folder.resolve())
    finally:
        Call.end_all()
        if not asked.folder:
            shutil.rmtree(folder, ignore_errors=True)


def run(asked: argparse.Namespace, folder: Path) -> int:
    (logs := folder / "logs").mkdir(parents=True, exist_ok=True)
    place = Place(folder / "results", folder / "data")
    names = (EVENTS, SYNC) if asked.small else (*COMMANDS,)
    score, seconds = kill(place, names, asked.kills, asked.seed, logs) if asked.kills else (Score(), 0.0)
    scene = disasters.Scene(folder, place.data)
    chosen = [] if asked.without_disasters else asked.only or [*SCENARIOS]
    outcomes = [disasters.outcome(name, SCENARIOS[name], scene) for name in chosen]
    if asked.kills:
        print("\n".join(["", *table(score), f"{seconds:.0f} s", ""]))
    for line in score.faults:
        print(f"FAULT {line.splitlines()[0]}")
    for found in outcomes:
        print(found)
    if asked.to:
        asked.to.write_text(json.dumps(figures(score, outcomes, seconds, asked), indent=1) + "\n")
    return int(bool(score.faults) or any(found.is_broken for found in outcomes))


def kill(place: Place, names: Sequence[str], kills: int, seed: int, logs: Path) -> tuple[Score, float]:
    """So many kills; their score, and the seconds that they took after the undisturbed sweep."""
    began = time.monotonic()
    expected = reference(place, names, logs)
    undisturbed = time.monotonic()
    print(f" undisturbed: {expected.runs} runs in {undisturbed - began:.0f} s", flush=True)
    campaign = Campaign(place, names, expected, kills, seed, logs)
    campaign.go_on()
    return campaign.score, time.monotonic() - undisturbed


def figures(
    score: Score, outcomes: list[disasters.Outcome], seconds: float, asked: argparse.Namespace
) -> dict[str, object]:
    """What the table says, for programs."""
    hits = [{"phase": p, "victim": v, "signal": s, "times": n} for (p, v, s), n in sorted(score.hits.items())]
    counts = {"calls": score.calls, "sweeps": score.sweeps, "runs": score.runs, "mismatches": len(score.faults)}
    others = {found.name: {"verdict": found.verdict, "says": found.text} for found in outcomes}
    asked_for = {"seed": asked.seed, "kills": score.total, "seconds": round(seconds)}
    return {**asked_for, **counts, "hits": hits, "other": others}


if __name__ == "__main__":
    sys.exit(main())
