"""A fuzzing campaign: files that users have are damaged at random, and what every reader says of them is judged.

    python tests/fuzz/campaign.py --cases 10000
    python tests/fuzz/campaign.py --seed 1234 --only report --case 17

Targets take turns. A case depends only on the seed, the target and its number, so that the second command repeats one.
Exit code 1 if there is a finding: a traceback, a warning, a hang, code from a file that ran, a harmless change that is
refused, or an answer that an independent reading of the damaged file does not give (`cases`).
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from random import SystemRandom
from typing import get_args

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

import targets_of_archives  # noqa: E402 - found by the line above
import targets_of_data  # noqa: E402
import targets_of_recordings  # noqa: E402
import targets_of_rows  # noqa: E402
import targets_of_runs  # noqa: E402
import targets_of_settings  # noqa: E402
from cases import Kind, Outcome, Target, case  # noqa: E402

QUICK = (targets_of_settings, targets_of_data, targets_of_recordings, targets_of_archives)
PARTS = {targets_of_rows: 1, targets_of_runs: 1, **dict.fromkeys(QUICK, 6)}
"""Cases of a target in every round: reports and runs take seconds, settings and data milliseconds."""


def turns(scratch: Path) -> list[Target]:
    """One round: every reader that is fuzzed, some more than once."""
    return [target for part, often in PARTS.items() for target in part.targets(scratch / part.__name__) * often]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10_000), help="default: a new one")
    parser.add_argument("--only", help="only targets whose names begin so")
    parser.add_argument("--case", type=int, help="only the case of this number")
    parser.add_argument("--to", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args(words)
    print(f"seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        chosen = [target for target in turns(Path(scratch)) if target.name.startswith(asked.only or "")]
        if not chosen:
            parser.error(f"no target begins with {asked.only!r}")
        return run(chosen, asked)


def numbered(chosen: Sequence[Target], asked: argparse.Namespace) -> Iterator[tuple[Target, int]]:
    """The cases to carry out: rounds of all targets, or the case of one number."""
    if asked.case is not None:
        yield from ((target, asked.case) for target in {target.name: target for target in chosen}.values())
        return
    numbers = Counter[str]()
    for target in islice(cycle(chosen), asked.cases):
        yield target, numbers[target.name]
        numbers[target.name] += 1


def run(chosen: Sequence[Target], asked: argparse.Namespace) -> int:
    began, outcomes, seconds = time.monotonic(), list[Outcome](), defaultdict[str, float](float)
    try:
        for target, number in numbered(chosen, asked):
            start = time.monotonic()
            outcomes.append(case(target, number, asked.seed))
            seconds[target.name] += time.monotonic() - start
            if outcomes[-1].kind == "finding" or asked.case is not None:
                print(line(outcomes[-1]), flush=True)
    except KeyboardInterrupt:
        print("interrupted")
    print("\n".join(table(outcomes, seconds)), f"seed {asked.seed}, {time.monotonic() - began:.0f} s", sep="\n")
    if asked.to:
        asked.to.write_text(json.dumps(figures(outcomes, asked.seed), indent=1) + "\n")
    return int(any(outcome.kind == "finding" for outcome in outcomes))


def line(outcome: Outcome) -> str:
    return f"{outcome.kind.upper()} {outcome.target}, case {outcome.number}, {outcome.mutation}: {outcome.said}"


def table(outcomes: Sequence[Outcome], seconds: Mapping[str, float]) -> list[str]:
    """What came of the cases of each target."""
    kinds = get_args(Kind)
    counts = Counter((outcome.target, outcome.kind) for outcome in outcomes)
    lines = [f"{'':24}" + "".join(f"{word:>11}" for word in ("cases", *kinds, "s a case"))]
    for name in dict.fromkeys(outcome.target for outcome in outcomes):
        numbers = [counts[name, kind] for kind in kinds]
        told = [str(sum(numbers)), *(str(n or "") for n in numbers), f"{seconds[name] / sum(numbers):.2f}"]
        lines.append(f"{name:24}" + "".join(f"{word:>11}" for word in told))
    sums = Counter(outcome.kind for outcome in outcomes)
    return [*lines, f"{'all':24}" + "".join(f"{n:>11}" for n in (len(outcomes), *(sums[kind] for kind in kinds)))]


def figures(outcomes: Sequence[Outcome], seed: int) -> dict[str, object]:
    """What the table says, for programs."""
    findings = [line(outcome) for outcome in outcomes if outcome.kind == "finding"]
    return {"seed": seed, "cases": len(outcomes), **Counter(o.kind for o in outcomes), "findings": findings}


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and so would ours
    sys.exit(main())
