"""What a command is doing, as the files of its results folder and data root tell.

What a killed process has left there says nothing of the next one: a `Watch` knows what it found when it began.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from workload import EVENTS, RUNS, SYNC, Call, Place

Phase = Literal["packing", "checkpoint", "recording", "mirroring", "exporting", "reporting", "training", "starting"]
"""In the order in which they give a moment its name, where several go on at once."""
PHASES: tuple[Phase, ...] = get_args(Phase)
RECORDS = ("ledger.csv", "rates.csv", "network.pt", "predictions.npz", "neurobench.json", "stops.json", "result.json")
STORE = ("mlflow.db.partial", "mlflow.db.partial-journal", "mlflow.db-journal")
FOLDERS = {EVENTS: "nmnist-smoke"}


def possible(name: str, place: Place) -> list[Phase]:
    """The phases that a command will come to if it is called now."""
    if name == SYNC:
        return ["starting", "mirroring"]
    found: list[Phase] = ["starting", "exporting", "reporting"]
    if not all_done(place, name):
        found += ["training", "checkpoint", "recording", "mirroring"]
        if name == EVENTS and not any(found.startswith("T") for found in _names(place.frames)):
            found.append("packing")
    return found


def all_done(place: Place, name: str) -> bool:
    """Whether every run of a command has a result that counts."""
    results = (place.results / "runs" / FOLDERS.get(name, "digits-smoke")).glob("*/result.json")
    return sum('"status": "done"' in _text(path) for path in results) == RUNS[name]


class Watch:
    """Looks at what one call does."""

    def __init__(self, place: Place, name: str) -> None:
        self.place, self.name = place, name
        self.before = frozenset(self._marks())
        self.began = 0.0

    def follow(self, call: Call) -> None:
        self.began = call.began

    def phase(self) -> Phase:
        """The one name of what it is doing now."""
        return next(phase for phase in PHASES if self.sees(phase))

    def sees(self, phase: Phase) -> bool:
        """Whether the command is doing this now, perhaps among other things."""
        match phase:
            case "packing":
                return any(self._packing())
            case "checkpoint":
                return any(".checkpoint.pt." in mark for mark in self._written())
            case "recording":
                return any(f".{name}." in mark for mark in self._written() for name in RECORDS) or self._ends_a_run()
            case "mirroring":
                return any(mark not in self.before for mark in self._store())
            case "exporting":
                return self._fresh() in (1, 2) or any(mark not in self.before for mark in self._exports())
            case "reporting":
                return self._fresh() == 3
            case "training":
                return any(self._fences())
            case "starting":
                return True

    def _marks(self) -> Iterator[str]:
        """Everything that is there and could be taken for the work of a process."""
        yield from map(str, self._all_fences())
        yield from (f"{self.place.frames / name}" for name in _names(self.place.frames))
        yield from self._store()
        yield from self._exports()

    def _packing(self) -> Iterator[str]:
        for name in _names(self.place.frames):
            if name.startswith(".T") and str(self.place.frames / name) not in self.before:
                yield name

    def _all_fences(self) -> Iterator[Path]:
        runs = self.place.results / "runs"
        for folder in _names(runs):
            for run in _names(runs / folder):
                claim = runs / folder / run / ".claim"
                yield from (claim / token for token in _names(claim))

    def _fences(self) -> Iterator[Path]:
        return (fence for fence in self._all_fences() if str(fence) not in self.before)

    def _written(self) -> Iterator[str]:
        """Partial files of runs."""
        return (name for fence in self._fences() for name in _names(fence))

    def _ends_a_run(self) -> bool:
        runs = (fence.parents[1] for fence in self._fences())
        return any((run / "result.json").exists() and (run / "checkpoint.pt").exists() for run in runs)

    def _store(self) -> Iterator[str]:
        for name in STORE:
            try:
                found = (self.place.results / name).stat()
                yield f"{name} {found.st_ino} {found.st_ctime_ns}"
            except OSError:
                continue

    def _exports(self) -> Iterator[str]:
        return (name for name in _names(self.place.results / "smoke") if name.startswith(f".{self.name}"))

    def _fresh(self) -> int:
        """How many of the command's CSV files have been written since it began."""
        if self.name == SYNC:
            return 0
        paths = (self.place.results / "smoke" / f"{self.name}{end}.csv" for end in ("", "-layers", "-curves"))
        return sum(_is_newer(path, self.began) for path in paths)


def _is_newer(path: Path, moment: float) -> bool:
    try:
        return path.stat().st_mtime > moment
    except OSError:
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
