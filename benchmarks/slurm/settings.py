"""What a Slurm job asks for: options of the command line, else of the profile `dsr-bench.toml`, else defaults.

    [slurm]
    workers = 8            # jobs at once, at most
    time = "4h"            # of each; also 90m, 2d, 12:00:00, 1-12:00:00
    gpus = 1
    cpus = 8
    memory = "32G"
    partition = "gpu"
    warning = "2m"         # how long before its time is up a job stops its runs
    requeues = 20          # how often a job goes on after its time was up
    setup = ["module load cuda/12.4"]
    price = 1.8            # per job and hour
    currency = "EUR"
    options = { account = "lab42", qos = "long" }   # any other option of sbatch

The profile is looked for in the working directory and in its parents.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from benchmarks.files import toml_files
from benchmarks.spec import BadInput, is_number, one_line, require, shown

PROFILE, TABLE = "dsr-bench.toml", "slurm"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
RESOLUTION_SECONDS = 60
"""Slurm may send its warning, and end a job, up to so much earlier or later than asked."""
OWN = (
    *("array", "chdir", "error", "job-name", "nodes", "no-requeue", "ntasks", "ntasks-per-node", "open-mode"),
    *("output", "parsable", "requeue", "signal", "test-only", "wait", "wrap"),
)
"""Options of sbatch that the launcher sets itself."""
OTHERWISE = {
    "time": "time",
    "gpus-per-node": "gpus",
    "cpus-per-task": "cpus",
    "mem": "memory",
    "partition": "partition",
}
"""Options of sbatch that have another name here."""


@dataclass(frozen=True)
class Settings:
    """What a job asks for: `seconds` that it may take, GPUs, CPUs (None: as many as Slurm gives), memory, partition.

    `workers`: jobs at once, at most. `warning_seconds`: how long before its time is up a job stops. `requeues`: how
    often it then goes on. `options`: more options of sbatch, by name. `setup`: lines of shell before it starts.
    `price`: of a job per hour.
    """

    workers: int = 4
    seconds: int = 4 * 3600
    gpus: int = 0
    cpus: int | None = None
    memory: str | None = None
    partition: str | None = None
    warning_seconds: int = 120
    requeues: int = 20
    options: Mapping[str, str | bool] = field(default_factory=dict)
    setup: tuple[str, ...] = ()
    price: float | None = None
    currency: str = ""

    @property
    def minutes(self) -> int:
        """The time limit as Slurm takes it: whole minutes, never 0, which would wait for ever."""
        return max(1, math.ceil(self.seconds / 60))


KEYS = {
    "workers": "workers", "time": "seconds", "gpus": "gpus", "cpus": "cpus", "memory": "memory",
    "partition": "partition", "warning": "warning_seconds", "requeues": "requeues", "options": "options",
    "setup": "setup", "price": "price", "currency": "currency",
}  # fmt: skip
"""Names in a profile and on the command line, with the settings that they set."""
MOST = 1_000_000
LEAST = {"workers": 1, "gpus": 0, "cpus": 1, "requeues": 0, "price": 0}


def settings(given: Mapping[str, Any], options: Iterable[str], folder: Path) -> Settings:
    """The settings: those `given` on the command line (None: not given), else those of the folder's profile.

    `options`: more options of sbatch, as `key=value`. Raises BadInput for whatever Slurm could not use.
    """
    path = profile(folder)
    found = _checked(_read(path), str(path)) if path else {}
    stated = _checked({name: value for name, value in given.items() if value is not None}, "")
    more = _options(dict(map(_pair, options)), "--slurm")
    merged = found | stated | {"options": {**found.get("options", {}), **more}}
    chosen = Settings(**{KEYS[name]: value for name, value in merged.items()})
    if chosen.seconds < chosen.warning_seconds + RESOLUTION_SECONDS:
        of_file = {"time", "warning"} & found.keys() - stated.keys()
        least = math.ceil((chosen.warning_seconds + RESOLUTION_SECONDS) / 60)
        raise BadInput(
            f"{f'{path}: ' if of_file else ''}time: {chosen.seconds} s is too short for a warning "
            f"{chosen.warning_seconds} s before its end, which Slurm may send {RESOLUTION_SECONDS} s early; "
            f"give at least {least}m"
        )
    return chosen


def profile(folder: Path) -> Path | None:
    """The profile of a folder: `dsr-bench.toml` there, or in the nearest parent that has one."""
    return next((path for place in (folder, *folder.parents) if (path := place / PROFILE).is_file()), None)


def _read(path: Path) -> Mapping[str, Any]:
    """The profile's table of settings. Raises BadInput for a file that is not TOML or has other tables."""
    try:
        tables = toml_files.read(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {one_line(error)}") from error
    for name in tables:
        require(name, [TABLE], f"table in {path}")
    table = tables.get(TABLE, {})
    if not isinstance(table, Mapping):
        raise BadInput(f"{path}: {TABLE} must be a table, [{TABLE}]")
    return table


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings by name, as `Settings` has them. `where`: the profile; empty for the command line. Raises BadInput."""
    for name in values:
        require(name, KEYS, f"key in {where} [{TABLE}]")
    return {name: _value(name, value, f"{where}: {name}" if where else f"--{name}") for name, value in values.items()}


def _value(name: str, value: Any, what: str) -> Any:
    if name in ("time", "warning"):
        return seconds_of(value, what)
    if name in LEAST:
        return _number(value, LEAST[name], what, whole=name != "price")
    if name == "options":
        return _options(value, what)
    if name == "setup":
        if not (isinstance(value, list) and all(isinstance(line, str) for line in value)):
            raise BadInput(f"{what} must be a list of lines of shell, not {shown(value)}")
        return tuple(value)
    if not (isinstance(value, str) and value.isprintable()):
        raise BadInput(f"{what} must be a text of one line, not {shown(value)}")
    if name == "memory" and not re.fullmatch(r"[1-9]\d*[KMGT]", value, re.ASCII):
        raise BadInput(f"{what} must be a whole number with K, M, G or T, as in 32G, not {shown(value)}")
    return value


def _number(value: Any, least: int, what: str, whole: bool) -> Any:
    if not is_number(value) or (whole and not isinstance(value, int)) or not least <= value <= MOST:
        kind = "whole number" if whole else "number"
        bound = f"at most {MOST:,}" if is_number(value) and value > MOST else f"at least {least}"
        raise BadInput(f"{what} must be a {kind} of {bound}, not {shown(value)}")
    return value


def seconds_of(text: Any, what: str) -> int:
    """`"90m"`, `"4h"`, `"12:00:00"` or `"1-12:00:00"` in seconds. Raises BadInput for anything else and for 0."""
    found = 0.0
    if isinstance(text, str):
        if amount := re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([smhd])", text, re.ASCII):
            found = float(amount[1]) * UNITS[amount[2]]
        elif clock := re.fullmatch(r"(?:(\d{1,5})-)?(\d{1,5}):([0-5]\d):([0-5]\d)", text, re.ASCII):
            days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
            found = days * 86_400 + hours * 3600 + minutes * 60 + seconds
    if found < 1:
        raise BadInput(f"{what} must be a time above 0, as in 90m, 4h, 12:00:00 or 1-12:00:00, not {shown(text)}")
    return math.ceil(found)


def _pair(word: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign:
        raise BadInput(f"--slurm must be key=value, as in account=lab42, not {word!r}")
    return name, value


def _options(values: Any, what: str) -> dict[str, str | bool]:
    """Options of sbatch by their names there; `true` is a flag without a value. Raises BadInput."""
    if not isinstance(values, Mapping):
        raise BadInput(
            f"{what} must be a table of sbatch's options, as in {{ account = 'lab42' }}, not {shown(values)}"
        )
    found: dict[str, str | bool] = {}
    for given, value in values.items():
        name, text = given.replace("_", "-"), str(value)
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise BadInput(f"{what}: {shown(given)} is no name of an sbatch option, as account or qos are")
        if name in OWN:
            raise BadInput(f"{what}: {name} is set by the launcher")
        if name in OTHERWISE:
            raise BadInput(f"{what}: {name} is called {OTHERWISE[name]} here (--{OTHERWISE[name]})")
        if isinstance(value, list | Mapping) or not (text and text.isprintable()):
            raise BadInput(f"{what}: {name} must have a value of one line, not {shown(value)}")
        found[name] = True if text.lower() == "true" else text
    return found


assert {*KEYS.values()} == {one.name for one in fields(Settings)}
