"""Kills: who is hit when by which signal, again and again until the sweep is done, and then the next sweep."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import processes
import verification
from phases import Phase, Watch, possible
from processes import Role
from score import Score
from verification import Fingerprint
from workload import RUNS, Broken, Call, Place, finish

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
MOST_HITS = 9
"""Of one command in one sweep; then it is left alone."""
MOST_SECONDS_OF_ORPHANS = 60.0


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
        return self.score.total < self.kills and self.score.total - before < MOST_HITS

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


def reference(place: Place, names: Sequence[str], logs: Path) -> Fingerprint:
    """What these commands leave undisturbed. Raises Broken if they do not end well."""
    place.begin_anew()
    finish(place, logs / "0000-undisturbed.log", names)
    found = verification.fingerprint(place)
    if found.runs != sum(RUNS[name] for name in names) or verification.traces(place):
        raise Broken(f"the undisturbed sweep has {found.runs} runs, {verification.traces(place)}")
    return found
