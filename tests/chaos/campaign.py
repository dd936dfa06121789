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
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import clocks
import disasters
import disks
import sleepers
from kills import Campaign, reference
from score import Score, table
from workload import COMMANDS, EVENTS, SYNC, Call, Place

SCENARIOS = {
    "full disk": disks.full,
    "read-only": disks.read_only,
    "clock": clocks.jumping,
    "asleep": sleepers.asleep,
}


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
