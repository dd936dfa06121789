"""What a campaign has hit, and what has come of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from phases import PHASES, Phase


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
